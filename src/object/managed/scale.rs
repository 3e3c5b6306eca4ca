//! Ownership through the scale subresource: `.spec.replicas` of a Scale stands for the replicas
//! field of its parent (`managedfields.ScaleHandler`).

use crate::object::Value;
use crate::object::fieldset::FieldSet;
use crate::object::managed::{BadEntry, Entry, decode, encode};
use bumpalo::Bump;

const SCALE_VERSION: &str = "autoscaling/v1";
const SCALE_PATH: &[&str] = &["spec", "replicas"];

/// Where each API version of the parent has its replicas.
pub type ReplicasPaths<'r> = &'r [(&'r str, &'r [&'r str])];

fn path_of<'r>(paths: ReplicasPaths<'r>, api_version: &str) -> Option<&'r [&'r str]> {
    paths.iter().find(|(version, _)| *version == api_version).map(|(_, path)| *path)
}

/// The managed fields of the Scale: the parent's managers that own its replicas
/// (`ScaleHandler.ToSubresource`). `None` if there are none.
pub fn to_scale<'a>(
    arena: &'a Bump,
    parent: &[Value<'a>],
    paths: ReplicasPaths<'_>,
) -> Result<Option<Value<'a>>, BadEntry> {
    let mut entries = decode(parent, arena)?;
    entries.retain(|entry| {
        path_of(paths, entry.api_version).is_some_and(|path| entry.fields.has(path))
    });
    for entry in &mut entries {
        entry.api_version = SCALE_VERSION;
        entry.fields = FieldSet::of_paths(&[SCALE_PATH], arena);
    }
    Ok(encode(entries, false, arena))
}

/// The managed fields of the parent after a write to its Scale (`ScaleHandler.ToParent`): who owns
/// the Scale's replicas owns the parent's, in `api_version`, and nobody else does.
pub fn to_parent<'a>(
    arena: &'a Bump,
    parent: &[Value<'a>],
    scale: &[Value<'a>],
    api_version: &'a str,
    paths: ReplicasPaths<'_>,
) -> Result<Option<Value<'a>>, BadEntry> {
    let mut owners = decode(scale, arena)?;
    let mut entries: Vec<Entry<'a>> = Vec::new();
    for mut entry in decode(parent, arena)? {
        let Some(path) = path_of(paths, entry.api_version) else { continue };
        if entry.fields.has(path) {
            // An update's identity holds its API version, which the Scale has of its own.
            let kept = owners.iter().position(|owner| {
                owner.manager == entry.manager
                    && owner.applied == entry.applied
                    && owner.subresource == entry.subresource
            });
            match kept {
                Some(at) => {
                    owners.remove(at);
                    let replicas = FieldSet::of_paths(&[path_in(arena, path)], arena);
                    if !entry.applied && entry.fields.difference(replicas, arena).is_empty() {
                        // Upstream finds no time under the identity that it has in the Scale.
                        entry.time = None;
                    }
                }
                None => {
                    let replicas = FieldSet::of_paths(&[path_in(arena, path)], arena);
                    entry.fields = entry.fields.difference(replicas, arena);
                }
            }
        }
        if !entry.fields.is_empty() {
            entries.push(entry);
        }
    }
    if let Some(path) = path_of(paths, api_version) {
        for mut owner in owners.into_iter().filter(|owner| owner.fields.has(SCALE_PATH)) {
            owner.api_version = api_version;
            owner.fields = FieldSet::of_paths(&[path_in(arena, path)], arena);
            match entries.iter_mut().find(|entry| entry.id() == owner.id()) {
                Some(entry) => entry.fields = entry.fields.union(owner.fields, arena),
                None => {
                    // Times are looked up among those of the parent, where it was not.
                    owner.time = None;
                    entries.push(owner);
                }
            }
        }
    }
    Ok(encode(entries, false, arena))
}

fn path_in<'a>(arena: &'a Bump, path: &[&str]) -> &'a [&'a str] {
    arena.alloc_slice_fill_iter(path.iter().map(|name| &*arena.alloc_str(name)))
}

#[cfg(test)]
mod tests {
    use super::{to_parent, to_scale};
    use crate::object::Value;
    use crate::object::fixture::value;
    use bumpalo::Bump;

    const PATHS: &[(&str, &[&str])] = &[("apps/v1", &["spec", "replicas"])];

    fn owners(list: Option<&Value<'_>>) -> Vec<String> {
        let list = list.and_then(Value::as_list).map_or(&[][..], |list| list.as_slice());
        let show = |entry: &Value<'_>| {
            let fields = match entry.get("fieldsV1") {
                Some(Value::Raw(text)) => *text,
                _ => "",
            };
            let version = entry.str_at(&["apiVersion"]);
            format!("{} {version} {fields}", entry.str_at(&["manager"]))
        };
        list.iter().map(show).collect()
    }

    #[test]
    fn replicas_are_owned_on_both_sides() {
        let arena = Bump::new();
        let parent = value(
            &arena,
            r#"[{"manager":"a","operation":"Apply","apiVersion":"apps/v1","fieldsType":"FieldsV1",
                "fieldsV1":{"f:spec":{"f:paused":{},"f:replicas":{}}}},
               {"manager":"b","operation":"Update","apiVersion":"apps/v1",
                "fieldsType":"FieldsV1","fieldsV1":{"f:spec":{"f:template":{}}}}]"#,
        );
        let scale = to_scale(&arena, parent.list_at(&[]), PATHS).expect("scale");
        let spec = r#"{"f:spec":{"f:replicas":{}}}"#;
        assert_eq!(owners(scale.as_ref()), [format!("a autoscaling/v1 {spec}")]);
        let taken = value(
            &arena,
            r#"[{"manager":"hpa","operation":"Update","apiVersion":"autoscaling/v1",
                "fieldsType":"FieldsV1","fieldsV1":{"f:spec":{"f:replicas":{}}},
                "subresource":"scale","time":"2020-01-01T00:00:00Z"}]"#,
        );
        let found = to_parent(&arena, parent.list_at(&[]), taken.list_at(&[]), "apps/v1", PATHS);
        let timed = |list: &Value<'_>| list.list_at(&[]).iter().any(|e| e.get("time").is_some());
        assert!(!timed(found.as_ref().expect("parent").as_ref().expect("entries")));
        assert_eq!(
            owners(found.expect("parent").as_ref()),
            [
                r#"a apps/v1 {"f:spec":{"f:paused":{}}}"#,
                r#"b apps/v1 {"f:spec":{"f:template":{}}}"#,
                r#"hpa apps/v1 {"f:spec":{"f:replicas":{}}}"#,
            ]
        );
    }
}
