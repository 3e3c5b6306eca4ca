//! Containers, init containers and ephemeral containers (`validateContainers` and siblings).

use super::probe::Probe;
use super::{Errors, Report as _, env, format, probe, resources, security};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::Read as _;

const RULES_NEED_POLICY: &str = "must specify restartPolicy when restart rules are used";

/// What containers are checked against.
#[derive(Debug)]
pub struct Pod<'v, 'a> {
    /// The pod's spec.
    pub spec: &'v Value<'a>,
    /// Its volumes that are valid.
    pub volumes: Vec<&'v Value<'a>>,
    /// Names of its resource claims.
    pub claims: Vec<&'a str>,
    /// `--allow-privileged`.
    pub privileged_allowed: bool,
    /// It is a Pod, not a template.
    pub is_pod: bool,
}

impl Pod<'_, '_> {
    fn grace(&self) -> Option<i64> {
        self.spec.int("terminationGracePeriodSeconds")
    }

    fn os(&self) -> &str {
        self.spec.get("os").map_or("", |os| os.text("name"))
    }

    fn host_users(&self) -> bool {
        self.spec.get("hostUsers").and_then(Value::as_bool).unwrap_or(true)
    }
}

/// `validateContainers`.
pub fn containers(pod: &Pod<'_, '_>, path: &Path<'_>, errors: &mut Errors) {
    let list = pod.spec.items("containers");
    if list.is_empty() {
        errors.required(path, "");
        return;
    }
    for (index, container) in list.iter().enumerate() {
        let at = path.index(index);
        basics(container, pod, &at, errors);
        let name = container.text("name");
        if list.iter().take(index).any(|other| other.text("name") == name) {
            errors.duplicate(&at.child("name"), name);
        }
        hooks(container, pod, &at, errors);
        restart(container, &at, errors);
    }
    host_ports(list, path, errors);
}

/// `validateInitContainers`.
pub fn init_containers(pod: &Pod<'_, '_>, path: &Path<'_>, errors: &mut Errors) {
    let list = pod.spec.items("initContainers");
    let regular = pod.spec.items("containers");
    for (index, container) in list.iter().enumerate() {
        let at = path.index(index);
        basics(container, pod, &at, errors);
        let sidecar = container.text("restartPolicy") == "Always";
        if container.has("restartPolicy") {
            restart(container, &at, errors);
        } else if !container.items("restartPolicyRules").is_empty() {
            errors.required(&at.child("restartPolicy"), RULES_NEED_POLICY);
        }
        let name = container.text("name");
        let before = list.iter().take(index);
        let mut others = before.chain(regular.iter());
        if !name.is_empty() && others.any(|other| other.text("name") == name) {
            errors.duplicate(&at.child("name"), name);
        }
        host_ports(std::slice::from_ref(container), path, errors);
        if sidecar {
            hooks(container, pod, &at, errors);
        } else {
            for name in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
                if container.has(name) {
                    let detail = "may not be set for init containers without restartPolicy=Always";
                    errors.forbidden(&at.child(name), detail);
                }
            }
        }
        let at = at.child("resizePolicy");
        for (index, resize) in container.items("resizePolicy").iter().enumerate() {
            let policy = resize.text("restartPolicy");
            if !sidecar && policy == "RestartContainer" {
                let detail = "must not be set to 'RestartContainer' for non-sidecar initContainers";
                errors.invalid(&at.index(index).child("restartPolicy"), policy, detail);
            }
        }
    }
}

/// `validateEphemeralContainers`.
pub fn ephemeral_containers(pod: &Pod<'_, '_>, path: &Path<'_>, errors: &mut Errors) {
    const FORBIDDEN: [&str; 9] = [
        "ports",
        "resources",
        "livenessProbe",
        "readinessProbe",
        "startupProbe",
        "lifecycle",
        "resizePolicy",
        "restartPolicy",
        "restartPolicyRules",
    ];
    let list = pod.spec.items("ephemeralContainers");
    let others =
        || pod.spec.items("containers").iter().chain(pod.spec.items("initContainers").iter());
    for (index, container) in list.iter().enumerate() {
        let at = path.index(index);
        basics(container, pod, &at, errors);
        let name = container.text("name");
        if others().chain(list.iter().take(index)).any(|other| other.text("name") == name) {
            errors.duplicate(&at.child("name"), name);
        }
        let target = container.text("targetContainerName");
        if !target.is_empty() && !others().any(|other| other.text("name") == target) {
            errors.not_found(&at.child("targetContainerName"), target);
        }
        for name in FORBIDDEN {
            // All of them but this one are pointers or lists: an empty one is there.
            let is_set = match container.get(name) {
                Some(value) if name == "resources" => !value.is_empty(),
                value => value.is_some(),
            };
            if is_set {
                let detail = "cannot be set for an Ephemeral Container";
                errors.forbidden(&at.child(name), detail);
            }
        }
        let mounts = at.child("volumeMounts");
        for (index, mount) in container.items("volumeMounts").iter().enumerate() {
            for name in ["subPath", "subPathExpr"] {
                if !mount.text(name).is_empty() {
                    let detail = "cannot be set for an Ephemeral Container";
                    errors.forbidden(&mounts.index(index).child(name), detail);
                }
            }
        }
    }
}

