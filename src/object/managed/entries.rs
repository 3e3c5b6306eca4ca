//! `metadata.managedFields`, decoded and encoded (`managedfields.DecodeManagedFields`).

use crate::object::fieldset::FieldSet;
use crate::object::json_text;
use crate::object::{List, Map, Value};
use bumpalo::Bump;
use std::fmt;

/// What one manager owns.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The manager's name.
    pub manager: &'a str,
    /// The operation is `Apply`, else `Update`.
    pub applied: bool,
    /// The API version in which the fields are named.
    pub api_version: &'a str,
    /// The subresource through which the manager wrote; "" for the main resource.
    pub subresource: &'a str,
    /// When the manager last changed the object: RFC 3339 in UTC.
    pub time: Option<&'a str>,
    /// The fields.
    pub fields: FieldSet<'a>,
    /// The text that `fields` was read from, or is to be.
    text: Option<(&'a str, FieldSet<'a>)>,
    /// `fields` is not read yet.
    unread: bool,
}

/// Why a list of managed fields cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadEntry(pub String);

impl<'a> Entry<'a> {
    /// The entry of a manager that owned nothing so far.
    pub fn new(id: ManagerId<'a>, api_version: &'a str) -> Self {
        Self {
            manager: id.manager,
            applied: id.applied,
            api_version,
            subresource: id.subresource,
            time: None,
            fields: FieldSet::EMPTY,
            text: None,
            unread: false,
        }
    }

    /// Reads the fields, if that is still to do. What cannot be read owns nothing.
    pub(super) fn read(&mut self, arena: &'a Bump) {
        if self.unread {
            let text = self.text.map_or("{}", |(text, _)| text);
            self.fields = FieldSet::parse(text, arena).unwrap_or_default();
            self.text = Some((text, self.fields));
            self.unread = false;
        }
    }

    /// True if the fields are not read and their text shows that none of those that end in `steps`
    /// is among them.
    pub(super) fn is_apart(&self, steps: &[String]) -> bool {
        let text = self.text.map_or("", |(text, _)| text);
        self.unread && text.len() > 2 && !steps.iter().any(|step| text.contains(step.as_str()))
    }

    /// True if the fields are known to be none.
    pub(super) fn is_empty(&self) -> bool {
        !self.unread && self.fields.is_empty()
    }

    /// Who the manager is. Appliers are the same whatever their API version
    /// (`BuildManagerIdentifier`).
    pub fn id(&self) -> ManagerId<'a> {
        let api_version = if self.applied { "" } else { self.api_version };
        let Self { manager, applied, subresource, .. } = *self;
        ManagerId { manager, applied, api_version, subresource }
    }
}

/// What tells managers apart; ordered as conflicts name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ManagerId<'a> {
    /// The manager's name.
    pub manager: &'a str,
    /// The operation is `Apply`, else `Update`.
    pub applied: bool,
    /// The API version; "" for appliers.
    pub api_version: &'a str,
    /// The subresource.
    pub subresource: &'a str,
}

/// As conflict messages name a manager (`printManager`).
impl fmt::Display for ManagerId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.manager)?;
        if !self.subresource.is_empty() {
            write!(f, " with subresource {:?}", self.subresource)?;
        }
        if !self.applied {
            write!(f, " using {}", self.api_version)?;
        }
        Ok(())
    }
}

/// Reads the entries; of two by the same manager the later counts.
pub fn decode<'a>(list: &[Value<'a>], arena: &'a Bump) -> Result<Vec<Entry<'a>>, BadEntry> {
    decode_with(list, true, arena)
}

/// As `decode`, with the fields left to be read where they are needed. Only for lists that a server
/// wrote: its texts are known to be good and to have one spelling.
pub(super) fn decode_trusted<'a>(
    list: &[Value<'a>],
    arena: &'a Bump,
) -> Result<Vec<Entry<'a>>, BadEntry> {
    decode_with(list, false, arena)
}

fn decode_with<'a>(
    list: &[Value<'a>],
    read: bool,
    arena: &'a Bump,
) -> Result<Vec<Entry<'a>>, BadEntry> {
    let mut entries: Vec<Entry<'a>> = Vec::with_capacity(list.len());
    for (at, value) in list.iter().enumerate() {
        let entry = decode_entry(at, value, read, arena)?;
        match entries.iter_mut().find(|known| known.id() == entry.id()) {
            Some(known) => *known = entry,
            None => entries.push(entry),
        }
    }
    Ok(entries)
}

