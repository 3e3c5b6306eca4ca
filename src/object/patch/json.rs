//! JSON patch (RFC 6902) as kube-apiserver applies it (`gopkg.in/evanphx/json-patch.v4`), with that
//! library's ways: a missing member replaces, copies and tests as null, `-1` counts from the end.

use crate::base::limits::{JSON_PATCH_COPY_BYTES_MAX, JSON_PATCH_OPERATIONS_MAX, OBJECT_DEPTH_MAX};
use crate::object::patch::PatchError;
use crate::object::patch::refusal::{self, Found, Spot};
use crate::object::place::Place;
use crate::object::schema::Type;
use crate::object::{Map, Value};
use bumpalo::Bump;
use std::borrow::Cow;

/// How often the depth of the whole object is counted anew before a patch is refused as too deep.
const DEPTH_COUNTS_MAX: u32 = 64;

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Add,
    Copy,
    Move,
    Remove,
    Replace,
    Test,
    Unknown,
}

/// One step of a patch.
#[derive(Debug)]
struct Operation<'p, 'v> {
    verb: Verb,
    path: Option<&'p str>,
    from: Option<&'p str>,
    value: &'v Value<'p>,
}

/// A patch that has been read.
#[derive(Debug)]
pub struct Patch<'p, 'v> {
    operations: Vec<Operation<'p, 'v>>,
    /// Members that no operation has, as strict decoding names them:
    /// `json patch unknown field "[0].bogus"`.
    pub unknown_fields: Vec<String>,
}

impl<'p, 'v> Patch<'p, 'v> {
    /// Reads a decoded patch. `typed` is true where field validation is Strict or Warn: the patch
    /// is then read into a struct first, whose type errors differ.
    pub fn read(patch: &'v Value<'p>, typed: bool) -> Result<Self, PatchError> {
        let mut unknown_fields = Vec::new();
        if patch.is_null() {
            return Ok(Self { operations: Vec::new(), unknown_fields });
        }
        let Value::List(list) = patch else {
            return Err(PatchError::BadRequest(if typed {
                let text = "error decoding patch: json: cannot unmarshal";
                format!("{text} {} into Go value of type []handlers.jsonPatchOp", noun(patch))
            } else {
                let text = "json: cannot unmarshal";
                format!("{text} {} into Go value of type jsonpatch.Patch", noun(patch))
            }));
        };
        if list.len() > JSON_PATCH_OPERATIONS_MAX {
            return Err(PatchError::TooLarge(format!(
                "Request entity too large: The allowed maximum operations in a JSON patch is \
                 {JSON_PATCH_OPERATIONS_MAX}, got {}",
                list.len()
            )));
        }
        let mut operations = Vec::with_capacity(list.len());
        for (at, item) in list.iter().enumerate() {
            let operation = match item {
                Value::Map(map) => operation(map, typed)?,
                Value::Null => {
                    Operation { verb: Verb::Unknown, path: None, from: None, value: &Value::Null }
                }
                other => return Err(not_an_operation(other, typed)),
            };
            operations.push(operation);
            if typed && let Some(map) = item.as_map() {
                let known = |key: &&str| !matches!(*key, "op" | "path" | "from" | "value");
                let unknown = map.keys().filter(known);
                unknown_fields.extend(
                    unknown.map(|key| format!("json patch unknown field \"[{at}].{key}\"")),
                );
            }
        }
        Ok(Self { operations, unknown_fields })
    }

    /// Applies the operations in order; on an error `target` is left half-way.
    pub fn apply<'a>(
        &self,
        arena: &'a Bump,
        ty: Option<&Type>,
        target: &mut Value<'a>,
    ) -> Result<(), PatchError> {
        let root = Place::root(ty);
        let mut work = Work { arena, root, target, deeper: 0, counts: 0, copied: 0 };
        self.operations.iter().try_for_each(|operation| work.run(operation))
    }

    /// Sorts the keys of every map that the patch went through. Upstream's error for a patched
    /// object that does not decode holds its text in that order.
    pub fn order_as_patched(&self, target: &mut Value<'_>) {
        sort(target);
        for operation in &self.operations {
            for path in operation.path.iter().chain(&operation.from) {
                let mut value = &mut *target;
                let Some((parents, _)) = split(path) else { continue };
                for part in parents {
                    let next = match value {
                        Value::Map(map) => map.get_mut(&decoded(part)),
                        Value::List(list) => {
                            index(part, list.len()).and_then(|at| list.get_mut(at))
                        }
                        _ => None,
                    };
                    let Some(next) = next else { break };
                    sort(next);
                    value = next;
                }
            }
        }
    }
}

