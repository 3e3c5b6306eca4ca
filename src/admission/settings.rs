//! What plugins are told beside the flags: the AdmissionConfiguration of
//! `--admission-control-config-file` and the documents that it names or holds
//! (`admission.ReadAdmissionConfiguration`).
//!
//! Each plugin reads its own document; only those of plugins that run are looked at.

use super::plugins::{Plugin, Plugins};
use super::refusal::aggregate;
use super::{
    event_rate_limit, image_policy_webhook, pod_node_selector, pod_security,
    pod_toleration_restriction, resource_quota, webhook,
};
use crate::codec::json;
use crate::codec::settings::{self, Kind, Shape};
use crate::codec::yaml;
use crate::object::Value;
use crate::object::field::{FieldError, Path as Field};
use bumpalo::Bump;
use std::path::{Path, PathBuf};

/// What the rules for tolerations have against a list; the registry has them.
pub type CheckTolerations = fn(&[Value<'_>], &Field<'_>, &mut Vec<FieldError>);

const KIND: Kind = Kind {
    group: "apiserver.config.k8s.io",
    versions: &["v1", "v1alpha1"],
    kind: "AdmissionConfiguration",
    fields: &[(
        "plugins",
        Shape::List(&Shape::Object(&[
            ("name", Shape::Text),
            ("path", Shape::Text),
            ("configuration", Shape::Any),
        ])),
    )],
};

/// Plugins whose document once stood in the place of the whole file, with the field that tells.
const LEGACY: [(&str, &str); 2] =
    [("ImagePolicyWebhook", "imagePolicy"), ("PodNodeSelector", "podNodeSelectorPluginConfig")];

/// The settings of all plugins that have some; the same for all shards.
#[derive(Debug, Default)]
pub struct Settings {
    pub(super) event_limits: event_rate_limit::Limits,
    pub(super) image_policy: Option<image_policy_webhook::Service>,
    pub(super) limited: Vec<resource_quota::Limited>,
    pub(super) mutating_credentials: webhook::Credentials,
    pub(super) node_selectors: pod_node_selector::Selectors,
    pub(super) pod_security: pod_security::Settings,
    pub(super) tolerations: pod_toleration_restriction::Settings,
    pub(super) validating_credentials: webhook::Credentials,
}

impl Settings {
    /// Reads the file, if one is named, and what `plugins` are told in it.
    ///
    /// # Errors
    /// In upstream's words: a file that cannot be read or has another form, or what a plugin has
    /// against its document.
    pub fn read(
        path: Option<&Path>,
        plugins: Plugins,
        check: CheckTolerations,
    ) -> Result<Self, String> {
        let documents = match path {
            Some(path) => Documents::read(path)
                .map_err(|why| format!("failed to read plugin config: {why}"))?,
            None => Documents::default(),
        };
        let mut settings = Self::default();
        for plugin in Plugins::in_order().filter(|plugin| plugins.have(*plugin)) {
            let name = plugin.name();
            let document = documents.of(name)?;
            // The difference in words is upstream's: it looks at this one once all are made.
            let failed = |why: String| match plugin {
                Plugin::PodSecurity if pod_security::is_late(&why) => {
                    format!("failed to initialize admission plugin {name:?}: {why}")
                }
                _ => format!("couldn't init admission plugin {name:?}: {why}"),
            };
            settings.take(plugin, document.as_deref(), check).map_err(failed)?;
        }
        Ok(settings)
    }

    fn take(
        &mut self,
        plugin: Plugin,
        document: Option<&[u8]>,
        check: CheckTolerations,
    ) -> Result<(), String> {
        match (plugin, document) {
            (Plugin::EventRateLimit, document) => {
                self.event_limits = event_rate_limit::Limits::parse(document)?;
            }
            (Plugin::ImagePolicyWebhook, document) => {
                let Some(document) = document else { return Err("no config specified".into()) };
                self.image_policy = Some(image_policy_webhook::Service::parse(document)?);
            }
            (Plugin::MutatingAdmissionWebhook, Some(document)) => {
                self.mutating_credentials = webhook::Credentials::parse(document)?;
            }
            (Plugin::PodNodeSelector, Some(document)) => {
                self.node_selectors = pod_node_selector::Selectors::parse(document);
            }
            (Plugin::PodSecurity, Some(document)) => {
                self.pod_security = pod_security::Settings::parse(document)?;
            }
            (Plugin::PodTolerationRestriction, Some(document)) => {
                self.tolerations = pod_toleration_restriction::Settings::parse(document, check)?;
            }
            (Plugin::ResourceQuota, Some(document)) => {
                self.limited = resource_quota::Limited::parse(document)?;
            }
            (Plugin::ValidatingAdmissionWebhook, Some(document)) => {
                self.validating_credentials = webhook::Credentials::parse(document)?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// Where the document of each plugin is.
#[derive(Debug, Default)]
struct Documents(Vec<(String, Document)>);

#[derive(Debug)]
enum Document {
    /// Within the file, as JSON.
    Held(Vec<u8>),
    Named(PathBuf),
    Missing,
}

impl Documents {
    fn read(path: &Path) -> Result<Self, String> {
        let source = std::fs::read(path).map_err(|error| {
            let (path, why) = (path.display(), told(&error));
            format!(
                "unable to read admission control configuration from \"{path}\" [open {path}: \
                 {why}]"
            )
        })?;
        let arena = Bump::new();
        let file = match settings::decode(&source, &KIND, &arena) {
            Ok(file) => file,
            Err(why) => return Self::legacy(&source, path).ok_or(why),
        };
        let near = path.parent().unwrap_or(Path::new(""));
        let document = |plugin: &Value<'_>| {
            let document = match plugin.get("configuration").filter(|held| !held.is_null()) {
                Some(held) => {
                    let mut bytes = Vec::new();
                    json::encode_any(held, &mut bytes);
                    Document::Held(bytes)
                }
                None if plugin.str_at(&["path"]).is_empty() => Document::Missing,
                None => Document::Named(near.join(plugin.str_at(&["path"]))),
            };
            (plugin.str_at(&["name"]).to_owned(), document)
        };
        Ok(Self(file.list_at(&["plugins"]).iter().map(document).collect()))
    }

    /// The file as the document of single plugins.
    fn legacy(source: &[u8], path: &Path) -> Option<Self> {
        let arena = Bump::new();
        let file = yaml::parse(source, &arena).ok()?.any(&arena).ok()?;
        let typed = ["apiVersion", "kind"].iter().all(|field| !file.str_at(&[field]).is_empty());
        let told = LEGACY.iter().any(|(_, field)| file.get(field).is_some());
        let named = |(plugin, _): (&str, _)| (plugin.to_owned(), Document::Named(path.to_owned()));
        (!typed && told).then(|| Self(LEGACY.into_iter().map(named).collect()))
    }

    /// The document of a plugin: the first under its name.
    fn of(&self, plugin: &str) -> Result<Option<Vec<u8>>, String> {
        match self.0.iter().find(|(name, _)| name == plugin).map(|(_, document)| document) {
            None | Some(Document::Missing) => Ok(None),
            Some(Document::Held(bytes)) => Ok(Some(bytes.clone())),
            Some(Document::Named(path)) => std::fs::read(path).map(Some).map_err(|error| {
                let (path, why) = (path.display(), told(&error));
                format!("Couldn't open admission plugin configuration {path}: {why}")
            }),
        }
    }
}

fn told(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        _ => error.to_string(),
    }
}

/// Field errors as upstream joins them; `None` of none.
pub(super) fn joined(errors: &[FieldError]) -> Option<String> {
    aggregate(errors.iter().map(ToString::to_string).collect())
}

/// The texts of a list.
pub(super) fn texts(of: &Value<'_>, path: &[&str]) -> Vec<String> {
    of.list_at(path).iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str, enabled: &[&str]) -> Result<Settings, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("admission.yaml");
        std::fs::write(&path, file).unwrap();
        std::fs::write(directory.path().join("other.yaml"), LEVELS).unwrap();
        let enabled: Vec<String> = enabled.iter().map(|&name| name.to_owned()).collect();
        let plugins = Plugins::chosen(&enabled, &[]).unwrap();
        Settings::read(Some(&path), plugins, |_, _, _| {})
    }

    const HEAD: &str = "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\n";
    const LEVELS: &str = "apiVersion: pod-security.admission.config.k8s.io/v1\n\
                          kind: PodSecurityConfiguration\ndefaults: {enforce: baseline}\n";

    #[test]
    fn a_document_stands_in_the_file_or_beside_it() {
        let named = format!("{HEAD}plugins: [{{name: PodSecurity, path: other.yaml}}]");
        let held = format!(
            "{HEAD}plugins:\n- name: PodSecurity\n  configuration: {{apiVersion: \
             pod-security.admission.config.k8s.io/v1, kind: PodSecurityConfiguration, defaults: \
             {{enforce: baseline}}}}\n- {{name: PodSecurity, path: nope}}\n"
        );
        for file in [named, held] {
            let settings = read(&file, &[]).unwrap();
            let defaults = settings.pod_security.defaults();
            assert_eq!(defaults.enforce.to_string(), "baseline:latest", "{file}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_in_upstreams_words() {
        for (file, enabled, expected) in [
            (String::new(), "", "failed to read plugin config: Object 'Kind' is missing in ''"),
            (
                format!("{HEAD}foo: 1"),
                "",
                "failed to read plugin config: strict decoding error: unknown field \"foo\"",
            ),
            (
                format!(
                    "{HEAD}plugins: [{{name: PodSecurity, configuration: {{defaults: {{}}}}}}]"
                ),
                "",
                "couldn't init admission plugin \"PodSecurity\": Object 'Kind' is missing in \
                 '{\"defaults\":{}}'",
            ),
            (
                HEAD.to_owned(),
                "EventRateLimit",
                "couldn't init admission plugin \"EventRateLimit\": limits: Invalid value: null: \
                 must not be empty",
            ),
            (
                HEAD.to_owned(),
                "ImagePolicyWebhook",
                "couldn't init admission plugin \"ImagePolicyWebhook\": no config specified",
            ),
            (
                "imagePolicy: {kubeConfigFile: /nope, allowTTL: 99999}".to_owned(),
                "ImagePolicyWebhook",
                "couldn't init admission plugin \"ImagePolicyWebhook\": valid value is between 1s \
                 and 30m0s, got 27h46m39s",
            ),
        ] {
            let enabled: Vec<&str> = enabled.split(',').filter(|name| !name.is_empty()).collect();
            assert_eq!(read(&file, &enabled).unwrap_err(), expected, "{file}");
        }
        // A document of a plugin that does not run is not looked at.
        let file = format!("{HEAD}plugins: [{{name: EventRateLimit, path: nope}}]");
        assert!(read(&file, &[]).is_ok());
        let missing = Settings::read(
            Some(Path::new("/no/such")),
            Plugins::chosen(&[], &[]).unwrap(),
            |_, _, _| {},
        );
        assert_eq!(
            missing.unwrap_err(),
            "failed to read plugin config: unable to read admission control configuration from \
             \"/no/such\" [open /no/such: no such file or directory]"
        );
    }
}
