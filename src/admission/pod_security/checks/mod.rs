//! What the pod security standards ask of a pod (`k8s.io/pod-security-admission/policy`).

use super::level::{Level, Policy};
use crate::object::Value;
use std::collections::BTreeSet;

/// The newest version that changed a check; later ones and `latest` are the same.
const NEWEST_MINOR: u32 = 35;

/// What a check finds: the reason, and details in its parentheses ("" for none).
type Finding = Option<(&'static str, String)>;
/// A check of a pod, for a minor version.
type Check = fn(&Pod<'_, '_>, u32) -> Finding;

/// A pod or the pod of a template.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pod<'v, 'a> {
    /// Its `metadata`, if there is any.
    pub(super) metadata: Option<&'v Value<'a>>,
    /// Its `spec`.
    pub(super) spec: &'v Value<'a>,
}

/// What speaks against a pod.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Violations(Vec<(&'static str, String)>);

impl Violations {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `host ports, privileged`.
    pub(super) fn reasons(&self) -> String {
        self.0.iter().map(|(reason, _)| *reason).collect::<Vec<_>>().join(", ")
    }

    /// `host ports (8080), privileged`.
    pub(super) fn details(&self) -> String {
        let one = |(reason, detail): &(&str, String)| match detail.as_str() {
            "" => (*reason).to_owned(),
            detail => format!("{reason} ({detail})"),
        };
        self.0.iter().map(one).collect::<Vec<_>>().join(", ")
    }
}

/// Baseline checks by id, the lowest minor version that has each, and the restricted check with the
/// version from which it takes the place of this one.
const BASELINE: [(Check, u32, Option<u32>); 12] = [
    (app_armor, 0, None),
    (capabilities_baseline, 0, Some(22)),
    (host_namespaces, 0, None),
    (host_path_volumes, 0, Some(0)),
    (host_ports, 0, None),
    (host_probes, 34, None),
    (privileged, 0, None),
    (proc_mount, 0, Some(35)),
    (selinux, 0, None),
    (seccomp_baseline, 0, Some(19)),
    (sysctls, 0, None),
    (windows_host_process, 0, None),
];

/// Restricted checks by id, and the lowest minor version that has each.
const RESTRICTED: [(Check, u32); 7] = [
    (privilege_escalation, 8),
    (capabilities_restricted, 22),
    (proc_mount_restricted, 35),
    (restricted_volumes, 0),
    (run_as_non_root, 0),
    (run_as_user, 23),
    (seccomp_restricted, 19),
];

/// Runs the checks of a policy.
pub(super) fn evaluate(policy: Policy, pod: &Pod<'_, '_>) -> Violations {
    if policy.level == Level::Privileged {
        return Violations::default();
    }
    let minor = policy.minor.unwrap_or(NEWEST_MINOR).min(NEWEST_MINOR);
    let restricted = policy.level == Level::Restricted;
    let mut found = Vec::new();
    for (check, since, replaced) in BASELINE {
        let replaced = restricted && replaced.is_some_and(|replaced| minor >= replaced);
        if minor >= since && !replaced {
            found.extend(check(pod, minor));
        }
    }
    for (check, since) in RESTRICTED {
        if restricted && minor >= since {
            found.extend(check(pod, minor));
        }
    }
    Violations(found)
}

impl<'v, 'a> Pod<'v, 'a> {
    /// All containers, in the order of upstream's visitor.
    fn containers(&self) -> impl Iterator<Item = &'v Value<'a>> + use<'v, 'a> {
        let kinds = ["initContainers", "containers", "ephemeralContainers"];
        let spec = self.spec;
        kinds.into_iter().flat_map(move |kind| spec.list_at(&[kind]))
    }

