//! Looks after CustomResourceDefinitions: accepts their names, establishes them, and removes the
//! instances of those that are deleted. One shard does it for the process.

use crate::api::call::reset_fields;
use crate::base::{clock, timestamp};
use crate::cache::{
    Entry, Frame, FrameEncoder, FrameKind, ListQuery, ReadAt, WatchFrom, WatchQuery,
};
use crate::catalog::{Resource, custom};
use crate::object::Value;
use crate::object::managed::{self, Writer};
use crate::registry::definition::{self, CLEANUP, Taken};
use crate::registry::{meta, stored};
use crate::request::{DeleteOptions, Fault, Operation, Result};
use crate::rt;
use crate::server::own::{self, attributes, context};
use crate::server::shard::Shard;
use bumpalo::Bump;
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

/// Before what failed is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How often instances that are held by finalizers are looked at.
const INSTANCES_POLL: Duration = Duration::from_millis(500);
/// Changes taken at once.
const BATCH_MAX: usize = 256;

/// Events are looked at here, never sent.
#[derive(Debug)]
struct Unsent;

impl FrameEncoder for Unsent {
    fn id(&self) -> u64 {
        0
    }

    fn frame(&self, _: FrameKind, _: &Entry, _: u64) -> Bytes {
        Bytes::new()
    }

    fn bookmark(&self, _: u64, _: bool) -> Bytes {
        Bytes::new()
    }
}

/// Definitions whose instances are being deleted, by uid.
type Ending = Rc<RefCell<BTreeSet<String>>>;

/// Follows the definitions for as long as the server runs.
pub(super) async fn run(shard: Rc<Shard>) {
    let ending = Ending::default();
    loop {
        if let Err(fault) = follow(&shard, &ending).await {
            log::warn!("custom resource definitions cannot be followed: {fault:?}");
        }
        rt::sleep(RETRY).await;
    }
}

fn resource() -> Result<&'static Resource> {
    own::resource(("apiextensions.k8s.io", "v1", "customresourcedefinitions"))
}

async fn follow(shard: &Rc<Shard>, ending: &Ending) -> Result<()> {
    let storage = stored::storage(resource()?)?;
    let from = WatchFrom::Initial(ReadAt::Latest);
    let query = WatchQuery::all(storage, from, Rc::new(Unsent));
    let mut watcher = shard.cache.watch(query).await.map_err(stored::read_fault)?;
    let mut frames: Vec<Rc<Frame>> = Vec::new();
    // Of an ended watch another takes the place.
    while watcher.next_batch(&mut frames, BATCH_MAX).await.is_ok() {
        let mut names: BTreeSet<String> = BTreeSet::new();
        let mut freed: BTreeSet<String> = BTreeSet::new();
        for frame in frames.drain(..) {
            let Some(entry) = &frame.entry else { continue };
            if frame.kind == FrameKind::Deleted {
                let (_, group) = entry.name().split_once('.').unwrap_or_default();
                freed.insert(group.to_owned());
            }
            names.insert(entry.name().to_owned());
        }
        // Names that were in use are free: others of the group may have waited for them.
        for group in &freed {
            names.extend(names_of(shard, group).await?);
        }
        for name in names {
            settle(shard, &name, ending).await?;
        }
    }
    Ok(())
}

async fn names_of(shard: &Shard, group: &str) -> Result<Vec<String>> {
    let storage = stored::storage(resource()?)?;
    let page = shard.cache.list(ListQuery::all(storage)).await.map_err(stored::read_fault)?;
    let end = format!(".{group}");
    let names = page.entries.iter().map(|entry| entry.name().to_owned());
    Ok(names.filter(|name| name.ends_with(&end)).collect())
}

async fn taken(shard: &Shard, group: &str) -> Result<Taken> {
    let storage = stored::storage(resource()?)?;
    let page = shard.cache.list(ListQuery::all(storage)).await.map_err(stored::read_fault)?;
    let mut taken = Taken::default();
    for entry in &page.entries {
        let arena = Bump::new();
        let object = stored::decode(storage, entry, &arena)?;
        if object.str_at(&["spec", "group"]) == group {
            taken.add(&object);
        }
    }
    Ok(taken)
}