fn sort(value: &mut Value<'_>) {
    if let Value::Map(map) = value {
        map.sort_keys();
    }
}

fn operation<'p, 'v>(map: &'v Map<'p>, typed: bool) -> Result<Operation<'p, 'v>, PatchError> {
    let text = |key: &str| match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Str(text)) => Ok(Some(*text)),
        Some(other) if typed => Err(PatchError::BadRequest(format!(
            "error decoding patch: json: cannot unmarshal {} into Go struct field \
             jsonPatchOp.{key} of type string",
            noun(other)
        ))),
        Some(_) => Ok(None),
    };
    let verb = match text("op")? {
        Some("add") => Verb::Add,
        Some("copy") => Verb::Copy,
        Some("move") => Verb::Move,
        Some("remove") => Verb::Remove,
        Some("replace") => Verb::Replace,
        Some("test") => Verb::Test,
        _ => Verb::Unknown,
    };
    let value = map.get("value").unwrap_or(&Value::Null);
    Ok(Operation { verb, path: text("path")?, from: text("from")?, value })
}

fn not_an_operation(value: &Value<'_>, typed: bool) -> PatchError {
    PatchError::BadRequest(if typed {
        let text = "error decoding patch: json: cannot unmarshal";
        format!("{text} {} into Go value of type handlers.jsonPatchOp", noun(value))
    } else {
        let text = "json: cannot unmarshal";
        format!("{text} {} into Go value of type jsonpatch.Operation", noun(value))
    })
}

/// What `encoding/json` calls a value of this kind.
pub fn noun(value: &Value<'_>) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Int(_) | Value::Float(_) => "number",
        Value::Str(_) => "string",
        Value::List(_) => "array",
        Value::Map(_) | Value::Raw(_) => "object",
    }
}

/// The parts before the last, still encoded, and the last. What stands before the first slash is
/// not looked at; `None` if there is no slash.
fn split(path: &str) -> Option<(impl Iterator<Item = &str>, Cow<'_, str>)> {
    let (parents, last) = path.rsplit_once('/')?;
    Some((parents.split('/').skip(1), decoded(last)))
}

fn decoded(part: &str) -> Cow<'_, str> {
    if part.contains('~') {
        Cow::Owned(part.replace("~1", "/").replace("~0", "~"))
    } else {
        Cow::Borrowed(part)
    }
}

/// The element that `key` names in a list of `length`; negative numbers count from the end.
fn index(key: &str, length: usize) -> Option<usize> {
    let at: i64 = key.parse().ok()?;
    if at < 0 {
        return length.checked_sub(usize::try_from(at.unsigned_abs()).ok()?);
    }
    usize::try_from(at).ok().filter(|at| *at < length)
}

/// Levels of the tree; a scalar has one. Counted without recursion.
fn depth_of(root: &Value<'_>) -> usize {
    if !matches!(root, Value::List(_) | Value::Map(_)) {
        return 1;
    }
    let mut deepest = 0;
    let mut open = vec![(root, 1)];
    while let Some((value, depth)) = open.pop() {
        deepest = deepest.max(depth);
        match value {
            Value::List(list) => open.extend(list.iter().map(|item| (item, depth + 1))),
            Value::Map(map) => open.extend(map.iter().map(|(_, item)| (item, depth + 1))),
            _ => {}
        }
    }
    deepest
}

