//! Defaults that hold whatever other fields say, as data, and the walk that fills them in.
//!
//! `data/defaults.txt` has a line `<Type>.<field>[.<field>…] = <JSON>` for each, and names those
//! that are left to code because they are conditional; defaults that the API declares
//! (`Field::default`) are applied alike. Like upstream's `SetDefaults_*`, a default fills a field
//! that is nil, or zero where the Go field is no pointer, in every message that is there; Go's
//! value structs always are.

use super::types::{Types, bad};
use crate::object::schema::{Field, Shape, Type};
use crate::object::structural;
use crate::object::{List, Map, Value};
use bumpalo::Bump;

const FILE: &str = include_str!("data/defaults.txt");

/// One default.
#[derive(Debug)]
pub struct FieldDefault {
    /// Field names from the type downward; all but the last are single messages.
    pub path: Vec<&'static str>,
    /// The value, as JSON text.
    pub json: &'static str,
    value: Literal,
}

/// A value of `data/defaults.txt`.
#[derive(Debug)]
enum Literal {
    Bool(bool),
    EmptyMap,
    /// A map with one member.
    Map(&'static str, Box<Self>),
    Int(i64),
    List(Vec<Self>),
    Str(&'static str),
}

/// What the walk does in one type.
#[derive(Debug, Default)]
struct Plan {
    own: Vec<FieldDefault>,
    /// Indexes of fields in whose messages something may be filled in.
    below: Vec<u16>,
    /// Something is filled in even if the message is empty.
    fills_empty: bool,
}

/// Plans by `Type::id`.
#[derive(Debug)]
pub(super) struct Defaults {
    plans: Vec<Plan>,
}

/// Fills in what `object`, of type `ty`, leaves unset. Nothing happens for types that are not
/// built in, and to parts that are not of the form the type asks for.
///
/// Recursion is as deep as built-in types nest, since no type with defaults contains itself.
pub fn apply<'a>(object: &mut Value<'a>, ty: &'static Type, arena: &'a Bump) {
    if let Some(schema) = ty.structural {
        structural::drop_nulls(object, Some(schema));
    }
    apply_to_merged(object, ty, arena);
}

/// As [`apply`], to what server-side apply merged: nulls in it that a custom resource may not have
/// are not dropped, for upstream decodes nothing there.
pub fn apply_to_merged<'a>(object: &mut Value<'a>, ty: &'static Type, arena: &'a Bump) {
    if let Some(schema) = ty.structural {
        structural::fill(object, schema, arena);
    } else if let Value::Map(map) = object {
        super::catalog().defaults.fill(map, ty, arena);
    }
}

