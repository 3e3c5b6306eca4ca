//! Security contexts of pods and containers.

use super::{Errors, Report as _, Verbatim, env, format, go_form};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::Read as _;

const SYSCTL_BYTES_MAX: usize = 253;
const PROFILE_BYTES_MAX: usize = 4_095;
const PROFILES: [&str; 3] = ["Localhost", "RuntimeDefault", "Unconfined"];

/// `ValidateSecurityContext` of one container. `host_users` is what the pod says, true if nothing.
pub fn container(
    context: &Value<'_>,
    privileged_allowed: bool,
    host_users: bool,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    if context.flag("privileged") && !privileged_allowed {
        errors.forbidden(&path.child("privileged"), "disallowed by cluster policy");
    }
    ids(context, &["runAsUser", "runAsGroup"], path, errors);
    if let Some(mount) = context.get("procMount").and_then(Value::as_str) {
        let at = path.child("procMount");
        if !matches!(mount, "Default" | "Unmasked") {
            errors.unsupported(&at, mount, &["Default", "Unmasked"]);
        }
        if host_users && mount == "Unmasked" {
            errors.invalid(&at, mount, "`hostUsers` must be false to use `Unmasked`");
        }
    }
    seccomp(context.get("seccompProfile"), &path.child("seccompProfile"), errors);
    let escalation = context.get("allowPrivilegeEscalation").and_then(Value::as_bool);
    if escalation == Some(false) {
        let shown = || go_form::compact(Some(context), "core.v1.SecurityContext");
        if context.flag("privileged") {
            let detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            errors.invalid(path, Verbatim(&shown()), detail);
        }
        let added = context.get("capabilities");
        if added.is_some_and(|added| added.texts("add").any(|name| name == "CAP_SYS_ADMIN")) {
            let detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` \
                          CAP_SYS_ADMIN";
            errors.invalid(path, Verbatim(&shown()), detail);
        }
    }
    windows(context.get("windowsOptions"), &path.child("windowsOptions"), errors);
    app_armor(context.get("appArmorProfile"), &path.child("appArmorProfile"), errors);
}

/// `validatePodSpecSecurityContext`.
pub fn pod(spec: &Value<'_>, context: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    ids(context, &["fsGroup", "runAsUser", "runAsGroup"], path, errors);
    let groups = path.child("supplementalGroups");
    for (index, group) in context.items("supplementalGroups").iter().enumerate() {
        let group = group.as_i64().unwrap_or(0);
        for message in format::user_id(group) {
            errors.invalid(&groups.index(index), group, &message);
        }
    }
    if spec.flag("shareProcessNamespace") && spec.flag("hostPID") {
        let detail = "ShareProcessNamespace and HostPID cannot both be enabled";
        errors.invalid(&path.child("shareProcessNamespace"), true, detail);
    }
    sysctls(spec, context, &path.child("sysctls"), errors);
    policy(context, "fsGroupChangePolicy", &["Always", "OnRootMismatch"], path, errors);
    seccomp(context.get("seccompProfile"), &path.child("seccompProfile"), errors);
    windows(context.get("windowsOptions"), &path.child("windowsOptions"), errors);
    app_armor(context.get("appArmorProfile"), &path.child("appArmorProfile"), errors);
    policy(context, "supplementalGroupsPolicy", &["Merge", "Strict"], path, errors);
    // Gate SELinuxMount is off.
    policy(context, "seLinuxChangePolicy", &["Recursive"], path, errors);
}

fn policy(
    context: &Value<'_>,
    name: &'static str,
    values: &[&str],
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let value = context.get(name).and_then(Value::as_str);
    if let Some(value) = value.filter(|value| !values.contains(value)) {
        errors.unsupported(&path.child(name), value, values);
    }
}

/// `validateWindowsHostProcessPod`: all containers are of that kind, or none.
pub fn host_process(
    spec: &Value<'_>,
    privileged_allowed: bool,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let options = ["securityContext", "windowsOptions", "hostProcess"];
    let pod = spec.at(&options).and_then(Value::as_bool);
    let (mut all, mut hosts) = (0, 0);
    super::pod_spec::each_container(spec, path, |container, at| {
        let own = container.at(&options).and_then(Value::as_bool);
        if let (Some(pod), Some(own)) = (pod, own)
            && pod != own
        {
            let at = at.child("securityContext");
            let at = at.child("windowsOptions");
            let detail =
                format!("pod hostProcess value must be identical if both are specified, was {pod}");
            errors.invalid(&at.child("hostProcess"), own, &detail);
        }
        all += 1;
        hosts += usize::from(own.or(pod) == Some(true));
    });
    if hosts == 0 {
        return;
    }
    if hosts != all {
        let detail = "If pod contains any hostProcess containers then all containers must be \
                      HostProcess containers";
        errors.invalid(path, "", detail);
    }
    if !spec.flag("hostNetwork") {
        let detail = "hostNetwork must be true if pod contains any hostProcess containers";
        errors.invalid(&path.child("hostNetwork"), false, detail);
    }
    if !privileged_allowed {
        errors.forbidden(path, "hostProcess containers are disallowed by cluster policy");
    }
}

fn ids(context: &Value<'_>, names: &[&str], path: &Path<'_>, errors: &mut Errors) {
    for name in names {
        if let Some(id) = context.int(name) {
            for message in format::user_id(id) {
                errors.invalid(&path.child(name), id, &message);
            }
        }
    }
}

fn seccomp(profile: Option<&Value<'_>>, path: &Path<'_>, errors: &mut Errors) {
    let Some(profile) = profile else { return };
    let kind = profile.text("type");
    if kind.is_empty() {
        errors.required(&path.child("type"), "type is required when seccompProfile is set");
    } else if !PROFILES.contains(&kind) {
        errors.unsupported(&path.child("type"), kind, &PROFILES);
    }
    let at = path.child("localhostProfile");
    match profile.get("localhostProfile").and_then(Value::as_str) {
        None if kind == "Localhost" => {
            errors.required(&at, "must be set when seccomp type is Localhost");
        }
        Some(file) if kind == "Localhost" => env::local_path(file, &at, errors),
        Some(_) => {
            let shown = go_form::compact(Some(profile), "core.v1.SeccompProfile");
            let detail = "can only be set when seccomp type is Localhost";
            errors.invalid(&at, Verbatim(&shown), detail);
        }
        None => {}
    }
}

fn app_armor(profile: Option<&Value<'_>>, path: &Path<'_>, errors: &mut Errors) {
    let Some(profile) = profile else { return };
    let file = profile.get("localhostProfile").and_then(Value::as_str);
    let at = path.child("localhostProfile");
    match profile.text("type") {
        "Localhost" => match file {
            None => errors.required(&at, "must be set when AppArmor type is Localhost"),
            Some(file) => {
                if file.trim() != file {
                    errors.invalid(&at, file, "must not be padded with whitespace");
                } else if file.is_empty() {
                    errors.required(&at, "must be set when AppArmor type is Localhost");
                }
                if file.len() > PROFILE_BYTES_MAX {
                    errors.too_long(&at, PROFILE_BYTES_MAX);
                }
            }
        },
        "RuntimeDefault" | "Unconfined" => {
            if let Some(file) = file {
                let detail = "can only be set when AppArmor type is Localhost";
                errors.invalid(&at, file, detail);
            }
        }
        "" => errors.required(&path.child("type"), "type is required when appArmorProfile is set"),
        kind => errors.unsupported(&path.child("type"), kind, &PROFILES),
    }
}

fn windows(options: Option<&Value<'_>>, path: &Path<'_>, errors: &mut Errors) {
    let Some(options) = options else { return };
    if let Some(name) = options.get("gmsaCredentialSpecName").and_then(Value::as_str) {
        let at = path.child("gmsaCredentialSpecName");
        errors.messages(&at, name, format::dns_subdomain(name));
    }
    if let Some(spec) = options.get("gmsaCredentialSpec").and_then(Value::as_str) {
        let at = path.child("gmsaCredentialSpec");
        if spec.is_empty() {
            errors.invalid(&at, spec, "gmsaCredentialSpec cannot be an empty string");
        } else if spec.len() > 64 * 1_024 {
            errors.invalid(&at, spec, "gmsaCredentialSpec size must be under 64 KiB");
        }
    }
    if let Some(name) = options.get("runAsUserName").and_then(Value::as_str) {
        windows_user(name, &path.child("runAsUserName"), errors);
    }
}

fn windows_user(name: &str, path: &Path<'_>, errors: &mut Errors) {
    if name.is_empty() {
        errors.invalid(path, name, "runAsUserName cannot be an empty string");
        return;
    }
    if name.chars().any(|c| c.is_ascii_control()) {
        errors.invalid(path, name, "runAsUserName cannot contain control characters");
        return;
    }
    let parts: Vec<&str> = name.split('\\').collect();
    let (domain, user) = match parts.as_slice() {
        [user] => ("", *user),
        [domain, user] => (*domain, *user),
        _ => {
            errors.invalid(path, name, "runAsUserName cannot contain more than one backslash");
            return;
        }
    };
    if parts.len() == 2 && domain.len() >= 256 {
        let detail = "runAsUserName's Domain length must be under 256 characters";
        errors.invalid(path, name, detail);
    }
    if user.is_empty() {
        errors.invalid(path, name, "runAsUserName's User cannot be empty");
    } else if user.len() > 104 {
        let detail = "runAsUserName's User length must not be longer than 104 characters";
        errors.invalid(path, name, detail);
    }
    if !user.is_empty() && user.bytes().all(|b| matches!(b, b'.' | b' ')) {
        let detail = "runAsUserName's User cannot contain only periods or spaces";
        errors.invalid(path, name, detail);
    }
    if user
        .contains(['"', '/', '\\', ':', ';', '|', '=', ',', '+', '*', '?', '<', '>', '@', '[', ']'])
    {
        let detail = "runAsUserName's User cannot contain the following characters: \
                      \"/\\:;|=,+*?<>@[]";
        errors.invalid(path, name, detail);
    }
}

fn sysctls(spec: &Value<'_>, context: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let mut seen: Vec<&str> = Vec::new();
    for (index, sysctl) in context.items("sysctls").iter().enumerate() {
        let name = sysctl.text("name");
        let at = path.index(index);
        let at = at.child("name");
        let plain = name.replace('/', ".");
        if name.is_empty() {
            errors.required(&at, "");
        } else if !is_sysctl(name) {
            let detail = format!(
                "must have at most {SYSCTL_BYTES_MAX} characters and match regex \
                 ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
            );
            errors.invalid(&at, name, &detail);
        } else if seen.contains(&name) {
            errors.duplicate(&at, name);
        }
        let shared = ["kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."];
        if spec.flag("hostNetwork") && plain.starts_with("net.") {
            errors.invalid(&at, name, "may not be specified when 'hostNetwork' is true");
        }
        if spec.flag("hostIPC") && shared.iter().any(|prefix| plain.starts_with(prefix)) {
            errors.invalid(&at, name, "may not be specified when 'hostIPC' is true");
        }
        seen.push(name);
    }
}

fn is_sysctl(name: &str) -> bool {
    let edge = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let segment = |segment: &str| {
        segment.bytes().next().is_some_and(edge)
            && segment.bytes().next_back().is_some_and(edge)
            && segment.bytes().all(|b| edge(b) || matches!(b, b'-' | b'_'))
    };
    name.len() <= SYSCTL_BYTES_MAX && name.split(['.', '/']).all(segment)
}
