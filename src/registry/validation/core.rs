//! ConfigMap, Secret, Namespace, Node, ServiceAccount's neighbours, Endpoints.

use super::{Errors, IMMUTABLE, Report as _, format, ip, metadata};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::{Read as _, same};
use crate::registry::strategy::Scope;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Largest data of a ConfigMap or Secret, bytes (`MaxSecretSize`).
const DATA_BYTES_MAX: usize = 1_024 * 1_024;
const FROZEN: &str = "field is immutable when `immutable` is set";

/// Bytes of a base64 text.
fn decoded_len(text: &str) -> usize {
    let padding = text.bytes().rev().take_while(|b| *b == b'=').count();
    (text.len() / 4 * 3).saturating_sub(padding)
}

/// ConfigMap.
pub fn config_map(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let mut bytes = 0usize;
    let path = Path::root("data");
    for (key, value) in object.entries("data") {
        errors.messages(&path.key(key), key, format::config_key(key));
        if object.at(&["binaryData", key]).is_some() {
            errors.invalid(&path.key(key), key, "duplicate of key present in binaryData");
        }
        bytes = bytes.saturating_add(value.as_str().map_or(0, str::len));
    }
    let path = Path::root("binaryData");
    for (key, value) in object.entries("binaryData") {
        errors.messages(&path.key(key), key, format::config_key(key));
        bytes = bytes.saturating_add(value.as_str().map_or(0, decoded_len));
    }
    if bytes > DATA_BYTES_MAX {
        // Upstream's path is a key "" of nothing.
        errors.too_long(&Path::root("").key(""), DATA_BYTES_MAX);
    }
}

/// ConfigMap, updated.
pub fn config_map_update(
    new: &Value<'_>,
    old: &Value<'_>,
    scope: &Scope<'_, '_>,
    errors: &mut Errors,
) {
    frozen(new, old, &["data", "binaryData"], errors);
    config_map(new, scope, errors);
}

/// What is marked immutable stays so, and as it is.
fn frozen(new: &Value<'_>, old: &Value<'_>, members: &[&str], errors: &mut Errors) {
    if !old.flag("immutable") {
        return;
    }
    if !new.flag("immutable") {
        errors.forbidden(&Path::root("immutable"), FROZEN);
    }
    for name in members {
        if !same(new.get(name), old.get(name)) {
            errors.forbidden(&Path::root(name), FROZEN);
        }
    }
}

/// Secret.
pub fn secret(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let path = Path::root("data");
    let mut bytes = 0usize;
    for (key, value) in object.entries("data") {
        errors.messages(&path.key(key), key, format::config_key(key));
        bytes = bytes.saturating_add(value.as_str().map_or(0, decoded_len));
    }
    if bytes > DATA_BYTES_MAX {
        errors.too_long(&path, DATA_BYTES_MAX);
    }
    let has = |key: &str| object.at(&["data", key]).is_some();
    match object.text("type") {
        "kubernetes.io/service-account-token" => {
            let name = "kubernetes.io/service-account.name";
            if object.str_at(&["metadata", "annotations", name]).is_empty() {
                let root = Path::root("metadata");
                errors.required(&root.child("annotations").key(name), "");
            }
        }
        "kubernetes.io/dockercfg" => json_key(object, ".dockercfg", errors),
        "kubernetes.io/dockerconfigjson" => json_key(object, ".dockerconfigjson", errors),
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => {
            errors.required(&path.key("username"), "");
            errors.required(&path.key("password"), "");
        }
        "kubernetes.io/ssh-auth" if object.str_at(&["data", "ssh-privatekey"]).is_empty() => {
            errors.required(&path.key("ssh-privatekey"), "");
        }
        "kubernetes.io/tls" => {
            for key in ["tls.crt", "tls.key"].into_iter().filter(|key| !has(key)) {
                errors.required(&path.key(key), "");
            }
        }
        _ => {}
    }
}

/// A registry's credentials are a JSON object.
fn json_key(object: &Value<'_>, key: &str, errors: &mut Errors) {
    let path = Path::root("data");
    let Some(text) = object.at(&["data", key]).and_then(Value::as_str) else {
        errors.required(&path.key(key), "");
        return;
    };
    let bytes = STANDARD.decode(text).unwrap_or_default();
    if let Some(why) = json_error(&bytes) {
        errors.invalid(&path.key(key), "<secret contents redacted>", &why);
    }
}

/// What `encoding/json` says of bytes that are no object; it stops at the first wrong one.
fn json_error(bytes: &[u8]) -> Option<String> {
    let parsed: Result<serde_json::Value, _> = serde_json::from_slice(bytes);
    match parsed {
        Ok(serde_json::Value::Object(_) | serde_json::Value::Null) => None,
        Ok(other) => {
            let kind = match other {
                serde_json::Value::Array(_) => "array",
                serde_json::Value::Bool(_) => "bool",
                serde_json::Value::Number(_) => "number",
                _ => "string",
            };
            Some(format!(
                "json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
            ))
        }
        Err(error) if error.is_eof() => Some("unexpected end of JSON input".into()),
        Err(error) => {
            let at = error.column().saturating_sub(1);
            let line = bytes.split(|b| *b == b'\n').nth(error.line().saturating_sub(1));
            let letter = line.and_then(|line| line.get(at)).map_or(' ', |b| char::from(*b));
            Some(format!("invalid character '{letter}' looking for beginning of value"))
        }
    }
}

