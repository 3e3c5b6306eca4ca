//! Server-side apply: merges what a manager applies into the live object by schema and ownership
//! (`managedfields.FieldManager.Apply`, `structured-merge-diff/merge.Updater.Apply`).
//!
//! The result is not checked against the schema beyond what merging needs and has no defaults: the
//! caller decodes it again, then goes on as with an update.

mod check;
mod merge;
mod prune;

use crate::object::fieldset::{Changes, FieldSet, compare, is_same};
use crate::object::json_text;
use crate::object::managed::{
    self, Entry, ManagerId, Writer, before_first_apply, own_entry, reconcile_all,
};
use crate::object::place::Place;
use crate::object::schema::Type;
use crate::object::{Map, Value};
use bumpalo::Bump;
use std::fmt::Write as _;

/// The annotation in which client-side apply keeps what it applied last.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// The manager for which that annotation is honoured and kept up to date.
const KUBECTL: &str = "kubectl";
/// Most bytes of all annotations (`TotalAnnotationSizeLimitB`).
const ANNOTATIONS_BYTES_MAX: usize = 256 * 1024;

/// An apply request.
#[derive(Debug, Clone, Copy)]
pub struct Request<'r, 'a> {
    /// Who applies, in which API version.
    pub writer: &'r Writer<'r>,
    /// The kind that the resource has in that version.
    pub kind: &'r str,
    /// Fields that others own are taken from them.
    pub force: bool,
    /// What the live object's [`LAST_APPLIED`] annotation holds, decoded; only asked for the
    /// manager `kubectl`, and `None` if there is no such annotation or it is no JSON.
    pub last_applied: Option<&'r Value<'a>>,
}

/// Why an apply is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApplyError {
    /// 400 with this message.
    BadRequest(String),
    /// 409: others own fields that would change.
    Conflict {
        /// `Apply failed with 1 conflict: …`.
        message: String,
        /// For each field the message `conflict with "m"` and the field's path.
        causes: Vec<(String, String)>,
    },
    /// 500 with this message and no reason: upstream's untyped errors.
    Plain(String),
}

/// A field that would change and is owned by another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Conflicts<'a> {
    manager: ManagerId<'a>,
    fields: FieldSet<'a>,
}

enum Failure<'a> {
    Conflicts(Vec<Conflicts<'a>>),
    Plain(String),
}

/// Applies `config` to `live` (`None`: the object is created) and gives the object with its new
/// `metadata.managedFields`. `config` is an object decoded without schema, nulls kept.
pub fn apply<'a>(
    arena: &'a Bump,
    ty: Option<&Type>,
    live: Option<&Value<'a>>,
    config: &Value<'a>,
    request: &Request<'_, 'a>,
) -> Result<Value<'a>, ApplyError> {
    let place = Place::root(ty);
    let managed = live.map_or(&[][..], |live| live.list_at(&["metadata", "managedFields"]));
    let mut entries = managed::decode(managed, arena).map_err(|error| {
        ApplyError::Plain(format!("failed to decode managed fields: {}", error.0))
    })?;
    check_kind(config, request)?;
    let empty = Value::map_in(arena);
    if entries.is_empty()
        && let Some(live) = live
    {
        let changes = compare(arena, place, &empty, live).map_err(|error| {
            let text = "failed to create manager for existing fields";
            ApplyError::Plain(format!("{text}: {}", error.0))
        })?;
        entries = before_first_apply(arena, place, &changes, request.writer);
    }
    if matches!(config.get("metadata").and_then(|m| m.get("managedFields")), Some(Value::List(_))) {
        return Err(ApplyError::BadRequest(String::from("metadata.managedFields must be nil")));
    }
    if let Err(errors) = check::check(arena, place, config) {
        let named = named(config);
        let text = "failed to create typed patch object";
        return Err(ApplyError::Plain(format!("{text} ({named}): {errors}")));
    }
    reconcile_all(&mut entries, place, request.writer, arena);
    let step = Step { arena, place, live: live.unwrap_or(&empty), config, writer: request.writer };
    let mut object = match step.run(entries.clone(), request.force) {
        Ok(object) => object,
        Err(Failure::Plain(text)) => return Err(ApplyError::Plain(text)),
        Err(Failure::Conflicts(conflicts)) => {
            let left = step.beyond_last_applied(conflicts, request);
            if !left.is_empty() {
                return Err(conflict_error(left));
            }
            match step.run(entries, true) {
                Ok(object) => object,
                Err(Failure::Conflicts(conflicts)) => return Err(conflict_error(conflicts)),
                Err(Failure::Plain(text)) => return Err(ApplyError::Plain(text)),
            }
        }
    };
    if request.writer.manager == KUBECTL {
        update_last_applied(arena, &mut object, config);
    }
    Ok(object)
}