/// Bytes of the value as compact JSON, near enough to limit copies.
fn json_bytes(value: &Value<'_>) -> usize {
    match value {
        Value::Null => 4,
        Value::Bool(_) => 5,
        Value::Int(_) | Value::Float(_) => 8,
        Value::Str(text) => text.len() + 2,
        Value::Raw(text) => text.len(),
        Value::List(list) => list.iter().map(|item| json_bytes(item) + 1).sum::<usize>() + 2,
        Value::Map(map) => map.iter().map(|(k, v)| k.len() + 4 + json_bytes(v)).sum::<usize>() + 2,
    }
}

fn rejected(why: &str) -> PatchError {
    PatchError::Rejected(why.to_owned())
}

fn last_of(path: &str) -> Cow<'_, str> {
    split(path).map_or(Cow::Borrowed(""), |(_, last)| last)
}

/// Says why an operation does not apply at a spot.
type Refusal = fn(Spot<'_>) -> String;
/// How an operation ended: where it did not apply.
type Done<'p> = Result<(), (&'p str, Refusal)>;

struct Work<'a, 't, 'w> {
    arena: &'a Bump,
    root: Place<'t>,
    target: &'w mut Value<'a>,
    /// At least the levels that the patch has put below those of the object as it was decoded.
    deeper: usize,
    counts: u32,
    copied: usize,
}

impl<'a> Work<'a, '_, '_> {
    fn run(&mut self, operation: &Operation<'_, '_>) -> Result<(), PatchError> {
        let Operation { verb, path, from, value } = operation;
        let path =
            path.ok_or_else(|| rejected("operation failed to decode path: missing value"))?;
        let done = match verb {
            Verb::Add => {
                self.deepen(path, depth_of(value), value)?;
                let value = value.copy_in(self.arena);
                self.add(path, value).ok_or((path, refusal::add as Refusal))
            }
            Verb::Remove => self.remove(path).map(drop).ok_or((path, refusal::remove as Refusal)),
            Verb::Replace => {
                self.deepen(path, depth_of(value), value)?;
                self.replace(path, value).ok_or((path, refusal::replace as Refusal))
            }
            Verb::Move => self.relocate(path, *from)?,
            Verb::Copy => self.copy(path, *from)?,
            Verb::Test => match self.get(path) {
                Some(found) if same(found, value) => Ok(()),
                _ => Err((path, refusal::test as Refusal)),
            },
            Verb::Unknown => return Err(rejected("Unexpected kind: unknown")),
        };
        done.map_err(|(path, why)| PatchError::Rejected(why(self.spot(path, &last_of(path)))))
    }