/// `validateContainerCommon`.
fn basics(container: &Value<'_>, pod: &Pod<'_, '_>, path: &Path<'_>, errors: &mut Errors) {
    errors.required_text(&path.child("name"), container.text("name"), format::dns_label);
    if container.text("image").is_empty() {
        errors.required(&path.child("image"), "");
    }
    let at = path.child("terminationMessagePolicy");
    match container.text("terminationMessagePolicy") {
        "" => errors.required(&at, ""),
        policy => {
            errors.one_of(&at, policy, &["File", "FallbackToLogsOnError"]);
        }
    }
    ports(container.items("ports"), &path.child("ports"), errors);
    env::env(container.items("env"), &path.child("env"), errors);
    env::env_from(container.items("envFrom"), &path.child("envFrom"), errors);
    mounts(container, pod, &path.child("volumeMounts"), errors);
    devices(container, pod, &path.child("volumeDevices"), errors);
    let at = path.child("imagePullPolicy");
    match container.text("imagePullPolicy") {
        "" => errors.required(&at, ""),
        policy => {
            errors.one_of(&at, policy, &["Always", "IfNotPresent", "Never"]);
        }
    }
    let at = path.child("resources");
    resources::container(container.get("resources"), &pod.claims, &at, errors);
    resize(container, pod, &path.child("resizePolicy"), errors);
    if let Some(context) = container.get("securityContext") {
        let at = path.child("securityContext");
        security::container(context, pod.privileged_allowed, pod.host_users(), &at, errors);
    }
}

/// What regular containers and sidecars may have.
fn hooks(container: &Value<'_>, pod: &Pod<'_, '_>, path: &Path<'_>, errors: &mut Errors) {
    if let Some(lifecycle) = container.get("lifecycle") {
        probe::lifecycle(lifecycle, pod.grace(), pod.os(), &path.child("lifecycle"), errors);
    }
    for (name, which) in [
        ("livenessProbe", Probe::Liveness),
        ("readinessProbe", Probe::Readiness),
        ("startupProbe", Probe::Startup),
    ] {
        if let Some(value) = container.get(name) {
            probe::probe(value, which, pod.grace(), &path.child(name), errors);
        }
    }
}

