//! Validating webhooks: all at once; the first refusal counts (`validatingDispatcher.Dispatch`).

use super::call::{self, Unheard};
use super::hook::Hook;
use super::matching::{self, Invocation};
use super::review::Objects;
use super::{Stage, Webhooks};
use crate::admission::Reader;
use crate::admission::times::operation;
use crate::base::clock;
use crate::object::Value;
use crate::request::{Attributes, Fault, Operation, Result};
use crate::rt;
use bumpalo::Bump;

const FAILED_OPEN: &str = "failed-open.validating.webhook.admission.k8s.io/";

impl Webhooks {
    /// Asks the validating hooks about a write. A delete has no object, only an old one.
    ///
    /// # Errors
    /// The refusal of a hook, or 500 for one that cannot be called and must be.
    pub async fn validate(
        &self,
        at: &Attributes<'_>,
        object: &Value<'_>,
        old: Option<&Value<'_>>,
        reader: &Reader,
    ) -> Result<()> {
        if self.hooks.borrow().validating.is_empty() || matching::is_exempt(at) {
            return Ok(());
        }
        let stage = self.stage(reader);
        let object = (at.operation != Operation::Delete).then_some(object);
        let hooks = self.hooks();
        Box::pin(validate(stage, &hooks.validating, at, object, old)).await
    }
}

async fn validate(
    stage: Stage<'_>,
    hooks: &[Hook],
    at: &Attributes<'_>,
    object: Option<&Value<'_>>,
    old: Option<&Value<'_>>,
) -> Result<()> {
    let mut called: Vec<(&Hook, Invocation, usize)> = Vec::new();
    let mut bodies: Vec<(Invocation, Objects)> = Vec::new();
    for hook in hooks {
        let found = matching::invocation(stage, hook, at, object, old).await?;
        let Some(invocation) = found else { continue };
        let same =
            |(known, _): &(Invocation, Objects)| std::ptr::eq(known.resource, invocation.resource);
        let body = match bodies.iter().position(same) {
            Some(at) => at,
            None => {
                bodies.push((invocation, objects(stage, at, invocation, (object, old))?));
                bodies.len() - 1
            }
        };
        called.push((hook, invocation, body));
    }
    if called.is_empty() {
        return Ok(());
    }
    let bodies = &bodies;
    let asked = called.iter().enumerate().map(|(number, (hook, invocation, body))| async move {
        let Some((_, objects)) = bodies.get(*body) else { return Ok(()) };
        let begun = clock::now();
        let told = call::ask(stage, hook, at, *invocation, objects, false).await;
        let told = told.and_then(|verdict| match verdict.allowed {
            true => Ok(()),
            false => Err(Unheard::Refused(Fault::Denied(Box::new(verdict.denial)))),
        });
        let called = (*hook, "validating", operation(at.operation));
        call::count(stage.metrics, called, begun, &told);
        match told {
            Ok(()) => Ok(()),
            Err(Unheard::Refused(fault)) => Err(fault),
            Err(Unheard::Failed(why, _)) if hook.fails_open => {
                log::warn!("Failed calling webhook, failing open {}: {why}", hook.name);
                at.context.annotate(format!("{FAILED_OPEN}round_0_index_{number}"), &*hook.name);
                Ok(())
            }
            Err(Unheard::Failed(why, _)) => {
                log::warn!("Failed calling webhook, failing closed {}: {why}", hook.name);
                Err(Fault::Internal(why))
            }
        }
    });
    rt::all(asked.collect()).await.into_iter().collect()
}

/// Both objects in the version of the invocation.
pub(super) fn objects(
    stage: Stage<'_>,
    at: &Attributes<'_>,
    invocation: Invocation,
    (object, old): (Option<&Value<'_>>, Option<&Value<'_>>),
) -> Result<Objects> {
    let arena = Bump::new();
    let converted = |object: Option<&Value<'_>>| {
        let convert =
            |object| stage.versions.convert(at.resource, invocation.resource, object, &arena);
        object.map(convert).transpose()
    };
    let (object, old) = (converted(object)?, converted(old)?);
    Ok(Objects::new(invocation.resource, at.subresource, object.as_ref(), old.as_ref()))
}
