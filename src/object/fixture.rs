//! Values and types from JSON text, for the unit tests of this layer.

use crate::object::schema::{
    Absent, Field, GoNames, Kind, ListKind, Patch, Scalar, Shape, Type, TypeCell,
};
use crate::object::{Map, Value};
use bumpalo::Bump;

/// Reads JSON into the arena; order of keys kept.
pub(crate) fn value<'a>(arena: &'a Bump, text: &str) -> Value<'a> {
    let mut reader = Reader { rest: text, arena };
    let value = reader.value();
    assert_eq!(reader.rest.trim(), "", "text after the JSON value");
    value
}

/// A small JSON reader that keeps the order of keys and panics on bad text.
struct Reader<'t, 'a> {
    rest: &'t str,
    arena: &'a Bump,
}

impl<'a> Reader<'_, 'a> {
    fn eat(&mut self, c: char) -> bool {
        self.rest = self.rest.trim_start();
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn value(&mut self) -> Value<'a> {
        if self.eat('{') {
            let mut map = Map::new_in(self.arena);
            while !self.eat('}') {
                let Value::Str(key) = self.scalar() else { panic!("key at {}", self.rest) };
                assert!(self.eat(':'), "colon at {}", self.rest);
                map.insert(key, self.value());
                self.eat(',');
            }
            return Value::Map(map);
        }
        if self.eat('[') {
            let mut list = bumpalo::collections::Vec::new_in(self.arena);
            while !self.eat(']') {
                list.push(self.value());
                self.eat(',');
            }
            return Value::List(list);
        }
        self.scalar()
    }

    fn scalar(&mut self) -> Value<'a> {
        self.rest = self.rest.trim_start();
        let mut stream = serde_json::Deserializer::from_str(self.rest).into_iter();
        let parsed: serde_json::Value = stream.next().expect("a value").expect("JSON");
        self.rest = &self.rest[stream.byte_offset()..];
        match parsed {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(b) => Value::Bool(b),
            serde_json::Value::Number(n) => {
                n.as_i64().map_or_else(|| Value::Float(n.as_f64().expect("f64")), Value::Int)
            }
            serde_json::Value::String(s) => Value::str_in(&s, self.arena),
            other => panic!("not a scalar: {other}"),
        }
    }
}

/// A field as most are: a string, once, omitted when empty.
pub(crate) fn field(name: &'static str, kind: Kind, shape: Shape) -> Field {
    Field {
        name,
        number: 1,
        nested: &[],
        kind,
        shape,
        required: false,
        pointer: false,
        absent: Absent::Omitted,
        list: ListKind::Atomic,
        atomic: None,
        patch: Patch { merge: false, retain_keys: false, replace: false, key: None },
        default: None,
        values: &[],
        wrapped: false,
        go: GoNames::default(),
    }
}

/// A string field.
pub(crate) fn text(name: &'static str) -> Field {
    field(name, Kind::Scalar(Scalar::String), Shape::One)
}

/// An integer field.
pub(crate) fn int(name: &'static str) -> Field {
    field(name, Kind::Scalar(Scalar::Int32), Shape::One)
}

/// A field that holds a message.
pub(crate) fn message(name: &'static str, shape: Shape, ty: &'static Type) -> Field {
    field(name, Kind::Message(cell(ty)), shape)
}

/// A list whose elements are named by `keys` for apply and by the first for strategic merge.
pub(crate) fn keyed(name: &'static str, keys: &'static [&'static str], ty: &'static Type) -> Field {
    let patch = Patch { merge: true, retain_keys: false, replace: false, key: Some(keys[0]) };
    Field { list: ListKind::Map(keys), patch, ..message(name, Shape::List, ty) }
}

/// A list of strings that merges as a set.
pub(crate) fn set(name: &'static str) -> Field {
    let patch = Patch { merge: true, retain_keys: false, replace: false, key: None };
    let list = ListKind::Set;
    Field { list, patch, ..field(name, Kind::Scalar(Scalar::String), Shape::List) }
}

/// A map of strings.
pub(crate) fn strings(name: &'static str) -> Field {
    field(name, Kind::Scalar(Scalar::String), Shape::Map)
}

fn cell(ty: &'static Type) -> &'static TypeCell {
    let cell: &'static TypeCell = Box::leak(Box::default());
    assert!(cell.set(ty).is_ok(), "a new cell is empty");
    cell
}

/// A type that lives as long as the process.
pub(crate) fn ty(name: &'static str, fields: Vec<Field>) -> &'static Type {
    Box::leak(Box::new(Type::new(name, fields, false)))
}

/// A cut-down Deployment with every kind of list and map that patches and apply tell apart.
pub(crate) fn deployment() -> &'static Type {
    let owner =
        Box::leak(Box::new(Type::new("x.OwnerReference", vec![text("uid"), text("name")], true)));
    let meta = ty(
        "x.ObjectMeta",
        vec![
            text("name"),
            text("namespace"),
            text("uid"),
            text("resourceVersion"),
            strings("labels"),
            strings("annotations"),
            keyed("ownerReferences", &["uid"], owner),
            set("finalizers"),
            message("managedFields", Shape::List, ty("x.ManagedFieldsEntry", vec![])),
        ],
    );
    let env = ty("x.EnvVar", vec![text("name"), text("value")]);
    let mut protocol = text("protocol");
    protocol.default = Some("\"TCP\"");
    let port = ty("x.ContainerPort", vec![int("containerPort"), text("name"), protocol]);
    let container = ty(
        "x.Container",
        vec![
            text("name"),
            text("image"),
            field("args", Kind::Scalar(Scalar::String), Shape::List),
            keyed("env", &["name"], env),
            keyed("ports", &["containerPort", "protocol"], port),
        ],
    );
    let mut node_selector = strings("nodeSelector");
    node_selector.atomic = Some(true);
    let pod = ty("x.PodSpec", vec![keyed("containers", &["name"], container), node_selector]);
    let mut template_meta = message("metadata", Shape::One, meta);
    template_meta.absent = Absent::Shown("{}");
    let template = ty("x.PodTemplateSpec", vec![template_meta, message("spec", Shape::One, pod)]);
    let rolling = ty("x.RollingUpdateDeployment", vec![text("maxSurge")]);
    let strategy_type = ty(
        "x.DeploymentStrategy",
        vec![text("type"), message("rollingUpdate", Shape::One, rolling)],
    );
    let mut strategy = message("strategy", Shape::One, strategy_type);
    strategy.patch.retain_keys = true;
    strategy.absent = Absent::Shown("{}");
    let spec = ty(
        "x.DeploymentSpec",
        vec![int("replicas"), strategy, message("template", Shape::One, template)],
    );
    let mut status =
        message("status", Shape::One, ty("x.DeploymentStatus", vec![int("observedGeneration")]));
    status.absent = Absent::Shown("{}");
    let metadata = message("metadata", Shape::One, meta);
    let fields =
        vec![text("kind"), text("apiVersion"), metadata, message("spec", Shape::One, spec), status];
    ty("x.Deployment", fields)
}
