//! Who owns which field: `metadata.managedFields` through create, update and patch
//! (`k8s.io/apimachinery/pkg/util/managedfields`). Server-side apply is in `object::apply`.
//!
//! The caller runs `update` on the new object after defaults and before admission and the kind's
//! strategy, as upstream does; fields that those change are not tracked.
//!
//! Fields that another manager named in another API version are compared in that version if the
//! writer can [`Convert`] the object, else by name, which is the same where versions differ in
//! name alone.

mod entries;
pub mod scale;

pub use entries::{BadEntry, Entry, ManagerId, decode, encode};

use crate::object::fieldset::{Changes, Element, FieldSet, Node, compare_structs};
use crate::object::place::Place;
use crate::object::schema::{ListKind, Type};
use crate::object::{List, Map, Value};
use bumpalo::Bump;

/// Most bytes of a manager's name (`FieldManagerMaxLength`).
const MANAGER_BYTES_MAX: usize = 128;
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// What never belongs to anyone (`stripMetaManager`), sorted.
const STRIPPED: FieldSet<'static> = FieldSet::of_sorted(&[
    whole("apiVersion"),
    whole("kind"),
    Node {
        children: FieldSet::of_sorted(&[
            whole("clusterName"),
            whole("creationTimestamp"),
            whole("generation"),
            whole("managedFields"),
            whole("name"),
            whole("namespace"),
            whole("resourceVersion"),
            whole("selfLink"),
            whole("uid"),
        ]),
        ..whole("metadata")
    },
]);

const fn whole(name: &'static str) -> Node<'static> {
    Node { element: Element::Field(name), member: true, children: FieldSet::EMPTY }
}

/// The object in another API version of its kind, and the type that it has there: object, version
/// from, version to. `None` if there is no such version.
pub type Convert =
    for<'a> fn(&Value<'a>, &str, &str, &'a Bump) -> Option<(Value<'a>, &'static Type)>;

/// Who writes, and how.
#[derive(Debug, Clone, Copy)]
pub struct Writer<'r> {
    /// The manager's name: see [`manager_or_user_agent`].
    pub manager: &'r str,
    /// The API version of the request, as `apps/v1`.
    pub api_version: &'r str,
    /// The subresource written through; "" for the main resource.
    pub subresource: &'r str,
    /// Now: RFC 3339 in UTC, to the second.
    pub time: &'r str,
    /// Fields that this request cannot change.
    pub reset: Reset<'r>,
    /// Every API version in which the kind is known; entries of others are dropped. Empty: all are
    /// kept.
    pub versions: &'r [&'r str],
    /// For kinds whose API versions name fields differently.
    pub convert: Option<Convert>,
}

