//! What the server says beside a good answer: uses of fields that are deprecated, do nothing, or do
//! other than they seem to. Kind by kind, in upstream's order (`WarningsOnCreate`,
//! `WarningsOnUpdate` of the strategies).
//!
//! Nothing is allocated for an object that there is nothing to say of.

pub mod core;
mod key_pair;
pub mod network;
pub mod pod;
mod pod_paths;
pub mod storage;
pub mod workload;

use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::Read as _;
use crate::registry::validation::ip;
use std::net::IpAddr;

/// `api/node deprecatedNodeLabels`.
const NODE_LABELS: [(&str, &str); 5] = [
    ("beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"),
    (
        "beta.kubernetes.io/instance-type",
        "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead",
    ),
    ("beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"),
    (
        "failure-domain.beta.kubernetes.io/region",
        "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead",
    ),
    (
        "failure-domain.beta.kubernetes.io/zone",
        "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead",
    ),
];

/// `GetNodeLabelDeprecatedMessage`.
fn node_label(key: &str) -> Option<&'static str> {
    NODE_LABELS.iter().find(|(label, _)| *label == key).map(|(_, message)| *message)
}

/// Names of selectors' entries that are old node labels (`GetWarningsForNodeSelector`).
fn label_selector(selector: Option<&Value<'_>>, path: &Path<'_>, out: &mut Vec<String>) {
    let Some(selector) = selector else { return };
    let at = path.child("matchExpressions");
    for (index, expression) in selector.items("matchExpressions").iter().enumerate() {
        let key = expression.text("key");
        if let Some(message) = node_label(key) {
            out.push(format!("{}: {key} is {message}", at.index(index).child("key")));
        }
    }
    for (key, _) in selector.entries("matchLabels") {
        if let Some(message) = node_label(key) {
            out.push(format!("{}: {message}", path.child("matchLabels").child(key)));
        }
    }
}

/// `GetWarningsForIP`: addresses that others may read otherwise, or write otherwise.
pub(crate) fn address(path: &Path<'_>, text: &str, out: &mut Vec<String>) {
    let Some(address) = ip::parse(text) else { return };
    match text.parse::<IpAddr>() {
        Ok(exact) if exact == address => {
            let canonical = exact.to_string();
            if exact.is_ipv6() && canonical != text {
                out.push(format!(
                    "{path}: IPv6 address {text:?} should be in RFC 5952 canonical format \
                     ({canonical:?})"
                ));
            }
        }
        _ => out.push(format!(
            "{path}: non-standard IP address {text:?} will be considered invalid in a future \
             Kubernetes release: use \"{address}\""
        )),
    }
}

/// `GetWarningsForCIDR`: ranges that others may read otherwise, or write otherwise.
pub(crate) fn range(path: &Path<'_>, text: &str, out: &mut Vec<String>) {
    let Some(cidr) = ip::parse_cidr(text) else { return };
    let canonical = cidr.canonical();
    if cidr.network() != cidr.address {
        let bits = if cidr.address.is_ipv4() { 32 } else { 128 };
        out.push(format!(
            "{path}: CIDR value {text:?} is ambiguous in this context (should be {canonical:?} or \
             \"{}/{bits}\"?)",
            cidr.address
        ));
    }
    let (written, bits) = text.split_once('/').unwrap_or((text, ""));
    let exact = written.parse::<IpAddr>().is_ok_and(|exact| exact == cidr.address);
    if !exact || (bits.len() > 1 && bits.starts_with('0')) {
        out.push(format!(
            "{path}: non-standard CIDR value {text:?} will be considered invalid in a future \
             Kubernetes release: use {canonical:?}"
        ));
    } else if cidr.address.is_ipv6() && format!("{}/{}", cidr.address, cidr.bits) != text {
        out.push(format!(
            "{path}: IPv6 CIDR value {text:?} should be in RFC 5952 canonical format \
             ({canonical:?})"
        ));
    }
}

/// The warning of a name that is no DNS label, for kinds that make host names of it.
fn host_name(name: &str, used_in: &str, out: &mut Vec<String>) {
    use crate::registry::validation::format;
    let messages = format::dns_label(name);
    if !messages.is_empty() {
        let messages = messages.join(" ");
        out.push(format!(
            "metadata.name: this is used in {used_in}, which can result in surprising behavior; a \
             DNS label is recommended: [{messages}]"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::{address, host_name, range};
    use crate::object::field::Path;

    #[test]
    fn addresses_that_others_may_read_otherwise() {
        let at = Path::root("ip");
        for (text, warning) in [
            ("1.2.3.4", ""),
            ("2001:db8::1", ""),
            ("x", ""),
            (
                "01.2.3.4",
                "ip: non-standard IP address \"01.2.3.4\" will be considered invalid in a future \
                 Kubernetes release: use \"1.2.3.4\"",
            ),
            (
                "::ffff:1.2.3.4",
                "ip: non-standard IP address \"::ffff:1.2.3.4\" will be considered invalid in a \
                 future Kubernetes release: use \"1.2.3.4\"",
            ),
            (
                "2001:db8:0::1",
                "ip: IPv6 address \"2001:db8:0::1\" should be in RFC 5952 canonical format \
                 (\"2001:db8::1\")",
            ),
        ] {
            let mut out = Vec::new();
            address(&at, text, &mut out);
            assert_eq!(out.concat(), warning, "{text}");
        }
    }

    #[test]
    fn ranges_that_others_may_read_otherwise() {
        let at = Path::root("cidr");
        for (text, warning) in [
            ("10.0.0.0/8", ""),
            ("2001:db8::/64", ""),
            (
                "10.0.0.1/8",
                "cidr: CIDR value \"10.0.0.1/8\" is ambiguous in this context (should be \
                 \"10.0.0.0/8\" or \"10.0.0.1/32\"?)",
            ),
            (
                "010.0.0.0/8",
                "cidr: non-standard CIDR value \"010.0.0.0/8\" will be considered invalid in a \
                 future Kubernetes release: use \"10.0.0.0/8\"",
            ),
            (
                "2001:db8:0:0::/64",
                "cidr: IPv6 CIDR value \"2001:db8:0:0::/64\" should be in RFC 5952 canonical \
                 format (\"2001:db8::/64\")",
            ),
        ] {
            let mut out = Vec::new();
            range(&at, text, &mut out);
            assert_eq!(out.concat(), warning, "{text}");
        }
    }

    #[test]
    fn a_name_that_is_too_long_for_a_host_is_told() {
        let mut warnings = Vec::new();
        host_name(&"a".repeat(63), "its hostname", &mut warnings);
        assert!(warnings.is_empty());
        host_name(&"a".repeat(64), "its hostname", &mut warnings);
        assert!(warnings[0].ends_with("recommended: [must be no more than 63 characters]"));
    }
}
