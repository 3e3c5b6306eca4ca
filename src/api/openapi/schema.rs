//! Definitions: a type's schema in the dialect of OpenAPI v2 or v3.

use crate::api::openapi::docs;
use crate::api::openapi::enums;
use crate::api::openapi::tree::Maker;
use crate::base::hash::HashSet;
use crate::catalog::Resource;
use crate::catalog::catalog;
use crate::object::Value;
use crate::object::schema::Absent;
use crate::object::schema::Field;
use crate::object::schema::Kind;
use crate::object::schema::ListKind;
use crate::object::schema::Scalar;
use crate::object::schema::Shape;
use crate::object::schema::Type;
use std::fmt::Write as _;

/// Which OpenAPI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Swagger 2.0.
    V2,
    /// OpenAPI 3.0.
    V3,
}

impl Dialect {
    /// What a reference to a definition begins with.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::V2 => "#/definitions/",
            Self::V3 => "#/components/schemas/",
        }
    }
}

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.";
/// The group versions in which DeleteOptions and WatchEvent are registered.
const GROUP_VERSIONS: &str = include_str!("data/group_versions.txt");

/// Fields whose Go source names the zero value as their default: by end of the definition's name.
const ZERO_DEFAULTS: [(&str, &str, &str); 13] = [
    (".autoscaling.v1.ScaleSpec", "replicas", "0"),
    (".core.v1.AzureDiskVolumeSource", "readOnly", "false"),
    (".core.v1.ConfigMapEnvSource", "name", "\"\""),
    (".core.v1.ConfigMapKeySelector", "name", "\"\""),
    (".core.v1.ConfigMapProjection", "name", "\"\""),
    (".core.v1.ConfigMapVolumeSource", "name", "\"\""),
    (".core.v1.FileKeySelector", "optional", "false"),
    (".core.v1.GRPCAction", "service", "\"\""),
    (".core.v1.LocalObjectReference", "name", "\"\""),
    (".core.v1.ReplicationControllerSpec", "minReadySeconds", "0"),
    (".core.v1.SecretEnvSource", "name", "\"\""),
    (".core.v1.SecretKeySelector", "name", "\"\""),
    (".core.v1.SecretProjection", "name", "\"\""),
];

/// Writes definitions and collects what they refer to.
pub(super) struct Schemas<'a> {
    pub(super) make: Maker<'a>,
    pub(super) dialect: Dialect,
    /// The one group version that the document is about; all of them where there is none.
    pub(super) group_version: Option<(&'static str, &'static str)>,
    /// The custom resources that have definitions.
    pub(super) custom: &'a [&'static Resource],
    /// Definitions that were referred to.
    pub(super) referred: Referred,
}

/// Definitions that were referred to, each once, in order of appearance.
#[derive(Debug, Default)]
pub(super) struct Referred {
    names: Vec<&'static str>,
    known: HashSet<&'static str>,
}

impl Referred {
    /// The definition at this place of the order.
    pub(super) fn get(&self, at: usize) -> Option<&'static str> {
        self.names.get(at).copied()
    }

    fn add(&mut self, definition: &'static str) {
        if self.known.insert(definition) {
            self.names.push(definition);
        }
    }
}