/// Fields that a request cannot change, and so does not own (`GetResetFields`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reset<'r> {
    /// There are none.
    Nothing,
    /// These, and what is below them.
    Paths(&'r [&'r [&'r str]]),
    /// All but these and what is below them; `*` stands for any one step.
    AllBut(&'r [&'r [&'r str]]),
}

impl Reset<'_> {
    /// `set` without the fields that are reset.
    pub(crate) fn filter<'a>(self, set: FieldSet<'a>, arena: &'a Bump) -> FieldSet<'a> {
        match self {
            Self::Nothing => set,
            Self::AllBut(patterns) => set.matching(patterns, arena),
            Self::Paths(paths) => set.without_below(paths, arena),
        }
    }
}

/// The manager of a request: the option if given, else the user agent up to its first `/`, as far
/// as it can be printed (`managerOrUserAgent`).
pub fn manager_or_user_agent(manager: &str, user_agent: &str) -> String {
    if !manager.is_empty() {
        return manager.to_owned();
    }
    let prefix = user_agent.split('/').next().unwrap_or("");
    let mut name = String::new();
    for c in prefix.chars().filter(|c| !c.is_control() && (*c == ' ' || !c.is_whitespace())) {
        if name.len() + c.len_utf8() > MANAGER_BYTES_MAX {
            break;
        }
        name.push(c);
    }
    name
}

/// Sets `metadata.managedFields` of `new`, which a create (`live` is `None`), update or patch made
/// of `live`. What `new` has there already is what the client sent.
pub fn update<'a>(
    arena: &'a Bump,
    ty: Option<&Type>,
    live: Option<&Value<'a>>,
    new: &mut Value<'a>,
    writer: &Writer<'_>,
) {
    let Some(metadata) = new.get_mut("metadata").and_then(Value::as_map_mut) else { return };
    let sent = metadata.remove("managedFields");
    let known = live.map_or(&[][..], |live| live.list_at(&["metadata", "managedFields"]));
    let sent = sent_entries(known, sent.as_ref(), writer, arena);
    if sent.is_none() && !known.is_empty() {
        // As they are, should nothing change.
        let mut list = List::with_capacity_in(known.len(), arena);
        list.extend(known.iter().map(|entry| entry.share_in(arena)));
        metadata.insert("managedFields", Value::List(list));
    }
    let nobody = sent.as_ref().map_or(known.is_empty(), Vec::is_empty);
    if nobody && live.is_some() {
        // Nobody is tracked on this object, so nobody begins to be.
        return;
    }
    let place = Place::root(ty);
    let empty = Value::map_in(arena);
    let changes = match compare_structs(arena, place, live.unwrap_or(&empty), new) {
        Ok(changes) => changes.map(|set| writer.reset.filter(strip(set, arena), arena)),
        Err(_) => return store(new, None),
    };
    if changes.is_empty() && sent.is_none() && live.is_some() {
        return;
    }
    let trusted = sent.is_none();
    let entries = match sent {
        Some(entries) => entries,
        None => entries::decode_trusted(known, arena).unwrap_or_default(),
    };
    if entries.is_empty() && live.is_some() {
        return store(new, None);
    }
    let both = (live.unwrap_or(&empty), &*new);
    let entries = owners_after(arena, place, entries, (&changes, Some(both)), writer);
    store(new, encode(entries, trusted, arena));
}

/// The entries that the client sends to start from; `None` to start from those that are `known`
/// (`decodeLiveOrNew`).
fn sent_entries<'a>(
    known: &[Value<'a>],
    sent: Option<&Value<'a>>,
    writer: &Writer<'_>,
    arena: &'a Bump,
) -> Option<Vec<Entry<'a>>> {
    let Some(Value::List(sent)) = sent.filter(|_| writer.subresource.is_empty()) else {
        return None;
    };
    if is_reset(sent) {
        return Some(Vec::new());
    }
    // Clients mostly send back what they read.
    if sent.as_slice() == known {
        return None;
    }
    decode(sent, arena).ok().filter(|entries| !entries.is_empty())
}

/// True if the client asks to forget all owners (`isResetManagedFields`).
fn is_reset(sent: &[Value<'_>]) -> bool {
    match sent {
        [] => true,
        [only] => only.as_map().is_none_or(Map::is_empty),
        _ => false,
    }
}

/// The changes as they are in another API version, if that is known.
pub(crate) fn changes_in<'a>(
    arena: &'a Bump,
    version: &str,
    (live, new): (&Value<'a>, &Value<'a>),
    writer: &Writer<'_>,
) -> Option<Changes<'a>> {
    let convert = writer.convert.filter(|_| version != writer.api_version)?;
    let (live, ty) = convert(live, writer.api_version, version, arena)?;
    let (new, _) = convert(new, writer.api_version, version, arena)?;
    let changes = compare_structs(arena, Place::root(Some(ty)), &live, &new).ok()?;
    Some(changes.map(|set| writer.reset.filter(strip(set, arena), arena)))
}