    /// The names of the containers that `bad` finds.
    fn named(&self, mut bad: impl FnMut(&Value<'a>) -> bool) -> Vec<&'a str> {
        let bad = self.containers().filter(|container| bad(container));
        bad.map(|container| container.str_at(&["name"])).collect()
    }

    fn annotations(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let map = self.metadata.and_then(|metadata| metadata.at(&["annotations"])?.as_map());
        map.into_iter()
            .flat_map(|map| map.iter())
            .filter_map(|(key, value)| value.as_str().map(|value| (key, value)))
    }

    fn is_windows(&self) -> bool {
        self.spec.str_at(&["os", "name"]) == "windows"
    }

    /// A user namespace of its own relaxes some checks from 1.35 on.
    fn is_relaxed(&self, minor: u32) -> bool {
        minor >= 35 && self.spec.at(&["hostUsers"]).and_then(Value::as_bool) == Some(false)
    }
}

fn plural<'s>(one: &'s str, many: &'s str, count: usize) -> &'s str {
    if count == 1 { one } else { many }
}

fn quoted(items: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let items: Vec<_> = items.into_iter().collect();
    let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    if items.is_empty() { String::new() } else { format!("\"{}\"", items.join("\", \"")) }
}

fn containers(names: &[&str]) -> String {
    format!("{} {}", plural("container", "containers", names.len()), quoted(names.iter().copied()))
}

/// `pod`, `containers "a", "b"` or both.
fn setters(pod: bool, names: &[&str]) -> Option<String> {
    match (pod, names) {
        (false, []) => None,
        (true, []) => Some("pod".to_owned()),
        (false, names) => Some(containers(names)),
        (true, names) => Some(format!("pod and {}", containers(names))),
    }
}

fn app_armor(pod: &Pod<'_, '_>, _: u32) -> Finding {
    const PREFIX: &str = "container.apparmor.security.beta.kubernetes.io/";
    let mut values = BTreeSet::new();
    let mut bad = |of: &Value<'_>| {
        let Some(profile) = of.at(&["securityContext", "appArmorProfile"]) else { return false };
        let kind = profile.str_at(&["type"]);
        let bad = !matches!(kind, "RuntimeDefault" | "Localhost");
        if bad {
            values.insert(kind.to_owned());
        }
        bad
    };
    let own = bad(pod.spec);
    let named = pod.named(bad);
    let annotated = pod.annotations().filter(|(key, value)| {
        let allowed =
            value.is_empty() || *value == "runtime/default" || value.starts_with("localhost/");
        key.starts_with(PREFIX) && !allowed
    });
    let annotated: BTreeSet<String> =
        annotated.map(|(key, value)| format!("{key}={value:?}")).collect();
    let mut who: Vec<String> = setters(own, &named).into_iter().collect();
    if !annotated.is_empty() {
        who.push(plural("annotation", "annotations", annotated.len()).to_owned());
    }
    if who.is_empty() {
        return None;
    }
    let all: Vec<&str> = values.iter().chain(&annotated).map(String::as_str).collect();
    let reason = "forbidden AppArmor profile";
    let reason = plural(reason, "forbidden AppArmor profiles", all.len());
    let detail =
        format!("{} must not set AppArmor profile type to {}", who.join(" and "), quoted(all));
    Some((reason, detail))
}

const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// The containers that add a capability which is not allowed, and what they add.
fn added<'a>(pod: &Pod<'_, 'a>, allowed: &[&str]) -> (Vec<&'a str>, BTreeSet<&'a str>) {
    let mut forbidden = BTreeSet::new();
    let named = pod.named(|container| {
        let added = container.list_at(&["securityContext", "capabilities", "add"]).iter();
        let before: Vec<&str> = added
            .filter_map(Value::as_str)
            .filter(|capability| !allowed.contains(capability))
            .collect();
        forbidden.extend(before.iter().copied());
        !before.is_empty()
    });
    (named, forbidden)
}

fn capabilities_baseline(pod: &Pod<'_, '_>, _: u32) -> Finding {
    let (named, forbidden) = added(pod, &CAPABILITIES);
    (!named.is_empty()).then(|| ("non-default capabilities", must_not_add(&named, forbidden)))
}

fn must_not_add(named: &[&str], forbidden: BTreeSet<&str>) -> String {
    let (who, what) = (containers(named), quoted(forbidden));
    format!("{who} must not include {what} in securityContext.capabilities.add")
}

fn capabilities_restricted(pod: &Pod<'_, '_>, minor: u32) -> Finding {
    if minor >= 25 && pod.is_windows() {
        return None;
    }
    let missing = pod.named(|container| {
        let dropped = container.list_at(&["securityContext", "capabilities", "drop"]);
        !dropped.iter().any(|capability| capability.as_str() == Some("ALL"))
    });
    let (adding, forbidden) = added(pod, &["NET_BIND_SERVICE"]);
    let mut details = Vec::new();
    if !missing.is_empty() {
        let who = containers(&missing);
        details.push(format!("{who} must set securityContext.capabilities.drop=[\"ALL\"]"));
    }
    if !adding.is_empty() {
        details.push(must_not_add(&adding, forbidden));
    }
    (!details.is_empty()).then(|| ("unrestricted capabilities", details.join("; ")))
}

