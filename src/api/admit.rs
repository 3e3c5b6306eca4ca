//! Joins the admission chain to the registry.

use super::escalation;
use crate::admission::{Authority, Chain, Question};
use crate::authz::{Action, Authorizer};
use crate::object::Value;
use crate::registry::Admit;
use crate::request::{Attributes, Result, User};
use bumpalo::Bump;

/// The chain and what guards roles and bindings, as the registry calls them.
#[derive(Debug, Clone)]
pub struct Admission {
    /// The plugins.
    pub chain: Chain,
    /// Says what a user may hand on.
    pub authorizer: Authorizer,
}

impl Admit for Admission {
    async fn mutate<'a>(
        &self,
        at: &Attributes<'_>,
        object: &mut Value<'a>,
        old: Option<&Value<'_>>,
        arena: &'a Bump,
    ) -> Result<()> {
        self.chain.mutate(at, object, old, arena).await?;
        escalation::check(&self.authorizer, at, object, old, arena)
    }

    async fn validate(
        &self,
        at: &Attributes<'_>,
        object: &Value<'_>,
        old: Option<&Value<'_>>,
    ) -> Result<()> {
        self.chain.validate(at, object, old).await
    }
}

/// The authorizers, as plugins ask them.
#[derive(Debug)]
pub struct Bridge(pub Authorizer);

impl Authority for Bridge {
    fn allows(&self, user: &User, question: Question<'_>) -> bool {
        let action = Action {
            verb: question.verb,
            group: question.group,
            version: question.version,
            namespace: question.namespace,
            subresource: question.subresource,
            name: question.name,
            ..Action::resource(question.resource)
        };
        self.0.allows(user, &action)
    }
}
