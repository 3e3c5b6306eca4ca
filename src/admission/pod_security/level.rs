//! Levels and versions of the pod security standards, and the labels that choose them
//! (`k8s.io/pod-security-admission/api`).

use crate::object::Value;
use crate::object::field::{FieldError, Path};
use std::fmt;

/// How much a policy forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::admission) enum Level {
    Privileged,
    Baseline,
    Restricted,
}

/// A level of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::admission) struct Policy {
    pub(super) level: Level,
    /// Of version 1; `None` for the latest.
    pub(super) minor: Option<u32>,
}

impl Level {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Privileged => "privileged",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.level.name())?;
        match self.minor {
            Some(minor) => write!(f, ":v1.{minor}"),
            None => f.write_str(":latest"),
        }
    }
}

/// What a namespace asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::admission) struct Policies {
    pub(in crate::admission) enforce: Policy,
    pub(super) audit: Policy,
    pub(super) warn: Policy,
}

const FREE: Policy = Policy { level: Level::Privileged, minor: None };

impl Default for Policies {
    /// Everything is allowed.
    fn default() -> Self {
        Self { enforce: FREE, audit: FREE, warn: FREE }
    }
}

impl Policies {
    /// The policies that the labels of a namespace choose, the `defaults` where they choose none,
    /// and what is wrong with the labels (`PolicyToEvaluate`).
    pub(super) fn of(namespace: &Value<'_>, defaults: &Self) -> (Self, Vec<FieldError>) {
        let mut policies = *defaults;
        let mut errors = Vec::new();
        let Some(labels) = namespace.at(&["metadata", "labels"]) else { return (policies, errors) };
        let mut read = |mode: &str, policy: &mut Policy, on_error: Level| {
            let key = format!("pod-security.kubernetes.io/{mode}");
            let level = labels.at(&[&key]).and_then(Value::as_str);
            let parsed = level.map(parse_level);
            if let Some(parsed) = parsed {
                policy.level = parsed.unwrap_or(on_error);
                if parsed.is_none() {
                    let text = "must be one of privileged, baseline, restricted";
                    errors.push(invalid(&key, level.unwrap_or_default(), text));
                }
            }
            let key = format!("{key}-version");
            if let Some(version) = labels.at(&[&key]).and_then(Value::as_str) {
                match parse_version(version) {
                    Some(minor) => policy.minor = minor,
                    None => {
                        policy.minor = None;
                        errors.push(invalid(&key, version, "must be \"latest\" or \"v1.x\""));
                    }
                }
            }
            parsed
        };
        let enforced = read("enforce", &mut policies.enforce, Level::Restricted);
        read("audit", &mut policies.audit, Level::Privileged);
        let warned = read("warn", &mut policies.warn, Level::Privileged);
        // Whoever enforces and does not say what to warn of is warned of the same.
        if warned.is_none()
            && let Some(Some(level)) = enforced
            && level > policies.warn.level
        {
            policies.warn.level = level;
            if labels.at(&["pod-security.kubernetes.io/warn-version"]).is_none() {
                policies.warn.minor = policies.enforce.minor;
            }
        }
        (policies, errors)
    }

    /// What a namespace is told that asks for policies which do not hold there, since it is exempt
    /// (`exemptNamespaceWarning`).
    pub(super) fn exempt_warning(
        &self,
        namespace: &Value<'_>,
        name: &str,
        defaults: &Self,
    ) -> Option<String> {
        let free = |policy: Policy| policy.level == Level::Privileged;
        let same = |one: Policy, other: Policy| one == other || (free(one) && free(other));
        let of = |all: &Self| [all.enforce, all.audit, all.warn];
        if self.are_free() || of(self).iter().zip(of(defaults)).all(|(one, it)| same(*one, it)) {
            return None;
        }
        let labels = namespace.at(&["metadata", "labels"]);
        let has = |mode: &str| {
            let level = format!("pod-security.kubernetes.io/{mode}");
            let version = format!("{level}-version");
            let set = |key: &str| labels.is_some_and(|labels| labels.get(key).is_some());
            set(&level) || set(&version)
        };
        let told: Vec<String> = ["enforce", "audit", "warn"]
            .into_iter()
            .zip(of(self))
            .filter(|(mode, policy)| !free(*policy) && has(mode))
            .map(|(mode, policy)| format!("{mode}={policy}"))
            .collect();
        let told = told.join(", ");
        Some(format!(
            "namespace {name:?} is exempt from Pod Security, and the policy ({told}) will be \
             ignored"
        ))
    }

