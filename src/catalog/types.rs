//! The schema rows of all built-in types, read from `data/types/*.txt`.
//!
//! One line per type and one per field, in the order in which Go declares the fields:
//!
//! ```text
//! type <OpenAPI name> [gvk=<group>/<version>/<Kind>,…] [map=atomic|granular] [extra]
//!   <JSON name> <protobuf number> <kind> [flags…]
//! ```
//!
//! A number `2.1` is field 1 of an embedded struct that is field 2; `-` means that protobuf does
//! not carry the field. A kind is a scalar or a type's name without `io.k8s.api.` or
//! `io.k8s.apimachinery.pkg.apis.`; `[]` before it makes a list, `{}` a map, and `|list`, `|bool`,
//! `|strings` after it the unions of JSONSchemaProps. Flags: `pointer` (the Go field is one),
//! `show=<JSON>` (what the JSON form shows when the field is unset), `wrapped`, `required`,
//! `patch=<strategies>[:<key>]`, `list=atomic|set|map(<keys>)`, `map=atomic`, `default=<JSON>`.
//! `typed=<apiVersion>/<kind>`: whole objects, whose names JSON shows although they are not stored.
//! `gvk=*/*/Kind` is a kind of every group version; `extra` marks types that OpenAPI lacks;
//! `union=<discriminator>(<fields>)` is `x-kubernetes-unions`.

use crate::base::hash::HashMap;
use crate::object::schema::{
    Absent, Field, GoNames, Kind, ListKind, Patch, Scalar, Shape, Type, TypeCell,
};
use std::sync::OnceLock;

const FILES: [&str; 10] = [
    include_str!("data/older.txt"),
    include_str!("data/types/auth.txt"),
    include_str!("data/types/control.txt"),
    include_str!("data/types/core.txt"),
    include_str!("data/types/extensions.txt"),
    include_str!("data/types/meta.txt"),
    include_str!("data/types/network.txt"),
    include_str!("data/types/resource.txt"),
    include_str!("data/types/storage.txt"),
    include_str!("data/types/workloads.txt"),
];

const GO_NAMES: &str = include_str!("data/go_names.txt");

/// Fields whose elements JSON shows with their kind and apiVersion, which nothing stores
/// (`Convert_apps_StatefulSetSpec_To_v1_StatefulSetSpec`), and the type that is a variant for them.
const NAMED_FIELD: &str = "volumeClaimTemplates";
const NAMED_TYPE: &str = "core.v1.PersistentVolumeClaim";
const NAMED_VARIANT: &str = "core.v1.PersistentVolumeClaim, named";
const NAMED_HEAD: [(&str, Absent); 2] =
    [("kind", Absent::Shown("\"PersistentVolumeClaim\"")), ("apiVersion", Absent::Shown("\"v1\""))];