impl Defaults {
    /// Reads the data file.
    ///
    /// # Panics
    /// If it is malformed: it is part of the program.
    pub(super) fn load(types: &Types) -> Self {
        let mut plans: Vec<Plan> = types.all.iter().map(|_| Plan::default()).collect();
        for (ty, plan) in types.all.iter().zip(&mut plans) {
            for field in ty.fields.iter().filter(|field| field.shape == Shape::One) {
                if let Some(json) = field.default {
                    plan.own.push(FieldDefault {
                        path: vec![field.name],
                        json,
                        value: literal(json),
                    });
                }
            }
        }
        for line in FILE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (target, json) = line.split_once(" = ").unwrap_or_else(|| bad(line));
            let (ty, path) = split_target(target, types);
            let plan = plans.get_mut(ty.id as usize).unwrap_or_else(|| bad(line));
            plan.own.push(FieldDefault { path, json, value: literal(json) });
        }
        let mut defaults = Self { plans };
        while defaults.propagate(types) {}
        defaults
    }

    pub(super) fn of(&self, ty: &Type) -> &[FieldDefault] {
        self.plan(ty).map_or(&[], |plan| plan.own.as_slice())
    }

    fn plan(&self, ty: &Type) -> Option<&Plan> {
        self.plans.get(usize::try_from(ty.id).ok()?)
    }

    /// One round of finding out what lies below what; true if anything new was found.
    fn propagate(&mut self, types: &Types) -> bool {
        let mut changed = false;
        for ty in &types.all {
            let Some(plan) = self.plan(ty) else { continue };
            let mut below = Vec::new();
            let mut fills_empty =
                plan.own.iter().any(|default| needs_no_pointer(ty, &default.path));
            for (at, field) in (0..).zip(&ty.fields) {
                let inner = field.kind.message().and_then(|ty| self.plan(ty));
                let Some(inner) = inner.filter(|p| !p.own.is_empty() || !p.below.is_empty()) else {
                    continue;
                };
                below.push(at);
                fills_empty |= inner.fills_empty && is_value_struct(field);
            }
            let differs = below.len() != plan.below.len() || fills_empty != plan.fills_empty;
            let plan = self.plans.get_mut(ty.id as usize);
            if let Some(plan) = plan.filter(|_| differs) {
                plan.below = below;
                plan.fills_empty = fills_empty;
                changed = true;
            }
        }
        changed
    }

    fn fill<'a>(&self, map: &mut Map<'a>, ty: &'static Type, arena: &'a Bump) {
        let Some(plan) = self.plan(ty) else { return };
        for default in &plan.own {
            set_at(map, ty, &default.path, &default.value, arena);
        }
        for at in &plan.below {
            let Some(field) = ty.fields.get(usize::from(*at)) else { continue };
            let Some(inner) = field.kind.message() else { continue };
            match map.get_mut(field.name) {
                Some(Value::Map(value)) if field.shape == Shape::One => {
                    self.fill(value, inner, arena);
                }
                Some(Value::Map(values)) => {
                    values.iter_mut().for_each(|(_, value)| self.fill_value(value, inner, arena));
                }
                Some(Value::List(values)) => {
                    values.iter_mut().for_each(|value| self.fill_value(value, inner, arena));
                }
                None | Some(Value::Null) if is_value_struct(field) && self.fills_empty(inner) => {
                    let mut value = Map::new_in(arena);
                    self.fill(&mut value, inner, arena);
                    map.insert(field.name, Value::Map(value));
                }
                _ => {}
            }
        }
    }

    fn fill_value<'a>(&self, value: &mut Value<'a>, ty: &'static Type, arena: &'a Bump) {
        if let Value::Map(map) = value {
            self.fill(map, ty, arena);
        }
    }

    fn fills_empty(&self, ty: &Type) -> bool {
        self.plan(ty).is_some_and(|plan| plan.fills_empty)
    }
}

/// Sets what `path` names, unless it is set or a pointer on the way is nil.
fn set_at<'a>(
    map: &mut Map<'a>,
    ty: &'static Type,
    path: &[&'static str],
    value: &Literal,
    arena: &'a Bump,
) {
    let Some((name, rest)) = path.split_first() else { return };
    let Some(field) = ty.field(name) else { return };
    if rest.is_empty() {
        let unset = match map.get(name) {
            None | Some(Value::Null) => true,
            Some(value) => !field.pointer && value.is_empty(),
        };
        if unset {
            map.insert(name, value.build(arena));
        }
        return;
    }
    if matches!(map.get(name), None | Some(Value::Null)) && is_value_struct(field) {
        map.insert(name, Value::map_in(arena));
    }
    let inner = map.get_mut(name).and_then(Value::as_map_mut).zip(field.kind.message());
    if let Some((inner, ty)) = inner {
        set_at(inner, ty, rest, value, arena);
    }
}

/// A message that Go embeds by value: it is there even if JSON does not show it.
fn is_value_struct(field: &Field) -> bool {
    !field.pointer && field.shape == Shape::One && field.kind.message().is_some()
}

fn needs_no_pointer(ty: &Type, path: &[&str]) -> bool {
    match path {
        [name, rest @ ..] if !rest.is_empty() => ty.field(name).is_some_and(|field| {
            let inner = field.kind.message();
            is_value_struct(field) && inner.is_some_and(|ty| needs_no_pointer(ty, rest))
        }),
        _ => true,
    }
}

