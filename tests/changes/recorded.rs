//! Recorded patches and applies, replayed on objects in memory: the changed parts, the owners and
//! the errors must be those that kube-apiserver gave. Strategies, admission and validation are not
//! part of this, so steps that rest on them are left out.

use crate::{conformed, decoded, shown};
use bumpalo::Bump;
use kubering::catalog::{Resource, catalog};
use kubering::codec::json;
use kubering::object::Value;
use kubering::object::apply::{self, ApplyError, Request};
use kubering::object::managed::{self, Reset, Writer};
use kubering::object::patch::{self, PatchError};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Cases whose kinds or versions need more than one built-in type.
const LEFT_OUT: &[&str] =
    &["cr-status", "cr-typed", "json-strict", "strategic-on-cr", "version-independent"];
/// Messages of layers that are not run here.
const OTHER_LAYERS: &[&str] = &[
    "is invalid: ",
    "does not match the name",
    "undeterminable",
    "namespace of the provided object",
    "not found",
    "the object has been modified",
    "uid mismatch",
    "error decoding YAML",
];

enum Failure {
    /// The message, and whether only the status is told.
    Told(String),
    Rejected,
}

struct Target {
    resource: &'static Resource,
    key: String,
    subresource: String,
}

fn target(path: &str) -> Option<Target> {
    let mut parts = path.split('/').skip(1);
    let (group, version) = match parts.next()? {
        "api" => ("", parts.next()?),
        "apis" => (parts.next()?, parts.next()?),
        _ => return None,
    };
    let mut rest: Vec<&str> = parts.collect();
    if rest.first() == Some(&"namespaces") && rest.len() > 2 {
        rest.drain(..2);
    }
    let resource = catalog().resource(group, version, rest.first()?)?;
    let name = rest.get(1).copied().unwrap_or("");
    let subresource = (*rest.get(2).unwrap_or(&"")).to_owned();
    Some(Target { resource, key: format!("{group}/{}/{name}", resource.name), subresource })
}

/// One object of a case, as text between steps.
#[derive(Default)]
struct World {
    objects: BTreeMap<String, String>,
    clock: u32,
}

struct Step<'s> {
    step: &'s Json,
    target: Target,
}

impl Step<'_> {
    fn text(&self) -> String {
        match self.step.get("rawBody").and_then(Json::as_str) {
            Some(raw) => raw.to_owned(),
            None => self.step["body"].to_string(),
        }
    }

    fn query(&self, name: &str) -> &str {
        self.step["query"][name].as_str().unwrap_or("")
    }

    fn header(&self, name: &str) -> &str {
        let headers = self.step["headers"].as_object();
        let found = headers.and_then(|map| map.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)));
        found.and_then(|(_, value)| value.as_str()).unwrap_or("")
    }
}

/// Keeps of `live` what the request cannot change, as the strategies do.
fn keep<'a>(arena: &'a Bump, live: Option<&Value<'a>>, new: &mut Value<'a>, status: bool) {
    let Some(map) = new.as_map_mut() else { return };
    for part in if status { ["spec", "data"] } else { ["status", "status"] } {
        match live.and_then(|live| live.get(part)) {
            Some(value) => map.insert(part, value.share_in(arena)),
            None => map.remove(part),
        };
    }
}

impl World {
    fn run(&mut self, step: &Step<'_>) -> Result<Json, Failure> {
        let arena = Bump::new();
        let (resource, key) = (step.target.resource, &step.target.key);
        let ty = resource.ty;
        let live = self.objects.get(key).map(|text| decoded(&arena, resource, text));
        let status = step.target.subresource == "status";
        let split = !resource.subresources.is_empty();
        self.clock += 1;
        let time = format!("2024-01-01T00:00:{:02}Z", self.clock);
        let agent = match step.header("user-agent") {
            "" => "oracle",
            agent => agent,
        };
        let manager = managed::manager_or_user_agent(step.query("fieldManager"), agent);
        let api_version = match resource.group {
            "" => resource.version.to_owned(),
            group => format!("{group}/{}", resource.version),
        };
        let reset = match (status, split) {
            (true, _) => Reset::Paths(&[&["spec"], &["metadata", "labels"]]),
            (_, true) => Reset::Paths(&[&["status"]]),
            _ => Reset::Nothing,
        };
        let writer = Writer {
            manager: &manager,
            api_version: &api_version,
            subresource: &step.target.subresource,
            time: &time,
            reset,
            versions: &[],
            convert: None,
        };
        let made = self.change(&arena, step, live.as_ref(), &writer)?;
        let mut new = made;
        keep(&arena, live.as_ref(), &mut new, status);
        if let Some(live) = &live {
            managed::keep_times(Some(ty), live, &mut new, &arena);
        }
        let shown = shown(&new, ty);
        if step.query("dryRun").is_empty() {
            let name = shown["metadata"]["name"].as_str().unwrap_or("");
            let key = if key.ends_with('/') { format!("{key}{name}") } else { key.clone() };
            self.objects.insert(key, shown.to_string());
        }
        Ok(shown)
    }