/// A kind's full name: group ("" for core), version, kind.
pub(super) type Gvk = (&'static str, &'static str, &'static str);

/// Every built-in type, by name and by kind.
#[derive(Debug, Default)]
pub(super) struct Types {
    /// By name without the well-known prefix.
    cells: HashMap<&'static str, &'static TypeCell>,
    /// Kinds that belong to one group version.
    kinds: HashMap<Gvk, &'static Type>,
    /// Kinds that every group version has.
    common: HashMap<&'static str, &'static Type>,
    /// In file order.
    pub(super) all: Vec<&'static Type>,
    /// Cells of `typed` fields: what is to be in them, and its names.
    typed: Vec<(&'static TypeCell, &'static TypeCell, &'static str)>,
    /// By type and field.
    go_names: HashMap<(&'static str, &'static str), GoNames>,
}

impl Types {
    /// Reads the data files.
    ///
    /// # Panics
    /// If a file is malformed: it is part of the program.
    pub(super) fn load() -> Self {
        let mut types = Self { go_names: go_names(), ..Self::default() };
        for file in FILES {
            types.read(file);
        }
        for (cell, plain, names) in std::mem::take(&mut types.typed) {
            let ty = plain.get().unwrap_or_else(|| bad(names));
            assert!(cell.set(with_names(ty, names)).is_ok(), "{names} stands there twice");
        }
        types.mark_raw();
        types
    }

    /// Marks the types inside which a `RawExtension` stands.
    fn mark_raw(&self) {
        let holds = |field: &Field| match field.kind {
            Kind::Scalar(scalar) => scalar == Scalar::RawExtension,
            Kind::Message(_) => field.kind.message().is_some_and(Type::holds_raw),
        };
        let mut marked = true;
        while std::mem::take(&mut marked) {
            for ty in self.all.iter().filter(|ty| !ty.holds_raw()) {
                if ty.fields.iter().any(holds) {
                    marked |= ty.raw.set(()).is_ok();
                }
            }
        }
    }

    pub(super) fn named(&self, name: &str) -> Option<&'static Type> {
        self.cells.get(short_name(name))?.get().copied()
    }

    pub(super) fn kind(&self, group: &str, version: &str, kind: &str) -> Option<&'static Type> {
        self.kinds.get(&(group, version, kind)).or_else(|| self.common.get(kind)).copied()
    }

    /// The list kind of a kind: the type whose `items` are of it.
    pub(super) fn list_of(&self, group: &str, version: &str, kind: &str) -> Option<&'static Type> {
        self.kind(group, version, &format!("{kind}List"))
    }

    /// The kinds that belong to one group version, in no order.
    pub(super) fn kinds(&self) -> impl Iterator<Item = (Gvk, &'static Type)> {
        self.kinds.iter().map(|(gvk, ty)| (*gvk, *ty))
    }

    fn read(&mut self, file: &'static str) {
        let mut lines = file.lines().filter(|line| !line.starts_with('#')).peekable();
        while let Some(line) = lines.next() {
            let heading = line.strip_prefix("type ").unwrap_or_else(|| bad(line));
            let mut fields = Vec::with_capacity(8);
            let owner = heading.split(' ').next().unwrap_or_else(|| bad(heading));
            while let Some(line) = lines.next_if(|line| line.starts_with("  ")) {
                fields.push(self.field(owner, line));
            }
            self.add(heading, fields);
        }
    }

    fn add(&mut self, heading: &'static str, fields: Vec<Field>) {
        let mut words = heading.split(' ');
        let name = words.next().unwrap_or_else(|| bad(heading));
        let (mut gvks, mut atomic) = ("", false);
        for word in words {
            match word.split_once('=') {
                Some(("gvk", list)) => gvks = list,
                Some(("map", kind)) => atomic = kind == "atomic",
                // For OpenAPI documents only.
                Some(("union", _)) => {}
                None if word == "extra" => {}
                _ => bad(heading),
            }
        }
        if short_name(name) == NAMED_TYPE {
            let mut named = fields.clone();
            for (head, absent) in NAMED_HEAD {
                let field = named.iter_mut().find(|field| field.name == head);
                field.unwrap_or_else(|| bad(heading)).absent = absent;
            }
            let mut ty = Type::new(name, named, atomic);
            ty.id = u32::try_from(self.all.len()).unwrap_or_else(|_| bad(heading));
            let cell = self.cell(NAMED_VARIANT);
            assert!(
                cell.set(Box::leak(Box::new(ty))).is_ok(),
                "{NAMED_VARIANT} stands there twice"
            );
        }
        let mut ty = Type::new(name, fields, atomic);
        ty.id = u32::try_from(self.all.len()).unwrap_or_else(|_| bad(heading));
        let ty: &'static Type = Box::leak(Box::new(ty));
        assert!(self.cell(short_name(name)).set(ty).is_ok(), "type {name} stands there twice");
        self.all.push(ty);
        for gvk in gvks.split(',').filter(|gvk| !gvk.is_empty()) {
            let (group, rest) = gvk.split_once('/').unwrap_or_else(|| bad(heading));
            let (version, kind) = rest.split_once('/').unwrap_or_else(|| bad(heading));
            if group == "*" {
                self.common.insert(kind, ty);
            } else {
                self.kinds.insert((group, version, kind), ty);
            }
        }
    }

    fn cell(&mut self, name: &'static str) -> &'static TypeCell {
        self.cells.entry(name).or_insert_with(|| Box::leak(Box::new(OnceLock::new())))
    }

    fn field(&mut self, owner: &'static str, line: &'static str) -> Field {
        let mut words = line.trim_start().split(' ');
        let mut next = || words.next().unwrap_or_else(|| bad(line));
        let (name, numbers, kind) = (next(), next(), next());
        let (number, nested) = wire_numbers(numbers).unwrap_or_else(|| bad(line));
        let (mut kind, shape) = self.kind_and_shape(kind);
        if name == NAMED_FIELD {
            kind = Kind::Message(self.cell(NAMED_VARIANT));
        }
        let mut field = Field {
            name,
            number,
            nested,
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
            go: self.go_names.get(&(short_name(owner), name)).copied().unwrap_or_default(),
        };
        for word in words {
            match (word.strip_prefix("typed="), field.kind) {
                (Some(names), Kind::Message(plain)) => {
                    let cell: &'static TypeCell = Box::leak(Box::new(OnceLock::new()));
                    field.kind = Kind::Message(cell);
                    self.typed.push((cell, plain, names));
                }
                _ => apply_flag(&mut field, word, line),
            }
        }
        field
    }

    fn kind_and_shape(&mut self, text: &'static str) -> (Kind, Shape) {
        let (text, shape) = if let Some(rest) = text.strip_prefix("{}[]") {
            (rest, Shape::MapOfLists)
        } else if let Some(rest) = text.strip_prefix("{}") {
            (rest, Shape::Map)
        } else if let Some(rest) = text.strip_prefix("[]") {
            (rest, Shape::List)
        } else {
            (text, Shape::One)
        };
        if let Some(scalar) = scalar(text) {
            return (Kind::Scalar(scalar), shape);
        }
        let (name, shape) = match text.split_once('|') {
            None => (text, shape),
            Some((name, "bool")) => (name, Shape::OneOrBool),
            Some((name, "list")) => (name, Shape::OneOrList),
            Some((name, "strings")) => (name, Shape::MapOrStrings),
            Some(_) => bad(text),
        };
        (Kind::Message(self.cell(name)), shape)
    }
}

