//! Conversion between the served versions of one kind.
//!
//! Most kinds with several versions have the same fields in each: only `apiVersion` changes. Events
//! and autoscalers differ, and have a file each. Nothing is lost on the way there and back.

mod autoscaler;
mod event;

use super::body::api_version;
use crate::catalog::{Resource, catalog};
use crate::object::managed;
use crate::object::schema::Type;
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

/// What compares the fields that managers named in other versions of a resource; `None` for one
/// whose versions name their fields alike.
pub fn between_versions(resource: &Resource) -> Option<managed::Convert> {
    (resource.group == "autoscaling").then_some(autoscaler_in)
}

/// An autoscaler in another version, and its type there.
fn autoscaler_in<'a>(
    object: &Value<'a>,
    from: &str,
    to: &str,
    arena: &'a Bump,
) -> Option<(Value<'a>, &'static Type)> {
    let ((group, from), (_, to)) = (from.split_once('/')?, to.split_once('/')?);
    let ty = catalog().kind(group, to, "HorizontalPodAutoscaler")?;
    let there = convert(object.copy_in(arena), (group, from), (group, to), arena).ok()?;
    Some((there, ty))
}

/// Moves a member to another name, unless it is not there.
fn move_member(map: &mut Map<'_>, from: &str, to: &'static str) {
    if let Some(value) = map.remove(from) {
        map.insert(to, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json;
    use crate::object::apply::{self, ApplyError, Request};
    use crate::object::managed::{Reset, Writer};

    #[test]
    fn managers_conflict_in_the_version_in_which_they_named_fields() {
        let arena = Bump::new();
        let resource = catalog().resource("autoscaling", "v1", "horizontalpodautoscalers").unwrap();
        let apply = |live: Option<&Value<'_>>, (manager, api_version): (&str, &str), spec: &str| {
            let text = format!(
                r#"{{"apiVersion":"{api_version}","kind":"HorizontalPodAutoscaler",
                "metadata":{{"name":"h"}},"spec":{spec}}}"#
            );
            let config = json::parse_any(text.as_bytes(), &arena).unwrap();
            let writer = Writer {
                manager,
                api_version,
                subresource: "",
                time: "1",
                reset: Reset::Nothing,
                versions: &[],
                convert: between_versions(resource),
            };
            let kind = "HorizontalPodAutoscaler";
            let request = Request { writer: &writer, kind, force: false, last_applied: None };
            let (_, version) = api_version.split_once('/').unwrap();
            let ty = catalog().kind("autoscaling", version, kind);
            let live = live.map(|live| live.copy_in(&arena));
            apply::apply(&arena, ty, live.as_ref(), &config, &request)
        };
        let (v1, v2) = ("autoscaling/v1", "autoscaling/v2");
        let metrics = r#"{"maxReplicas":5,"metrics":[{"type":"Resource","resource":{"name":"cpu",
            "target":{"type":"Utilization","averageUtilization":50}}}]}"#;
        let made = apply(None, ("a", v2), metrics).unwrap();
        let seen = convert(made, ("autoscaling", "v2"), ("autoscaling", "v1"), &arena).unwrap();
        let other = r#"{"maxReplicas":5,"targetCPUUtilizationPercentage":60}"#;
        let Err(ApplyError::Conflict { message, .. }) = apply(Some(&seen), ("b", v1), other) else {
            panic!("no conflict");
        };
        let expected = "Apply failed with 1 conflict: conflict with \"a\": .spec.metrics";
        assert_eq!(message, expected);
        // What the manager named in the other version goes with it.
        let left = apply(Some(&seen), ("a", v1), r#"{"maxReplicas":5}"#).unwrap();
        assert!(left.at(&["spec", "targetCPUUtilizationPercentage"]).is_none());
    }
}
