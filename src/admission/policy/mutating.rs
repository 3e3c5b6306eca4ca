//! MutatingAdmissionPolicy: policies that change objects
//! (`plugin/policy/mutating/dispatcher.go`, `patch/`).

use super::compiled::{Binding, Bindings, Mutation, Policies, Policy};
use super::input::{Asker, Trees};
use super::matching::Match;
use super::params;
use super::{Reason, denied};
use crate::admission::{Authority, Reader};
use crate::catalog::Resource;
use crate::cel::composition::Composition;
use crate::cel::conditions::{OUT_OF_BUDGET, failure};
use crate::cel::{Budget, Val, tree};
use crate::codec::json::{self, Strictness};
use crate::object::apply::{ApplyError, Request, apply};
use crate::object::json_text::push_sorted;
use crate::object::managed::{Reset, Writer};
use crate::object::patch::json as json_patch;
use crate::object::{Arena, Value};
use crate::request::{Attributes, Fault, Operation, Result};
use bumpalo::Bump;

/// One policy with one binding and one parameter, by their places.
type Key = (usize, usize, usize);

/// Changes `object` by all policies that are for the request; true if one did.
///
/// # Errors
/// The refusal of the policies that cannot be applied.
pub(super) async fn mutate<'a>(
    at: &Attributes<'_>,
    object: &mut Value<'a>,
    old: Option<&Value<'_>>,
    (reader, authority, round): (&Reader, &dyn Authority, &mut Round),
    arena: &'a Bump,
) -> Result<bool> {
    let group = "admissionregistration.k8s.io";
    let (of, bound) = ("mutatingadmissionpolicies", "mutatingadmissionpolicybindings");
    let policies = reader.derived(group, of, Policies::mutating).await?;
    if policies.0.is_empty() || at.operation == Operation::Delete {
        return Ok(false);
    }
    let bindings = reader.derived(group, bound, Bindings::new).await?;
    if round.second {
        // Other plugins may have changed the object since.
        round.due.append(&mut round.again);
    }
    let passes: &[bool] = if round.second { &[true] } else { &[false, true] };
    for &only_due in passes {
        if only_due && round.due.is_empty() {
            break;
        }
        for (p, policy) in policies.0.iter().enumerate() {
            let Some(found) = policy.matching.of(at, object, old, reader).await? else { continue };
            for (b, binding) in bindings.0.iter().enumerate() {
                if binding.policy != policy.name || !binds(binding, at, object, old, reader).await?
                {
                    continue;
                }
                let case = Case { at, found, policy, binding, reader, authority };
                case.run(object, old, (p, b), (only_due, &mut *round), arena).await?;
            }
        }
    }
    round.due.clear();
    let changed = std::mem::take(&mut round.changed);
    round.second = true;
    match round.errors.first() {
        None => Ok(changed),
        Some(message) => {
            let reason = Reason { code: 403, ..Reason::INVALID };
            Err(denied(at, reason, message.clone(), &round.errors))
        }
    }
}

async fn binds(
    binding: &Binding,
    at: &Attributes<'_>,
    object: &Value<'_>,
    old: Option<&Value<'_>>,
    reader: &Reader,
) -> Result<bool> {
    match &binding.matching {
        Some(matching) => Ok(matching.of(at, object, old, reader).await?.is_some()),
        None => Ok(true),
    }
}

/// What came of the policies so far.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// All plugins run for the second time: only policies that want to see changes are asked.
    second: bool,
    errors: Vec<String>,
    changed: bool,
    /// Those that were asked and are to be asked again if the object changes.
    again: Vec<Key>,
    /// Those of them that the object has changed since.
    due: Vec<Key>,
}

struct Case<'c> {
    at: &'c Attributes<'c>,
    found: Match,
    policy: &'c Policy,
    binding: &'c Binding,
    reader: &'c Reader,
    authority: &'c dyn Authority,
}

