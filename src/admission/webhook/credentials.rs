//! What webhooks are shown of this server: the users of the kubeconfig that a
//! WebhookAdmissionConfiguration names, by host (`webhookadmission`).

use crate::client::kubeconfig::{self, Users};
use crate::codec::settings::{self, Kind, Shape};
use crate::object::field::{FieldError, Path as Field};
use bumpalo::Bump;
use http::HeaderValue;
use std::path::Path;

const FIELDS: &[(&str, Shape)] =
    &[("kubeConfigFile", Shape::Text), ("staticManifestsDir", Shape::Text)];
const KIND: Kind = Kind {
    group: "apiserver.config.k8s.io",
    versions: &["v1"],
    kind: "WebhookAdmissionConfiguration",
    fields: FIELDS,
};
/// The names of the same form before.
const OLD_KIND: Kind = Kind {
    group: "apiserver.config.k8s.io",
    versions: &["v1alpha1"],
    kind: "WebhookAdmission",
    fields: FIELDS,
};

/// See the module; nobody without a file.
#[derive(Debug, Clone, Default)]
pub(in crate::admission) struct Credentials(Users);

impl Credentials {
    /// From a document of the AdmissionConfiguration.
    ///
    /// # Errors
    /// Another form, a relative path, or a kubeconfig that cannot be used.
    pub(in crate::admission) fn parse(source: &[u8]) -> Result<Self, String> {
        let arena = Bump::new();
        let file = match settings::decode(source, &KIND, &arena) {
            Err(why) if why.starts_with("no kind") => {
                settings::decode(source, &OLD_KIND, &arena).map_err(|_| why)?
            }
            decoded => decoded?,
        };
        if !file.str_at(&["staticManifestsDir"]).is_empty() {
            let field = Field::root("staticManifestsDir");
            let text = "is not built yet in this version of kubering";
            return Err(FieldError::forbidden(&field, text).to_string());
        }
        let path = file.str_at(&["kubeConfigFile"]);
        if path.is_empty() {
            return Ok(Self::default());
        }
        if !Path::new(path).is_absolute() {
            let field = Field::root("kubeConfigFile");
            let text = "must be an absolute file path";
            return Err(FieldError::invalid(&field, path, text).to_string());
        }
        Users::read(Path::new(path)).map(Self)
    }

    /// What is shown to a host.
    pub(super) fn of(&self, host: &str, port: u16) -> kubeconfig::Credentials {
        self.0.of(host, port).cloned().unwrap_or_default()
    }
}

/// The header, which is never shown.
pub(super) fn header(text: Option<String>) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(text?).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::Credentials;

    #[test]
    fn the_kubeconfig_is_named_absolutely() {
        let head = "apiVersion: apiserver.config.k8s.io/v1\nkind: WebhookAdmissionConfiguration\n";
        let error = |text: &str| {
            Credentials::parse(format!("{head}{text}").as_bytes()).map(drop).unwrap_err()
        };
        assert_eq!(
            error("kubeConfigFile: rel"),
            "kubeConfigFile: Invalid value: \"rel\": must be an absolute file path"
        );
        assert_eq!(error("kubeConfigFile: /no/such"), "stat /no/such: no such file or directory");
        let unknown = "strict decoding error: unknown field \"kubeCnfigFile\"";
        assert_eq!(error("kubeCnfigFile: /x"), unknown);
        assert!(error("staticManifestsDir: /x").contains("not built"));
    }
}