fn host_namespaces(pod: &Pod<'_, '_>, _: u32) -> Finding {
    let set = ["hostNetwork", "hostPID", "hostIPC"].into_iter();
    let set: Vec<String> = set
        .filter(|field| pod.spec.bool_at(&[field]))
        .map(|field| format!("{field}=true"))
        .collect();
    (!set.is_empty()).then(|| ("host namespaces", set.join(", ")))
}

fn host_path_volumes(pod: &Pod<'_, '_>, _: u32) -> Finding {
    let volumes = pod.spec.list_at(&["volumes"]).iter();
    let bad: Vec<&str> = volumes
        .filter(|volume| volume.at(&["hostPath"]).is_some())
        .map(|volume| volume.str_at(&["name"]))
        .collect();
    let what = plural("volume", "volumes", bad.len());
    (!bad.is_empty()).then(|| ("hostPath volumes", format!("{what} {}", quoted(bad))))
}

fn host_ports(pod: &Pod<'_, '_>, _: u32) -> Finding {
    let mut ports = BTreeSet::new();
    let named = pod.named(|container| {
        let used = container.list_at(&["ports"]).iter();
        let used: Vec<i64> =
            used.filter_map(|port| port.i64_at(&["hostPort"]).filter(|port| *port != 0)).collect();
        ports.extend(used.iter().map(i64::to_string));
        !used.is_empty()
    });
    if named.is_empty() {
        return None;
    }
    let (who, uses) = (containers(&named), plural("uses", "use", named.len()));
    let what = plural("hostPort", "hostPorts", ports.len());
    let ports = ports.into_iter().collect::<Vec<_>>().join(", ");
    Some(("hostPort", format!("{who} {uses} {what} {ports}")))
}

fn host_probes(pod: &Pod<'_, '_>, _: u32) -> Finding {
    const HANDLERS: [&[&str]; 5] = [
        &["livenessProbe"],
        &["readinessProbe"],
        &["startupProbe"],
        &["lifecycle", "postStart"],
        &["lifecycle", "preStop"],
    ];
    let (mut names, mut hosts) = (BTreeSet::new(), BTreeSet::new());
    for container in pod.containers() {
        let handlers = HANDLERS.into_iter().filter_map(|path| container.at(path));
        for handler in handlers {
            let found = ["httpGet", "tcpSocket"].map(|kind| handler.str_at(&[kind, "host"]));
            for host in found.into_iter().filter(|host| !host.is_empty()) {
                names.insert(container.str_at(&["name"]));
                hosts.insert(host);
            }
        }
    }
    if names.is_empty() {
        return None;
    }
    let names: Vec<&str> = names.into_iter().collect();
    let reason = "probe or lifecycle host";
    let (who, uses) = (containers(&names), plural("uses", "use", names.len()));
    let what = plural(reason, "probe or lifecycle hosts", hosts.len());
    Some((reason, format!("{who} {uses} {what} {}", quoted(hosts))))
}

fn privileged(pod: &Pod<'_, '_>, _: u32) -> Finding {
    let named = pod.named(|container| container.bool_at(&["securityContext", "privileged"]));
    let text = || format!("{} must not set securityContext.privileged=true", containers(&named));
    (!named.is_empty()).then(|| ("privileged", text()))
}

fn proc_mount(pod: &Pod<'_, '_>, minor: u32) -> Finding {
    if pod.is_relaxed(minor) { None } else { proc_mount_restricted(pod, minor) }
}

fn proc_mount_restricted(pod: &Pod<'_, '_>, _: u32) -> Finding {
    let mut kinds = BTreeSet::new();
    let named = pod.named(|container| {
        let kind = container.at(&["securityContext", "procMount"]).and_then(Value::as_str);
        let bad = kind.filter(|kind| *kind != "Default");
        kinds.extend(bad);
        bad.is_some()
    });
    let who = containers(&named);
    let text = format!("{who} must not set securityContext.procMount to {}", quoted(kinds));
    (!named.is_empty()).then_some(("procMount", text))
}