    /// Nothing is forbidden, and nothing told.
    pub(super) fn are_free(&self) -> bool {
        [self.enforce, self.audit, self.warn].iter().all(|one| one.level == Level::Privileged)
    }
}

fn invalid(key: &str, value: &str, text: &str) -> FieldError {
    let metadata = Path::root("metadata");
    let labels = metadata.child("labels");
    FieldError::invalid(&labels.key(key), value, text)
}

pub(super) fn parse_level(text: &str) -> Option<Level> {
    match text {
        "privileged" => Some(Level::Privileged),
        "baseline" => Some(Level::Baseline),
        "restricted" => Some(Level::Restricted),
        _ => None,
    }
}

/// `latest` (as `None`) or `v1.` and a number without leading zeros.
pub(super) fn parse_version(text: &str) -> Option<Option<u32>> {
    if text == "latest" {
        return Some(None);
    }
    let digits = text.strip_prefix("v1.")?;
    let plain = digits == "0" || !digits.starts_with('0');
    let numeric = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain && numeric { Some(Some(digits.parse().ok()?)) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json;
    use bumpalo::Bump;

    fn of(labels: &str) -> (Policies, usize) {
        let arena = Bump::new();
        let text = format!(r#"{{"metadata":{{"labels":{{{labels}}}}}}}"#);
        let namespace = json::parse_any(text.as_bytes(), &arena).unwrap();
        let (policies, errors) = Policies::of(&namespace, &Policies::default());
        (policies, errors.len())
    }

    #[test]
    fn what_labels_leave_out_is_by_default() {
        let arena = Bump::new();
        let strict = Policy { level: Level::Restricted, minor: None };
        let defaults = Policies { enforce: strict, ..Policies::default() };
        let text = br#"{"metadata":{"labels":{"pod-security.kubernetes.io/audit":"baseline"}}}"#;
        let namespace = json::parse_any(text, &arena).unwrap();
        let (policies, _) = Policies::of(&namespace, &defaults);
        assert_eq!((policies.enforce, policies.warn), (strict, FREE));
        assert_eq!(
            policies.exempt_warning(&namespace, "n", &defaults).unwrap(),
            "namespace \"n\" is exempt from Pod Security, and the policy (audit=baseline:latest) \
             will be ignored"
        );
        assert_eq!(policies.exempt_warning(&namespace, "n", &policies), None);
    }

    #[test]
    fn whoever_enforces_is_warned_of_the_same_unless_they_say_otherwise() {
        let key = "pod-security.kubernetes.io";
        let (policies, _) =
            of(&format!(r#""{key}/enforce":"restricted","{key}/enforce-version":"v1.20""#));
        assert_eq!(policies.warn, Policy { level: Level::Restricted, minor: Some(20) });
        assert_eq!(policies.audit, FREE);
        let labels = format!(r#""{key}/enforce":"restricted","{key}/warn":"privileged""#);
        assert_eq!(of(&labels).0.warn, FREE);
    }

    #[test]
    fn labels_that_mean_nothing_are_errors_and_enforce_the_most() {
        let key = "pod-security.kubernetes.io";
        let (policies, errors) =
            of(&format!(r#""{key}/enforce":"strict","{key}/audit-version":"1.20""#));
        assert_eq!((policies.enforce.level, errors), (Level::Restricted, 2));
        assert_eq!(policies.warn, FREE);
    }

    #[test]
    fn versions_are_latest_or_v1_and_a_number() {
        assert_eq!(parse_version("latest"), Some(None));
        assert_eq!(parse_version("v1.0"), Some(Some(0)));
        assert_eq!(parse_version("v1.36"), Some(Some(36)));
        for bad in ["v1.01", "v1.", "v2.0", "1.20", "v1.x", ""] {
            assert_eq!(parse_version(bad), None, "{bad}");
        }
    }
}