    fn change<'a>(
        &self,
        arena: &'a Bump,
        step: &Step<'_>,
        live: Option<&Value<'a>>,
        writer: &Writer<'_>,
    ) -> Result<Value<'a>, Failure> {
        let resource = step.target.resource;
        let text = step.text();
        let media = step.header("content-type");
        if step.step["method"] == "PATCH" && media.starts_with("application/apply-patch") {
            let config = json::parse_any(text.as_bytes(), arena)
                .map_err(|error| Failure::Told(format!("error decoding YAML: {error}")))?;
            return applied(arena, step, live, &config, writer);
        }
        let mut new = match (step.step["method"].as_str(), live) {
            (Some("PATCH"), Some(live)) => patched(arena, media, resource, live, &text)?,
            (Some("PATCH"), None) => return Err(Failure::Told("not found".to_owned())),
            _ => decoded(arena, resource, &text),
        };
        // The strategy has run by the time upstream stores, not when it tracks: the parts that a
        // request cannot change are reset by path.
        managed::update(arena, Some(resource.ty), live, &mut new, writer);
        Ok(new)
    }
}

fn applied<'a>(
    arena: &'a Bump,
    step: &Step<'_>,
    live: Option<&Value<'a>>,
    config: &Value<'a>,
    writer: &Writer<'_>,
) -> Result<Value<'a>, Failure> {
    let resource = step.target.resource;
    let annotation =
        live.map_or("", |live| live.str_at(&["metadata", "annotations", apply::LAST_APPLIED]));
    let last = json::parse_any(annotation.as_bytes(), arena).ok();
    let force = step.query("force") == "true";
    let request = Request { writer, kind: resource.kind, force, last_applied: last.as_ref() };
    let made = apply::apply(arena, Some(resource.ty), live, config, &request);
    let made = made.map_err(|error| match error {
        ApplyError::BadRequest(text) | ApplyError::Plain(text) => Failure::Told(text),
        ApplyError::Conflict { message, .. } => Failure::Told(message),
    })?;
    Ok(conformed(arena, resource, &made))
}

fn patched<'a>(
    arena: &'a Bump,
    media: &str,
    resource: &Resource,
    live: &Value<'a>,
    text: &str,
) -> Result<Value<'a>, Failure> {
    let mut tree = live.share_in(arena);
    let document = json::parse_any(text.as_bytes(), arena).unwrap();
    let done = match media {
        "application/json-patch+json" => patch::json::Patch::read(&document, true)
            .and_then(|patch| patch.apply(arena, Some(resource.ty), &mut tree)),
        "application/merge-patch+json" => patch::merge::apply(arena, &mut tree, &document),
        _ => patch::strategic::apply(arena, resource.ty, &mut tree, &document),
    };
    done.map_err(|error| match error {
        PatchError::Rejected(_) => Failure::Rejected,
        PatchError::BadRequest(text) | PatchError::Plain(text) | PatchError::TooLarge(text) => {
            Failure::Told(text)
        }
    })?;
    Ok(conformed(arena, resource, &tree))
}

/// Compares what these layers make: owners without the text of times, and what users set.
fn differences(expected: &Json, found: &Json, out: &mut String) {
    let owners = |object: &Json| {
        let mut list = object["metadata"]["managedFields"].clone();
        for entry in list.as_array_mut().into_iter().flatten() {
            if entry.get("time").is_some() {
                entry["time"] = Json::from("(some)");
            }
        }
        // The order depends on whether two writes fell into one second.
        if let Some(entries) = list.as_array_mut() {
            let part = |entry: &Json, name: &str| entry[name].as_str().unwrap_or("").to_owned();
            entries.sort_by_key(|e| {
                ["operation", "manager", "subresource", "apiVersion"].map(|name| part(e, name))
            });
        }
        list
    };
    if expected.get("metadata").is_some() && owners(expected) != owners(found) {
        let _ = writeln!(out, "owners\n  {}\n  {}", owners(expected), owners(found));
    }
    for path in ["/data", "/metadata/labels", "/metadata/annotations", "/metadata/finalizers"] {
        if expected.get("metadata").is_some() && expected.pointer(path) != found.pointer(path) {
            let _ = writeln!(
                out,
                "{path}\n  {:?}\n  {:?}",
                expected.pointer(path),
                found.pointer(path)
            );
        }
    }
}

