//! Joins the admission chain to the registry.

use crate::admission::{Authority, Chain, Question};
use crate::authz::{Action, Authorizer};
use crate::object::Value;
use crate::registry::Admit;
use crate::request::{Attributes, RequestInfo, Result, User, Verb};
use bumpalo::Bump;
use std::borrow::Cow;

/// The chain, as the registry calls it.
#[derive(Debug, Clone)]
pub struct Admission(pub Chain);

impl Admit for Admission {
    async fn mutate<'a>(
        &self,
        at: &Attributes<'_>,
        object: &mut Value<'a>,
        old: Option<&Value<'_>>,
        arena: &'a Bump,
    ) -> Result<()> {
        self.0.mutate(at, object, old, arena).await
    }

    async fn validate(
        &self,
        at: &Attributes<'_>,
        object: &Value<'_>,
        old: Option<&Value<'_>>,
    ) -> Result<()> {
        self.0.validate(at, object, old).await
    }
}

/// The authorizers, as plugins ask them.
#[derive(Debug)]
pub struct Bridge(pub Authorizer);

impl Authority for Bridge {
    fn allows(&self, user: &User, question: Question<'_>) -> bool {
        let info = RequestInfo {
            path: "",
            is_resource: true,
            verb: Verb::None,
            group: question.group,
            version: question.version,
            namespace: question.namespace,
            resource: question.resource,
            subresource: question.subresource,
            name: Cow::Borrowed(question.name),
            named: !question.name.is_empty(),
            rest: "",
            watch_prefix: false,
        };
        self.0.authorize(user, Action { info: &info, verb: question.verb }).is_ok()
    }
}
