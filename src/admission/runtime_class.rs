//! RuntimeClass: a pod gets the overhead and the scheduling of its runtime class.

use super::Reader;
use super::refusal::refuse;
use super::resources::{compare, read};
use crate::object::Value;
use crate::request::{Attributes, Operation, Result};
use bumpalo::Bump;
use std::cmp::Ordering;

/// Sets overhead, node selector and tolerations of a new pod.
///
/// # Errors
/// 403 for a class that is not there, or a pod that contradicts it.
pub(super) async fn admit<'a>(
    at: &Attributes<'_>,
    object: &mut Value<'a>,
    reader: &Reader,
    arena: &'a Bump,
) -> Result<()> {
    let Some(class) = class(at, object, reader, arena).await? else { return Ok(()) };
    if let Some(overhead) = class.at(&["overhead", "podFixed"]) {
        let own = object.at(&["spec", "overhead"]).filter(|own| !own.is_empty());
        if own.is_some_and(|own| !equal(own, overhead)) {
            let text = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";
            return Err(refuse(at, text));
        }
        if let Some(map) = object.as_map_mut() {
            map.entry_map("spec").insert("overhead", overhead.copy_in(arena));
        }
    }
    schedule(at, object, &class, arena)
}

/// The overhead must be the class's.
///
/// # Errors
/// 403 if it is not.
pub(super) async fn validate(
    at: &Attributes<'_>,
    object: &Value<'_>,
    reader: &Reader,
) -> Result<()> {
    let arena = Bump::new();
    let class = class(at, object, reader, &arena).await?;
    if at.operation != Operation::Create || !at.is("", "pods") {
        return Ok(());
    }
    let own = object.at(&["spec", "overhead"]);
    let wanted = class.as_ref().and_then(|class| class.at(&["overhead", "podFixed"]));
    match (own, wanted) {
        (Some(own), Some(wanted)) if equal(own, wanted) => Ok(()),
        (None, _) => Ok(()),
        (Some(_), Some(_)) => {
            let text = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";
            Err(refuse(at, text))
        }
        (Some(_), None)
            if class.is_some() || object.str_at(&["spec", "runtimeClassName"]).is_empty() =>
        {
            let text = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined \
                        Overhead";
            Err(refuse(at, text))
        }
        (Some(_), None) => Ok(()),
    }
}

/// The class of a new pod; `None` if it names none.
async fn class<'a>(
    at: &Attributes<'_>,
    pod: &Value<'_>,
    reader: &Reader,
    arena: &'a Bump,
) -> Result<Option<Value<'a>>> {
    if at.operation != Operation::Create || !at.is("", "pods") {
        return Ok(None);
    }
    let name = pod.str_at(&["spec", "runtimeClassName"]);
    if name.is_empty() {
        return Ok(None);
    }
    match reader.get("node.k8s.io", "runtimeclasses", "", name, arena).await? {
        Some(class) => Ok(Some(class)),
        None => Err(refuse(at, format!("pod rejected: RuntimeClass {name:?} not found"))),
    }
}

fn equal(a: &Value<'_>, b: &Value<'_>) -> bool {
    let (a, b) = (read(Some(a)), read(Some(b)));
    a.len() == b.len()
        && a.iter().all(|(name, quantity)| {
            b.get(name).is_some_and(|other| compare(quantity, other) == Ordering::Equal)
        })
}

/// Merges node selector and tolerations (`setScheduling`).
fn schedule<'a>(
    at: &Attributes<'_>,
    object: &mut Value<'a>,
    class: &Value<'a>,
    arena: &'a Bump,
) -> Result<()> {
    let Some(scheduling) = class.at(&["scheduling"]) else { return Ok(()) };
    let Some(spec) = object.as_map_mut().map(|map| map.entry_map("spec")) else { return Ok(()) };
    let wanted = scheduling.at(&["nodeSelector"]).and_then(Value::as_map);
    for (key, value) in wanted.into_iter().flat_map(|map| map.iter()) {
        let selector = spec.entry_map("nodeSelector");
        let text = value.as_str().unwrap_or_default();
        if let Some(own) = selector.get(key).and_then(Value::as_str)
            && own != text
        {
            let text = format!(
                "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {text}; \
                 pod.spec.nodeSelector[{key}] = {own}"
            );
            return Err(refuse(at, text));
        }
        selector.insert(key, value.copy_in(arena));
    }
    let tolerations = scheduling.list_at(&["tolerations"]);
    if tolerations.is_empty() {
        return Ok(());
    }
    if spec.get("tolerations").and_then(Value::as_list).is_none() {
        spec.insert("tolerations", Value::list_in(arena));
    }
    if let Some(list) = spec.get_mut("tolerations").and_then(Value::as_list_mut) {
        for toleration in tolerations {
            if !list.iter().any(|own| own == toleration) {
                list.push(toleration.copy_in(arena));
            }
        }
    }
    Ok(())
}
