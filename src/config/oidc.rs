//! The flags of OpenID and of the AuthenticationConfiguration.

use crate::authn::oidc::FlagIssuer;
use crate::config::model::Oidc;
use crate::config::parse::{FlagError, Values};
use std::path::PathBuf;

const FLAGS: [&str; 9] = [
    "oidc-ca-file",
    "oidc-client-id",
    "oidc-groups-claim",
    "oidc-groups-prefix",
    "oidc-issuer-url",
    "oidc-required-claim",
    "oidc-signing-algs",
    "oidc-username-claim",
    "oidc-username-prefix",
];
/// Algorithms that flags may name (`oidc.AllValidSigningAlgorithms`).
const ALGORITHMS: [&str; 9] =
    ["ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"];

/// The AuthenticationConfiguration's file and the issuer of `--oidc-*`, of which only one may be
/// given (`BuiltInAuthenticationOptions.Validate`).
pub(super) fn oidc(values: &Values) -> Result<(Option<PathBuf>, Option<Oidc>), FlagError> {
    let combination = |text: &str| Err(FlagError::Combination(text.to_owned()));
    let file = values.path("authentication-config");
    if !FLAGS.iter().any(|flag| values.is_set(flag)) {
        return Ok((file, None));
    }
    if file.is_some() {
        return combination("authentication-config file and oidc-* flags are mutually exclusive");
    }
    let text = |name: &'static str| values.text(name).to_owned();
    let (url, client_id) = (text("oidc-issuer-url"), text("oidc-client-id"));
    if url.is_empty() || client_id.is_empty() {
        return combination(
            "oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags \
             are set",
        );
    }
    if !url.starts_with("https://") {
        return Err(values.invalid("oidc-issuer-url", "URL scheme must be https"));
    }
    if values.list("service-account-issuer").contains(&url) {
        let message = "URL must not overlap with disallowed issuers";
        return Err(values.invalid("oidc-issuer-url", message));
    }
    let claim = text("oidc-username-claim");
    // Without a prefix, names of other issuers than this one are kept apart; `email` is by itself.
    let prefix = match text("oidc-username-prefix").as_str() {
        "" if claim != "email" => format!("{url}#"),
        "-" => String::new(),
        given => given.to_owned(),
    };
    let groups = text("oidc-groups-claim");
    let algorithms = values.list("oidc-signing-algs");
    if let Some(unknown) = algorithms.iter().find(|one| !ALGORITHMS.contains(&one.as_str())) {
        let message = format!("unsupported signing alg: {unknown:?}");
        return Err(values.invalid("oidc-signing-algs", message));
    }
    let issuer = FlagIssuer {
        url,
        client_id,
        ca: None,
        username: (claim, prefix),
        groups: (!groups.is_empty()).then(|| (groups, text("oidc-groups-prefix"))),
        required: values.map("oidc-required-claim").into_iter().collect(),
        algorithms,
    };
    Ok((file, Some(Oidc { issuer, ca_file: values.path("oidc-ca-file") })))
}