fn selinux(pod: &Pod<'_, '_>, minor: u32) -> Finding {
    let (mut kinds, mut user, mut role) = (BTreeSet::new(), false, false);
    let mut bad = |of: &Value<'_>| {
        let Some(options) = of.at(&["securityContext", "seLinuxOptions"]) else { return false };
        let kind = options.str_at(&["type"]);
        let allowed = match kind {
            "" | "container_t" | "container_init_t" | "container_kvm_t" => true,
            "container_engine_t" => minor >= 31,
            _ => false,
        };
        if !allowed {
            kinds.insert(kind.to_owned());
        }
        let (sets_user, sets_role) =
            (!options.str_at(&["user"]).is_empty(), !options.str_at(&["role"]).is_empty());
        user |= sets_user;
        role |= sets_role;
        !allowed || sets_user || sets_role
    };
    let own = bad(pod.spec);
    let named = pod.named(bad);
    let who = setters(own, &named)?;
    let mut data = Vec::new();
    if !kinds.is_empty() {
        let what = plural("type", "types", kinds.len());
        data.push(format!("{what} {}", quoted(kinds.iter().map(String::as_str))));
    }
    if user {
        data.push("user may not be set".to_owned());
    }
    if role {
        data.push("role may not be set".to_owned());
    }
    let data = data.join("; ");
    let text = format!("{who} set forbidden securityContext.seLinuxOptions: {data}");
    Some(("seLinuxOptions", text))
}

fn seccomp_type<'a>(of: &Value<'a>) -> Option<&'a str> {
    let profile = of.at(&["securityContext", "seccompProfile"])?;
    Some(profile.str_at(&["type"]))
}

fn is_good_seccomp(kind: &str) -> bool {
    matches!(kind, "Localhost" | "RuntimeDefault")
}

fn seccomp_baseline(pod: &Pod<'_, '_>, minor: u32) -> Finding {
    if minor < 19 { seccomp_annotations(pod) } else { seccomp_set(pod) }
}

fn seccomp_annotations(pod: &Pod<'_, '_>) -> Finding {
    let mut keys = vec!["seccomp.security.alpha.kubernetes.io/pod".to_owned()];
    keys.extend(pod.containers().map(|container| {
        let name = container.str_at(&["name"]);
        format!("container.seccomp.security.alpha.kubernetes.io/{name}")
    }));
    let bad = pod.annotations().filter(|(key, value)| {
        let allowed = matches!(*value, "runtime/default" | "docker/default")
            || value.starts_with("localhost/");
        keys.iter().any(|known| known == key) && !allowed
    });
    let bad: BTreeSet<String> = bad.map(|(key, value)| format!("{key}={value:?}")).collect();
    if bad.is_empty() {
        return None;
    }
    let what = plural("annotation", "annotations", bad.len());
    let list = bad.into_iter().collect::<Vec<_>>().join(", ");
    Some(("seccompProfile", format!("forbidden {what} {list}")))
}

/// A profile that is set must be a good one.
fn seccomp_set(pod: &Pod<'_, '_>) -> Finding {
    let mut kinds = BTreeSet::new();
    let mut bad = |of: &Value<'_>| {
        let bad = seccomp_type(of).filter(|kind| !is_good_seccomp(kind));
        kinds.extend(bad.map(str::to_owned));
        bad.is_some()
    };
    let own = bad(pod.spec);
    let named = pod.named(bad);
    let who = setters(own, &named)?;
    let what = quoted(kinds.iter().map(String::as_str));
    let text = format!("{who} must not set securityContext.seccompProfile.type to {what}");
    Some(("seccompProfile", text))
}

fn seccomp_restricted(pod: &Pod<'_, '_>, minor: u32) -> Finding {
    if minor >= 25 && pod.is_windows() {
        return None;
    }
    if let Some(found) = seccomp_set(pod) {
        return Some(found);
    }
    if seccomp_type(pod.spec).is_some() {
        return None;
    }
    let named = pod.named(|container| seccomp_type(container).is_none());
    let text = format!(
        "pod or {} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \
         \"Localhost\"",
        containers(&named)
    );
    (!named.is_empty()).then_some(("seccompProfile", text))
}