impl<'a> Schemas<'a> {
    /// A reference to a definition.
    pub(super) fn reference(&mut self, definition: &'static str) -> Value<'a> {
        self.make.map([self.reference_entry(definition)])
    }

    /// Notes that a definition is needed.
    pub(super) fn refer(&mut self, definition: &'static str) {
        self.referred.add(definition);
    }

    fn reference_entry(&mut self, definition: &'static str) -> (&'a str, Value<'a>) {
        self.refer(definition);
        ("$ref", self.make.format(format_args!("{}{definition}", self.dialect.prefix())))
    }

    /// The definition with this name.
    pub(super) fn definition(&mut self, name: &'static str) -> Value<'a> {
        if let Some(definition) = self.custom_definition(name) {
            return definition;
        }
        match catalog().type_named(name) {
            Some(ty) => self.object(ty),
            None => self.special(name),
        }
    }

    /// Types with a JSON form of their own.
    fn special(&mut self, name: &'static str) -> Value<'a> {
        let make = self.make;
        let either = |kinds: [&'static str; 2]| {
            make.list(kinds.map(|kind| make.map([("type", Value::Str(kind))])))
        };
        let v3 = self.dialect == Dialect::V3;
        let short = name.rsplit('.').next().unwrap_or(name);
        let (kind, format, one_of) = match short {
            "Quantity" if v3 => ("", "", either(["string", "number"])),
            "Quantity" => ("string", "", Value::Null),
            "IntOrString" if v3 => ("", "int-or-string", either(["integer", "string"])),
            "IntOrString" => ("string", "int-or-string", Value::Null),
            "MicroTime" | "Time" => ("string", "date-time", Value::Null),
            "FieldsV1" | "Patch" | "RawExtension" => ("object", "", Value::Null),
            _ => ("", "", Value::Null),
        };
        make.map([
            ("description", make.some_text(&description(name))),
            ("type", some(kind)),
            ("format", some(format)),
            ("oneOf", one_of),
        ])
    }

    fn object(&mut self, ty: &'static Type) -> Value<'a> {
        let make = self.make;
        let required: Vec<&str> =
            ty.fields.iter().filter(|field| field.required).map(|field| field.name).collect();
        let mut fields: Vec<&Field> = ty.fields.iter().collect();
        fields.sort_unstable_by_key(|field| field.name);
        let properties: Vec<_> =
            fields.into_iter().map(|field| (field.name, self.property(ty, field))).collect();
        let properties = if properties.is_empty() { Value::Null } else { make.map(properties) };
        make.map([
            ("description", make.some_text(&description(ty.name))),
            ("type", Value::Str("object")),
            ("required", make.some_texts(&required)),
            ("properties", properties),
            ("x-kubernetes-group-version-kind", self.kinds(ty)),
            ("x-kubernetes-map-type", some(if ty.atomic { "atomic" } else { "" })),
            ("x-kubernetes-unions", self.unions(ty)),
        ])
    }

    fn property(&mut self, ty: &'static Type, field: &'static Field) -> Value<'a> {
        let make = self.make;
        let allowed = enums::of_field(ty.name, field.name);
        let values = if allowed.is_empty() {
            Value::Null
        } else {
            make.list(allowed.iter().map(|allowed| Value::Str(allowed.value)))
        };
        let mut text = field_description(ty, field);
        if field.shape == Shape::One && !allowed.is_empty() {
            text.push_str("\n\nPossible enum values:");
            for value in allowed {
                let space = if value.meaning.is_empty() { "" } else { " " };
                let _ = write!(text, "\n - `{:?}`{space}{}", value.value, value.meaning);
            }
        }
        let mut entries = Vec::with_capacity(8);
        if !text.is_empty() {
            entries.push(("description", Value::str_in(&text, make.0)));
        }
        match field.shape {
            Shape::List => {
                entries.push(("type", Value::Str("array")));
                entries.push(("items", self.element(field, values)));
                // Upstream says it of all lists but the items of list kinds and of wrapped ones.
                let untyped = field.wrapped || (field.name == "items" && is_list(ty));
                if !untyped {
                    self.list_entries(field, &mut entries);
                }
            }
            Shape::Map | Shape::MapOfLists | Shape::MapOrStrings => {
                entries.push(("type", Value::Str("object")));
                let element = match field.shape {
                    Shape::MapOfLists => {
                        let items = self.element(field, values);
                        make.map([("type", Value::Str("array")), ("items", items)])
                    }
                    Shape::MapOrStrings => self.reference(
                        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.\
                         JSONSchemaPropsOrStringArray",
                    ),
                    _ => self.element(field, values),
                };
                entries.push(("additionalProperties", element));
            }
            Shape::One | Shape::OneOrBool | Shape::OneOrList => {
                self.one(ty, field, values, &mut entries);
            }
        }
        self.patch_entries(field, &mut entries);
        match field.atomic {
            Some(true) => entries.push(("x-kubernetes-map-type", Value::Str("atomic"))),
            Some(false) => entries.push(("x-kubernetes-map-type", Value::Str("granular"))),
            None => {}
        }
        make.map(entries)
    }

    /// A single value.
    fn one(
        &mut self,
        ty: &Type,
        field: &'static Field,
        values: Value<'a>,
        entries: &mut Vec<(&'a str, Value<'a>)>,
    ) {
        let make = self.make;
        let Some(definition) = referred_definition(field) else {
            let (kind, format) = plain(field.kind);
            entries.push(("type", Value::Str(kind)));
            entries.push(("format", some(format)));
            entries.push(("default", self.default(ty, field)));
            entries.push(("enum", values));
            if field.name == "caBundle" && ty.go_name == "APIServiceSpec" {
                entries.push(("x-kubernetes-list-type", Value::Str("atomic")));
            }
            return;
        };
        let default = self.default(ty, field);
        if self.dialect == Dialect::V2 || (entries.is_empty() && default.is_null()) {
            entries.push(self.reference_entry(definition));
            return;
        }
        entries.push(("default", default));
        let reference = self.reference(definition);
        entries.push(("allOf", make.list([reference])));
    }

    /// One element of a list or map.
    fn element(&mut self, field: &'static Field, values: Value<'a>) -> Value<'a> {
        if let Some(definition) = definition_of(field.kind) {
            return self.reference(definition);
        }
        let (kind, format) = plain(field.kind);
        let make = self.make;
        make.map([("type", Value::Str(kind)), ("format", some(format)), ("enum", values)])
    }

    /// What a missing field stands for, which only v3 says.
    fn default(&self, ty: &Type, field: &'static Field) -> Value<'a> {
        if self.dialect == Dialect::V2 {
            return Value::Null;
        }
        let named = |(definition, name, _): &&(&str, &str, &'static str)| {
            *name == field.name && ty.name.ends_with(definition)
        };
        if let Some((_, _, zero)) = ZERO_DEFAULTS.iter().find(named) {
            return Value::Raw(zero);
        }
        if let Some(json) = field.default {
            return Value::Raw(json);
        }
        match (field.kind, field.absent) {
            (Kind::Message(_), _) if !field.pointer => Value::Raw("{}"),
            (Kind::Scalar(_), Absent::Shown(zero))
                if !field.pointer && zero != "null" && definition_of(field.kind).is_none() =>
            {
                Value::Raw(zero)
            }
            _ => Value::Null,
        }
    }

    fn list_entries(&self, field: &'static Field, entries: &mut Vec<(&'a str, Value<'a>)>) {
        let (kind, keys): (_, &[&str]) = match field.list {
            ListKind::Atomic => ("atomic", &[]),
            ListKind::Map(keys) => ("map", keys),
            ListKind::Set => ("set", &[]),
        };
        entries.push(("x-kubernetes-list-map-keys", self.make.some_texts(keys)));
        entries.push(("x-kubernetes-list-type", Value::Str(kind)));
    }

    fn patch_entries(&self, field: &'static Field, entries: &mut Vec<(&'a str, Value<'a>)>) {
        let patch = field.patch;
        let strategies =
            [(patch.merge, "merge"), (patch.retain_keys, "retainKeys"), (patch.replace, "replace")];
        let names: Vec<&str> =
            strategies.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
        entries.push(("x-kubernetes-patch-merge-key", some(patch.key.unwrap_or_default())));
        if !names.is_empty() {
            let text = Value::str_in(&names.join(","), self.make.0);
            entries.push(("x-kubernetes-patch-strategy", text));
        }
    }

    /// The kinds whose type this is.
    fn kinds(&self, ty: &'static Type) -> Value<'a> {
        let make = self.make;
        let kind = |group, version, kind| {
            make.map([
                ("group", Value::Str(group)),
                ("version", Value::Str(version)),
                ("kind", Value::Str(kind)),
            ])
        };
        if matches!(ty.name.strip_prefix(META), Some("DeleteOptions" | "WatchEvent")) {
            let all = GROUP_VERSIONS.lines().filter(|line| !line.starts_with('#'));
            let all = all.filter_map(|line| line.split_once('/'));
            let all =
                all.map(|(group, version)| (if group == "core" { "" } else { group }, version));
            let own = |pair: &(&'static str, &'static str)| {
                self.group_version.is_none_or(|own| *pair == own || *pair == ("", "v1"))
            };
            return make.list(all.filter(own).map(|(g, v)| kind(g, v, ty.go_name)));
        }
        let mut all: Vec<_> = catalog()
            .kinds()
            .filter(|(_, other)| std::ptr::eq(*other, ty))
            .map(|(gvk, _)| gvk)
            .collect();
        if all.is_empty() {
            return Value::Null;
        }
        all.sort_unstable();
        make.list(all.into_iter().map(|(g, v, k)| kind(g, v, k)))
    }

    /// Which fields exclude each other, named by a discriminator.
    fn unions(&self, ty: &'static Type) -> Value<'a> {
        let make = self.make;
        let (discriminator, fields): (_, &[&str]) = match ty.name {
            "io.k8s.api.core.v1.AppArmorProfile" | "io.k8s.api.core.v1.SeccompProfile" => {
                ("type", &["localhostProfile"])
            }
            "io.k8s.api.core.v1.PodSchedulingGroup" => ("", &["podGroupName"]),
            "io.k8s.api.flowcontrol.v1.LimitResponse" => ("type", &["queuing"]),
            "io.k8s.api.flowcontrol.v1.PriorityLevelConfigurationSpec" => {
                ("type", &["exempt", "limited"])
            }
            "io.k8s.api.flowcontrol.v1.Subject" => ("kind", &["group", "serviceAccount", "user"]),
            _ => return Value::Null,
        };
        let fields = fields.iter().map(|field| {
            let name = super::route::title(field);
            (*field, Value::str_in(&name, make.0))
        });
        make.list([make.map([
            ("discriminator", some(discriminator)),
            ("fields-to-discriminateBy", make.map(fields)),
        ])])
    }
}

/// The text, or null for none.
fn some<'a>(text: &'static str) -> Value<'a> {
    if text.is_empty() { Value::Null } else { Value::Str(text) }
}

/// The definition that a single value refers to.
fn referred_definition(field: &'static Field) -> Option<&'static str> {
    match field.shape {
        Shape::OneOrBool => {
            Some("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool")
        }
        Shape::OneOrList => {
            Some("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray")
        }
        _ => definition_of(field.kind),
    }
}

fn definition_of(kind: Kind) -> Option<&'static str> {
    let scalar = match kind {
        Kind::Message(cell) => return cell.get().map(|ty| ty.name),
        Kind::Scalar(scalar) => scalar,
    };
    Some(match scalar {
        Scalar::FieldsV1 => "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1",
        Scalar::IntOrString => "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
        Scalar::Json => "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON",
        Scalar::MicroTime => "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime",
        Scalar::Quantity => "io.k8s.apimachinery.pkg.api.resource.Quantity",
        Scalar::RawExtension => "io.k8s.apimachinery.pkg.runtime.RawExtension",
        Scalar::Time => "io.k8s.apimachinery.pkg.apis.meta.v1.Time",
        Scalar::Bool
        | Scalar::Bytes
        | Scalar::Duration
        | Scalar::Float64
        | Scalar::Int32
        | Scalar::Int64
        | Scalar::String => return None,
    })
}

/// OpenAPI type and format of a scalar that is no definition.
fn plain(kind: Kind) -> (&'static str, &'static str) {
    match kind.scalar() {
        Some(Scalar::Bool) => ("boolean", ""),
        Some(Scalar::Bytes) => ("string", "byte"),
        Some(Scalar::Float64) => ("number", "double"),
        Some(Scalar::Int32) => ("integer", "int32"),
        Some(Scalar::Int64) => ("integer", "int64"),
        _ => ("string", ""),
    }
}

pub(super) const API_VERSION: &str = "\
     APIVersion defines the versioned schema of this representation of an object. Servers should \
     convert recognized schemas to the latest internal value, and may reject unrecognized values. \
     More info: https://git.k8s.io/community/contributors/devel/sig-architecture/\
     api-conventions.md#resources";
pub(super) const KIND: &str = "\
     Kind is a string value representing the REST resource this object represents. Servers may \
     infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. \
     More info: https://git.k8s.io/community/contributors/devel/sig-architecture/\
     api-conventions.md#types-kinds";

/// True for the kinds that list objects.
fn is_list(ty: &Type) -> bool {
    ty.go_name.ends_with("List") && ty.field("metadata").is_some() && ty.field("items").is_some()
}

/// What a type is for. The source of descriptions has no list kinds: they say what they list.
fn description(definition: &'static str) -> String {
    let known = docs::of_type(definition);
    match catalog().type_named(definition) {
        Some(ty) if known.is_empty() && is_list(ty) => {
            format!("{} is a list of {} objects.", ty.go_name, listed(ty))
        }
        _ => known.to_owned(),
    }
}

/// The kind that a list is of.
fn listed(ty: &Type) -> &'static str {
    ty.go_name.strip_suffix("List").unwrap_or(ty.go_name)
}

fn field_description(ty: &'static Type, field: &'static Field) -> String {
    let known = docs::of_field(ty.name, field.name);
    if !known.is_empty() {
        return known.to_owned();
    }
    match field.name {
        "apiVersion" if field.number == 0 => API_VERSION.to_owned(),
        "kind" if field.number == 0 => KIND.to_owned(),
        "items" if is_list(ty) => format!("items is the list of {} objects.", listed(ty)),
        // Upstream left this one out, which shows in the form of the reference.
        "metadata" if ty.go_name == "CertificateSigningRequestList" => String::new(),
        "metadata" if is_list(ty) => {
            "Standard list metadata: the revision of the list and what is left of it.".to_owned()
        }
        "object" if ty.go_name == "WatchEvent" => {
            "The object after the change; before it, if it was deleted; the list's revision alone, \
             if this is a bookmark; a Status, if this is an error."
                .to_owned()
        }
        _ => String::new(),
    }
}