/// The lines of `data/go_names.txt`.
fn go_names() -> HashMap<(&'static str, &'static str), GoNames> {
    let lines = GO_NAMES.lines().filter(|line| !line.starts_with('#'));
    let entries = lines.map(|line| {
        let mut words = line.split(' ');
        let (Some(ty), Some(field)) = (words.next(), words.next()) else { bad(line) };
        let mut names = GoNames::default();
        for word in words {
            match word.split_once('=') {
                Some(("el", name)) => names.element = Some(name),
                Some(("go", name)) => names.whole = Some(name),
                Some(("in", name)) => names.embedded = Some(name),
                _ => bad(line),
            }
        }
        ((ty, field), names)
    });
    entries.collect()
}

/// A copy of `ty` that always shows `apiVersion` and `kind`.
fn with_names(ty: &Type, names: &'static str) -> &'static Type {
    let (api_version, kind) = names.rsplit_once('/').unwrap_or_else(|| bad(names));
    let shown = |text: &str| Absent::Shown(format!("\"{text}\"").leak());
    let mut fields = ty.fields.clone();
    for field in &mut fields {
        match field.name {
            "apiVersion" => field.absent = shown(api_version),
            "kind" => field.absent = shown(kind),
            _ => {}
        }
    }
    let mut copy = Type::new(ty.name, fields, ty.atomic);
    copy.id = ty.id;
    Box::leak(Box::new(copy))
}

/// The name without the prefix that data files leave out.
fn short_name(name: &str) -> &str {
    name.strip_prefix("io.k8s.api.")
        .or_else(|| name.strip_prefix("io.k8s.apimachinery.pkg.apis."))
        .unwrap_or(name)
}

fn wire_numbers(text: &str) -> Option<(u32, &'static [u32])> {
    if text == "-" {
        return Some((0, &[]));
    }
    let Some((first, rest)) = text.split_once('.') else {
        return Some((text.parse().ok()?, &[]));
    };
    let nested: Vec<u32> = rest.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
    Some((first.parse().ok()?, nested.leak()))
}

fn scalar(text: &str) -> Option<Scalar> {
    Some(match text {
        "bool" => Scalar::Bool,
        "bytes" => Scalar::Bytes,
        "double" => Scalar::Float64,
        "duration" => Scalar::Duration,
        "fieldsv1" => Scalar::FieldsV1,
        "int32" => Scalar::Int32,
        "int64" => Scalar::Int64,
        "intorstring" => Scalar::IntOrString,
        "json" => Scalar::Json,
        "microtime" => Scalar::MicroTime,
        "quantity" => Scalar::Quantity,
        "rawextension" => Scalar::RawExtension,
        "string" => Scalar::String,
        "time" => Scalar::Time,
        _ => return None,
    })
}

fn apply_flag(field: &mut Field, word: &'static str, line: &str) {
    match word.split_once('=').unwrap_or((word, "")) {
        ("default", json) => field.default = Some(json),
        ("list", "atomic") => field.list = ListKind::Atomic,
        ("list", "set") => field.list = ListKind::Set,
        ("list", keys) => {
            let keys = keys.strip_prefix("map(").and_then(|keys| keys.strip_suffix(')'));
            let keys: Vec<&str> = keys.unwrap_or_else(|| bad(line)).split(',').collect();
            field.list = ListKind::Map(keys.leak());
        }
        ("map", "atomic") => field.atomic = Some(true),
        ("map", "granular") => field.atomic = Some(false),
        ("patch", text) => field.patch = patch(text).unwrap_or_else(|| bad(line)),
        ("pointer", "") => field.pointer = true,
        ("required", "") => field.required = true,
        ("show", json) => field.absent = Absent::Shown(json),
        ("wrapped", "") => field.wrapped = true,
        _ => bad(line),
    }
}

fn patch(text: &'static str) -> Option<Patch> {
    let (strategies, key) = match text.split_once(':') {
        Some((strategies, key)) => (strategies, Some(key)),
        None => (text, None),
    };
    let mut patch = Patch { merge: false, retain_keys: false, replace: false, key };
    for strategy in strategies.split(',') {
        match strategy {
            "merge" => patch.merge = true,
            "replace" => patch.replace = true,
            "retainKeys" => patch.retain_keys = true,
            "" => {}
            _ => return None,
        }
    }
    Some(patch)
}

/// The data files are part of the program: a malformed line is a bug that every test run meets.
pub(super) fn bad<T>(line: &str) -> T {
    panic!("malformed catalog line: {line}")
}
