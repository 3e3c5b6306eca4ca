//! Mutating webhooks: one after the other, each on what those before it have made
//! (`mutatingDispatcher.Dispatch`).

use super::call::{self, Unheard};
use super::hook::Hook;
use super::matching::{self, Invocation};
use super::validate::objects;
use super::{Stage, Webhooks};
use crate::admission::Reader;
use crate::admission::times::operation;
use crate::base::clock;
use crate::codec::json::{self, Strictness, write};
use crate::object::Value;
use crate::object::patch::json::Patch;
use crate::request::{Attributes, Fault, Operation, Result};
use bumpalo::Bump;

const FAILED_OPEN: &str = "failed-open.mutating.webhook.admission.k8s.io/";
const MUTATION: &str = "mutation.webhook.admission.k8s.io/";
const PATCH: &str = "patch.webhook.admission.k8s.io/";

/// What the first run through the mutating plugins leaves for the second, if there is one
/// (`webhookReinvokeContext`).
#[derive(Debug, Default)]
pub struct Round {
    again: bool,
    second: bool,
    /// Hooks that have been called and want to see later changes.
    called: Vec<(String, String)>,
    /// Those of them since which the object has changed.
    due: Vec<(String, String)>,
    /// The object as the hooks left it, JSON.
    left: Vec<u8>,
}

impl Round {
    /// True once, if a hook has changed the object in the first run: all plugins run again.
    pub const fn begin_second(&mut self) -> bool {
        let begins = self.again && !self.second;
        self.second = true;
        begins
    }

    const fn number(&self) -> u8 {
        if self.second { 1 } else { 0 }
    }

    fn changed(&mut self) {
        self.due.append(&mut self.called);
    }

    fn is_due(&self, hook: &Hook) -> bool {
        self.due.iter().any(|(c, name)| *c == hook.configuration && *name == hook.name)
    }
}

impl Webhooks {
    /// Lets the mutating hooks change `object`. A delete has no object that could be changed.
    ///
    /// # Errors
    /// The refusal of a hook, 500 for one that cannot be called and must be, and for patches that
    /// do not apply.
    pub async fn mutate<'a>(
        &self,
        at: &Attributes<'_>,
        object: &mut Value<'a>,
        old: Option<&Value<'_>>,
        (reader, round): (&Reader, &mut Round),
        arena: &'a Bump,
    ) -> Result<()> {
        if self.hooks.borrow().mutating.is_empty() || matching::is_exempt(at) {
            return Ok(());
        }
        let stage = self.stage(reader);
        let hooks = self.hooks();
        Box::pin(mutate(stage, &hooks.mutating, at, (object, old), round, arena)).await
    }
}

async fn mutate<'a>(
    stage: Stage<'_>,
    hooks: &[Hook],
    at: &Attributes<'_>,
    (object, old): (&mut Value<'a>, Option<&Value<'_>>),
    round: &mut Round,
    arena: &'a Bump,
) -> Result<()> {
    if round.second && text_of(object) != round.left {
        round.changed();
    }
    let deletes = at.operation == Operation::Delete;
    for (index, hook) in hooks.iter().enumerate() {
        let shown = (!deletes).then_some(&*object);
        let found = matching::invocation(stage, hook, at, shown, old).await?;
        let Some(invocation) = found else { continue };
        if round.second && !round.is_due(hook) {
            continue;
        }
        let place = format!("round_{}_index_{index}", round.number());
        let begun = clock::now();
        let changed = run(stage, hook, at, invocation, (object, old), (&place, arena)).await;
        let called = (hook, "admit", operation(at.operation));
        call::count(stage.metrics, called, begun, &changed);
        if let Ok(true) = changed {
            round.changed();
            round.again = true;
        }
        if hook.reinvoked {
            round.called.push((hook.configuration.clone(), hook.name.clone()));
        }
        match changed {
            Ok(changed) => note(at, hook, &place, changed),
            Err(Unheard::Refused(fault)) => return Err(fault),
            Err(Unheard::Failed(why, _)) if hook.fails_open => {
                log::warn!("Failed calling webhook, failing open {}: {why}", hook.name);
                note(at, hook, &place, false);
                at.context.annotate(format!("{FAILED_OPEN}{place}"), &*hook.name);
            }
            Err(Unheard::Failed(why, _)) => {
                log::warn!("Failed calling webhook, failing closed {}: {why}", hook.name);
                return Err(Fault::Internal(why));
            }
        }
    }
    round.left = text_of(object);
    Ok(())
}