/// Group, version and kind of an object, as `GroupVersionKind.String` prints them.
fn kind_text(object: &Value<'_>) -> String {
    let (api_version, kind) = (object.str_at(&["apiVersion"]), object.str_at(&["kind"]));
    let (group, version) = match api_version.split_once('/') {
        Some((_, version)) if version.contains('/') => ("", ""),
        Some(both) => both,
        None => ("", api_version),
    };
    format!("{group}/{version}, Kind={kind}")
}

fn named(object: &Value<'_>) -> String {
    let part = |name| object.str_at(&["metadata", name]);
    format!("{}/{}; {}", part("namespace"), part("name"), kind_text(object))
}

fn check_kind(config: &Value<'_>, request: &Request<'_, '_>) -> Result<(), ApplyError> {
    let same = config.str_at(&["apiVersion"]) == request.writer.api_version
        && config.str_at(&["kind"]) == request.kind;
    if same {
        return Ok(());
    }
    Err(ApplyError::BadRequest(format!("invalid object type: {}", kind_text(config))))
}

struct Step<'a, 'r> {
    arena: &'a Bump,
    place: Place<'r>,
    live: &'r Value<'a>,
    config: &'r Value<'a>,
    writer: &'r Writer<'r>,
}

impl<'a> Step<'a, '_> {
    fn run(&self, mut entries: Vec<Entry<'a>>, force: bool) -> Result<Value<'a>, Failure<'a>> {
        let Self { arena, place, live, config, writer } = *self;
        let merged = merge::merge(arena, place, live, config)
            .map_err(|text| Failure::Plain(format!("failed to merge config: {text}")))?;
        let set = FieldSet::of_value(arena, place, config);
        let set = writer.reset.filter(set, arena);
        managed::drop_unknown(&mut entries, writer);
        let own = own_entry(&mut entries, writer, true, arena);
        let last = (own.fields, own.api_version);
        own.fields = set;
        own.api_version = arena.alloc_str(writer.api_version);
        let own = own.id();
        let owned = entries.iter().fold(FieldSet::EMPTY, |all, e| all.union(e.fields, arena));
        let object = self.prune(merged, last, owned);
        let changes = compare(arena, place, live, &object)
            .map_err(|error| Failure::Plain(format!("failed to compare objects: {}", error.0)))?;
        let changes = changes.map(|set| writer.reset.filter(set, arena));
        self.take(&mut entries, own, (&changes, &object), force)?;
        let changed = !is_same(place, live, &object);
        if let Some(entry) = entries.iter_mut().find(|entry| entry.id() == own) {
            if changed {
                entry.time = Some(arena.alloc_str(writer.time));
            }
            entry.fields = managed::strip(entry.fields, arena);
        }
        entries.retain(|entry| !entry.fields.is_empty());
        let mut object = if changed { object } else { live.share_in(arena) };
        managed::store(&mut object, managed::encode(entries, true, arena));
        Ok(object)
    }

    /// Takes out what the manager applied last, in the version in which it did, and nobody owns.
    fn prune(
        &self,
        merged: Value<'a>,
        (last, version): (FieldSet<'a>, &str),
        owned: FieldSet<'a>,
    ) -> Value<'a> {
        let Self { arena, place, writer, .. } = *self;
        let convert = writer.convert.filter(|_| version != writer.api_version);
        let there = convert.and_then(|convert| {
            let (there, ty) = convert(&merged, writer.api_version, version, arena)?;
            let pruned = prune::prune(arena, Place::root(Some(ty)), there, last, owned);
            Some(convert(&pruned, version, writer.api_version, arena)?.0)
        });
        there.unwrap_or_else(|| prune::prune(arena, place, merged, last, owned))
    }

    /// Takes what changes from the others that own it, which needs `force`.
    fn take(
        &self,
        entries: &mut [Entry<'a>],
        own: ManagerId<'a>,
        (changes, object): (&Changes<'a>, &Value<'a>),
        force: bool,
    ) -> Result<(), Failure<'a>> {
        let arena = self.arena;
        let mut conflicts = Vec::new();
        for entry in entries.iter_mut().filter(|entry| entry.id() != own) {
            let both = (self.live, object);
            let other = managed::changes_in(arena, entry.api_version, both, self.writer);
            let changes = other.as_ref().unwrap_or(changes);
            let set = changes.modified.union(changes.added, arena);
            let fields = entry.fields.intersection(set, arena);
            if !fields.is_empty() {
                conflicts.push(Conflicts { manager: entry.id(), fields });
            }
            let left = entry.fields.difference(fields, arena);
            entry.fields = left.difference(changes.removed, arena);
        }
        if force || conflicts.is_empty() {
            return Ok(());
        }
        conflicts.sort_by_key(|conflict| conflict.manager);
        Err(Failure::Conflicts(conflicts))
    }

    /// The conflicts left when fields that client-side apply set, and that still are as it set
    /// them, may be taken over (`lastAppliedManager`).
    fn beyond_last_applied(
        &self,
        conflicts: Vec<Conflicts<'a>>,
        request: &Request<'_, 'a>,
    ) -> Vec<Conflicts<'a>> {
        let arena = self.arena;
        let Some(last) = request.last_applied.filter(|_| self.writer.manager == KUBECTL) else {
            return conflicts;
        };
        if last.str_at(&["apiVersion"]) != self.writer.api_version
            || check::check(arena, self.place, last).is_err()
        {
            return conflicts;
        }
        let Ok(changes) = compare(arena, self.place, last, self.live) else { return conflicts };
        let changed = changes.modified.union(changes.added, arena).union(changes.removed, arena);
        let allowed = FieldSet::of_value(arena, self.place, last).difference(changed, arena);
        let left = conflicts.into_iter().map(|conflict| Conflicts {
            fields: conflict.fields.difference(allowed, arena),
            ..conflict
        });
        left.filter(|conflict| !conflict.fields.is_empty()).collect()
    }
}