fn decode_entry<'a>(
    at: usize,
    value: &Value<'a>,
    read: bool,
    arena: &'a Bump,
) -> Result<Entry<'a>, BadEntry> {
    let bad = |text: &str| Err(BadEntry(String::from(text)));
    let applied = match value.str_at(&["operation"]) {
        "Apply" => true,
        "Update" => false,
        _ => return bad("operation must be `Apply` or `Update`"),
    };
    let api_version = value.str_at(&["apiVersion"]);
    if api_version.is_empty() {
        return bad("apiVersion must not be empty");
    }
    match value.str_at(&["fieldsType"]) {
        "FieldsV1" => {}
        "" => return Err(BadEntry(format!("missing fieldsType in managed fields entry {at}"))),
        other => {
            let text = format!("invalid fieldsType {other:?} in managed fields entry {at}");
            return Err(BadEntry(text));
        }
    }
    let text = match value.get("fieldsV1") {
        None => "{}",
        Some(Value::Raw(text)) => text,
        Some(tree) => {
            let mut out = String::new();
            json_text::push_sorted(&mut out, tree);
            arena.alloc_str(&out)
        }
    };
    let fields = if read { FieldSet::parse(text, arena) } else { Ok(FieldSet::EMPTY) };
    let Ok(fields) = fields else {
        return bad("error decoding manager from managed fields: invalid fieldsV1");
    };
    Ok(Entry {
        manager: value.str_at(&["manager"]),
        applied,
        api_version,
        subresource: value.str_at(&["subresource"]),
        time: value.get("time").and_then(Value::as_str),
        fields,
        text: Some((text, fields)),
        unread: !read,
    })
}

/// Room for the fields of one manager: those of a pod take about half of it.
const FIELDS_TEXT_BYTES: usize = 2_048;

/// The list as JSON shows it: appliers first, then by time and name; `None` if there is no entry.
/// A text is written anew only where its fields changed; `trusted` says that the texts read were
/// written by a server, else all are written anew.
pub fn encode<'a>(
    mut entries: Vec<Entry<'a>>,
    trusted: bool,
    arena: &'a Bump,
) -> Option<Value<'a>> {
    if entries.is_empty() {
        return None;
    }
    entries.sort_by_key(|e| (!e.applied, e.time, e.manager, e.api_version, e.subresource));
    let mut list = List::with_capacity_in(entries.len(), arena);
    let mut out = String::with_capacity(FIELDS_TEXT_BYTES);
    for entry in entries {
        let text = match entry.text {
            Some((text, fields)) if trusted && fields.is_shared_with(entry.fields) => text,
            _ => {
                out.clear();
                entry.fields.push_json(&mut out);
                arena.alloc_str(&out)
            }
        };
        let operation = if entry.applied { "Apply" } else { "Update" };
        let mut map = Map::with_capacity_in(7, arena);
        if !entry.manager.is_empty() {
            map.push_unique("manager", Value::Str(entry.manager));
        }
        map.push_unique("operation", Value::Str(operation));
        map.push_unique("apiVersion", Value::Str(entry.api_version));
        if let Some(time) = entry.time {
            map.push_unique("time", Value::Str(time));
        }
        map.push_unique("fieldsType", Value::Str("FieldsV1"));
        map.push_unique("fieldsV1", Value::Raw(text));
        if !entry.subresource.is_empty() {
            map.push_unique("subresource", Value::Str(entry.subresource));
        }
        list.push(Value::Map(map));
    }
    Some(Value::List(list))
}

/// Most entries of updates that an object keeps (`DefaultMaxUpdateManagers`).
const UPDATE_ENTRIES_MAX: usize = 10;

