//! The AuthorizationConfiguration (`apiserver.config.k8s.io`): which authorizers, in which order,
//! and how webhooks are asked (`validation.ValidateAuthorizationConfiguration`).

use super::Mode;
use crate::base::duration;
use crate::codec::settings::{self, Kind, Shape};
use crate::object::Value;
use crate::object::content::dns_subdomain_errors;
use crate::object::field::{FieldError, Path};
use bumpalo::Bump;
use std::path::PathBuf;
use std::time::Duration;

const TYPES: [&str; 6] = ["ABAC", "AlwaysAllow", "AlwaysDeny", "Node", "RBAC", "Webhook"];
const MATCH_CONDITIONS_MAX: usize = 64;
const SECOND: i64 = 1_000_000_000;
const TIMEOUT_MAX: i64 = 30 * SECOND;
const AUTHORIZED_TTL: i64 = 5 * 60 * SECOND;
const UNAUTHORIZED_TTL: i64 = 30 * SECOND;

const WEBHOOK: &[(&str, Shape)] = &[
    ("authorizedTTL", Shape::Text),
    ("cacheAuthorizedRequests", Shape::Bool),
    ("unauthorizedTTL", Shape::Text),
    ("cacheUnauthorizedRequests", Shape::Bool),
    ("timeout", Shape::Text),
    ("subjectAccessReviewVersion", Shape::Text),
    ("matchConditionSubjectAccessReviewVersion", Shape::Text),
    ("failurePolicy", Shape::Text),
    ("connectionInfo", Shape::Object(&[("type", Shape::Text), ("kubeConfigFile", Shape::Text)])),
    ("matchConditions", Shape::List(&Shape::Object(&[("expression", Shape::Text)]))),
];
const KIND: Kind = Kind {
    group: "apiserver.config.k8s.io",
    versions: &["v1", "v1beta1", "v1alpha1"],
    kind: "AuthorizationConfiguration",
    fields: &[(
        "authorizers",
        Shape::List(&Shape::Object(&[
            ("type", Shape::Text),
            ("name", Shape::Text),
            ("webhook", Shape::Object(WEBHOOK)),
        ])),
    )],
};

/// One authorizer of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizerConfig {
    /// What it is.
    pub mode: Mode,
    /// What it is called.
    pub name: String,
    /// How it is asked; of a webhook only.
    pub webhook: Option<WebhookConfig>,
}

/// How a webhook is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookConfig {
    /// How long consent is kept; not at all if zero.
    pub authorized_ttl: Duration,
    /// How long refusal is kept; not at all if zero.
    pub unauthorized_ttl: Duration,
    /// How long it may take.
    pub timeout: Duration,
    /// Version of the SubjectAccessReview: `v1` or `v1beta1`.
    pub version: String,
    /// What is decided if it cannot be asked.
    pub denies_on_failure: bool,
    /// Its kubeconfig; the cluster's own API if none.
    pub kubeconfig: Option<PathBuf>,
    /// Only what meets all of these expressions is asked.
    pub match_conditions: Vec<String>,
}

impl AuthorizerConfig {
    /// The authorizer of a mode that needs no settings, under the name that it always has.
    pub fn plain(mode: Mode) -> Self {
        Self { mode, name: mode.name().to_ascii_lowercase(), webhook: None }
    }

    /// Reads a file. `compiles` tells what is wrong with an expression of a match condition.
    ///
    /// # Errors
    /// In upstream's words; several mistakes at once as a list (`LoadAndValidateData`).
    pub fn parse(
        source: &[u8],
        compiles: &dyn Fn(&str) -> Result<(), String>,
    ) -> Result<Vec<Self>, String> {
        let failed =
            |why: &str| format!("failed to load AuthorizationConfiguration from file: {why}");
        if source.is_empty() {
            return Err(failed("empty config data"));
        }
        let arena = Bump::new();
        let file = settings::decode(source, &KIND, &arena).map_err(|why| failed(&why))?;
        let listed = file.list_at(&["authorizers"]);
        let mut check =
            Check { found: Vec::new(), errors: Vec::new(), names: Vec::new(), compiles };
        let path = Path::root("authorizers");
        if listed.is_empty() {
            let text = "at least one authorization mode must be defined";
            check.errors.push(FieldError::required(&path, text));
        }
        for (at, one) in listed.iter().enumerate() {
            check.authorizer(one, &path.index(at));
        }
        let Check { found, errors, .. } = check;
        told(errors.iter().map(ToString::to_string).collect())?;
        let renamed = found.iter().filter(|one| one.mode != Mode::Webhook).filter_map(|one| {
            let (wanted, kind) = (one.mode.name().to_ascii_lowercase(), one.mode.name());
            let text =
                format!("expected name {wanted} for authorizer {kind} instead of {}", one.name);
            (one.name != wanted).then_some(text)
        });
        told(renamed.collect())?;
        Ok(found)
    }
}