/// `Apply failed with N conflicts: …` with one cause a field (`NewConflictError`).
fn conflict_error(conflicts: Vec<Conflicts<'_>>) -> ApplyError {
    let mut causes = Vec::new();
    let mut lines = String::new();
    for Conflicts { manager, fields } in conflicts {
        let separator = if lines.is_empty() { "" } else { "\n" };
        let _ = write!(lines, "{separator}conflicts with {manager}:");
        fields.each_path(&mut |path| {
            let _ = write!(lines, "\n- {path}");
            causes.push((format!("conflict with {manager}"), path.to_string()));
        });
    }
    let message = match causes.as_slice() {
        [(with, field)] => format!("Apply failed with 1 conflict: {with}: {field}"),
        many => format!("Apply failed with {} conflicts: {lines}", many.len()),
    };
    ApplyError::Conflict { message, causes }
}

/// Keeps the annotation of client-side apply, where there is one, at what was applied
/// (`lastAppliedUpdater`).
fn update_last_applied<'a>(arena: &'a Bump, object: &mut Value<'a>, config: &Value<'a>) {
    let annotations = object.at_mut(&["metadata", "annotations"]).and_then(Value::as_map_mut);
    let Some(annotations) = annotations else { return };
    if annotations.get(LAST_APPLIED).and_then(Value::as_str).is_none_or(str::is_empty) {
        return;
    }
    let mut applied = config.share_in(arena);
    if let Some(own) = applied.at_mut(&["metadata", "annotations"]).and_then(Value::as_map_mut) {
        own.remove(LAST_APPLIED);
    }
    let mut text = String::new();
    json_text::push_sorted(&mut text, &applied);
    text.push('\n');
    annotations.insert(LAST_APPLIED, Value::Str(arena.alloc_str(&text)));
    if annotation_bytes(annotations) > ANNOTATIONS_BYTES_MAX {
        annotations.remove(LAST_APPLIED);
    }
}

fn annotation_bytes(annotations: &Map<'_>) -> usize {
    annotations.iter().map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum()
}

#[cfg(test)]
mod tests;
