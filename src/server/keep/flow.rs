//! The flow-control objects that come with the server
//! (`k8s.io/kubernetes/pkg/registry/flowcontrol/ensurer`), and the condition `Dangling` of flow
//! schemas (`presyncFlowSchemaStatus`).

use crate::api::Api;
use crate::base::{clock, timestamp};
use crate::cache::{Entry, Mirror, ReadAt};
use crate::catalog::catalog;
use crate::flow::bootstrap::{self, AUTO_UPDATE, Bootstrap};
use crate::object::Value;
use crate::request::{Fault, Result};
use crate::rt;
use crate::server::own::{Gvr, Own, SetSpec, defaulted};
use crate::server::shard::Shard;
use bumpalo::Bump;
use futures_lite::FutureExt as _;
use std::rc::Rc;
use std::time::Duration;

const SCHEMAS: Gvr = ("flowcontrol.apiserver.k8s.io", "v1", "flowschemas");
const LEVELS: Gvr = ("flowcontrol.apiserver.k8s.io", "v1", "prioritylevelconfigurations");
const PRODUCER: &str = "api-priority-and-fairness-config-producer-v1";
const CONSUMER: &str = "api-priority-and-fairness-config-consumer-v1";
/// How often the objects are looked at again.
const INTERVAL: Duration = Duration::from_secs(60);
/// How long until a condition that could not be written is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Looks after the objects for as long as the shard runs.
pub(super) async fn keep_objects(shard: Rc<Shard>) {
    loop {
        rt::sleep(INTERVAL).await;
        if let Err(fault) = ensure(&shard).await {
            log::warn!("the flow-control objects cannot be kept: {fault:?}");
        }
    }
}

/// Writes the objects that are missing or must be set back, and removes those that earlier versions
/// made.
///
/// # Errors
/// The first write that fails.
pub(super) async fn ensure(shard: &Shard) -> Result<()> {
    let own = Own { api: shard.gate.api(), manager: PRODUCER };
    let kinds = [(SCHEMAS, bootstrap::schemas()), (LEVELS, bootstrap::levels())];
    for mandatory in [false, true] {
        // At once, so that they share a commit of the store.
        let mut writes = Vec::new();
        for (of, objects) in &kinds {
            for object in objects.iter().filter(|object| object.mandatory == mandatory) {
                writes.push(ensure_one(own, *of, object));
            }
        }
        rt::all(writes).await.into_iter().collect::<Result<()>>()?;
    }
    for (of, objects) in &kinds {
        remove_others(own, *of, objects).await?;
    }
    Ok(())
}

async fn ensure_one(own: Own<'_>, of: Gvr, wanted: &Bootstrap) -> Result<()> {
    let (name, spec) = (wanted.name, &wanted.spec);
    let text = format!(
        r#"{{"metadata":{{"name":"{name}","annotations":{{"{AUTO_UPDATE}":"true"}}}},
            "spec":{spec}}}"#
    );
    let arena = Bump::new();
    let Some(current) = read(own.api, of, name, &arena).await? else {
        return match own.create(of, "", &text).await {
            Err(Fault::AlreadyExists { .. }) => Ok(()),
            other => other,
        };
    };
    let updates = wanted.mandatory || updates_itself(&current);
    let said = marked(&current).and_then(parse_bool);
    let annotation =
        (said != Some(updates)).then_some((AUTO_UPDATE, if updates { "true" } else { "false" }));
    let wanted = defaulted(of, &text, &arena)?;
    let spec = wanted.at(&["spec"]).filter(|_| updates).map(|spec| spec.copy_in(&arena));
    if annotation.is_none() && spec.as_ref().is_none_or(|spec| current.at(&["spec"]) == Some(spec))
    {
        return Ok(());
    }
    match own.update(of, ("", name), &SetSpec { spec, annotation }).await {
        Err(Fault::NotFound(_)) => Ok(()),
        other => other,
    }
}