const SYSCTLS: [(&str, u32); 12] = [
    ("kernel.shm_rmid_forced", 0),
    ("net.ipv4.ip_local_port_range", 0),
    ("net.ipv4.tcp_syncookies", 0),
    ("net.ipv4.ping_group_range", 0),
    ("net.ipv4.ip_unprivileged_port_start", 0),
    ("net.ipv4.ip_local_reserved_ports", 27),
    ("net.ipv4.tcp_keepalive_time", 29),
    ("net.ipv4.tcp_fin_timeout", 29),
    ("net.ipv4.tcp_keepalive_intvl", 29),
    ("net.ipv4.tcp_keepalive_probes", 29),
    ("net.ipv4.tcp_rmem", 32),
    ("net.ipv4.tcp_wmem", 32),
];

fn sysctls(pod: &Pod<'_, '_>, minor: u32) -> Finding {
    let allowed =
        |name: &str| SYSCTLS.iter().any(|(known, since)| *known == name && minor >= *since);
    let set = pod.spec.list_at(&["securityContext", "sysctls"]).iter();
    let bad: Vec<&str> =
        set.map(|sysctl| sysctl.str_at(&["name"])).filter(|name| !allowed(name)).collect();
    (!bad.is_empty()).then(|| ("forbidden sysctls", bad.join(", ")))
}

fn windows_host_process(pod: &Pod<'_, '_>, _: u32) -> Finding {
    let bad = |of: &Value<'_>| of.bool_at(&["securityContext", "windowsOptions", "hostProcess"]);
    let who = setters(bad(pod.spec), &pod.named(bad))?;
    let text = format!("{who} must not set securityContext.windowsOptions.hostProcess=true");
    Some(("hostProcess", text))
}

fn privilege_escalation(pod: &Pod<'_, '_>, minor: u32) -> Finding {
    if minor >= 25 && pod.is_windows() {
        return None;
    }
    let field = ["securityContext", "allowPrivilegeEscalation"];
    let named = pod.named(|container| container.at(&field).and_then(Value::as_bool) != Some(false));
    let who = containers(&named);
    let text = format!("{who} must set securityContext.allowPrivilegeEscalation=false");
    (!named.is_empty()).then_some(("allowPrivilegeEscalation != false", text))
}

/// Kinds of volumes that anyone may use.
const VOLUMES: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

fn restricted_volumes(pod: &Pod<'_, '_>, _: u32) -> Finding {
    let (mut names, mut kinds) = (Vec::new(), BTreeSet::new());
    for volume in pod.spec.list_at(&["volumes"]) {
        if VOLUMES.iter().any(|kind| volume.at(&[kind]).is_some()) {
            continue;
        }
        names.push(volume.str_at(&["name"]));
        let sources = volume.as_map().into_iter().flat_map(|map| map.iter());
        let kind = sources.map(|(key, _)| key).find(|key| *key != "name");
        kinds.insert(kind.unwrap_or("unknown"));
    }
    if names.is_empty() {
        return None;
    }
    let (what, uses) =
        (plural("volume", "volumes", names.len()), plural("uses", "use", names.len()));
    let of = plural("restricted volume type", "restricted volume types", kinds.len());
    let text = format!("{what} {} {uses} {of} {}", quoted(names), quoted(kinds));
    Some(("restricted volume types", text))
}

fn run_as_non_root(pod: &Pod<'_, '_>, minor: u32) -> Finding {
    const REASON: &str = "runAsNonRoot != true";
    if pod.is_relaxed(minor) {
        return None;
    }
    let said = |of: &Value<'_>| of.at(&["securityContext", "runAsNonRoot"])?.as_bool();
    let own = said(pod.spec);
    let named = pod.named(|container| said(container) == Some(false));
    if let Some(who) = setters(own == Some(false), &named) {
        return Some((REASON, format!("{who} must not set securityContext.runAsNonRoot=false")));
    }
    let silent = pod.named(|container| said(container).is_none() && own != Some(true));
    let text =
        || format!("pod or {} must set securityContext.runAsNonRoot=true", containers(&silent));
    (!silent.is_empty()).then(|| (REASON, text()))
}

fn run_as_user(pod: &Pod<'_, '_>, minor: u32) -> Finding {
    if pod.is_relaxed(minor) {
        return None;
    }
    let root = |of: &Value<'_>| of.i64_at(&["securityContext", "runAsUser"]) == Some(0);
    let who = setters(root(pod.spec), &pod.named(root))?;
    Some(("runAsUser=0", format!("{who} must not set runAsUser=0")))
}

#[cfg(test)]
mod tests;