/// Mistakes as upstream lists them (`utilerrors.NewAggregate`).
fn told(mut errors: Vec<String>) -> Result<(), String> {
    let mut seen: Vec<String> = Vec::new();
    for error in errors.drain(..) {
        if !seen.contains(&error) {
            seen.push(error);
        }
    }
    match seen.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        several => Err(format!("[{}]", several.join(", "))),
    }
}

struct Check<'c> {
    found: Vec<AuthorizerConfig>,
    errors: Vec<FieldError>,
    names: Vec<String>,
    compiles: &'c dyn Fn(&str) -> Result<(), String>,
}

impl Check<'_> {
    fn authorizer(&mut self, one: &Value<'_>, path: &Path<'_>) {
        let kind = one.str_at(&["type"]);
        let at = path.child("type");
        if kind.is_empty() {
            return self.errors.push(FieldError::required(&at, ""));
        }
        let Some(mode) = Mode::parse(kind) else {
            return self.errors.push(FieldError::not_supported(&at, kind, &TYPES));
        };
        if mode != Mode::Webhook && self.found.iter().any(|known| known.mode == mode) {
            return self.errors.push(FieldError::duplicate(&at, kind));
        }
        let name = one.str_at(&["name"]).to_owned();
        let at = path.child("name");
        if name.is_empty() {
            self.errors.push(FieldError::required(&at, ""));
        } else if self.names.contains(&name) {
            self.errors.push(FieldError::duplicate(&at, &name));
        } else if let wrong = dns_subdomain_errors(&name)
            && !wrong.is_empty()
        {
            let text = format!("authorizer name is invalid: {}", wrong.join(", "));
            self.errors.push(FieldError::invalid(&at, &name, &text));
        }
        self.names.push(name.clone());
        let at = path.child("webhook");
        let settings = one.get("webhook").filter(|value| !value.is_null());
        let webhook = match (mode, settings) {
            (Mode::Webhook, None) => {
                self.errors.push(FieldError::required(&at, "required when type=Webhook"));
                None
            }
            // Upstream's paths of a webhook's settings leave out `webhook`.
            (Mode::Webhook, Some(settings)) => Some(self.webhook(settings, path)),
            (_, Some(_)) => {
                let text = "may only be specified when type=Webhook";
                self.errors.push(FieldError::invalid(&at, "non-null", text));
                None
            }
            (_, None) => None,
        };
        self.found.push(AuthorizerConfig { mode, name, webhook });
    }

    fn webhook(&mut self, settings: &Value<'_>, path: &Path<'_>) -> WebhookConfig {
        let timeout = self.span(settings, path, "timeout", 0);
        let bad_timeout = !(0..=TIMEOUT_MAX).contains(&timeout);
        if bad_timeout {
            let at = path.child("timeout");
            let text = "must be > 0s and <= 30s";
            self.errors.push(FieldError::invalid(&at, &duration::text(timeout), text));
        }
        let authorized = self.kept(settings, path, "authorizedTTL", AUTHORIZED_TTL);
        let unauthorized = self.kept(settings, path, "unauthorizedTTL", UNAUTHORIZED_TTL);
        let version = self.one_of(settings, path, "subjectAccessReviewVersion", &["v1", "v1beta1"]);
        let conditions = settings.list_at(&["matchConditions"]);
        let named = "matchConditionSubjectAccessReviewVersion";
        match settings.str_at(&[named]) {
            "v1" => {}
            "" if conditions.is_empty() => {}
            "" => {
                let text = "required if match conditions are specified";
                self.errors.push(FieldError::required(&path.child(named), text));
            }
            other => {
                self.errors.push(FieldError::not_supported(&path.child(named), other, &["v1"]));
            }
        }
        let policy = self.one_of(settings, path, "failurePolicy", &["NoOpinion", "Deny"]);
        let kubeconfig = self.connection(settings, path);
        let match_conditions = self.conditions(conditions, path);
        let keeps = |name: &str| settings.get(name).and_then(Value::as_bool).unwrap_or(true);
        let ttl = |nanos: i64, kept: bool| if kept { span_of(nanos) } else { Duration::ZERO };
        WebhookConfig {
            authorized_ttl: ttl(authorized, keeps("cacheAuthorizedRequests")),
            unauthorized_ttl: ttl(unauthorized, keeps("cacheUnauthorizedRequests")),
            timeout: span_of(timeout),
            version,
            denies_on_failure: policy == "Deny",
            kubeconfig,
            match_conditions,
        }
    }

    /// Nanoseconds; what is no span, or none without a default, is told.
    fn span(&mut self, settings: &Value<'_>, path: &Path<'_>, name: &str, default: i64) -> i64 {
        let text = settings.str_at(&[name]);
        let nanos = if text.is_empty() { Ok(0) } else { duration::parse(text) };
        let at = path.child(name);
        match nanos {
            Ok(0) if default == 0 => self.errors.push(FieldError::required(&at, "")),
            Ok(0) => return default,
            Ok(nanos) => return nanos,
            Err(error) => self.errors.push(FieldError::invalid(&at, text, &error.to_string())),
        }
        0
    }

    fn kept(&mut self, settings: &Value<'_>, path: &Path<'_>, name: &str, default: i64) -> i64 {
        let nanos = self.span(settings, path, name, default);
        if nanos < 0 {
            let (at, shown) = (path.child(name), duration::text(nanos));
            self.errors.push(FieldError::invalid(&at, &shown, "must be > 0s"));
        }
        nanos
    }

    fn one_of(
        &mut self,
        settings: &Value<'_>,
        path: &Path<'_>,
        name: &str,
        known: &[&str],
    ) -> String {
        let (at, text) = (path.child(name), settings.str_at(&[name]));
        if text.is_empty() {
            self.errors.push(FieldError::required(&at, ""));
        } else if !known.contains(&text) {
            self.errors.push(FieldError::not_supported(&at, text, known));
        }
        text.to_owned()
    }

    fn connection(&mut self, settings: &Value<'_>, path: &Path<'_>) -> Option<PathBuf> {
        let of = path.child("connectionInfo");
        let (kind, file) = (of.child("type"), of.child("kubeConfigFile"));
        let named = settings.at(&["connectionInfo", "kubeConfigFile"]).and_then(Value::as_str);
        match settings.str_at(&["connectionInfo", "type"]) {
            "" => self.errors.push(FieldError::required(&kind, "")),
            "InClusterConfig" => {
                if let Some(named) = named {
                    let text = "can only be set when type=KubeConfigFile";
                    self.errors.push(FieldError::invalid(&file, named, text));
                }
            }
            "KubeConfigFile" => return self.file(named.unwrap_or_default(), &file),
            _ => {
                let known = ["InClusterConfig", "KubeConfigFile"];
                let shown = settings.get("connectionInfo").unwrap_or(&Value::Null);
                self.errors.push(FieldError::not_supported(&kind, shown, &known));
            }
        }
        None
    }

    fn file(&mut self, named: &str, path: &Path<'_>) -> Option<PathBuf> {
        let file = PathBuf::from(named);
        let wrong = if named.is_empty() {
            self.errors.push(FieldError::required(path, ""));
            return None;
        } else if !file.is_absolute() {
            "must be an absolute path".to_owned()
        } else {
            match std::fs::metadata(&file) {
                Ok(found) if found.is_file() => return Some(file),
                Ok(_) => "must be a regular file".to_owned(),
                Err(error) => {
                    let why = match error.kind() {
                        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
                        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
                        _ => error.to_string(),
                    };
                    format!("error loading file: stat {named}: {why}")
                }
            }
        };
        self.errors.push(FieldError::invalid(path, named, &wrong));
        None
    }

    fn conditions(&mut self, conditions: &[Value<'_>], path: &Path<'_>) -> Vec<String> {
        let list = path.child("matchConditions");
        if conditions.len() > MATCH_CONDITIONS_MAX {
            let error = FieldError::too_many(&list, conditions.len(), MATCH_CONDITIONS_MAX);
            self.errors.push(error);
            return Vec::new();
        }
        let mut found: Vec<String> = Vec::new();
        for (at, condition) in conditions.iter().enumerate() {
            let (item, expression) = (list.index(at), condition.str_at(&["expression"]));
            let at = item.child("expression");
            if expression.trim().is_empty() {
                self.errors.push(FieldError::required(&at, ""));
            } else if found.iter().any(|known| known == expression) {
                self.errors.push(FieldError::duplicate(&at, expression));
            } else if let Err(why) = (self.compiles)(expression) {
                self.errors.push(FieldError::invalid(&at, expression, &why));
            } else {
                found.push(expression.to_owned());
            }
        }
        found
    }
}

