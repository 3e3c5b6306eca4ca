//! Presence of fields and defaults against recorded requests and answers.

use crate::oracle_dir;
use bumpalo::Bump;
use kubering::catalog::{catalog, defaults};
use kubering::object::schema::{Absent, Scalar, Shape, Type};
use kubering::object::{List, Map, Value};
use std::collections::BTreeSet;
use std::path::Path;

/// Calls `visit` with method, request body and answer of every recorded step.
fn each_step(dir: &Path, visit: &mut dyn FnMut(&str, &serde_json::Value, &serde_json::Value)) {
    let mut entries: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            each_step(&path, visit);
            continue;
        }
        let case: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        for step in case["steps"].as_array().into_iter().flatten() {
            let label = format!("{} {}", path.display(), step["path"]);
            let strict = step["expect"]["status"].as_u64().is_some_and(|code| code < 300);
            if strict {
                visit(&label, step, &step["expect"]["body"]);
            }
        }
    }
}

fn type_of(object: &serde_json::Value) -> Option<&'static Type> {
    let (api_version, kind) = (object["apiVersion"].as_str()?, object["kind"].as_str()?);
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    catalog().kind(group, version, kind)
}

#[test]
fn recorded_answers_show_exactly_what_the_table_says() {
    let Some(dir) = oracle_dir("cases") else { return };
    let (mut faults, mut count) = (BTreeSet::new(), 0);
    each_step(&dir, &mut |label, _, answer| {
        if let Some(ty) = type_of(answer) {
            count += 1;
            compare_presence(answer, ty, label, &mut faults);
        }
    });
    assert!(count > 300, "{count} answers");
    assert!(faults.is_empty(), "{count} answers: {faults:#?}");
}

fn compare_presence(
    object: &serde_json::Value,
    ty: &Type,
    label: &str,
    faults: &mut BTreeSet<String>,
) {
    let Some(members) = object.as_object() else { return };
    for field in &ty.fields {
        let name = field.name;
        let at = format!("{}.{name}", ty.go_name);
        let Some(member) = members.get(name) else {
            if field.absent != Absent::Omitted {
                faults.insert(format!("{at} should be shown: {label}"));
            }
            continue;
        };
        let raw = matches!(field.kind.scalar(), Some(Scalar::Json | Scalar::RawExtension));
        if field.absent == Absent::Omitted && !field.pointer && !raw && is_empty(member) {
            faults.insert(format!("{at} is shown empty: {label}"));
        }
        let Some(inner) = field.kind.message() else { continue };
        match (field.shape, member) {
            (Shape::One, _) => compare_presence(member, inner, label, faults),
            (_, serde_json::Value::Array(items)) => {
                items.iter().for_each(|item| compare_presence(item, inner, label, faults));
            }
            (_, serde_json::Value::Object(items)) => {
                items.values().for_each(|item| compare_presence(item, inner, label, faults));
            }
            _ => {}
        }
    }
    for name in members.keys().filter(|name| ty.field(name).is_none()) {
        faults.insert(format!("{} has no field {name}: {label}", ty.go_name));
    }
}

fn is_empty(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Null => true,
        serde_json::Value::Bool(flag) => !flag,
        serde_json::Value::Number(number) => number.as_f64() == Some(0.0),
        serde_json::Value::String(text) => text.is_empty(),
        serde_json::Value::Array(items) => items.is_empty(),
        serde_json::Value::Object(members) => members.is_empty(),
    }
}

#[test]
fn defaults_filled_into_recorded_requests_stand_in_the_answers() {
    let Some(dir) = oracle_dir("cases") else { return };
    let (mut faults, mut filled) = (BTreeSet::new(), 0);
    each_step(&dir, &mut |label, step, answer| {
        // Subresources keep most of what is stored.
        let name = answer["metadata"]["name"].as_str().unwrap_or("");
        let update = step["method"] == "PUT" && step["path"].as_str().unwrap().ends_with(name);
        let whole = update || step["expect"]["status"] == 201;
        let Some(ty) = type_of(&step["body"]).filter(|_| whole) else { return };
        if answer["kind"] != step["body"]["kind"] {
            return;
        }
        let arena = Bump::new();
        let mut object = build(&step["body"], &arena);
        let before = object.copy_in(&arena);
        defaults::apply(&mut object, ty, &arena);
        let mut at = ty.go_name.to_owned();
        compare(&before, &object, answer, &mut at, &mut |at| {
            filled += 1;
            if let Some(at) = at {
                faults.insert(format!("{at}: {label}"));
            }
        });
    });
    assert!(filled > 250, "{filled} defaults filled in");
    assert!(faults.is_empty(), "{faults:#?}");
}

fn build<'a>(json: &serde_json::Value, arena: &'a Bump) -> Value<'a> {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(flag) => Value::Bool(*flag),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => Value::Float(number.as_f64().unwrap()),
        },
        serde_json::Value::String(text) => Value::str_in(text, arena),
        serde_json::Value::Array(items) => {
            let mut list = List::new_in(arena);
            list.extend(items.iter().map(|item| build(item, arena)));
            Value::List(list)
        }
        serde_json::Value::Object(members) => {
            let mut map = Map::new_in(arena);
            for (key, value) in members {
                map.insert(arena.alloc_str(key), build(value, arena));
            }
            Value::Map(map)
        }
    }
}

/// Tells `report` of every scalar that stands in `after` and not in `before`: with its place if the
/// answer says otherwise.
fn compare(
    before: &Value<'_>,
    after: &Value<'_>,
    answer: &serde_json::Value,
    at: &mut String,
    report: &mut dyn FnMut(Option<&str>),
) {
    let arena = Bump::new();
    match after {
        Value::Map(map) => {
            for (key, value) in map.iter() {
                let length = at.len();
                at.push('.');
                at.push_str(key);
                let old = before.get(key).unwrap_or(&Value::Null);
                compare(old, value, &answer[key], at, report);
                at.truncate(length);
            }
        }
        Value::List(list) => {
            let old = before.as_list().map_or(&[][..], |list| list.as_slice());
            let new = answer.as_array().map_or(&[][..], Vec::as_slice);
            // Admission may add elements, at the end.
            for (index, value) in list.iter().enumerate() {
                let old = old.get(index).unwrap_or(&Value::Null);
                let new = new.get(index).unwrap_or(&serde_json::Value::Null);
                compare(old, value, new, at, report);
            }
        }
        _ if before == after => {}
        _ => report((build(answer, &arena) != *after).then_some(at.as_str())),
    }
}
