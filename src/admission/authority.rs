//! What plugins ask the authorizers, through a bridge: the two do not know each other.

use crate::request::User;
use std::fmt;
use std::pin::Pin;

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
    /// A path outside the API groups, in the place of a resource; "" for none.
    pub path: &'q str,
}

/// An answer to come.
pub type Answer<'q> = Pin<Box<dyn Future<Output = bool> + 'q>>;

/// Whoever answers.
pub trait Authority: fmt::Debug {
    /// True if the user may, as far as is known at once: an authorizer elsewhere is not asked, and
    /// what only it would allow is not allowed.
    fn allows_now(&self, user: &User, question: Question<'_>) -> bool;

    /// True if the user may; an authorizer elsewhere is asked.
    fn allows<'q>(&'q self, user: &'q User, question: Question<'q>) -> Answer<'q>;
}

/// May the user do this for the signer, or for all signers of its domain
/// (`IsAuthorizedForSignerName`)?
pub(super) async fn allows_signer(
    authority: &dyn Authority,
    user: &User,
    verb: &str,
    signer: &str,
) -> bool {
    let about = |name| {
        let (group, version) = ("certificates.k8s.io", "*");
        Question { verb, group, version, resource: "signers", name, ..Question::default() }
    };
    if authority.allows(user, about(signer)).await {
        return true;
    }
    let Some((domain, _)) = signer.split_once('/') else { return false };
    let all = format!("{domain}/*");
    authority.allows(user, about(&all)).await
}