fn span_of(nanos: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthorizationConfiguration\n";

    fn parse(body: &str) -> Result<Vec<AuthorizerConfig>, String> {
        let compiles = |text: &str| match text.contains('!') {
            true => Err("no".to_owned()),
            false => Ok(()),
        };
        AuthorizerConfig::parse(format!("{HEAD}{body}").as_bytes(), &compiles)
    }

    fn webhook(more: &str) -> String {
        format!(
            "authorizers:\n- type: Webhook\n  name: hook.example\n  webhook: {{timeout: 3s, \
             subjectAccessReviewVersion: v1, failurePolicy: Deny, connectionInfo: {{type: \
             InClusterConfig}}{more}}}\n"
        )
    }

    #[test]
    fn authorizers_keep_their_order_and_settings() {
        let found = parse(&format!("{}- {{type: RBAC, name: rbac}}", webhook(""))).unwrap();
        assert_eq!(found[1], AuthorizerConfig::plain(Mode::Rbac));
        let hook = found[0].webhook.as_ref().unwrap();
        assert_eq!(hook.authorized_ttl, Duration::from_secs(300));
        assert_eq!(hook.unauthorized_ttl, Duration::from_secs(30));
        assert!(hook.denies_on_failure && hook.timeout == Duration::from_secs(3));
        let found = parse(&webhook(", cacheAuthorizedRequests: false")).unwrap();
        assert_eq!(found[0].webhook.as_ref().unwrap().authorized_ttl, Duration::ZERO);
    }

    #[test]
    fn mistakes_are_told_as_upstream_tells_them() {
        for (body, expected) in [
            ("authorizers: []", "authorizers: Required value: at least one authorization mode"),
            (
                "authorizers: [{type: X}]",
                r#"authorizers[0].type: Unsupported value: "X": supported values: "ABAC","#,
            ),
            (
                "authorizers: [{type: RBAC, name: rbac}, {type: RBAC, name: b}]",
                r#"authorizers[1].type: Duplicate value: "RBAC""#,
            ),
            (
                "authorizers: [{type: RBAC, name: x}]",
                "expected name rbac for authorizer RBAC instead of x",
            ),
            (
                "authorizers: [{type: Webhook, name: x}]",
                "webhook: Required value: required when type=Webhook",
            ),
            (
                "authorizers: [{type: Node, name: node, webhook: {}}]",
                r#"authorizers[0].webhook: Invalid value: "non-null": may only"#,
            ),
            ("authorizers: [{type: Node, nam: node}]", r#"unknown field "authorizers[0].nam""#),
        ] {
            let error = parse(body).unwrap_err();
            assert!(error.contains(expected), "{body}: {error}");
        }
    }

    #[test]
    fn a_webhook_s_settings_are_checked() {
        for (more, expected) in [
            (", authorizedTTL: -1s", r#"authorizedTTL: Invalid value: "-1s": must be > 0s"#),
            (
                ", matchConditions: [{expression: ' '}]",
                "matchConditions[0].expression: Required value",
            ),
            (", matchConditions: [{expression: '!'}]", r#"expression: Invalid value: "!": no"#),
            (
                ", matchConditions: [{expression: a}]",
                "Required value: required if match conditions",
            ),
        ] {
            let error = parse(&webhook(more)).unwrap_err();
            assert!(error.contains(expected), "{more}: {error}");
        }
        let error = parse(&webhook("").replace("3s", "31s")).unwrap_err();
        assert!(
            error.ends_with(r#"timeout: Invalid value: "31s": must be > 0s and <= 30s"#),
            "{error}"
        );
        let file = "{type: KubeConfigFile, kubeConfigFile: a}";
        let error = parse(&webhook("").replace("{type: InClusterConfig}", file)).unwrap_err();
        assert!(error.contains("must be an absolute path"), "{error}");
    }
}