impl Case<'_> {
    fn tell(&self, error: &str, round: &mut Round) {
        if !self.policy.lenient {
            let (policy, binding) = (&self.policy.name, &self.binding.name);
            round.errors.push(format!(
                "policy '{policy}' with binding '{binding}' denied request: {error}"
            ));
        }
    }

    async fn run<'a>(
        &self,
        object: &mut Value<'a>,
        old: Option<&Value<'_>>,
        (p, b): (usize, usize),
        (only_due, round): (bool, &mut Round),
        arena: &'a Bump,
    ) -> Result<()> {
        let (policy, at) = (self.policy, self.at);
        let here = Arena::new();
        let (kind, reference) = (policy.params.as_ref(), self.binding.params.as_ref());
        let found = params::collect(kind, reference, at.namespace, self.reader, &here).await?;
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                self.tell(&format!("failed to configure binding: {error}"), round);
                return Ok(());
            }
        };
        for (n, params) in found.into_iter().enumerate() {
            let key = (p, b, n);
            if only_due && !round.due.contains(&key) {
                continue;
            }
            let params = policy.params.as_ref().map(|_| params);
            let mut changed = false;
            for mutation in policy.mutations.iter() {
                let wants = (self.reader, policy.uses("namespaceObject"));
                let trees = Trees::new(at, self.found, object, old, wants, &here).await?;
                let asker = Asker::new(self.authority, &at.context.user);
                let made = loop {
                    let made = self.one(mutation, &trees, params, &asker, arena);
                    if !asker.learn().await {
                        break made;
                    }
                };
                match made {
                    Ok(Some(next)) => {
                        let next = self.checked(next, arena)?;
                        changed |= next != *object;
                        *object = next;
                    }
                    Ok(None) => {}
                    Err(Stop::Skip) => break,
                    Err(Stop::Error(error)) => self.tell(&error, round),
                }
            }
            if changed {
                round.changed = true;
                round.due.append(&mut round.again);
            }
            if policy.again && !only_due {
                round.again.push(key);
            }
        }
        Ok(())
    }

    /// The changed object; `None` if nothing is to be done.
    fn one<'v, 'a>(
        &'v self,
        mutation: &'v Mutation,
        trees: &Trees<'v>,
        params: Option<Option<&'v Value<'v>>>,
        asker: &Asker<'_>,
        arena: &'a Bump,
    ) -> std::result::Result<Option<Value<'a>>, Stop> {
        let values = trees.values(params, true);
        match self.policy.conditions.hold(&values, asker) {
            Ok(true) => {}
            Ok(false) => return Err(Stop::Skip),
            Err(error) => return Err(Stop::Error(error)),
        }
        let expression = &mutation.expression;
        let program = expression.program.as_ref().map_err(|error| Stop::Error(error.clone()))?;
        let mut composition = Composition::new(&self.policy.variables, values.clone());
        let made = composition.eval(program, &values, asker, &mut Budget::rules());
        let made = made.map_err(|error| {
            let text = failure(&expression.text, &error);
            Stop::Error(text.unwrap_or_else(|| OUT_OF_BUDGET.to_owned()))
        })?;
        if mutation.json {
            self.json(&made, trees, arena)
        } else {
            self.apply(&made, trees, arena).map(Some)
        }
    }

    fn json<'a>(
        &self,
        made: &Val<'_>,
        trees: &Trees<'_>,
        arena: &'a Bump,
    ) -> std::result::Result<Option<Value<'a>>, Stop> {
        let patch = tree::of_patch(made, arena).map_err(Stop::Error)?;
        let failed = |error: &dyn std::fmt::Display| Stop::Error(format!("JSON Patch: {error}"));
        let read = json_patch::Patch::read(&patch, false).map_err(|error| failed(&error))?;
        let mut object = trees.object.copy_in(arena);
        match read.apply(arena, self.ty(), &mut object) {
            Ok(()) => Ok(Some(object)),
            // A test that fails leaves the object as it is.
            Err(error) if error.to_string().ends_with("test failed") => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }

    fn apply<'a>(
        &self,
        made: &Val<'_>,
        trees: &Trees<'_>,
        arena: &'a Bump,
    ) -> std::result::Result<Value<'a>, Stop> {
        let mut config = tree::of_object(made, arena)
            .map_err(|error| Stop::Error(format!("type mismatch: {error}")))?;
        let mut live = trees.object.copy_in(arena);
        let kept = live.get_mut("metadata").and_then(Value::as_map_mut);
        let kept = kept.and_then(|metadata| metadata.remove("managedFields"));
        if let Some(map) = config.as_map_mut() {
            for name in ["apiVersion", "kind"] {
                map.insert(name, Value::Str(arena.alloc_str(live.str_at(&[name]))));
            }
        }
        let version = live.str_at(&["apiVersion"]);
        let writer = Writer {
            manager: "admission-policy",
            api_version: version,
            subresource: "",
            time: "1970-01-01T00:00:00Z",
            reset: Reset::Paths(&[]),
            versions: &[],
            convert: None,
        };
        let kind = live.str_at(&["kind"]);
        let request = Request { writer: &writer, kind, force: true, last_applied: None };
        let merged = apply(arena, self.ty(), Some(&live), &config, &request);
        let mut merged = merged.map_err(|error| {
            let text = match error {
                ApplyError::BadRequest(text) | ApplyError::Plain(text) => as_patch(text),
                ApplyError::Conflict { message, .. } => message,
            };
            Stop::Error(format!("error applying patch: {text}"))
        })?;
        if let Some(metadata) = merged.get_mut("metadata").and_then(Value::as_map_mut) {
            metadata.remove("managedFields");
            if let Some(kept) = kept {
                metadata.push_unique("managedFields", kept);
            }
        }
        Ok(merged)
    }

    fn ty(&self) -> Option<&'static crate::object::schema::Type> {
        typed(self.at.resource, self.at.subresource)
    }

    /// The object as its type has it: what a patch made is read again.
    fn checked<'a>(&self, made: Value<'a>, arena: &'a Bump) -> Result<Value<'a>> {
        let ty = self.ty().filter(|ty| ty.structural.is_none());
        let Some(ty) = ty else { return Ok(made) };
        let mut text = String::new();
        push_sorted(&mut text, &made);
        let read = json::decode(text.as_bytes(), ty, arena, Strictness::Report);
        let read = read.map_err(|error| Fault::Internal(error.to_string()))?;
        match read.strict_errors.as_slice() {
            [] => Ok(read.value),
            errors => {
                let list = errors.join(", ");
                Err(Fault::Internal(format!("strict decoding error: {list}")))
            }
        }
    }
}

/// The type of what a request writes.
fn typed(
    resource: &'static Resource,
    subresource: &str,
) -> Option<&'static crate::object::schema::Type> {
    match resource.subresources.iter().find(|sub| sub.name == subresource) {
        Some(sub) if sub.kind != resource.kind && sub.name != "scale" => Some(sub.ty),
        _ => Some(resource.ty),
    }
}

/// The error of a configuration that its type does not know, as policies tell it.
fn as_patch(text: String) -> String {
    let head = "failed to create typed patch object (";
    let body = text.strip_prefix(head).and_then(|rest| rest.split_once("): "));
    match body {
        Some((_, why)) => format!("failed to convert patch object to typed object: {why}"),
        None => text,
    }
}

/// Why a mutation is not done.
enum Stop {
    Error(String),
    /// The policy's conditions do not hold.
    Skip,
}