/// Brings one definition's status up to date.
async fn settle(shard: &Rc<Shard>, name: &str, ending: &Ending) -> Result<()> {
    let resource = resource()?;
    let storage = stored::storage(resource)?;
    let Some(entry) = shard.gate.api().registry.read(storage, "", name).await? else {
        return Ok(());
    };
    let (group, uid, deleting, settled) = {
        let arena = Bump::new();
        let object = stored::decode(storage, &entry, &arena)?;
        let names = definition::is_settled(&object);
        let group = object.str_at(&["spec", "group"]).to_owned();
        (group, meta::uid(&object).to_owned(), meta::is_deleting(&object), names)
    };
    if deleting {
        if ending.borrow_mut().insert(uid.clone()) {
            rt::spawn(end(Rc::clone(shard), name.to_owned(), uid, Rc::clone(ending)));
        }
        return Ok(());
    }
    if settled {
        return Ok(());
    }
    let taken = taken(shard, &group).await?;
    let now = timestamp::rfc3339(clock::unix_seconds());
    change(shard, name, &uid, |object, arena| {
        let before = object.share_in(arena);
        definition::settle(object, &taken, &now, arena);
        let writer = Writer {
            manager: "kube-apiserver",
            api_version: "apiextensions.k8s.io/v1",
            subresource: "status",
            time: &now,
            reset: reset_fields(resource, "status"),
            versions: &[],
            convert: None,
        };
        managed::update(arena, Some(resource.ty), Some(&before), object, &writer);
    })
    .await
}

/// Changes a definition's status; one that is gone needs none, and one that took its name is
/// another.
async fn change(
    shard: &Shard,
    name: &str,
    uid: &str,
    how: impl for<'a> Fn(&mut Value<'a>, &'a Bump),
) -> Result<()> {
    let context = context();
    let at = attributes(resource()?, ("", name), Operation::Update, &context);
    let changed = shard.gate.api().registry.change_stored(&at, |object, arena| {
        if meta::uid(object) == uid {
            how(object, arena);
        }
        Ok(())
    });
    match changed.await {
        Ok(_) | Err(Fault::NotFound(_)) => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// Deletes the instances of a definition, then the definition.
async fn end(shard: Rc<Shard>, name: String, uid: String, ending: Ending) {
    loop {
        match finish(&shard, &name, &uid).await {
            Ok(()) => break,
            Err(fault) => log::warn!("instances of {name} cannot be deleted: {fault:?}"),
        }
        rt::sleep(RETRY).await;
    }
    ending.borrow_mut().remove(&uid);
}

async fn finish(shard: &Shard, name: &str, uid: &str) -> Result<()> {
    let set = |condition: (&'static str, &'static str, &'static str), release: bool| {
        let now = timestamp::rfc3339(clock::unix_seconds());
        change(shard, name, uid, move |object, arena| {
            let (status, reason, message) = condition;
            let condition = ("Terminating", status, reason, message);
            definition::set_condition(object, condition, &now, arena);
            if release {
                let kept: Vec<&str> =
                    meta::finalizers(object).filter(|finalizer| *finalizer != CLEANUP).collect();
                meta::set_finalizers(object, &kept, arena);
            }
        })
    };
    let text = "CustomResource deletion is in progress";
    set(("True", "InstanceDeletionInProgress", text), false).await?;
    let served = custom::served().definitions.get(name).copied();
    match served.filter(|definition| definition.established) {
        Some(definition) => {
            let storage = definition.rows.storage;
            let rows = &definition.rows.resources;
            let row = rows.iter().find(|row| row.version == storage.version);
            while let Some(row) = row
                && delete_instances(shard, row).await? > 0
            {
                rt::sleep(INSTANCES_POLL).await;
            }
            let text = "removed all instances";
            set(("False", "InstanceDeletionCompleted", text), true).await?;
        }
        None => {
            let text = "resource was never established";
            set(("False", "NeverEstablished", text), true).await?;
        }
    }
    let context = context();
    let at = attributes(resource()?, ("", name), Operation::Delete, &context);
    let options = DeleteOptions { uid: Some(uid.to_owned()), ..DeleteOptions::default() };
    match shard.gate.api().registry.delete(&at, &options).await {
        // It is gone, or another one has its name by now.
        Ok(_) | Err(Fault::NotFound(_) | Fault::Conflict { .. }) => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// Deletes all instances; how many are still there, held by finalizers.
async fn delete_instances(shard: &Shard, row: &'static Resource) -> Result<usize> {
    let storage = stored::storage(row)?;
    let list = || shard.cache.list(ListQuery::all(storage));
    let page = list().await.map_err(stored::read_fault)?;
    let context = context();
    for entry in page.entries.iter().filter(|entry| !entry.deleting()) {
        let at = attributes(row, (entry.namespace(), entry.name()), Operation::Delete, &context);
        match shard.gate.api().registry.delete(&at, &DeleteOptions::default()).await {
            Ok(_) | Err(Fault::NotFound(_)) => {}
            Err(fault) => return Err(fault),
        }
    }
    let page = list().await.map_err(stored::read_fault)?;
    Ok(page.entries.len())
}
