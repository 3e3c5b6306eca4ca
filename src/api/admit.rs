//! Joins the admission chain to the registry.

use super::escalation;
use crate::admission::webhook::Versions;
use crate::admission::{Answer, Authority, Chain, Question};
use crate::authz::{Action, Authorizer, Verdict};
use crate::catalog::Resource;
use crate::metrics::Phase;
use crate::object::Value;
use crate::registry::body::api_version;
use crate::registry::{Admit, stored};
use crate::request::{Attributes, Fault, Result, Subject, User};
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
        at.context.laps.lap(Phase::Prepare);
        self.chain.mutate(at, object, old, arena).await?;
        escalation::check(&self.authorizer, at, object, old, arena).await?;
        at.context.laps.lap(Phase::Admission);
        Ok(())
    }

    async fn validate(
        &self,
        at: &Attributes<'_>,
        object: &Value<'_>,
        old: Option<&Value<'_>>,
    ) -> Result<()> {
        if at.by_update {
            self.may_create(at).await?;
        }
        at.context.laps.lap(Phase::Prepare);
        self.chain.validate(at, object, old).await?;
        at.context.laps.lap(Phase::Admission);
        Ok(())
    }
}

impl Admission {
    /// Who may update may not by that alone make what is not there (`withAuthorization`).
    async fn may_create(&self, at: &Attributes<'_>) -> Result<()> {
        let Attributes { resource, subresource, namespace, name, .. } = *at;
        let action = Action {
            verb: "create",
            group: resource.group,
            version: resource.version,
            subresource,
            namespace,
            name,
            ..Action::resource(resource.name)
        };
        let decision = self.authorizer.decide(&at.context.user, &action, false).await;
        if decision.verdict == Verdict::Allow {
            return Ok(());
        }
        if let Some(error) = decision.error {
            return Err(Fault::Internal(error));
        }
        let subject = Subject {
            group: resource.group.into(),
            resource: resource.name.into(),
            name: name.into(),
        };
        Err(Fault::Forbidden { subject, message: decision.reason, cause: None })
    }
}

/// The authorizers, as plugins ask them.
#[derive(Debug)]
pub struct Bridge(pub Authorizer);

impl Authority for Bridge {
    fn allows_now(&self, user: &User, question: Question<'_>) -> bool {
        self.0.allows_now(user, &action(question))
    }

    fn allows<'q>(&'q self, user: &'q User, question: Question<'q>) -> Answer<'q> {
        Box::pin(async move { self.0.allows(user, &action(question)).await })
    }
}

fn action(question: Question<'_>) -> Action<'_> {
    if !question.path.is_empty() {
        return Action { verb: question.verb, ..Action::path(question.path) };
    }
    Action {
        verb: question.verb,
        group: question.group,
        version: question.version,
        namespace: question.namespace,
        subresource: question.subresource,
        name: question.name,
        ..Action::resource(question.resource)
    }
}

/// Objects in other versions, as webhooks see them.
#[derive(Debug)]
pub struct Conversion;

impl Versions for Conversion {
    fn convert<'a>(
        &self,
        from: &'static Resource,
        to: &'static Resource,
        object: &Value<'_>,
        arena: &'a Bump,
    ) -> Result<Value<'a>> {
        let copy = object.copy_in(arena);
        let own = object.str_at(&["apiVersion"]);
        if object.str_at(&["kind"]) != from.kind || own == api_version(to.group, to.version) {
            return Ok(copy);
        }
        let storage = stored::storage(from)?;
        if own == api_version(storage.group, storage.version) {
            return stored::to_served(to, copy, arena);
        }
        let stored = stored::to_storage(from, copy, arena)?;
        stored::to_served(to, stored, arena)
    }

    fn fill_defaults<'a>(
        &self,
        resource: &'static Resource,
        object: &mut Value<'a>,
        arena: &'a Bump,
    ) {
        stored::fill_defaults(resource, object, arena);
    }
}
