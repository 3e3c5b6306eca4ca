//! The flags of authorization.

use crate::config::model::{Authorization, AuthorizationWebhook};
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
        return Ok(Authorization { modes: Vec::new(), config_file, policy_file, webhook: None });
    }
    let mut modes = values.list("authorization-mode");
    if modes.is_empty() {
        modes.push("AlwaysAllow".to_owned());
    }
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
    let text = match (has("ABAC"), policy_file.is_some()) {
        (true, false) => "authorization-mode ABAC's authorization policy file not passed",
        (false, true) => "cannot specify --authorization-policy-file without mode ABAC",
        _ => "",
    };
    let webhook = webhook(values)?;
    let text = match (has("Webhook"), webhook.is_some()) {
        _ if !text.is_empty() => text,
        (true, false) => "authorization-mode Webhook's authorization config file not passed",
        (false, true) => "cannot specify --authorization-webhook-config-file without mode Webhook",
        _ => return Ok(Authorization { modes, config_file, policy_file, webhook }),
    };
    Err(FlagError::Combination(text.to_owned()))
}

fn webhook(values: &Values) -> Result<Option<AuthorizationWebhook>, FlagError> {
    let Some(config_file) = values.path("authorization-webhook-config-file") else {
        return Ok(None);
    };
    let flag = "authorization-webhook-version";
    let version = version(values, flag, "webhook authorizer")?;
    Ok(Some(AuthorizationWebhook {
        config_file,
        version,
        authorized_ttl: values.duration("authorization-webhook-cache-authorized-ttl"),
        unauthorized_ttl: values.duration("authorization-webhook-cache-unauthorized-ttl"),
    }))
}

/// The version of a review.
pub(super) fn version(
    values: &Values,
    flag: &'static str,
    what: &str,
) -> Result<String, FlagError> {
    let version = values.text(flag);
    if matches!(version, "v1" | "v1beta1") {
        return Ok(version.to_owned());
    }
    let message = format!(
        "unsupported {what} version {version:?}, supported versions are \"v1\", \"v1beta1\""
    );
    Err(values.invalid(flag, message))
}