/// Secret, updated.
pub fn secret_update(new: &Value<'_>, old: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    if new.text("type") != old.text("type") {
        errors.invalid(&Path::root("type"), new.text("type"), IMMUTABLE);
    }
    frozen(new, old, &["data"], errors);
    secret(new, scope, errors);
}

/// Namespace.
pub fn namespace(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let path = Path::root("spec");
    let at = path.child("finalizers");
    for name in object.list_at(&["spec", "finalizers"]).iter().filter_map(Value::as_str) {
        errors.messages(&at, name, format::label_key(name));
        metadata::standard_finalizer(name, &at, errors);
    }
}

/// Namespace, updated: the main resource, or `finalize`.
pub fn namespace_update(
    new: &Value<'_>,
    _: &Value<'_>,
    scope: &Scope<'_, '_>,
    errors: &mut Errors,
) {
    if scope.subresource != "finalize" {
        return;
    }
    let root = Path::root("spec");
    let path = root.child("finalizers");
    let names = new.list_at(&["spec", "finalizers"]).iter().filter_map(Value::as_str);
    for (index, name) in names.enumerate() {
        let at = path.index(index);
        errors.messages(&at, name, format::label_key(name));
        metadata::standard_finalizer(name, &at, errors);
    }
}

/// Status of a namespace: its phase follows from its deletion.
pub fn namespace_status(new: &Value<'_>, _: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let root = Path::root("status");
    let path = root.child("Phase");
    let phase = new.str_at(&["status", "phase"]);
    let deleting = new.at(&["metadata", "deletionTimestamp"]).is_some();
    if !deleting && phase != "Active" {
        let detail = "may only be 'Active' if `deletionTimestamp` is empty";
        errors.invalid(&path, phase, detail);
    }
    if deleting && phase != "Terminating" {
        let detail = "may only be 'Terminating' if `deletionTimestamp` is not empty";
        errors.invalid(&path, phase, detail);
    }
}

/// Endpoints.
pub fn endpoints(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let path = Path::root("subsets");
    for (index, subset) in object.items("subsets").iter().enumerate() {
        let at = path.index(index);
        let lists = ["addresses", "notReadyAddresses"];
        if lists.iter().all(|list| subset.items(list).is_empty()) {
            errors.required(&at, "must specify `addresses` or `notReadyAddresses`");
        }
        for list in lists {
            let at = at.child(list);
            for (index, address) in subset.items(list).iter().enumerate() {
                endpoint_address(address, &at.index(index), errors);
            }
        }
        let ports = subset.items("ports");
        let at = at.child("ports");
        for (index, port) in ports.iter().enumerate() {
            endpoint_port(port, ports.len() > 1, &at.index(index), errors);
        }
    }
}

fn endpoint_address(address: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let text = address.text("ip");
    ip::legacy_ip(text, &path.child("ip"), errors);
    let host = address.text("hostname");
    if !host.is_empty() {
        errors.messages(&path.child("hostname"), host, format::dns_label(host));
    }
    if let Some(node) = address.get("nodeName").and_then(Value::as_str) {
        errors.messages(&path.child("nodeName"), node, format::dns_subdomain(node));
    }
    // Upstream asks twice whether it is an address at all.
    if ip::parse(text).is_none() {
        errors.invalid(&path.child("ip"), text, "must be a valid IP address");
    } else {
        ip::not_special(text, &path.child("ip"), errors);
    }
}

fn endpoint_port(port: &Value<'_>, named: bool, path: &Path<'_>, errors: &mut Errors) {
    let name = port.text("name");
    if name.is_empty() {
        if named {
            errors.required(&path.child("name"), "");
        }
    } else {
        errors.messages(&path.child("name"), name, format::dns_label(name));
    }
    let number = port.int("port").unwrap_or(0);
    for message in format::port(number) {
        errors.invalid(&path.child("port"), number, &message);
    }
    let protocol = port.text("protocol");
    if protocol.is_empty() {
        errors.required(&path.child("protocol"), "");
    }
    errors.one_of(&path.child("protocol"), protocol, &["SCTP", "TCP", "UDP"]);
    if let Some(protocol) = port.get("appProtocol").and_then(Value::as_str) {
        errors.messages(&path.child("appProtocol"), protocol, format::label_key(protocol));
    }
}

/// Endpoints, updated: only what changed is checked.
pub fn endpoints_update(
    new: &Value<'_>,
    old: &Value<'_>,
    scope: &Scope<'_, '_>,
    errors: &mut Errors,
) {
    if !same(new.get("subsets"), old.get("subsets")) {
        endpoints(new, scope, errors);
    }
}
