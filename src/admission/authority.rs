//! What plugins ask the authorizers, through a bridge: the two do not know each other.

use crate::request::User;
use std::fmt;

/// A question about a resource.
#[derive(Debug, Clone, Copy, Default)]
pub struct Question<'q> {
    /// The verb.
    pub verb: &'q str,
    /// API group; "" for core.
    pub group: &'q str,
    /// API version.
    pub version: &'q str,
    /// Plural resource.
    pub resource: &'q str,
    /// Subresource; "" for none.
    pub subresource: &'q str,
    /// Namespace; "" for none.
    pub namespace: &'q str,
    /// Name; "" for none.
    pub name: &'q str,
}

/// Whoever answers.
pub trait Authority: fmt::Debug {
    /// True if the user may.
    fn allows(&self, user: &User, question: Question<'_>) -> bool;
}

/// May the user do this for the signer, or for all signers of its domain
/// (`IsAuthorizedForSignerName`)?
pub(super) fn allows_signer(
    authority: &dyn Authority,
    user: &User,
    verb: &str,
    signer: &str,
) -> bool {
    let group = "certificates.k8s.io";
    let ask = |name: &str| {
        let question = Question {
            verb,
            group,
            version: "*",
            resource: "signers",
            name,
            ..Question::default()
        };
        authority.allows(user, question)
    };
    ask(signer) || signer.split_once('/').is_some_and(|(domain, _)| ask(&format!("{domain}/*")))
}
