//! The PodSecurityConfiguration: what holds where labels say nothing, and whom it does not concern
//! (`k8s.io/pod-security-admission/admission/api`).

use super::level::{Level, Policies, Policy, parse_level, parse_version};
use crate::admission::settings::{joined, texts};
use crate::codec::settings::{self, Kind, Shape};
use crate::object::Value;
use crate::object::content::{dns_label_errors, dns_subdomain_errors};
use crate::object::field::{FieldError, Path};
use bumpalo::Bump;

const KIND: Kind = Kind {
    group: "pod-security.admission.config.k8s.io",
    versions: &["v1", "v1beta1", "v1alpha1"],
    kind: "PodSecurityConfiguration",
    fields: &[
        (
            "defaults",
            Shape::Object(&[
                ("enforce", Shape::Text),
                ("enforce-version", Shape::Text),
                ("audit", Shape::Text),
                ("audit-version", Shape::Text),
                ("warn", Shape::Text),
                ("warn-version", Shape::Text),
            ]),
        ),
        (
            "exemptions",
            Shape::Object(&[
                ("usernames", Shape::List(&Shape::Text)),
                ("namespaces", Shape::List(&Shape::Text)),
                ("runtimeClasses", Shape::List(&Shape::Text)),
            ]),
        ),
    ],
};

const BAD_POLICY: &str = "PodSecurity configuration error: ";
const BAD_EXEMPTION: &str = "PodSecurity invalid: ";

/// See the module.
#[derive(Debug, Default)]
pub(in crate::admission) struct Settings {
    pub(super) defaults: Policies,
    usernames: Vec<String>,
    namespaces: Vec<String>,
    runtime_classes: Vec<String>,
}

/// True for what upstream tells only when it sets the plugin up.
pub(in crate::admission) fn is_late(error: &str) -> bool {
    error.starts_with(BAD_POLICY) || error.starts_with(BAD_EXEMPTION)
}

impl Settings {
    /// From a document of the AdmissionConfiguration.
    ///
    /// # Errors
    /// Another form, levels or versions that do not exist, names that nothing can have.
    pub(in crate::admission) fn parse(source: &[u8]) -> Result<Self, String> {
        let arena = Bump::new();
        let file = settings::decode(source, &KIND, &arena)?;
        let mut errors = Vec::new();
        let mut policy = |mode: &str| {
            let text = |name: &str| file.str_at(&["defaults", name]);
            let (level, version) = (text(mode), text(&format!("{mode}-version")));
            let level = match level {
                "" => Level::Privileged,
                level => parse_level(level).unwrap_or_else(|| {
                    let text = "must be one of privileged, baseline, restricted";
                    errors.push(format!("{mode}: {text}"));
                    Level::Restricted
                }),
            };
            let minor = match version {
                "" => None,
                version => parse_version(version).unwrap_or_else(|| {
                    errors.push(format!("{mode}-version: must be \"latest\" or \"v1.x\""));
                    None
                }),
            };
            Policy { level, minor }
        };
        let defaults =
            Policies { enforce: policy("enforce"), audit: policy("audit"), warn: policy("warn") };
        match errors.as_slice() {
            [] => {}
            [one] => return Err(format!("{BAD_POLICY}{one}")),
            many => return Err(format!("{BAD_POLICY}[{}]", many.join(", "))),
        }
        let list = |name| texts(&file, &["exemptions", name]);
        let settings = Self {
            defaults,
            usernames: list("usernames"),
            namespaces: list("namespaces"),
            runtime_classes: list("runtimeClasses"),
        };
        match joined(&settings.errors()) {
            Some(why) => Err(format!("{BAD_EXEMPTION}{why}")),
            None => Ok(settings),
        }
    }

    /// What is wrong with the exemptions (`ValidatePodSecurityConfiguration`).
    fn errors(&self) -> Vec<FieldError> {
        let root = Path::root("exemptions");
        let mut errors = Vec::new();
        let mut check = |name: &str, list: &[String], wrong: fn(&str) -> Vec<String>| {
            let list_path = root.child(name);
            for (at, text) in list.iter().enumerate() {
                let path = list_path.index(at);
                let wrong = wrong(text);
                if !wrong.is_empty() {
                    errors.push(FieldError::invalid(&path, text, &wrong.join(", ")));
                } else if list.iter().take(at).any(|before| before == text) {
                    errors.push(FieldError::duplicate(&path, text));
                }
            }
        };
        check("namespaces", &self.namespaces, dns_label_errors);
        check("runtimeClasses", &self.runtime_classes, dns_subdomain_errors);
        check("usernames", &self.usernames, |name| match name {
            "" => vec!["username must not be empty".to_owned()],
            _ => Vec::new(),
        });
        errors
    }

    /// Whose labels do not say otherwise has these.
    pub(in crate::admission) const fn defaults(&self) -> &Policies {
        &self.defaults
    }

    /// Why nothing in the namespace, or nothing that the user does, is looked at.
    pub(super) fn exempt(&self, namespace: &str, user: &str) -> Option<&'static str> {
        if self.exempts_namespace(namespace) {
            return Some("namespace");
        }
        let named = !user.is_empty() && self.usernames.iter().any(|name| name == user);
        named.then_some("user")
    }

    /// Whether the namespace is exempt.
    pub(super) fn exempts_namespace(&self, namespace: &str) -> bool {
        !namespace.is_empty() && self.namespaces.iter().any(|name| name == namespace)
    }

    /// Whether pods of the runtime class that the spec names are exempt.
    pub(super) fn exempts_runtime_class(&self, spec: &Value<'_>) -> bool {
        let class = spec.str_at(&["runtimeClassName"]);
        !class.is_empty() && self.runtime_classes.iter().any(|name| name == class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "apiVersion: pod-security.admission.config.k8s.io/v1\n\
                        kind: PodSecurityConfiguration\n";

    #[test]
    fn levels_and_names_are_checked_as_upstream_does() {
        let error = |text: &str| Settings::parse(format!("{HEAD}{text}").as_bytes()).unwrap_err();
        assert_eq!(
            error("defaults: {enforce: bad, enforce-version: v9, warn: x}"),
            "PodSecurity configuration error: [enforce: must be one of privileged, baseline, \
             restricted, enforce-version: must be \"latest\" or \"v1.x\", warn: must be one of \
             privileged, baseline, restricted]"
        );
        let told = error(
            "exemptions: {usernames: ['', a, a], namespaces: [A!, b, b], runtimeClasses: [c, c]}",
        );
        for part in [
            "PodSecurity invalid: [exemptions.namespaces[0]: Invalid value: \"A!\": a lowercase",
            "exemptions.namespaces[2]: Duplicate value: \"b\"",
            "exemptions.runtimeClasses[1]: Duplicate value: \"c\"",
            "exemptions.usernames[0]: Invalid value: \"\": username must not be empty",
            "exemptions.usernames[2]: Duplicate value: \"a\"]",
        ] {
            assert!(told.contains(part), "{told}");
        }
    }

    #[test]
    fn who_is_exempt_is_told_with_the_reason() {
        let text = format!("{HEAD}exemptions: {{usernames: [ann], namespaces: [free]}}");
        let settings = Settings::parse(text.as_bytes()).unwrap();
        assert_eq!(settings.exempt("free", "ann"), Some("namespace"));
        assert_eq!(settings.exempt("other", "ann"), Some("user"));
        assert_eq!(settings.exempt("other", "bob"), None);
        assert_eq!(Settings::default().exempt("", ""), None);
    }
}