/// `validateContainerPorts`.
fn ports(ports: &[Value<'_>], path: &Path<'_>, errors: &mut Errors) {
    let mut names: Vec<&str> = Vec::new();
    for (index, port) in ports.iter().enumerate() {
        let at = path.index(index);
        let name = port.text("name");
        if !name.is_empty() {
            let messages = format::port_name(name);
            if !messages.is_empty() {
                errors.messages(&at.child("name"), name, messages);
            } else if names.contains(&name) {
                errors.duplicate(&at.child("name"), name);
            } else {
                names.push(name);
            }
        }
        let number = port.int("containerPort").unwrap_or(0);
        if number == 0 {
            errors.required(&at.child("containerPort"), "");
        } else {
            in_range(number, &at.child("containerPort"), errors);
        }
        if let Some(host) = port.int("hostPort").filter(|host| *host != 0) {
            in_range(host, &at.child("hostPort"), errors);
        }
        let protocol = port.text("protocol");
        if protocol.is_empty() {
            errors.required(&at.child("protocol"), "");
        }
        errors.one_of(&at.child("protocol"), protocol, &["SCTP", "TCP", "UDP"]);
    }
}

fn in_range(number: i64, path: &Path<'_>, errors: &mut Errors) {
    for message in format::port(number) {
        errors.invalid(path, number, &message);
    }
}

/// `checkHostPortConflicts`.
fn host_ports(containers: &[Value<'_>], path: &Path<'_>, errors: &mut Errors) {
    let mut seen: Vec<String> = Vec::new();
    for (index, container) in containers.iter().enumerate() {
        let at = path.index(index);
        let at = at.child("ports");
        for (index, port) in container.items("ports").iter().enumerate() {
            let Some(host) = port.int("hostPort").filter(|host| *host != 0) else { continue };
            let key = format!("{}/{}/{host}", port.text("protocol"), port.text("hostIP"));
            if seen.contains(&key) {
                errors.duplicate(&at.index(index).child("hostPort"), &key);
            } else {
                seen.push(key);
            }
        }
    }
}

/// `ValidateVolumeMounts`.
fn mounts(container: &Value<'_>, pod: &Pod<'_, '_>, path: &Path<'_>, errors: &mut Errors) {
    let devices = container.items("volumeDevices");
    let list = container.items("volumeMounts");
    for (index, mount) in list.iter().enumerate() {
        let at = path.index(index);
        let (name, target) = (mount.text("name"), mount.text("mountPath"));
        if name.is_empty() {
            errors.required(&at.child("name"), "");
        }
        if !pod.volumes.iter().any(|volume| volume.text("name") == name) {
            errors.not_found(&at.child("name"), name);
        }
        if target.is_empty() {
            errors.required(&at.child("mountPath"), "");
        }
        if list.iter().take(index).any(|other| other.text("mountPath") == target) {
            errors.invalid(&at.child("mountPath"), target, "must be unique");
        }
        if devices.iter().any(|device| device.text("name") == name) {
            let detail = "must not already exist in volumeDevices";
            errors.invalid(&at.child("name"), name, detail);
        }
        if devices.iter().any(|device| device.text("devicePath") == target) {
            let detail = "must not already exist as a path in volumeDevices";
            errors.invalid(&at.child("mountPath"), target, detail);
        }
        mount_paths(mount, path, &at, errors);
        mount_modes(mount, container, path, errors);
    }
}

/// What is wrong with a path is told of the list, that there are two of the mount.
fn mount_paths(mount: &Value<'_>, path: &Path<'_>, own: &Path<'_>, errors: &mut Errors) {
    let (plain, expression) = (mount.text("subPath"), mount.text("subPathExpr"));
    if !plain.is_empty() {
        env::local_path(plain, &path.child("subPath"), errors);
    }
    if !expression.is_empty() {
        if !plain.is_empty() {
            let detail = "subPathExpr and subPath are mutually exclusive";
            errors.invalid(&own.child("subPathExpr"), expression, detail);
        }
        env::local_path(expression, &path.child("subPathExpr"), errors);
    }
}

fn mount_modes(mount: &Value<'_>, container: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let propagation = mount.get("mountPropagation").and_then(Value::as_str);
    if let Some(mode) = propagation {
        let at = path.child("mountPropagation");
        let modes = ["Bidirectional", "HostToContainer", "None"];
        if !modes.contains(&mode) {
            errors.unsupported(&at, mode, &modes);
        }
        if mode == "Bidirectional"
            && !container
                .at(&["securityContext", "privileged"])
                .and_then(Value::as_bool)
                .unwrap_or(false)
        {
            let detail = "Bidirectional mount propagation is available only to privileged \
                          containers";
            errors.forbidden(&at, detail);
        }
    }
    let Some(mode) = mount.get("recursiveReadOnly").and_then(Value::as_str) else { return };
    let at = path.child("recursiveReadOnly");
    match mode {
        "Disabled" => {}
        "Enabled" | "IfPossible" => {
            if !mount.flag("readOnly") {
                let detail = "may only be specified when readOnly is true";
                errors.forbidden(&at, detail);
            }
            if propagation.is_some_and(|mode| mode != "None") {
                let detail = "may only be specified when mountPropagation is None or not specified";
                errors.forbidden(&at, detail);
            }
        }
        other => errors.unsupported(&at, other, &["Disabled", "Enabled", "IfPossible"]),
    }
}

/// `ValidateVolumeDevices`.
fn devices(container: &Value<'_>, pod: &Pod<'_, '_>, path: &Path<'_>, errors: &mut Errors) {
    let mounts = container.items("volumeMounts");
    let list = container.items("volumeDevices");
    for (index, device) in list.iter().enumerate() {
        let at = path.index(index);
        let (name, target) = (device.text("name"), device.text("devicePath"));
        let before = || list.iter().take(index);
        if name.is_empty() {
            errors.required(&at.child("name"), "");
        }
        if !name.is_empty() && before().any(|other| other.text("name") == name) {
            errors.invalid(&at.child("name"), name, "must be unique");
        }
        match pod.volumes.iter().find(|volume| volume.text("name") == name) {
            None => errors.not_found(&at.child("name"), name),
            Some(volume) if !volume.has("persistentVolumeClaim") && !volume.has("ephemeral") => {
                let detail = "can only use volume source type of PersistentVolumeClaim or \
                              Ephemeral for block mode";
                errors.invalid(&at.child("name"), name, detail);
            }
            Some(_) => {}
        }
        if target.is_empty() {
            errors.required(&at.child("devicePath"), "");
        }
        let climbs = target.split('/').any(|part| part == "..");
        if !climbs && before().any(|other| other.text("devicePath") == target) {
            errors.invalid(&at.child("devicePath"), target, "must be unique");
        }
        if climbs {
            errors.invalid(&at.child("devicePath"), target, "can not contain backsteps ('..')");
        }
        if mounts.iter().any(|mount| mount.text("name") == name) {
            let detail = "must not already exist in volumeMounts";
            errors.invalid(&at.child("name"), name, detail);
        }
        if mounts.iter().any(|mount| mount.text("mountPath") == target) {
            let detail = "must not already exist as a path in volumeMounts";
            errors.invalid(&at.child("devicePath"), target, detail);
        }
    }
}

/// `validateResizePolicy`.
fn resize(container: &Value<'_>, pod: &Pod<'_, '_>, path: &Path<'_>, errors: &mut Errors) {
    let list = container.items("resizePolicy");
    let never = pod.spec.text("restartPolicy") == "Never";
    for (index, policy) in list.iter().enumerate() {
        let (name, restart) = (policy.text("resourceName"), policy.text("restartPolicy"));
        if list.iter().take(index).any(|other| other.text("resourceName") == name) {
            errors.duplicate(&path.index(index), name);
        }
        for (value, values) in
            [(name, ["cpu", "memory"]), (restart, ["NotRequired", "RestartContainer"])]
        {
            if value.is_empty() {
                errors.required(path, "");
            }
            errors.one_of(path, value, &values);
        }
        if never && restart != "NotRequired" {
            let detail = "must be 'NotRequired' when pod `restartPolicy` is 'Never'";
            errors.invalid(path, restart, detail);
        }
    }
}

/// `restartPolicy` and `restartPolicyRules` of one container (gate ContainerRestartRules on).
fn restart(container: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    const POLICIES: [&str; 3] = ["Always", "Never", "OnFailure"];
    let at = path.child("restartPolicy");
    let rules = container.items("restartPolicyRules");
    match container.get("restartPolicy").and_then(Value::as_str) {
        Some(policy) if !POLICIES.contains(&policy) => errors.unsupported(&at, policy, &POLICIES),
        Some(_) => {}
        None if rules.is_empty() => return,
        None => errors.required(&at, RULES_NEED_POLICY),
    }
    let at = path.child("restartPolicyRules");
    if rules.len() > 20 {
        errors.too_many(&at, rules.len(), 20);
    }
    for (index, rule) in rules.iter().enumerate() {
        let at = at.index(index);
        let action = rule.text("action");
        if !matches!(action, "Restart" | "RestartAllContainers") {
            let values = ["Restart", "RestartAllContainers"];
            errors.unsupported(&at.child("action"), action, &values);
        }
        let Some(codes) = rule.get("exitCodes") else {
            errors.required(&at.child("exitCodes"), "must be specified");
            continue;
        };
        let at = at.child("exitCodes");
        let operator = codes.text("operator");
        if !matches!(operator, "In" | "NotIn") {
            errors.unsupported(&at.child("operator"), operator, &["In", "NotIn"]);
        }
        let values = codes.items("values");
        if values.len() > 255 {
            errors.too_many(&at.child("values"), values.len(), 255);
        }
    }
}

/// `validatePodHostNetworkDeps`.
pub fn host_network(pod: &Pod<'_, '_>, path: &Path<'_>, errors: &mut Errors) {
    if !pod.spec.flag("hostNetwork") {
        return;
    }
    let path = path.child("containers");
    for (index, container) in pod.spec.items("containers").iter().enumerate() {
        let at = path.index(index);
        let at = at.child("ports");
        for (index, port) in container.items("ports").iter().enumerate() {
            let host = port.int("hostPort").unwrap_or(0);
            let differs = host != port.int("containerPort").unwrap_or(0);
            if differs && (pod.is_pod || host != 0) {
                let detail = "must match `containerPort` when `hostNetwork` is true";
                errors.invalid(&at.index(index).child("hostPort"), host, detail);
            }
        }
    }
}
