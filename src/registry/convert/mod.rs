//! Conversion between the served versions of one kind.
//!
//! Most kinds with several versions have the same fields in each: only `apiVersion` changes. Events
//! and autoscalers differ, and have a file each. Nothing is lost on the way there and back.

mod autoscaler;
mod event;

use super::body::api_version;
use crate::object::{Map, Value};
use bumpalo::Bump;

/// The object, which is of group and version `from`, in group and version `to`.
///
/// # Errors
/// If what an annotation carries for the other version is not readable.
pub fn convert<'a>(
    object: Value<'a>,
    from: (&str, &str),
    to: (&str, &str),
    arena: &'a Bump,
) -> Result<Value<'a>, String> {
    let Value::Map(mut map) = object else { return Ok(object) };
    let kind = map.get("kind").and_then(Value::as_str).unwrap_or("");
    match (kind, from, to) {
        ("Event", ("", _), ("events.k8s.io", _)) => event::rename(&mut map, event::OUT),
        ("Event", ("events.k8s.io", _), ("", _)) => event::rename(&mut map, event::IN),
        ("HorizontalPodAutoscaler", (_, "v2"), (_, "v1")) => autoscaler::to_v1(&mut map, arena),
        ("HorizontalPodAutoscaler", (_, "v1"), (_, "v2")) => autoscaler::to_v2(&mut map, arena)?,
        _ => {}
    }
    map.insert("apiVersion", Value::str_in(&api_version(to.0, to.1), arena));
    Ok(Value::Map(map))
}

/// Moves a member to another name, unless it is not there.
fn move_member(map: &mut Map<'_>, from: &str, to: &'static str) {
    if let Some(value) = map.remove(from) {
        map.insert(to, value);
    }
}