fn text_of(object: &Value<'_>) -> Vec<u8> {
    let mut text = Vec::with_capacity(2_048);
    json::encode_any(object, &mut text);
    text
}

/// The audit annotation of a call.
fn note(at: &Attributes<'_>, hook: &Hook, place: &str, mutated: bool) {
    let mut text = b"{\"configuration\":".to_vec();
    write::string(&hook.configuration, &mut text);
    text.extend_from_slice(b",\"webhook\":");
    write::string(&hook.name, &mut text);
    text.extend_from_slice(format!(",\"mutated\":{mutated}}}").as_bytes());
    at.context.annotate(format!("{MUTATION}{place}"), String::from_utf8_lossy(&text));
}

/// Calls one hook and applies its patch; true if that has changed the object.
async fn run<'a>(
    stage: Stage<'_>,
    hook: &Hook,
    at: &Attributes<'_>,
    invocation: Invocation,
    (object, old): (&mut Value<'a>, Option<&Value<'_>>),
    (place, arena): (&str, &'a Bump),
) -> std::result::Result<bool, Unheard> {
    let deletes = at.operation == Operation::Delete;
    let shown = (!deletes).then_some(&*object);
    let bodies = objects(stage, at, invocation, (shown, old)).map_err(Unheard::Refused)?;
    let verdict = call::ask(stage, hook, at, invocation, &bodies, true).await?;
    if !verdict.allowed {
        return Err(Unheard::Refused(Fault::Denied(Box::new(verdict.denial))));
    }
    if verdict.patch.is_empty() {
        return Ok(false);
    }
    let internal = |text: String| Unheard::Refused(Fault::Internal(text));
    let document = json::parse_any(&verdict.patch, arena).map_err(|e| internal(e.to_string()))?;
    if document.as_list().is_some_and(|list| list.is_empty()) || document.is_null() {
        return Ok(false);
    }
    let patch = Patch::read(&document, false).map_err(|error| internal(error.to_string()))?;
    if deletes {
        return Err(internal(format!(
            "admission webhook {:?} attempted to modify the object, which is not supported for \
             this operation",
            hook.name
        )));
    }
    if verdict.patch_type != "JSONPatch" {
        let (name, kind) = (&hook.name, &verdict.patch_type);
        let why = format!("failed calling webhook {name:?}: unsupported patch type {kind:?}");
        return Err(Unheard::Failed(why, 500));
    }
    let changed =
        apply(stage, at, invocation, (object, &patch), arena).map_err(Unheard::Refused)?;
    let mut text = b"{\"configuration\":".to_vec();
    write::string(&hook.configuration, &mut text);
    text.extend_from_slice(b",\"webhook\":");
    write::string(&hook.name, &mut text);
    text.extend_from_slice(b",\"patch\":");
    text.extend_from_slice(&verdict.patch);
    text.extend_from_slice(b",\"patchType\":\"JSONPatch\"}");
    at.context.annotate(format!("{PATCH}{place}"), String::from_utf8_lossy(&text));
    Ok(changed)
}

/// Patches the object in the version of the invocation and brings it back.
fn apply<'a>(
    stage: Stage<'_>,
    at: &Attributes<'_>,
    invocation: Invocation,
    (object, patch): (&mut Value<'a>, &Patch<'_, '_>),
    arena: &'a Bump,
) -> Result<bool> {
    let (from, to) = (at.resource, invocation.resource);
    let before = stage.versions.convert(from, to, object, arena)?;
    let sub = to.subresource(at.subresource);
    let ty = sub.filter(|sub| sub.kind == before.str_at(&["kind"])).map_or(to.ty, |sub| sub.ty);
    let mut patched = before.share_in(arena);
    json::raw::expand(&mut patched, ty, arena);
    let internal = |error: String| Fault::Internal(error);
    patch.apply(arena, Some(ty), &mut patched).map_err(|error| internal(error.to_string()))?;
    let decoded = json::conform(&patched, ty, arena, Strictness::Ignore);
    let mut patched = decoded.map_err(|error| internal(error.to_string()))?.value;
    let changed = patched != before;
    if sub.is_none() || std::ptr::eq(ty, to.ty) {
        stage.versions.fill_defaults(to, &mut patched, arena);
    }
    *object = stage.versions.convert(to, from, &patched, arena)?;
    Ok(changed)
}