/// An object that carries the annotation but does not come with this version goes, if it says so.
async fn remove_others(own: Own<'_>, of: Gvr, known: &[Bootstrap]) -> Result<()> {
    let Some(storage) = catalog().storage(of.2) else { return Ok(()) };
    let query = crate::cache::ListQuery::all(storage);
    let page =
        own.api.registry.cache.list(query).await.map_err(crate::registry::stored::read_fault)?;
    for entry in page.entries {
        let arena = Bump::new();
        let Ok(object) = entry.object(&arena) else { continue };
        let known = known.iter().any(|object| object.name == entry.name());
        if known || marked(&object).and_then(parse_bool) != Some(true) {
            continue;
        }
        match own.delete(of, ("", entry.name())).await {
            Ok(()) | Err(Fault::NotFound(_)) => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(())
}

async fn read<'a>(
    api: &Api,
    (_, _, resource): Gvr,
    name: &str,
    arena: &'a Bump,
) -> Result<Option<Value<'a>>> {
    let Some(storage) = catalog().storage(resource) else { return Ok(None) };
    let found = api.registry.cache.get(storage, "", name, ReadAt::Latest).await;
    let found = found.map_err(crate::registry::stored::read_fault)?;
    let object = found.map(|entry| entry.object(arena));
    object.transpose().map_err(crate::registry::stored::unreadable)
}

fn marked<'a>(object: &Value<'a>) -> Option<&'a str> {
    object.at(&["metadata", "annotations", AUTO_UPDATE])?.as_str()
}

/// A suggested object is kept as it comes while its annotation says so; without one, while nobody
/// has changed its spec (`shouldUpdateSpec`).
fn updates_itself(object: &Value<'_>) -> bool {
    let untouched = || object.i64_at(&["metadata", "generation"]) == Some(1);
    marked(object).and_then(parse_bool).unwrap_or_else(untouched)
}

/// Go's `strconv.ParseBool`.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// Keeps the condition of every flow schema true for as long as the shard runs.
pub(super) async fn keep_conditions(shard: Rc<Shard>) {
    let mirror = |(_, _, resource): Gvr| Some(shard.cache.mirror(catalog().storage(resource)?));
    let (Some(mut schemas), Some(mut levels)) = (mirror(SCHEMAS), mirror(LEVELS)) else { return };
    schemas.changed().await;
    levels.changed().await;
    loop {
        if sync(shard.gate.api(), &schemas, &levels).await {
            schemas.changed().or(levels.changed()).await;
        } else {
            rt::sleep(RETRY).await;
        }
    }
}

/// Writes the conditions that are not true. False if one could not be written.
async fn sync(api: &Api, schemas: &Mirror, levels: &Mirror) -> bool {
    let own = Own { api, manager: CONSUMER };
    let mut all = true;
    for entry in schemas.entries() {
        let Some(text) = wanted_status(entry, levels) else { continue };
        match own.apply_status(SCHEMAS, ("", entry.name()), &text).await {
            // A schema that has just gone needs no condition.
            Ok(()) | Err(Fault::NotFound(_)) => {}
            Err(fault) => {
                log::warn!("the status of flow schema {} cannot be set: {fault:?}", entry.name());
                all = false;
            }
        }
    }
    all
}

/// What must be applied to the schema; `None` if its condition is right.
fn wanted_status(entry: &Entry, levels: &Mirror) -> Option<String> {
    let arena = Bump::new();
    let object = entry.object(&arena).ok()?;
    let level = object.str_at(&["spec", "priorityLevelConfiguration", "name"]);
    let begin =
        format!("This FlowSchema references the PriorityLevelConfiguration object named {level:?}");
    let (status, reason, message) = if levels.get(level).is_some() {
        ("False", "Found", format!("{begin} and it exists"))
    } else {
        ("True", "NotFound", format!("{begin} but there is no such object"))
    };
    let is_right = object.list_at(&["status", "conditions"]).iter().any(|condition| {
        condition.str_at(&["type"]) == "Dangling"
            && condition.str_at(&["status"]) == status
            && condition.str_at(&["reason"]) == reason
            && condition.str_at(&["message"]) == message
    });
    if is_right {
        return None;
    }
    let (group, version, _) = SCHEMAS;
    let (name, now) = (entry.name(), timestamp::rfc3339(clock::unix_seconds()));
    Some(format!(
        r#"{{"apiVersion":"{group}/{version}","kind":"FlowSchema","metadata":{{"name":"{name}"}},
            "status":{{"conditions":[{{"type":"Dangling","status":"{status}",
            "lastTransitionTime":"{now}","reason":"{reason}","message":{message:?}}}]}}}}"#
    ))
}