/// The entries after changes by `writer` that are no apply; what is reset or nobody's is not among
/// the changes. With them the object before and after, for entries in other versions.
fn owners_after<'a>(
    arena: &'a Bump,
    place: Place<'_>,
    mut entries: Vec<Entry<'a>>,
    (changes, both): (&Changes<'a>, Option<(&Value<'a>, &Value<'a>)>),
    writer: &Writer<'_>,
) -> Vec<Entry<'a>> {
    drop_unknown(&mut entries, writer);
    let set = changes.modified.union(changes.added, arena);
    let gone = set.union(changes.removed, arena);
    // Looked for in the texts of others: of no use if there are none.
    let steps = if entries.is_empty() { None } else { last_steps(gone) };
    for entry in &mut entries {
        if let Some(other) = both.and_then(|b| changes_in(arena, entry.api_version, b, writer)) {
            entry.read(arena);
            let gone = other.modified.union(other.added, arena).union(other.removed, arena);
            entry.fields = entry.fields.difference(gone, arena);
            continue;
        }
        if steps.as_ref().is_some_and(|steps| entry.is_apart(steps)) {
            continue;
        }
        entry.read(arena);
        reconcile_entry(entry, place, writer, arena);
        entry.fields = entry.fields.difference(gone, arena);
    }
    entries.retain(|entry| !entry.is_empty());
    if !set.is_empty() {
        let entry = own_entry(&mut entries, writer, false, arena);
        entry.read(arena);
        entry.fields = entry.fields.union(set, arena);
        entry.time = Some(arena.alloc_str(writer.time));
    }
    entries::cap(&mut entries, arena);
    entries
}

/// Most distinct last steps for which texts are searched instead of read.
const LAST_STEPS_MAX: usize = 24;

/// The last steps of the paths of a set as `FieldsV1` spells them; `None` if there are many, or one
/// that can be spelled in more than one way.
fn last_steps(set: FieldSet<'_>) -> Option<Vec<String>> {
    let mut steps: Vec<String> = Vec::new();
    let mut plain = true;
    set.each_path(&mut |path| {
        let Element::Field(name) = path.element else {
            plain = false;
            return;
        };
        plain &= name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b));
        if plain && steps.len() <= LAST_STEPS_MAX {
            let step = format!("\"f:{name}\"");
            if !steps.contains(&step) {
                steps.push(step);
            }
        }
    });
    (plain && steps.len() <= LAST_STEPS_MAX).then_some(steps)
}

/// The entry for all that is on an object that nobody managed before its first apply.
pub(crate) fn before_first_apply<'a>(
    arena: &'a Bump,
    place: Place<'_>,
    changes: &Changes<'a>,
    writer: &Writer<'_>,
) -> Vec<Entry<'a>> {
    let writer = Writer { manager: BEFORE_FIRST_APPLY, ..*writer };
    let changes = changes.map(|set| writer.reset.filter(strip(set, arena), arena));
    owners_after(arena, place, Vec::new(), (&changes, None), &writer)
}

/// The entry of the writer, made if there is none.
pub(crate) fn own_entry<'e, 'a>(
    entries: &'e mut Vec<Entry<'a>>,
    writer: &Writer<'_>,
    applied: bool,
    arena: &'a Bump,
) -> &'e mut Entry<'a> {
    let manager = if writer.manager.is_empty() { "unknown" } else { writer.manager };
    let api_version = if applied { "" } else { writer.api_version };
    let id = ManagerId { manager, applied, api_version, subresource: writer.subresource };
    let at = match entries.iter().position(|entry| entry.id() == id) {
        Some(at) => at,
        None => {
            let (manager, subresource) = (arena.alloc_str(manager), writer.subresource);
            let subresource = arena.alloc_str(subresource);
            let id = ManagerId { manager, applied, api_version: "", subresource };
            entries.push(Entry::new(id, arena.alloc_str(writer.api_version)));
            entries.len() - 1
        }
    };
    &mut entries[at]
}

/// Drops entries in API versions that the kind does not have any more.
pub(crate) fn drop_unknown(entries: &mut Vec<Entry<'_>>, writer: &Writer<'_>) {
    let known = |version: &str| {
        writer.versions.is_empty()
            || version == writer.api_version
            || writer.versions.contains(&version)
    };
    entries.retain(|entry| known(entry.api_version));
}

