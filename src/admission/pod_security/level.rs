//! Levels and versions of the pod security standards, and the labels that choose them
//! (`k8s.io/pod-security-admission/api`).

use crate::object::Value;
use crate::object::field::{FieldError, Path};
use std::fmt;

/// How much a policy forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Privileged,
    Baseline,
    Restricted,
}

/// A level of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Policy {
    pub(super) level: Level,
    /// Of version 1; `None` for the latest.
    pub(super) minor: Option<u32>,
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.level {
            Level::Privileged => "privileged",
            Level::Baseline => "baseline",
            Level::Restricted => "restricted",
        })?;
        match self.minor {
            Some(minor) => write!(f, ":v1.{minor}"),
            None => f.write_str(":latest"),
        }
    }
}

/// What a namespace asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Policies {
    pub(super) enforce: Policy,
    pub(super) audit: Policy,
    pub(super) warn: Policy,
}

const FREE: Policy = Policy { level: Level::Privileged, minor: None };

impl Policies {
    /// The policies that the labels of a namespace choose, and what is wrong with the labels
    /// (`PolicyToEvaluate`).
    pub(super) fn of(namespace: &Value<'_>) -> (Self, Vec<FieldError>) {
        let mut policies = Self { enforce: FREE, audit: FREE, warn: FREE };
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

fn parse_level(text: &str) -> Option<Level> {
    match text {
        "privileged" => Some(Level::Privileged),
        "baseline" => Some(Level::Baseline),
        "restricted" => Some(Level::Restricted),
        _ => None,
    }
}

/// `latest` (as `None`) or `v1.` and a number without leading zeros.
fn parse_version(text: &str) -> Option<Option<u32>> {
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
        let (policies, errors) = Policies::of(&json::parse_any(text.as_bytes(), &arena).unwrap());
        (policies, errors.len())
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
