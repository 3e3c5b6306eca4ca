//! One webhook, compiled from its configuration.

use super::Trusts;
use super::conditions::Condition;
use super::credentials::{Credentials, header};
use super::rule::Rule;
use crate::client::{Trust, kubeconfig};
use crate::object::Value;
use crate::object::selector::LabelSelector;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use std::sync::Arc;
use std::time::Duration;

/// Where a webhook is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// An absolute URL.
    Url(String),
    /// A service of the cluster.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The path, with its leading slash; "" for none.
        path: String,
        /// The port.
        port: u16,
    },
}

impl Place {
    /// Host and port as credentials are chosen by; `None` of a URL without a host.
    fn host(&self) -> Option<(String, u16)> {
        match self {
            Self::Url(url) => {
                let url: http::Uri = url.parse().ok()?;
                Some((url.host()?.to_owned(), url.port_u16().unwrap_or(443)))
            }
            Self::Service { namespace, name, port, .. } => {
                Some((format!("{name}.{namespace}.svc"), *port))
            }
        }
    }
}

/// The form of the review that a webhook gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    V1,
    V1Beta1,
}

impl Form {
    /// As `apiVersion` has it.
    pub(super) const fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "admission.k8s.io/v1",
            Self::V1Beta1 => "admission.k8s.io/v1beta1",
        }
    }
}

/// One webhook.
#[derive(Debug)]
pub(super) struct Hook {
    /// The name of the configuration.
    pub(super) configuration: String,
    /// It may change objects.
    pub(super) mutates: bool,
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) trust: Arc<Trust>,
    /// The `Authorization` header that it gets.
    pub(super) authorization: Option<HeaderValue>,
    pub(super) rules: Vec<Rule>,
    /// `matchPolicy: Equivalent`.
    pub(super) equivalent: bool,
    /// `failurePolicy: Ignore`.
    pub(super) fails_open: bool,
    pub(super) namespaces: LabelSelector,
    pub(super) objects: LabelSelector,
    /// Of `matchConditions`.
    pub(super) conditions: Vec<Condition>,
    /// `sideEffects` is None or NoneOnDryRun.
    pub(super) takes_dry_run: bool,
    pub(super) timeout: Duration,
    /// `reinvocationPolicy: IfNeeded`.
    pub(super) reinvoked: bool,
    /// `None` if it knows no form that this server knows.
    pub(super) form: Option<Form>,
}

impl Hook {
    /// From an item of `webhooks`, which has been defaulted and validated.
    pub(super) fn read(
        configuration: &str,
        webhook: &Value<'_>,
        (trusts, credentials): (&mut Trusts, &Credentials),
    ) -> Self {
        let config = |path: &[&str]| webhook.get("clientConfig").and_then(|c| c.at(path));
        let text = |path: &[&str]| config(path).and_then(Value::as_str).unwrap_or("").to_owned();
        let place = match config(&["service"]).filter(|service| !service.is_null()) {
            None => Place::Url(text(&["url"])),
            Some(service) => {
                let port = service.i64_at(&["port"]).unwrap_or(443);
                Place::Service {
                    namespace: text(&["service", "namespace"]),
                    name: text(&["service", "name"]),
                    path: text(&["service", "path"]),
                    port: u16::try_from(port).unwrap_or(443),
                }
            }
        };
        let shown = match place.host() {
            Some((host, port)) => credentials.of(&host, port),
            None => kubeconfig::Credentials::default(),
        };
        let bundle = STANDARD.decode(text(&["caBundle"])).unwrap_or_default();
        // What validation has let pass is a selector; anything else selects nothing.
        let selector = |field: &str| match webhook.get(field).filter(|value| !value.is_null()) {
            None => LabelSelector::default(),
            some => LabelSelector::from_value(some).unwrap_or_else(|_| LabelSelector::nothing()),
        };
        let conditions = webhook.list_at(&["matchConditions"]).iter();
        let forms = webhook.list_at(&["admissionReviewVersions"]).iter();
        Self {
            configuration: configuration.to_owned(),
            mutates: false,
            name: webhook.str_at(&["name"]).to_owned(),
            place,
            trust: trusts.of(bundle, shown.identity),
            authorization: header(shown.authorization),
            rules: webhook.list_at(&["rules"]).iter().map(Rule::read).collect(),
            equivalent: webhook.str_at(&["matchPolicy"]) != "Exact",
            fails_open: webhook.str_at(&["failurePolicy"]) == "Ignore",
            namespaces: selector("namespaceSelector"),
            objects: selector("objectSelector"),
            conditions: conditions.map(|c| Condition::new(c.str_at(&["expression"]))).collect(),
            takes_dry_run: matches!(webhook.str_at(&["sideEffects"]), "None" | "NoneOnDryRun"),
            timeout: Duration::from_secs(
                webhook
                    .i64_at(&["timeoutSeconds"])
                    .and_then(|s| u64::try_from(s).ok())
                    .unwrap_or(10),
            ),
            reinvoked: webhook.str_at(&["reinvocationPolicy"]) == "IfNeeded",
            form: forms.filter_map(Value::as_str).find_map(|form| match form {
                "v1" => Some(Form::V1),
                "v1beta1" => Some(Form::V1Beta1),
                _ => None,
            }),
        }
    }
}