    fn relocate<'p>(
        &mut self,
        path: &'p str,
        from: Option<&'p str>,
    ) -> Result<Done<'p>, PatchError> {
        let from = from.ok_or_else(|| rejected("move operation failed to decode from"))?;
        let depth = self.deeper.saturating_sub(from.matches('/').count());
        let Some(moved) = self.remove(from) else {
            return Ok(Err((from, |at| refusal::source("move", at))));
        };
        self.deepen(path, depth, &moved)?;
        Ok(self.add(path, moved).ok_or((path, |at| refusal::destination("move", at))))
    }

    fn copy<'p>(&mut self, path: &'p str, from: Option<&'p str>) -> Result<Done<'p>, PatchError> {
        let from = from.ok_or_else(|| rejected("copy operation failed to decode from"))?;
        let arena = self.arena;
        let Some(source) = self.get(from) else {
            return Ok(Err((from, |at| refusal::source("copy", at))));
        };
        let bytes = json_bytes(source);
        let copy = source.copy_in(arena);
        self.copied = self.copied.saturating_add(bytes);
        if self.copied > JSON_PATCH_COPY_BYTES_MAX {
            return Err(rejected("copies are too large"));
        }
        self.deepen(path, depth_of(&copy), &copy)?;
        Ok(self.add(path, copy).ok_or((path, |at| refusal::destination("copy", at))))
    }

    /// What an operation that did not apply has found.
    fn spot<'p>(&mut self, path: &'p str, key: &'p str) -> Spot<'p> {
        let found = match self.holder(path) {
            Some((Value::Map(_), ..)) => Found::Map,
            Some((Value::List(list), ..)) => Found::List(list.len()),
            _ => Found::Nothing,
        };
        Spot { path, key, found }
    }

    /// Checks that `value`, which has at most `depth` levels more than anything decoded, keeps the
    /// tree within reach of recursion at `path`: below twice the limit of decoded bodies.
    fn deepen(&mut self, path: &str, depth: usize, value: &Value<'_>) -> Result<(), PatchError> {
        let above = path.matches('/').count();
        let deepest = above.saturating_add(depth);
        if deepest <= OBJECT_DEPTH_MAX {
            self.deeper = self.deeper.max(deepest);
            return Ok(());
        }
        // What moves add up to is a bound only: count.
        self.counts += 1;
        self.deeper = 0;
        let deepest = above.saturating_add(depth_of(value)).max(depth_of(self.target));
        if deepest > OBJECT_DEPTH_MAX || self.counts > DEPTH_COUNTS_MAX {
            return Err(PatchError::Rejected(String::from("the object is too deep")));
        }
        Ok(())
    }

    /// What holds the last part of `path`, and that part. Members that JSON always shows are made
    /// where the canonical tree leaves them out.
    fn holder<'k>(&mut self, path: &'k str) -> Option<(&mut Value<'a>, Place<'_>, Cow<'k, str>)> {
        let (parents, last) = split(path)?;
        let mut place = self.root;
        let mut value = &mut *self.target;
        for part in parents {
            let part = decoded(part);
            (value, place) = match value {
                Value::Map(map) => {
                    show(map, place, &part, self.arena);
                    (map.get_mut(&part)?, place.member(&part))
                }
                Value::List(list) => {
                    let at = index(&part, list.len())?;
                    (list.get_mut(at)?, place.item())
                }
                _ => return None,
            };
        }
        if let Value::Map(map) = value {
            show(map, place, &last, self.arena);
        }
        Some((value, place, last))
    }

    /// What stands at `path`; null for a missing member of a map that is there.
    fn get(&mut self, path: &str) -> Option<&Value<'a>> {
        if path.is_empty() {
            return Some(self.target);
        }
        match self.holder(path)? {
            (Value::Map(map), _, key) => Some(map.get(&key).unwrap_or(&Value::Null)),
            (Value::List(list), _, key) => list.get(index(&key, list.len())?),
            _ => None,
        }
    }

    fn add(&mut self, path: &str, value: Value<'a>) -> Option<()> {
        let arena = self.arena;
        match self.holder(path)? {
            (Value::Map(map), _, key) => {
                match map.get_mut(&key) {
                    Some(slot) => *slot = value,
                    None => map.push_unique(arena.alloc_str(&key), value),
                }
                Some(())
            }
            (Value::List(list), _, key) => {
                let at = if key == "-" { list.len() } else { index(&key, list.len() + 1)? };
                list.insert(at, value);
                Some(())
            }
            _ => None,
        }
    }

    fn remove(&mut self, path: &str) -> Option<Value<'a>> {
        match self.holder(path)? {
            (Value::Map(map), _, key) => map.remove(&key),
            (Value::List(list), _, key) => {
                let at = index(&key, list.len())?;
                Some(list.remove(at))
            }
            _ => None,
        }
    }

    fn replace(&mut self, path: &str, value: &Value<'_>) -> Option<()> {
        if path.is_empty() {
            if !matches!(value, Value::Map(_) | Value::List(_)) {
                return None;
            }
            *self.target = value.copy_in(self.arena);
            return Some(());
        }
        let value = value.copy_in(self.arena);
        match self.holder(path)? {
            (Value::Map(_), ..) => self.add(path, value),
            (Value::List(list), _, key) => {
                let at = index(&key, list.len())?;
                *list.get_mut(at)? = value;
                Some(())
            }
            _ => None,
        }
    }
}

fn show<'a>(map: &mut Map<'a>, place: Place<'_>, key: &str, arena: &'a Bump) {
    if map.get(key).is_none()
        && let Some(zero) = place.shown(key, arena)
    {
        map.push_unique(arena.alloc_str(key), zero);
    }
}

