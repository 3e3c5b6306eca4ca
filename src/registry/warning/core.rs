//! Warnings of Nodes, Secrets, ServiceAccounts and RuntimeClasses.

use super::{key_pair, node_label, range};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::Read as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// `fieldIsDeprecatedWarnings`.
pub fn node(object: &Value<'_>, _: Option<&Value<'_>>, subresource: &str, out: &mut Vec<String>) {
    let Some(spec) = object.get("spec").filter(|_| subresource.is_empty()) else { return };
    if spec.has("configSource") {
        out.push("spec.configSource: the feature is removed".into());
    }
    if !spec.text("externalID").is_empty() {
        let text = "spec.externalID: this field is deprecated, and is unused by Kubernetes";
        out.push(text.into());
    }
    let root = Path::root("spec");
    let at = root.child("podCIDRs");
    for (index, text) in spec.texts("podCIDRs").enumerate() {
        range(&at.index(index), text, out);
    }
}

/// A certificate and its key that no TLS server can use.
pub fn secret(object: &Value<'_>, _: Option<&Value<'_>>, _: &str, out: &mut Vec<String>) {
    if object.text("type") == "kubernetes.io/tls" {
        let bytes = |name: &str| {
            let text = object.str_at(&["data", name]);
            STANDARD.decode(text).unwrap_or_default()
        };
        out.extend(key_pair::error(&bytes("tls.crt"), &bytes("tls.key")));
    }
}

/// `warnIfHasEnforceMountableSecretsAnnotation`: only when it is new.
pub fn account(object: &Value<'_>, old: Option<&Value<'_>>, _: &str, out: &mut Vec<String>) {
    let name = "kubernetes.io/enforce-mountable-secrets";
    let has = |object: &Value<'_>| object.at(&["metadata", "annotations", name]).is_some();
    if has(object) && !old.is_some_and(has) {
        out.push(format!(
            "metadata.annotations[{name}]: deprecated in v1.32+; prefer separate namespaces to \
             isolate access to mounted secrets"
        ));
    }
}

/// `GetWarningsForRuntimeClass`.
pub fn runtime_class(object: &Value<'_>, _: Option<&Value<'_>>, _: &str, out: &mut Vec<String>) {
    let Some(scheduling) = object.get("scheduling") else { return };
    for (key, _) in scheduling.entries("nodeSelector") {
        if let Some(message) = node_label(key) {
            out.push(format!("scheduling.nodeSelector: {message}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::registry::sample::tree;
    use bumpalo::Bump;
    use serde_json::json;

    #[test]
    fn nodes_are_told_of_removed_fields() {
        let arena = Bump::new();
        let object = tree(
            &arena,
            &json!({"metadata": {}, "spec": {"configSource": {}, "externalID": "x",
                "podCIDRs": ["10.0.0.1/24"]}}),
        );
        let mut out = Vec::new();
        super::node(&object, None, "", &mut out);
        assert_eq!(
            out,
            [
                "spec.configSource: the feature is removed",
                "spec.externalID: this field is deprecated, and is unused by Kubernetes",
                "spec.podCIDRs[0]: CIDR value \"10.0.0.1/24\" is ambiguous in this context \
                 (should be \"10.0.0.0/24\" or \"10.0.0.1/32\"?)",
            ]
        );
    }

    #[test]
    fn an_account_is_warned_once_of_an_old_annotation() {
        let arena = Bump::new();
        let annotations = json!({"kubernetes.io/enforce-mountable-secrets": "true"});
        let object = tree(&arena, &json!({"metadata": {"annotations": annotations}}));
        for (old, count) in [(None, 1), (Some(&object), 0)] {
            let mut out = Vec::new();
            super::account(&object, old, "", &mut out);
            assert_eq!(out.len(), count);
        }
    }
}