/// The type that a line's left side names, and the path of fields after it.
fn split_target(target: &'static str, types: &Types) -> (&'static Type, Vec<&'static str>) {
    let mut name = target;
    while let Some((head, _)) = name.rsplit_once('.') {
        name = head;
        if let Some(ty) = types.named(name) {
            let path: Vec<_> = target[name.len() + 1..].split('.').collect();
            check_path(ty, &path, target);
            return (ty, path);
        }
    }
    bad(target)
}

fn check_path(ty: &'static Type, path: &[&'static str], line: &str) {
    let Some((name, rest)) = path.split_first() else { return };
    let field = ty.field(name).unwrap_or_else(|| bad(line));
    if !rest.is_empty() {
        let inner = field.kind.message().filter(|_| field.shape == Shape::One);
        check_path(inner.unwrap_or_else(|| bad(line)), rest, line);
    }
}

impl Literal {
    fn build<'a>(&self, arena: &'a Bump) -> Value<'a> {
        match self {
            Self::Bool(flag) => Value::Bool(*flag),
            Self::EmptyMap => Value::map_in(arena),
            Self::Int(number) => Value::Int(*number),
            Self::Map(key, value) => {
                let mut map = Map::with_capacity_in(1, arena);
                map.push_unique(key, value.build(arena));
                Value::Map(map)
            }
            Self::List(items) => {
                let mut list = List::with_capacity_in(items.len(), arena);
                list.extend(items.iter().map(|item| item.build(arena)));
                Value::List(list)
            }
            Self::Str(text) => Value::Str(text),
        }
    }
}

/// Reads the few JSON forms that defaults have: no escapes, no commas inside strings, no colons but
/// that of a map's only member.
fn literal(json: &'static str) -> Literal {
    let within = |open: char, close: char| json.strip_prefix(open)?.strip_suffix(close);
    match json {
        "{}" => Literal::EmptyMap,
        "false" => Literal::Bool(false),
        "true" => Literal::Bool(true),
        _ => match (within('"', '"'), within('[', ']')) {
            (Some(text), _) => Literal::Str(text),
            _ if let Some(member) = within('{', '}') => {
                let (key, value) = member.split_once(':').unwrap_or_else(|| bad(json));
                Literal::Map(key.trim_matches('"'), Box::new(literal(value)))
            }
            (_, Some(items)) => Literal::List(items.split(',').map(literal).collect()),
            _ => Literal::Int(json.parse().unwrap_or_else(|_| bad(json))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::apply;
    use crate::catalog::catalog;
    use crate::object::Value;
    use bumpalo::Bump;

    #[test]
    fn value_structs_are_filled_even_if_absent_and_pointers_are_not() {
        let arena = Bump::new();
        let mut object = Value::map_in(&arena);
        apply(&mut object, catalog().kind("apps", "v1", "Deployment").unwrap(), &arena);
        assert_eq!(object.str_at(&["spec", "strategy", "type"]), "RollingUpdate");
        assert_eq!(object.i64_at(&["spec", "replicas"]), Some(1));
        assert_eq!(object.str_at(&["spec", "template", "spec", "dnsPolicy"]), "ClusterFirst");
        let mut object = Value::map_in(&arena);
        apply(&mut object, catalog().kind("batch", "v1", "CronJob").unwrap(), &arena);
        assert!(object.at(&["spec", "jobTemplate", "spec", "completionMode"]).is_none());
    }

    #[test]
    fn an_explicit_zero_stays_where_go_has_a_pointer() {
        let arena = Bump::new();
        let mut object = Value::map_in(&arena);
        let spec = object.as_map_mut().unwrap().entry_map("spec");
        spec.insert("replicas", Value::Int(0));
        spec.entry_map("template").entry_map("spec").insert("dnsPolicy", Value::Str(""));
        apply(&mut object, catalog().kind("apps", "v1", "ReplicaSet").unwrap(), &arena);
        assert_eq!(object.i64_at(&["spec", "replicas"]), Some(0));
        assert_eq!(object.str_at(&["spec", "template", "spec", "dnsPolicy"]), "ClusterFirst");
    }
}