/// Equality as the `test` operation has it: numbers of another spelling differ.
fn same(a: &Value<'_>, b: &Value<'_>) -> bool {
    match (a, b) {
        (Value::Int(_), Value::Float(_)) | (Value::Float(_), Value::Int(_)) => false,
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| same(a, b))
        }
        (Value::Map(a), Value::Map(b)) => {
            let found = |(key, value)| b.get(key).is_some_and(|other| same(value, other));
            a.len() == b.len() && a.iter().all(found)
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::Patch;
    use crate::object::field::Shown as _;
    use crate::object::fixture::{deployment, value};
    use crate::object::patch::PatchError;
    use bumpalo::Bump;
    use proptest::prelude::{Strategy, prop, prop_assert, proptest};

    fn patched(target: &str, patch: &str) -> Result<String, PatchError> {
        let arena = Bump::new();
        let mut target = value(&arena, target);
        let decoded = value(&arena, patch);
        let patch = Patch::read(&decoded, true)?;
        patch.apply(&arena, Some(deployment()), &mut target)?;
        patch.order_as_patched(&mut target);
        let mut out = String::new();
        (&target).show(&mut out);
        Ok(out)
    }

    #[test]
    fn operations_change_maps_and_lists_as_upstream_does() {
        let cases = [
            (r#"[{"op":"add","path":"/x/c","value":3}]"#, r#"{"l":[1,2],"x":{"a":1,"c":3}}"#),
            (r#"[{"op":"replace","path":"/x/zz","value":3}]"#, r#"{"l":[1,2],"x":{"a":1,"zz":3}}"#),
            (r#"[{"op":"remove","path":"/x/a"}]"#, r#"{"l":[1,2],"x":{}}"#),
            (
                r#"[{"op":"add","path":"/x/a~1b~0","value":1}]"#,
                r#"{"l":[1,2],"x":{"a":1,"a/b~":1}}"#,
            ),
            (r#"[{"op":"add","path":"/l/-","value":3}]"#, r#"{"l":[1,2,3],"x":{"a":1}}"#),
            (r#"[{"op":"add","path":"/l/0","value":0}]"#, r#"{"l":[0,1,2],"x":{"a":1}}"#),
            (r#"[{"op":"add","path":"/l/2","value":3}]"#, r#"{"l":[1,2,3],"x":{"a":1}}"#),
            (r#"[{"op":"remove","path":"/l/-1"}]"#, r#"{"l":[1],"x":{"a":1}}"#),
            (r#"[{"op":"replace","path":"/l/1","value":9}]"#, r#"{"l":[1,9],"x":{"a":1}}"#),
            (r#"[{"op":"move","from":"/x/a","path":"/l/0"}]"#, r#"{"l":[1,1,2],"x":{}}"#),
            (r#"[{"op":"copy","from":"/x/a","path":"/x/b"}]"#, r#"{"l":[1,2],"x":{"a":1,"b":1}}"#),
            (
                r#"[{"op":"copy","from":"/x/n","path":"/x/b"}]"#,
                r#"{"l":[1,2],"x":{"a":1,"b":null}}"#,
            ),
            (r#"[{"op":"test","path":"/x","value":{"a":1}}]"#, r#"{"l":[1,2],"x":{"a":1}}"#),
            (r#"[{"op":"test","path":"/none","value":null}]"#, r#"{"l":[1,2],"x":{"a":1}}"#),
            (r#"[{"op":"add","path":"/x/n"}]"#, r#"{"l":[1,2],"x":{"a":1,"n":null}}"#),
            (r#"[{"op":"replace","path":"","value":{}}]"#, "{}"),
            ("[]", r#"{"l":[1,2],"x":{"a":1}}"#),
        ];
        for (patch, expected) in cases {
            let found = patched(r#"{"x":{"a":1},"l":[1,2]}"#, patch);
            assert_eq!(found.as_deref(), Ok(expected), "{patch}");
        }
    }

    #[test]
    fn what_does_not_apply_is_rejected() {
        let cases = [
            r#"[{"op":"remove","path":"/x/zz"}]"#,
            r#"[{"op":"add","path":"/nope/zz","value":1}]"#,
            r#"[{"op":"add","path":"/l/99","value":1}]"#,
            r#"[{"op":"remove","path":"/l/-9"}]"#,
            r#"[{"op":"move","from":"/x/n","path":"/x/b"}]"#,
            r#"[{"op":"test","path":"/x/a","value":2}]"#,
            r#"[{"op":"test","path":"/x/a","value":1.0}]"#,
            r#"[{"op":"test","path":"/x/none","value":2}]"#,
            r#"[{"op":"zap","path":"/x"}]"#,
            r#"[{"path":"/x/a"}]"#,
            r#"[{"op":"add","path":"x","value":1}]"#,
            r#"[{"op":"add","value":1}]"#,
            r#"[null]"#,
        ];
        for patch in cases {
            let found = patched(r#"{"x":{"a":1},"l":[1,2]}"#, patch);
            assert!(matches!(found, Err(PatchError::Rejected(_))), "{patch} {found:?}");
        }
    }

    #[test]
    fn always_shown_members_can_be_tested_and_entered() {
        let patch = r#"[{"op":"test","path":"/status","value":{}},
            {"op":"add","path":"/status/observedGeneration","value":1}]"#;
        assert_eq!(patched("{}", patch).as_deref(), Ok(r#"{"status":{"observedGeneration":1}}"#));
    }

    #[test]
    fn a_patch_of_the_wrong_form_is_told_as_go_tells_it() {
        let refused = |patch: &str| patched("{}", patch).expect_err(patch).to_string();
        assert_eq!(
            refused(r#"{"op":"add"}"#),
            "error decoding patch: json: cannot unmarshal object into Go value of type \
             []handlers.jsonPatchOp"
        );
        let many = format!("[{}{{}}]", "{},".repeat(10_000));
        assert_eq!(
            refused(&many),
            "Request entity too large: The allowed maximum operations in a JSON patch is 10000, \
             got 10001"
        );
        let arena = Bump::new();
        let decoded = value(&arena, r#"[{"op":"test","path":"/x","bogus":1}]"#);
        let patch = Patch::read(&decoded, true).expect("patch");
        assert_eq!(patch.unknown_fields, ["json patch unknown field \"[0].bogus\""]);
    }

    #[test]
    fn copies_and_nesting_are_limited() {
        let copies =
            r#"{"op":"copy","from":"","path":"/a"},{"op":"copy","from":"/a","path":"/b"},"#;
        let patch = format!("[{}{{\"op\":\"remove\",\"path\":\"/a\"}}]", copies.repeat(60));
        assert!(matches!(patched("{}", &patch), Err(PatchError::Rejected(_))));
        let wrap = r#"{"op":"add","path":"/b","value":{}},{"op":"move","from":"/a","path":"/b/a"},
            {"op":"move","from":"/b","path":"/a"},"#;
        let patch = format!("[{}{{\"op\":\"remove\",\"path\":\"/a\"}}]", wrap.repeat(2_000));
        assert!(matches!(patched(r#"{"a":1}"#, &patch), Err(PatchError::Rejected(_))));
        let bounce = r#"{"op":"move","from":"/a","path":"/x/y/a"},
            {"op":"move","from":"/x/y/a","path":"/a"},"#;
        let patch = format!("[{}{{\"op\":\"remove\",\"path\":\"/a\"}}]", bounce.repeat(1_000));
        assert!(patched(r#"{"a":1,"x":{"y":{}}}"#, &patch).is_ok());
    }

    fn operation() -> impl Strategy<Value = String> {
        let path = "(/(x|l|a|0|-1|-|~1)){0,3}";
        let op = prop::sample::select(vec!["add", "remove", "replace", "move", "copy", "test"]);
        (op, path, path, prop::sample::select(vec!["1", "{}", "[1]", "null"])).prop_map(
            |(op, path, from, value)| {
                format!(r#"{{"op":"{op}","path":"{path}","from":"{from}","value":{value}}}"#)
            },
        )
    }

    proptest! {
        #[test]
        fn no_patch_panics(operations in prop::collection::vec(operation(), 0..12)) {
            let patch = format!("[{}]", operations.join(","));
            let found = patched(r#"{"x":{"a":1},"l":[1,{"a":[]}]}"#, &patch);
            prop_assert!(matches!(found, Ok(_) | Err(PatchError::Rejected(_))));
        }
    }
}
