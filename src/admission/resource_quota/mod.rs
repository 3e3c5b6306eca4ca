//! ResourceQuota: what is made stays within the quotas of its namespace, and is counted in their
//! status before it is made (features.md section 6.8; `quotaEvaluator` upstream).
//!
//! What `limitedResources` of the file name must stand in a quota to be taken at all.

mod limited;
mod scope;
mod usage;

pub(super) use limited::Limited;

use super::Reader;
use super::reader::Found;
use super::refusal::refuse;
use super::resources::{List, add, read};
use crate::object::quantity::Quantity;
use crate::object::{Map, Value};
use crate::request::{Attributes, Fault, Operation, Result, Sent, Subject};
use bumpalo::Bump;
use std::collections::BTreeSet;
use usage::Evaluator;

/// Times that a count is tried again after another writer was faster.
const RETRIES: usize = 3;

/// Counts the object, or refuses it.
///
/// # Errors
/// 403 for what exceeds a quota or does not say how much it takes; 409 if the quotas are too busy.
pub(super) async fn validate(
    at: &Attributes<'_>,
    object: &Value<'_>,
    old: Option<&Value<'_>>,
    (reader, limited): (&Reader, &[Limited]),
) -> Result<()> {
    let namespaces = at.is("", "namespaces");
    let counted = matches!(at.operation, Operation::Create | Operation::Update);
    let subresource = !at.subresource.is_empty() && at.subresource != "resize";
    let events = at.resource.name == "events" && at.resource.group.is_empty();
    if at.namespace.is_empty() || namespaces || !counted || subresource || events {
        return Ok(());
    }
    // What the server needs for itself is not asked for a quota: it could not start.
    let limited = if matches!(at.sent, Sent::Nothing) { &[][..] } else { limited };
    let evaluator = Evaluator::of(at);
    if !evaluator.handles(at) {
        return Ok(());
    }
    for _ in 0..=RETRIES {
        let arena = Bump::new();
        let quotas = reader.find("resourcequotas", at.namespace, &arena).await?;
        if quotas.is_empty() && limited.is_empty() {
            return Ok(());
        }
        let needed = limited::Needed::of(limited, evaluator, at, object);
        let charges = check((at, evaluator, &needed), &quotas, object, old)?;
        if at.dry_run || charge(&charges, reader, &arena).await? {
            return Ok(());
        }
    }
    let subject =
        Subject { resource: "resourcequotas".into(), name: at.name.into(), ..Subject::default() };
    let message = "the object has been modified; please apply your changes to the latest version \
                   and try again";
    Err(Fault::Conflict { subject, message: message.into() })
}

/// A quota and what it has counted once the request is done.
#[derive(Debug)]
struct Charge<'q, 'a> {
    quota: &'q Found<'a>,
    used: List,
}

/// What each quota would count (`CheckRequest`).
fn check<'q, 'a>(
    (at, evaluator, needed): (&Attributes<'_>, Evaluator, &limited::Needed),
    quotas: &'q [Found<'a>],
    object: &Value<'_>,
    old: Option<&Value<'_>>,
) -> Result<Vec<Charge<'q, 'a>>> {
    let mut concerned = Vec::new();
    let mut covered = limited::Covered::default();
    for quota in quotas {
        covered.scopes(evaluator, &quota.object, object);
        let hard = read(quota.object.at(&["status", "hard"]));
        let limited: BTreeSet<&str> = hard
            .keys()
            .map(String::as_str)
            .filter(|resource| evaluator.counts(at, resource))
            .collect();
        if limited.is_empty() || !scope::matches(evaluator, &quota.object, object) {
            continue;
        }
        let name = quota.object.str_at(&["metadata", "name"]);
        if let Err(text) = evaluator.constrain(&limited, object) {
            return Err(refuse(at, format!("failed quota: {name}: {text}")));
        }
        let used = read(quota.object.at(&["status", "used"]));
        if limited.iter().any(|resource| !used.contains_key(*resource)) {
            let names: Vec<&str> = limited.iter().copied().collect();
            let names = names.join(",");
            let text = format!("status unknown for quota: {name}, resources: {names}");
            return Err(refuse(at, text));
        }
        covered.resources(&limited);
        concerned.push((quota, hard, used));
    }
    needed.check(at, &covered)?;
    if concerned.is_empty() {
        return Ok(Vec::new());
    }
    let usage = evaluator.usage(at, object);
    let negative: Vec<&str> = usage
        .iter()
        .filter(|(_, quantity)| quantity.signum() < 0)
        .map(|(name, _)| name.as_str())
        .collect();
    if !negative.is_empty() {
        let text = format!("quota usage is negative for resource(s): {}", negative.join(","));
        return Err(refuse(at, text));
    }
    let before = old.filter(|_| at.operation == Operation::Update);
    let mut charges = Vec::new();
    for (quota, hard, used) in concerned {
        let mut more = usage.clone();
        if let Some(before) = before
            && scope::matches(evaluator, &quota.object, before)
        {
            subtract(&mut more, &evaluator.usage(at, before));
        }
        more.retain(|name, quantity| quantity.signum() != 0 && hard.contains_key(name));
        if more.is_empty() {
            continue;
        }
        let mut after = used.clone();
        add(&mut after, &more);
        if let Some(text) = exceeded((&more, &used, &after), &hard) {
            let name = quota.object.str_at(&["metadata", "name"]);
            return Err(refuse(at, format!("exceeded quota: {name}, {text}")));
        }
        charges.push(Charge { quota, used: after });
    }
    Ok(charges)
}

/// What is asked for beyond the limits, of what is used before and after it.
fn exceeded((more, used, after): (&List, &List, &List), hard: &List) -> Option<String> {
    let beyond = |name: &&String| after.get(*name).zip(hard.get(*name)).is_some_and(|(a, h)| a > h);
    let names: Vec<&String> = more.keys().filter(beyond).collect();
    let [requested, used, limited] = [more, used, hard].map(|list| print(list, &names));
    let text = format!("requested: {requested}, used: {used}, limited: {limited}");
    (!names.is_empty()).then_some(text)
}

/// Takes away what was counted before; never below nothing (`SubtractWithNonNegativeResult`).
fn subtract(usage: &mut List, before: &List) {
    for (name, quantity) in usage.iter_mut() {
        if let Some(before) = before.get(name) {
            let left = quantity.subtract(before);
            *quantity = if left.signum() < 0 { Quantity::ZERO } else { left };
        }
    }
}

/// `pods=1,requests.cpu=2`.
fn print(list: &List, names: &[&String]) -> String {
    let parts = names.iter().filter_map(|name| Some(format!("{name}={}", list.get(*name)?)));
    parts.collect::<Vec<_>>().join(",")
}

/// Writes the counts; false if another writer was faster.
async fn charge<'a>(charges: &[Charge<'_, 'a>], reader: &Reader, arena: &'a Bump) -> Result<bool> {
    for charge in charges {
        let mut object = charge.quota.object.copy_in(arena);
        let mut used = Map::new_in(arena);
        for (name, quantity) in &charge.used {
            let text = Value::str_in(&quantity.to_string(), arena);
            used.push_unique(arena.alloc_str(name), text);
        }
        if let Some(map) = object.as_map_mut() {
            map.entry_map("status").insert("used", Value::Map(used));
        }
        if !reader.replace(charge.quota, &object).await? {
            return Ok(false);
        }
    }
    Ok(true)
}