/// `set` without what belongs to nobody.
pub(crate) fn strip<'a>(set: FieldSet<'a>, arena: &'a Bump) -> FieldSet<'a> {
    set.difference(STRIPPED, arena)
}

/// Puts the list into the object's metadata, or takes it out.
pub(crate) fn store<'a>(object: &mut Value<'a>, list: Option<Value<'a>>) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_map_mut) else { return };
    match list {
        Some(list) => {
            metadata.insert("managedFields", list);
        }
        None => {
            metadata.remove("managedFields");
        }
    }
}

/// Fits the sets to a schema in which a map or list has become atomic: who owned something inside
/// owns the whole (`ReconcileFieldSetWithSchema`).
pub(crate) fn reconcile_all<'a>(
    entries: &mut [Entry<'a>],
    place: Place<'_>,
    writer: &Writer<'_>,
    arena: &'a Bump,
) {
    entries.iter_mut().for_each(|entry| reconcile_entry(entry, place, writer, arena));
}

fn reconcile_entry<'a>(
    entry: &mut Entry<'a>,
    place: Place<'_>,
    writer: &Writer<'_>,
    arena: &'a Bump,
) {
    if entry.api_version == writer.api_version {
        entry.fields = reconcile(entry.fields, place, arena);
    }
}

fn reconcile<'a>(set: FieldSet<'a>, place: Place<'_>, arena: &'a Bump) -> FieldSet<'a> {
    if matches!(place, Place::Any | Place::Unknown | Place::Scalar(_)) {
        return set;
    }
    set.map_nodes(arena, |node| {
        if node.children.is_empty() {
            return Some(*node);
        }
        let below = match node.element {
            Element::Field(name) => place.member(name),
            Element::Key(_) | Element::Value(_) | Element::Index(_) => place.item(),
        };
        let whole =
            below.is_atomic_map() || below.is_list() && below.list_kind() == ListKind::Atomic;
        Some(if whole {
            Node { member: true, children: FieldSet::EMPTY, ..*node }
        } else {
            Node { children: reconcile(node.children, below, arena), ..*node }
        })
    })
}

/// Gives `new` the timestamps of `live` if nothing else differs between the two, so that a write
/// that changes nothing is none (`IgnoreManagedFieldsTimestampsTransformer`).
pub fn keep_times<'a>(ty: Option<&Type>, live: &Value<'a>, new: &mut Value<'a>, arena: &'a Bump) {
    const PATH: [&str; 2] = ["metadata", "managedFields"];
    let (old, changed) = (live.list_at(&PATH), new.list_at(&PATH));
    let timeless = |entry: &Value<'a>| {
        let mut entry = entry.share_in(arena);
        if let Some(map) = entry.as_map_mut() {
            map.remove("time");
        }
        entry
    };
    let same_times = old.iter().zip(changed).all(|(a, b)| a.get("time") == b.get("time"));
    if old.len() != changed.len()
        || same_times
        || old.iter().zip(changed).any(|(a, b)| timeless(a) != timeless(b))
    {
        return;
    }
    let times: Vec<Option<&'a str>> =
        old.iter().map(|entry| entry.get("time").and_then(Value::as_str)).collect();
    let fresh: Vec<Option<&'a str>> =
        changed.iter().map(|entry| entry.get("time").and_then(Value::as_str)).collect();
    set_times(new, &times);
    if !crate::object::fieldset::is_same_struct(Place::root(ty), live, new) {
        set_times(new, &fresh);
    }
}

fn set_times<'a>(object: &mut Value<'a>, times: &[Option<&'a str>]) {
    let entries = object.list_at_mut(&["metadata", "managedFields"]);
    for (entry, time) in entries.iter_mut().zip(times) {
        let Some(map) = entry.as_map_mut() else { continue };
        match time {
            Some(time) => {
                map.insert("time", Value::Str(time));
            }
            None => {
                map.remove("time");
            }
        }
    }
}

#[cfg(test)]
mod tests;