/// The parts of `expect.view` that are plain paths of the object.
fn view_differences(step: &Json, found: &Json, out: &mut String) {
    let (Some(view), Some(expected)) =
        (step["view"].as_object(), step["expect"]["view"].as_object())
    else {
        return;
    };
    for (name, path) in view {
        let path = path.as_str().unwrap_or("");
        let plain = path.starts_with('.')
            && !path.contains(['[', '|', '"'])
            && path != ".metadata.resourceVersion"
            && path != ".metadata.generation";
        if !plain {
            continue;
        }
        let found = found.pointer(&path.replace('.', "/")).cloned();
        let mut wanted = expected.get(name).filter(|value| *value != "<absent>").cloned();
        wanted.iter_mut().for_each(without_admission);
        if found != wanted && !wanted.as_ref().is_some_and(has_wildcard) {
            let _ = writeln!(out, "{path}\n  {wanted:?}\n  {found:?}");
        }
    }
}

/// Takes out what admission and strategies add to a pod.
fn without_admission(value: &mut Json) {
    match value {
        Json::Array(list) => list.retain(|item| {
            let key = item["key"].as_str().unwrap_or("");
            !key.starts_with("node.kubernetes.io/")
        }),
        Json::Object(map) => {
            map.retain(|key, value| key != "qosClass" && !(key == "phase" && value == "Pending"))
        }
        _ => {}
    }
}

fn has_wildcard(value: &Json) -> bool {
    value.to_string().contains("{{")
}

fn replay(case: &Json, out: &mut String) -> usize {
    let mut world = World::default();
    let mut count = 0;
    for (at, step) in case["steps"].as_array().unwrap().iter().enumerate() {
        let path = step["path"].as_str().unwrap_or("");
        let Some(target) = target(path) else { continue };
        if step["method"] == "GET" || step["method"] == "DELETE" {
            continue;
        }
        let step = Step { step, target };
        let expect = &step.step["expect"];
        let refused = expect["status"].as_u64().is_some_and(|code| code >= 400);
        let message = expect["body"]["message"].as_str().unwrap_or("");
        let text = step.text();
        if serde_json::from_str::<Json>(&text).is_err() && !text.contains("\"q\"") {
            // YAML is the codec's; the rest of the case rests on it.
            break;
        }
        if refused && OTHER_LAYERS.iter().any(|text| message.contains(text)) {
            continue;
        }
        let before = out.len();
        count += 1;
        match (world.run(&step), refused) {
            (Ok(found), false) => {
                differences(&expect["body"], &found, out);
                view_differences(step.step, &found, out);
            }
            (Err(Failure::Told(text)), true) if text == message => {}
            (Err(Failure::Rejected), true) if message.starts_with("the server rejected") => {}
            (Err(Failure::Told(text)), _) => {
                let _ = writeln!(out, "wanted {message:?}\n   found {text:?}");
            }
            (Err(Failure::Rejected), _) => {
                let _ = writeln!(out, "wanted {message:?}\n   found a rejection");
            }
            (Ok(_), true) => {
                let _ = writeln!(out, "wanted {message:?}, but it was done");
            }
        }
        if out.len() > before {
            let head = format!("{} step {at}: ", case["name"]);
            out.insert_str(before, &head);
        }
    }
    count
}

fn replay_area(area: &str) {
    let Some(dir) = oracle_dir(area) else { return };
    let mut paths: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    let (mut count, mut faults) = (0, String::new());
    for path in paths {
        let case: Json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        if !LEFT_OUT.contains(&case["name"].as_str().unwrap_or("")) {
            count += replay(&case, &mut faults);
        }
    }
    assert!(count > 40, "{count} steps of {area}");
    assert!(faults.is_empty(), "{count} steps of {area}:\n{faults}");
}

fn oracle_dir(area: &str) -> Option<std::path::PathBuf> {
    let root = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let dir = std::env::var_os("KUBERING_ORACLE")
        .map_or_else(|| root.join("../shared/oracle"), std::path::PathBuf::from);
    Some(dir.join("cases").join(area)).filter(|dir| dir.is_dir())
}

#[test]
fn recorded_applies_give_the_same_objects_owners_and_errors() {
    replay_area("apply");
}

#[test]
fn recorded_patches_give_the_same_objects_and_errors() {
    replay_area("patch");
}
