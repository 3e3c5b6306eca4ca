//! Definitions of custom resources: the schema of a definition with what every object has besides
//! (`buildKubeNative`), narrowed for OpenAPI v2 to what its readers understand
//! (`ToStructuralOpenAPIV2`).

use crate::api::openapi::docs;
use crate::api::openapi::schema::API_VERSION;
use crate::api::openapi::schema::Dialect;
use crate::api::openapi::schema::KIND;
use crate::api::openapi::schema::Schemas;
use crate::catalog::Resource;
use crate::codec::json;
use crate::object::Map;
use crate::object::Value;

const EMBEDDED_API_VERSION: &str = "\
     apiVersion defines the versioned schema of this representation of an object. More info: \
     https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources";
const EMBEDDED_KIND: &str = "\
     kind is a string value representing the type of this object. In CamelCase. More info: \
     https://git.k8s.io/community/contributors/devel/sig-architecture/\
     api-conventions.md#types-kinds";
const LIST_METADATA: &str = "\
     Standard list metadata. More info: https://git.k8s.io/community/contributors/devel/\
     sig-architecture/api-conventions.md#types-kinds";
const CONVENTIONS: &str =
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md";

const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";

impl<'a> Schemas<'a> {
    /// The definition with this name, if it is a custom resource's.
    pub(super) fn custom_definition(&mut self, name: &str) -> Option<Value<'a>> {
        for resource in self.custom {
            if resource.ty.name == name {
                return Some(self.kind_of(resource));
            }
            if resource.custom.is_some_and(|custom| custom.list_definition == name) {
                return Some(self.list_of(resource));
            }
        }
        None
    }

    fn kind_of(&mut self, resource: &'static Resource) -> Value<'a> {
        let text = resource.custom.map_or("", |custom| &custom.schema_json);
        let schema = match json::parse_any(text.as_bytes(), self.make.0) {
            Ok(Value::Map(schema)) if !text.is_empty() => Some(schema),
            _ => None,
        };
        // Readers of v2 take what is not listed for forbidden: so nothing at all is.
        let open = |schema: &Map<'_>| {
            self.dialect == Dialect::V2
                && schema.get(PRESERVE).and_then(Value::as_bool) == Some(true)
        };
        let mut whole = match schema.filter(|schema| !open(schema)) {
            None => {
                let mut whole = Map::new_in(self.make.0);
                whole.push_unique("type", Value::Str("object"));
                whole
            }
            Some(mut schema) => {
                self.convert(&mut schema);
                self.add_object_members(&mut schema, API_VERSION, KIND);
                schema
            }
        };
        self.add_identity(resource, resource.kind, &mut whole);
        Value::Map(whole)
    }

    fn list_of(&mut self, resource: &'static Resource) -> Value<'a> {
        let make = self.make;
        let item = self.reference(resource.ty.name);
        let described = format!("List of {}. More info: {CONVENTIONS}", resource.name);
        let items = make.map([
            ("description", make.some_text(&described)),
            ("type", Value::Str("array")),
            ("items", item),
        ]);
        let metadata = self.described_reference(LIST_META, LIST_METADATA);
        let properties = make.map([
            ("apiVersion", self.text_property(API_VERSION)),
            ("items", items),
            ("kind", self.text_property(KIND)),
            ("metadata", metadata),
        ]);
        let what =
            make.format(format_args!("{} is a list of {}", resource.list_kind, resource.kind));
        let mut whole = Map::new_in(make.0);
        whole.push_unique("description", what);
        whole.push_unique("type", Value::Str("object"));
        whole.push_unique("required", make.texts(&["items"]));
        whole.push_unique("properties", properties);
        self.add_identity(resource, resource.list_kind, &mut whole);
        Value::Map(whole)
    }

    /// The kind, and by which fields lists of it are selected.
    fn add_identity(&self, resource: &'static Resource, kind: &'static str, whole: &mut Map<'a>) {
        let make = self.make;
        let gvk = make.map([
            ("group", Value::Str(resource.group)),
            ("version", Value::Str(resource.version)),
            ("kind", Value::Str(kind)),
        ]);
        whole.insert("x-kubernetes-group-version-kind", make.list([gvk]));
        let fields = resource.custom.map_or(&[][..], |custom| &custom.selectable);
        if !fields.is_empty() {
            let fields = fields.iter().map(|field| make.map([("fieldPath", Value::Str(field))]));
            whole.insert("x-kubernetes-selectable-fields", make.list(fields));
        }
    }

    fn text_property(&self, description: &'static str) -> Value<'a> {
        let kind = ("type", Value::Str("string"));
        self.make.map([("description", Value::Str(description)), kind])
    }

    /// A reference with a description: in v3 the reference then stands in an `allOf`.
    fn described_reference(&mut self, name: &'static str, text: &'static str) -> Value<'a> {
        let make = self.make;
        let reference = self.reference(name);
        let description = ("description", Value::Str(text));
        match self.dialect {
            Dialect::V2 => {
                let target = reference.str_at(&["$ref"]);
                make.map([description, ("$ref", Value::Str(target))])
            }
            Dialect::V3 => make.map([description, ("allOf", make.list([reference]))]),
        }
    }

    /// The members that every object has.
    fn add_object_members(
        &mut self,
        schema: &mut Map<'a>,
        api_version: &'static str,
        kind: &'static str,
    ) {
        let text = docs::of_field("io.k8s.api.core.v1.ConfigMap", "metadata");
        let metadata = self.described_reference(OBJECT_META, text);
        let (api_version, kind) = (self.text_property(api_version), self.text_property(kind));
        let properties = schema.entry_map("properties");
        properties.insert("apiVersion", api_version);
        properties.insert("kind", kind);
        properties.insert("metadata", metadata);
    }

    /// Turns `JSONSchemaProps` into a schema of this dialect, in place.
    fn convert(&mut self, schema: &mut Map<'a>) {
        match self.dialect {
            Dialect::V2 => narrow(schema),
            Dialect::V3 => self.unfold(schema),
        }
        for (_, property) in schema.get_mut("properties").into_iter().flat_map(members) {
            if let Some(property) = property.as_map_mut() {
                self.convert(property);
            }
        }
        for key in ["items", "additionalProperties"] {
            if let Some(inner) = schema.get_mut(key).and_then(Value::as_map_mut) {
                self.convert(inner);
            }
        }
        let set = |key| schema.get(key).and_then(Value::as_bool) == Some(true);
        if set("x-kubernetes-embedded-resource") && !(self.dialect == Dialect::V2 && set(PRESERVE))
        {
            self.add_object_members(schema, EMBEDDED_API_VERSION, EMBEDDED_KIND);
            let mut required: Vec<&'a str> = texts(schema.get("required")).collect();
            for name in ["kind", "apiVersion"] {
                if !required.contains(&name) {
                    required.push(name);
                }
            }
            schema.insert("required", self.make.texts(&required));
        }
    }

    /// Says of a number or string what it is, unless the schema does (`Structural.Unfold`).
    fn unfold(&self, schema: &mut Map<'a>) {
        if schema.get("x-kubernetes-int-or-string").and_then(Value::as_bool) != Some(true) {
            return;
        }
        let make = self.make;
        let either = || {
            let kinds = ["integer", "string"];
            make.list(kinds.map(|kind| make.map([("type", Value::Str(kind))])))
        };
        let says = |any: Option<&Value<'_>>| {
            let kinds = any.and_then(Value::as_list).into_iter().flatten();
            kinds.map(|kind| kind.str_at(&["type"])).eq(["integer", "string"])
        };
        let all = schema.get("allOf").and_then(Value::as_list);
        let first = all.and_then(|all| all.first()).and_then(|first| first.get("anyOf"));
        if says(schema.get("anyOf")) || says(first) {
            return;
        }
        if schema.get("anyOf").is_none() {
            schema.insert("anyOf", either());
            return;
        }
        let mut all = bumpalo::collections::Vec::new_in(make.0);
        all.push(make.map([("anyOf", either())]));
        if let Some(Value::List(rest)) = schema.remove("allOf") {
            all.extend(rest);
        }
        schema.insert("allOf", Value::List(all));
    }
}

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";

