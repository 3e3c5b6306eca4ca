//! The flags of authorization.

use crate::config::model::Authorization;
use crate::config::parse::{FlagError, Values};

/// Modes that `--authorization-mode` knows.
const MODES: [&str; 6] = ["AlwaysAllow", "AlwaysDeny", "ABAC", "Webhook", "RBAC", "Node"];
/// Flags that go with modes, not with a file.
const OF_MODES: [&str; 5] = [
    "authorization-mode",
    "authorization-webhook-cache-authorized-ttl",
    "authorization-webhook-cache-unauthorized-ttl",
    "authorization-webhook-config-file",
    "authorization-webhook-version",
];

/// `--authorization-*` (`BuiltInAuthorizationOptions.Validate`).
pub(super) fn authorization(values: &Values) -> Result<Authorization, FlagError> {
    let policy_file = values.path("authorization-policy-file");
    let config_file = values.path("authorization-config");
    if config_file.is_some() {
        if OF_MODES.iter().any(|flag| values.is_set(flag)) {
            let message = "--authorization-config can not be specified when --authorization-mode \
                           or --authorization-webhook-* flags are defined";
            return Err(FlagError::Combination(message.to_owned()));
        }
        return Ok(Authorization { modes: Vec::new(), config_file, policy_file });
    }
    let mut modes = values.list("authorization-mode");
    if modes.is_empty() {
        modes.push("AlwaysAllow".to_owned());
    }
    let combination = |text: &str| Err(FlagError::Combination(text.to_owned()));
    for (at, mode) in modes.iter().enumerate() {
        if !MODES.contains(&mode.as_str()) {
            let message = format!("authorization-mode {mode:?} is not a valid mode");
            return Err(values.invalid("authorization-mode", message));
        }
        if modes.iter().take(at).any(|earlier| earlier == mode) {
            let message = format!("{mode} is given twice");
            return Err(values.invalid("authorization-mode", message));
        }
    }
    let has = |wanted: &str| modes.iter().any(|mode| mode == wanted);
    match (has("ABAC"), policy_file.is_some()) {
        (true, false) => {
            combination("authorization-mode ABAC's authorization policy file not passed")
        }
        (false, true) => {
            combination("cannot specify --authorization-policy-file without mode ABAC")
        }
        _ => Ok(Authorization { modes, config_file, policy_file }),
    }
}