/// Merges the oldest entries of updates, by API version, until few enough are left
/// (`capUpdateManagers`).
pub(super) fn cap<'a>(entries: &mut Vec<Entry<'a>>, arena: &'a Bump) {
    let mut updates: Vec<ManagerId<'a>> = {
        let mut updates: Vec<&Entry<'a>> = entries.iter().filter(|e| !e.applied).collect();
        updates.sort_by_key(|e| (e.time, e.id()));
        updates.into_iter().map(Entry::id).collect()
    };
    let mut count = updates.len();
    let mut firsts: Vec<ManagerId<'a>> = Vec::new();
    for id in updates.drain(..) {
        if count <= UPDATE_ENTRIES_MAX {
            return;
        }
        let Some(first) = firsts.iter().find(|first| first.api_version == id.api_version) else {
            firsts.push(id);
            continue;
        };
        let bucket = ManagerId { manager: "ancient-changes", subresource: "", ..id };
        if !entries.iter().any(|e| e.id() == bucket)
            && let Some(entry) = entries.iter_mut().find(|e| e.id() == *first)
        {
            entry.manager = bucket.manager;
            entry.subresource = bucket.subresource;
        }
        if id == bucket {
            continue;
        }
        let Some(at) = entries.iter().position(|e| e.id() == id) else { continue };
        let mut old = entries.remove(at);
        old.read(arena);
        if let Some(entry) = entries.iter_mut().find(|e| e.id() == bucket) {
            entry.read(arena);
            entry.fields = entry.fields.union(old.fields, arena);
            // Of the two, the entry being merged is the more recent.
            entry.time = old.time;
        }
        count -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, ManagerId, cap, decode, encode};
    use crate::object::Value;
    use crate::object::fieldset::FieldSet;
    use crate::object::fixture::value;
    use bumpalo::Bump;

    #[test]
    fn entries_come_out_as_they_went_in_and_sorted() {
        let arena = Bump::new();
        let list = value(
            &arena,
            r#"[{"manager":"b","operation":"Update","apiVersion":"v1","time":"2024-01-02T00:00:00Z",
                "fieldsType":"FieldsV1","fieldsV1":{"f:a":{}},"subresource":"status"},
               {"manager":"a","operation":"Update","apiVersion":"v1","time":"2024-01-03T00:00:00Z",
                "fieldsType":"FieldsV1"},
               {"manager":"z","operation":"Apply","apiVersion":"v1","fieldsType":"FieldsV1",
                "fieldsV1":{"f:b":{}}}]"#,
        );
        let entries = decode(list.list_at(&[]), &arena).expect("entries");
        let encoded = encode(entries, true, &arena).expect("list");
        let names: Vec<_> =
            encoded.list_at(&[]).iter().map(|entry| entry.str_at(&["manager"])).collect();
        assert_eq!(names, ["z", "b", "a"]);
        assert_eq!(encoded.list_at(&[])[1].get("fieldsV1"), Some(&Value::Raw(r#"{"f:a":{}}"#)));
        assert_eq!(encoded.list_at(&[])[1].str_at(&["subresource"]), "status");
    }

    #[test]
    fn entries_that_upstream_refuses_are_refused() {
        let arena = Bump::new();
        let cases = [
            (r#"[{"operation":"Bogus"}]"#, "operation must be `Apply` or `Update`"),
            (r#"[{"operation":"Update"}]"#, "apiVersion must not be empty"),
            (
                r#"[{"operation":"Update","apiVersion":"v1"}]"#,
                "missing fieldsType in managed fields entry 0",
            ),
            (
                r#"[{"operation":"Update","apiVersion":"v1","fieldsType":"X"}]"#,
                "invalid fieldsType \"X\" in managed fields entry 0",
            ),
        ];
        for (list, message) in cases {
            let list = value(&arena, list);
            assert_eq!(decode(list.list_at(&[]), &arena).expect_err(message).0, message);
        }
    }

    #[test]
    fn managers_are_named_as_in_conflicts() {
        let id = |applied, subresource| ManagerId {
            manager: "m",
            applied,
            api_version: if applied { "" } else { "apps/v1" },
            subresource,
        };
        assert_eq!(id(true, "").to_string(), "\"m\"");
        let text = "\"m\" with subresource \"status\" using apps/v1";
        assert_eq!(id(false, "status").to_string(), text);
    }

    #[test]
    fn the_oldest_updates_are_merged_by_version() {
        let arena = Bump::new();
        let names: Vec<String> = (0..12).map(|n| format!("m{n:02}")).collect();
        let mut entries: Vec<Entry<'_>> = Vec::new();
        for name in &names {
            let name: &str = arena.alloc_str(name);
            let id = ManagerId { manager: name, applied: false, api_version: "", subresource: "" };
            let mut entry = Entry::new(id, if name == "m01" { "v2" } else { "v1" });
            entry.time = Some(name);
            entry.fields = FieldSet::of_paths(&[&[name]], &arena);
            entries.push(entry);
        }
        cap(&mut entries, &arena);
        assert_eq!(entries.len(), 10);
        let old = entries.iter().find(|e| e.manager == "ancient-changes").expect("bucket");
        assert_eq!(old.time, Some("m03"));
        let merged = FieldSet::of_paths(&[&["m00"], &["m02"], &["m03"]], &arena);
        assert_eq!(old.fields, merged);
        assert!(entries.iter().any(|e| e.manager == "m01"));
    }
}