fn members<'v, 'a>(value: &'v mut Value<'a>) -> impl Iterator<Item = (&'a str, &'v mut Value<'a>)> {
    value.as_map_mut().into_iter().flat_map(Map::iter_mut)
}

fn texts<'v, 'a: 'v>(list: Option<&'v Value<'a>>) -> impl Iterator<Item = &'a str> + 'v {
    list.and_then(Value::as_list).into_iter().flatten().filter_map(Value::as_str)
}

/// Takes away what readers of v2 do not understand.
fn narrow(schema: &mut Map<'_>) {
    let set = |schema: &Map<'_>, key| schema.get(key).and_then(Value::as_bool) == Some(true);
    for key in ["allOf", "anyOf", "default", "not", "oneOf"] {
        schema.remove(key);
    }
    let nullable = set(schema, "nullable");
    let preserve = set(schema, PRESERVE);
    if nullable {
        schema.remove("nullable");
        schema.remove("type");
    }
    if nullable || preserve {
        schema.remove("items");
        schema.remove("properties");
    }
    let kind = schema.get("type").and_then(Value::as_str).unwrap_or_default();
    if (kind == "array" && schema.get("items").is_none()) || (preserve && kind == "object") {
        schema.remove("type");
    }
    let may_be_null = |value: &Value<'_>| value.bool_at(&["nullable"]);
    let mut free: Vec<String> = Vec::new();
    if let Some(properties) = schema.get("properties").and_then(Value::as_map) {
        free.extend(
            properties.iter().filter(|(_, one)| may_be_null(one)).map(|(name, _)| name.to_owned()),
        );
    }
    if let Some(required) = schema.get_mut("required").and_then(Value::as_list_mut) {
        required.retain(|name| name.as_str().is_none_or(|name| !free.iter().any(|f| f == name)));
    }
    let none = schema.get("required").is_some_and(Value::is_empty);
    if none || schema.get("additionalProperties").is_some_and(may_be_null) {
        schema.remove("required");
    }
}
