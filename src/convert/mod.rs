//! Conversion between the versions of one kind: those that are served, and those in which older
//! servers have stored it.
//!
//! Most kinds with several versions have the same fields in each: only `apiVersion` changes. The
//! others have a file each. Between served versions nothing is lost on the way there and back; from
//! a version that is only stored there is no way back.

mod autoscaler;
mod device;
mod endpoint_slice;
mod event;
mod ingress;
mod rbac;
mod runtime_class;
mod workload;

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
        (_, (_, "v1alpha1" | "v1beta1" | "v1beta2"), _) => from_older(kind, from, &mut map, arena),
        _ => {}
    }
    map.insert("apiVersion", Value::str_in(&api_version(to.0, to.1), arena));
    Ok(Value::Map(map))
}

/// What another server has stored in another version, in the version that is stored today: what
/// that server had still to fill in is filled in, too.
///
/// # Errors
/// As [`convert`].
pub fn from_stored<'a>(
    object: Value<'a>,
    from: (&str, &str),
    to: (&str, &str),
    arena: &'a Bump,
) -> Result<Value<'a>, String> {
    let mut object = convert(object, from, to, arena)?;
    if object.str_at(&["kind"]) == "HorizontalPodAutoscaler" {
        autoscaler::fill_metrics(&mut object, arena);
    }
    Ok(object)
}

/// From a version that is no longer served to the one that is stored.
fn from_older<'a>(kind: &str, from: (&str, &str), map: &mut Map<'a>, arena: &'a Bump) {
    match (kind, from) {
        ("ClusterRoleBinding" | "RoleBinding", (_, "v1alpha1")) => rbac::name_groups(map),
        ("DaemonSet", (group, _)) => {
            if group == "extensions" {
                workload::take_labels(map, arena);
            }
            workload::note_generation(map, arena);
        }
        ("Deployment" | "ReplicaSet" | "StatefulSet", ("apps" | "extensions", "v1beta1")) => {
            workload::take_labels(map, arena);
            workload::note_rollback(map, arena);
        }
        ("EndpointSlice", _) => endpoint_slice::take_topology(map),
        ("Ingress", _) => ingress::to_v1(map),
        ("ResourceClaim", _) => device::split_requests(map.get_mut("spec"), arena),
        ("ResourceClaimTemplate", _) => {
            let spec = map.get_mut("spec").and_then(|template| template.get_mut("spec"));
            device::split_requests(spec, arena);
        }
        ("ResourceSlice", _) => device::lift_basic(map),
        ("RuntimeClass", (_, "v1alpha1")) => runtime_class::to_v1(map),
        _ => {}
    }
}

/// `v1` or `apps/v1`.
fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
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
