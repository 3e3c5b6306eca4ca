//! Warnings of pods and of pod templates (`warningsForPodSpecAndMeta`).

use super::storage::{claim_spec, fraction};
use super::{address, host_name, node_label, pod_paths};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::Read as _;
use crate::registry::validation::format;

const ANNOTATIONS: [(&str, &str); 3] = [
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        "non-functional in v1.16+; use the \"priorityClassName\" field instead",
    ),
    (
        "security.alpha.kubernetes.io/sysctls",
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
    (
        "security.alpha.kubernetes.io/unsafe-sysctls",
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
];
const VOLUMES: [(&str, &str, &str); 9] = [
    (
        "photonPersistentDisk",
        "photonPersistentDisk",
        "deprecated in v1.11, non-functional in v1.16+",
    ),
    ("gitRepo", "gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
];
const SECCOMP: &str = "non-functional in v1.27+; use the \"seccompProfile\" field instead";
const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
const NO_SELECTOR: &str = "a null labelSelector results in matching no pod";
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// A new pod; for `/status` the addresses that the kubelet tells. Other updates are of machines.
pub fn pod(object: &Value<'_>, old: Option<&Value<'_>>, subresource: &str, out: &mut Vec<String>) {
    if subresource == "status" {
        let root = Path::root("status");
        for name in ["podIPs", "hostIPs"] {
            let at = root.child(name);
            for (index, entry) in object.list_at(&["status", name]).iter().enumerate() {
                address(&at.index(index).child("ip"), entry.text("ip"), out);
            }
        }
    } else if old.is_none() {
        host_name(object.str_at(&["metadata", "name"]), "the Pod's hostname", out);
        spec_and_meta(object, None, out);
    }
}

/// `GetWarningsForPodTemplate` of the template at `path`.
pub(super) fn template(template: &Value<'_>, path: &Path<'_>, out: &mut Vec<String>) {
    spec_and_meta(template, Some(path), out);
}

fn spec_and_meta(object: &Value<'_>, base: Option<&Path<'_>>, out: &mut Vec<String>) {
    let null = Value::Null;
    let spec = object.get("spec").unwrap_or(&null);
    let annotations = object.at(&["metadata", "annotations"]);
    let path = base.map_or(Path::root("spec"), |base| base.child("spec"));
    let meta = base.map_or(Path::root("metadata"), |base| base.child("metadata"));
    let notes = meta.child("annotations");
    scheduling(spec, &path, out);
    if let Some(annotations) = annotations {
        for (key, message) in ANNOTATIONS.iter().filter(|(key, _)| annotations.has(key)) {
            out.push(format!("{}: {message}", notes.key(key)));
        }
    }
    volumes(spec, &path, out);
    pod_paths::volumes(spec.items("volumes"), out);
    repeated(spec, &path, "hostAliases", "ip", out);
    repeated(spec, &path, "imagePullSecrets", "name", out);
    let at = path.child("imagePullSecrets");
    for (index, secret) in spec.items("imagePullSecrets").iter().enumerate() {
        if secret.text("name").is_empty() {
            out.push(format!("{}: invalid empty name \"\"", at.index(index).child("name")));
        }
    }
    for name in ["memory", "ephemeral-storage"] {
        fraction(spec.at(&["overhead", name]), &path.child("overhead").key(name), out);
    }
    if annotations.is_some_and(|notes| notes.has(SECCOMP_POD))
        && spec.at(&["securityContext", "seccompProfile"]).is_none()
    {
        out.push(format!("{}: {SECCOMP}", notes.key(SECCOMP_POD)));
    }
    let whole = spec.at(&["securityContext", "appArmorProfile"]).is_some();
    each_container(spec, &path, |container, at| {
        if let Some(annotations) = annotations {
            profiles(container, annotations, base.is_some() && !whole, &notes, out);
        }
        self::container(container, at, out);
    });
    ports(spec, &path, out);
    if spec.int("terminationGracePeriodSeconds").is_some_and(|seconds| seconds < 0) {
        out.push(format!(
            "{}: must be >= 0; negative values are invalid and will be treated as 1",
            path.child("terminationGracePeriodSeconds")
        ));
    }
    affinity(spec, &path, out);
    let at = path.child("dnsConfig.nameservers");
    if let Some(config) = spec.get("dnsConfig") {
        for (index, server) in config.texts("nameservers").enumerate() {
            address(&at.index(index), server, out);
        }
    }
    let at = path.child("hostAliases");
    for (index, alias) in spec.items("hostAliases").iter().enumerate() {
        address(&at.index(index).child("ip"), alias.text("ip"), out);
    }
}

/// Init, ordinary and ephemeral containers, in the order in which upstream visits them.
fn each_container<'s, 'a: 's>(
    spec: &'s Value<'a>,
    path: &Path<'_>,
    mut visit: impl FnMut(&'s Value<'a>, &Path<'_>),
) {
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        let at = path.child(list);
        for (index, container) in spec.items(list).iter().enumerate() {
            visit(container, &at.index(index));
        }
    }
}

fn scheduling(spec: &Value<'_>, path: &Path<'_>, out: &mut Vec<String>) {
    for (key, _) in spec.entries("nodeSelector") {
        if let Some(message) = node_label(key) {
            out.push(format!("{}: {message}", path.child("nodeSelector").key(key)));
        }
    }
    if let Some(affinity) = spec.at(&["affinity", "nodeAffinity"]) {
        let at = path.child("affinity.nodeAffinity");
        let terms = affinity.list_at(&[REQUIRED, "nodeSelectorTerms"]);
        let required = at.child(REQUIRED);
        let required = required.child("nodeSelectorTerms");
        for (index, term) in terms.iter().enumerate() {
            node_term(term, false, &required.index(index), out);
        }
        let preferred = at.child(PREFERRED);
        for (index, term) in affinity.items(PREFERRED).iter().enumerate() {
            if let Some(preference) = term.get("preference") {
                node_term(preference, true, &preferred.index(index).child("preference"), out);
            }
        }
    }
    let at = path.child("topologySpreadConstraints");
    for (index, constraint) in spec.items("topologySpreadConstraints").iter().enumerate() {
        let key = constraint.text("topologyKey");
        if let Some(message) = node_label(key) {
            out.push(format!("{}: {key} is {message}", at.index(index).child("topologyKey")));
        }
        if !constraint.has("labelSelector") {
            out.push(format!("{}: {NO_SELECTOR}", at.index(index).child("labelSelector")));
        }
    }
}

/// `GetWarningsForNodeSelectorTerm`.
pub(super) fn node_term(
    term: &Value<'_>,
    checks_values: bool,
    path: &Path<'_>,
    out: &mut Vec<String>,
) {
    let at = path.child("matchExpressions");
    for (index, expression) in term.items("matchExpressions").iter().enumerate() {
        let at = at.index(index);
        let key = expression.text("key");
        if let Some(message) = node_label(key) {
            out.push(format!("{}: {key} is {message}", at.child("key")));
        }
        if !checks_values {
            continue;
        }
        let at = at.child("values");
        for (index, value) in expression.texts("values").enumerate() {
            for message in format::label_value(value) {
                out.push(format!("{}: {value} is invalid, {message}", at.index(index)));
            }
        }
    }
}

fn volumes(spec: &Value<'_>, path: &Path<'_>, out: &mut Vec<String>) {
    let at = path.child("volumes");
    for (index, volume) in spec.items("volumes").iter().enumerate() {
        let at = at.index(index);
        for (source, name, message) in VOLUMES {
            // Claims of the pod's own stand between the plugins.
            if source == "cephfs"
                && let Some(spec) = volume.at(&["ephemeral", "volumeClaimTemplate", "spec"])
            {
                claim_spec(spec, &at.child("ephemeral.volumeClaimTemplate.spec"), out);
            }
            if volume.has(source) {
                out.push(format!("{}: {message}", at.child(name)));
            }
        }
    }
}

/// Entries of a list whose `member` an earlier one has.
fn repeated(spec: &Value<'_>, path: &Path<'_>, list: &str, member: &str, out: &mut Vec<String>) {
    let entries = spec.items(list);
    let at = path.child(list);
    for (index, entry) in entries.iter().enumerate() {
        let text = entry.text(member);
        if entries.iter().take(index).any(|other| other.text(member) == text) {
            out.push(format!("{}: duplicate {member} {text:?}", at.index(index).child(member)));
        }
    }
}

/// Annotations that once chose a container's seccomp and AppArmor profiles.
fn profiles(
    container: &Value<'_>,
    annotations: &Value<'_>,
    names_app_armor: bool,
    notes: &Path<'_>,
    out: &mut Vec<String>,
) {
    let name = container.text("name");
    let noted = |prefix: &str| {
        let mut keys = annotations.as_map().into_iter().flat_map(crate::object::Map::keys);
        keys.find(|key| key.strip_prefix(prefix) == Some(name))
    };
    let has = |field: &str| container.at(&["securityContext", field]).is_some();
    if let Some(key) = noted(SECCOMP_CONTAINER).filter(|_| !has("seccompProfile")) {
        out.push(format!("{}: {SECCOMP}", notes.key(key)));
    }
    if let Some(key) = noted(APP_ARMOR).filter(|_| names_app_armor && !has("appArmorProfile")) {
        let message = "deprecated since v1.30; use the \"appArmorProfile\" field instead";
        out.push(format!("{}: {message}", notes.key(key)));
    }
}

fn container(container: &Value<'_>, path: &Path<'_>, out: &mut Vec<String>) {
    let at = path.child("resources");
    for name in ["memory", "ephemeral-storage"] {
        for list in ["limits", "requests"] {
            fraction(container.at(&["resources", list, name]), &at.child(list).key(name), out);
        }
    }
    let env = container.items("env");
    for (index, variable) in env.iter().enumerate() {
        let name = variable.text("name");
        if !env.iter().take(index).any(|other| other.text("name") == name) {
            continue;
        }
        let value = variable.text("value");
        let reference = format!("$({name})");
        if variable.has("valueFrom") || value == reference || !value.contains(&reference) {
            out.push(format!(
                "{}: hides previous definition of {name:?}, which may be dropped when using apply",
                path.child("env").index(index)
            ));
        }
    }
}

/// Ports of all containers, each against those before it.
fn ports(spec: &Value<'_>, path: &Path<'_>, out: &mut Vec<String>) {
    let number = |port: &Value<'_>, name: &str| port.int(name).unwrap_or(0);
    each_port(spec, path, |port, at| {
        let (host, host_port) = (port.text("hostIP"), number(port, "hostPort"));
        let (own, protocol) = (number(port, "containerPort"), port.text("protocol"));
        let name = port.text("name");
        if !host.is_empty() && host_port == 0 {
            out.push(format!(
                "{at}: hostIP set without hostPort: {{Name:{name} HostPort:0 ContainerPort:{own} \
                 Protocol:{protocol} HostIP:{host}}}"
            ));
        }
        let mut before = true;
        let mut named = None;
        each_port(spec, path, |other, place| {
            before = before && !std::ptr::eq(other, port);
            if !before {
                return;
            }
            if !name.is_empty() && other.text("name") == name && named.is_none() {
                named = Some(place.to_string());
            }
            if number(other, "containerPort") != own || other.text("protocol") != protocol {
                return;
            }
            let (its_host, its_port) = (other.text("hostIP"), number(other, "hostPort"));
            let kind = if its_host == host && its_port == host_port {
                "duplicate"
            } else if host_port == 0 || its_port == 0 {
                "overlapping"
            } else if its_port == host_port && (its_host.is_empty() || host.is_empty()) {
                "dangerously ambiguous"
            } else {
                return;
            };
            out.push(format!("{at}: {kind} port definition with {place}"));
        });
        if let Some(first) = named {
            out.push(format!(
                "{at}: duplicate port name {name:?} with {first}, services and probes that select \
                 ports by name will use {first}"
            ));
        }
    });
}

fn each_port<'s, 'a: 's>(
    spec: &'s Value<'a>,
    path: &Path<'_>,
    mut visit: impl FnMut(&'s Value<'a>, &Path<'_>),
) {
    each_container(spec, path, |container, at| {
        let at = at.child("ports");
        for (index, port) in container.items("ports").iter().enumerate() {
            visit(port, &at.index(index));
        }
    });
}

fn affinity(spec: &Value<'_>, path: &Path<'_>, out: &mut Vec<String>) {
    for kind in ["podAffinity", "podAntiAffinity"] {
        let Some(affinity) = spec.at(&["affinity", kind]) else { continue };
        let at = path.child("affinity");
        let at = at.child(kind);
        let required = at.child(REQUIRED);
        for (index, term) in affinity.items(REQUIRED).iter().enumerate() {
            if !term.has("labelSelector") {
                let at = required.index(index);
                out.push(format!("{}: {NO_SELECTOR}", at.child("labelSelector")));
            }
        }
        let preferred = at.child(PREFERRED);
        for (index, term) in affinity.items(PREFERRED).iter().enumerate() {
            if term.at(&["podAffinityTerm", "labelSelector"]).is_none() {
                let at = preferred.index(index);
                out.push(format!("{}: {NO_SELECTOR}", at.child("podAffinityTerm.labelSelector")));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::object::field::Path;
    use crate::registry::sample::tree;
    use bumpalo::Bump;
    use serde_json::json;

    fn warnings(metadata: serde_json::Value, spec: &serde_json::Value) -> Vec<String> {
        let arena = Bump::new();
        let mut metadata = metadata;
        metadata["name"] = json!("p");
        let object = tree(&arena, &json!({"metadata": metadata, "spec": spec}));
        let mut out = Vec::new();
        super::pod(&object, None, "", &mut out);
        out
    }

    #[test]
    fn a_variable_hides_the_one_before_unless_it_builds_on_it() {
        let env = json!([{"name": "a", "value": "1"}, {"name": "a", "value": "$(a)2"},
            {"name": "a", "value": "$(a)"}, {"name": "a", "valueFrom": {}}]);
        let hides = |index: usize| {
            format!(
                "spec.containers[0].env[{index}]: hides previous definition of \"a\", which may \
                 be dropped when using apply"
            )
        };
        let found = warnings(json!({}), &json!({"containers": [{"name": "c", "env": env}]}));
        assert_eq!(found, [hides(2), hides(3)]);
    }

    #[test]
    fn ports_are_compared_over_all_containers() {
        let udp = json!({"containerPort": 80, "protocol": "UDP"});
        let port = |host: i64, ip: &str| {
            let mut port = udp.clone();
            port["hostPort"] = json!(host);
            port["hostIP"] = json!(ip);
            port
        };
        for (first, second, text) in [
            (port(0, ""), port(0, ""), "duplicate port definition"),
            (port(80, "10.0.0.1"), port(0, ""), "overlapping port definition"),
            (port(80, "10.0.0.1"), port(80, ""), "dangerously ambiguous port definition"),
        ] {
            let spec = json!({"containers": [{"name": "a", "ports": [first]},
                {"name": "b", "ports": [second]}]});
            let expected = format!(
                "spec.containers[1].ports[0]: {text} with \
                spec.containers[0].ports[0]"
            );
            assert_eq!(warnings(json!({}), &spec), [expected]);
        }
        let spec = json!({"containers": [{"name": "a", "ports": [
            {"containerPort": 80, "protocol": "UDP", "hostIP": "10.0.0.1"}]}]});
        assert_eq!(
            warnings(json!({}), &spec),
            ["spec.containers[0].ports[0]: hostIP set without hostPort: {Name: HostPort:0 \
              ContainerPort:80 Protocol:UDP HostIP:10.0.0.1}"]
        );
        let named = |number: i64| json!({"containerPort": number, "name": "test"});
        let spec = json!({"containers": [{"name": "a", "ports": [named(80)]},
            {"name": "b", "ports": [named(81)]}]});
        assert_eq!(
            warnings(json!({}), &spec),
            ["spec.containers[1].ports[0]: duplicate port name \"test\" with \
              spec.containers[0].ports[0], services and probes that select ports by name will use \
              spec.containers[0].ports[0]"]
        );
    }

    #[test]
    fn scheduling_by_old_labels_or_by_no_selector() {
        let spec = json!({
            "nodeSelector": {"beta.kubernetes.io/os": "linux"},
            "topologySpreadConstraints": [{"topologyKey": "beta.kubernetes.io/arch"}],
            "affinity": {
                "podAffinity": {super::REQUIRED: [{}], super::PREFERRED: [{}]},
                "nodeAffinity": {super::PREFERRED: [{"preference": {"matchExpressions": [
                    {"key": "foo", "operator": "In", "values": ["-1"]}]}}]},
            },
        });
        let found = warnings(json!({}), &spec);
        assert_eq!(
            found[0],
            "spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use \
             \"kubernetes.io/os\" instead"
        );
        assert!(found[1].starts_with(
            "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0]\
             .preference.matchExpressions[0].values[0]: -1 is invalid, a valid label must be"
        ));
        assert!(found[2].starts_with(
            "spec.topologySpreadConstraints[0].topologyKey: beta.kubernetes.io/arch is deprecated"
        ));
        let last = "spec.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution[0]\
            .podAffinityTerm.labelSelector: a null labelSelector results in matching no pod";
        assert_eq!(found[5], last);
        assert_eq!(found.len(), 6);
    }

    #[test]
    fn profiles_belong_into_fields() {
        let annotations = json!({"annotations": {
            "seccomp.security.alpha.kubernetes.io/pod": "default",
            "container.apparmor.security.beta.kubernetes.io/c": "unconfined"}});
        let spec = json!({"containers": [{"name": "c"}]});
        let seccomp = "metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]: \
            non-functional in v1.27+; use the \"seccompProfile\" field instead";
        assert_eq!(warnings(annotations.clone(), &spec), [seccomp]);
        let arena = Bump::new();
        let template = tree(&arena, &json!({"metadata": annotations, "spec": spec}));
        let mut out = Vec::new();
        super::template(&template, &Path::root("template"), &mut out);
        assert_eq!(
            out[1],
            "template.metadata.annotations[container.apparmor.security.beta.kubernetes.io/c]: \
             deprecated since v1.30; use the \"appArmorProfile\" field instead"
        );
    }
}
