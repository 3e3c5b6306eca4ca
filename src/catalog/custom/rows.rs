//! From a CustomResourceDefinition to rows.

use crate::catalog::{Resource, Selectable, Storage, Subresource, catalog};
use crate::object::Value;
use crate::object::schema::{Field, Type};
use crate::object::structural::Schema;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// All rows of one definition.
#[derive(Debug)]
pub struct Definition {
    /// Name: `<plural>.<group>`.
    pub name: &'static str,
    /// Group.
    pub group: &'static str,
    /// What is stored.
    pub storage: &'static Storage,
    /// One resource for each version, served or not, in the order of the definition.
    pub resources: Vec<&'static Resource>,
}

/// What a storage row of a custom resource has more.
#[derive(Debug)]
pub struct CustomStorage {
    /// All versions, the one stored included.
    pub versions: Vec<&'static CustomVersion>,
    /// `spec.conversion.strategy` is Webhook.
    pub converts_by_webhook: bool,
    /// That webhook.
    pub conversion: Option<ConversionWebhook>,
}

/// `spec.conversion.webhook`.
#[derive(Debug)]
pub struct ConversionWebhook {
    /// Where it is.
    pub place: ConversionPlace,
    /// CAs of its certificate, PEM; "" for the system's.
    pub ca_bundle: String,
    /// It takes reviews of `apiextensions.k8s.io/v1`; else of v1beta1.
    pub v1: bool,
}

/// Where a conversion webhook is.
#[derive(Debug)]
pub enum ConversionPlace {
    /// An absolute URL.
    Url(String),
    /// A service of the cluster.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The path; "" for none.
        path: String,
        /// The port.
        port: u16,
    },
}

impl ConversionWebhook {
    /// The `apiVersion` of its reviews.
    pub const fn review_version(&self) -> &'static str {
        if self.v1 { "apiextensions.k8s.io/v1" } else { "apiextensions.k8s.io/v1beta1" }
    }

    fn read(conversion: &Value<'_>) -> Option<Self> {
        let webhook = conversion.get("webhook")?;
        let config = webhook.get("clientConfig")?;
        let place = match config.get("service").filter(|service| !service.is_null()) {
            None => ConversionPlace::Url(config.str_at(&["url"]).to_owned()),
            Some(service) => {
                let text = |field: &str| service.str_at(&[field]).to_owned();
                let port = service.i64_at(&["port"]).and_then(|port| u16::try_from(port).ok());
                ConversionPlace::Service {
                    namespace: text("namespace"),
                    name: text("name"),
                    path: text("path"),
                    port: port.unwrap_or(443),
                }
            }
        };
        let bundle = STANDARD.decode(config.str_at(&["caBundle"])).unwrap_or_default();
        let versions = webhook.list_at(&["conversionReviewVersions"]).iter();
        let known = |version: &str| matches!(version, "v1" | "v1beta1");
        let first = versions.filter_map(Value::as_str).find(|version| known(version));
        let ca_bundle = String::from_utf8(bundle).unwrap_or_default();
        Some(Self { place, ca_bundle, v1: first != Some("v1beta1") })
    }
}

/// What a resource row of a custom resource has more.
#[derive(Debug)]
pub struct CustomVersion {
    /// Version.
    pub name: &'static str,
    /// Its type.
    pub ty: &'static Type,
    /// Name of the definition of lists of it, as `com.example.v1.WidgetList`.
    pub list_definition: &'static str,
    /// Its schema.
    pub schema: &'static Schema,
    /// The schema as the definition has it, JSON; "" if there is none.
    pub schema_json: Box<str>,
    /// `additionalPrinterColumns`; the default ones if there are none.
    pub columns: Vec<ColumnSource>,
    /// `subresources.status`.
    pub has_status: bool,
    /// `subresources.scale`.
    pub scale: Option<ScalePaths>,
    /// The warning of a deprecated version.
    pub deprecation: Option<Box<str>>,
    /// Labels of `selectableFields`, without the leading dot.
    pub selectable: Vec<&'static str>,
    /// This version is stored.
    pub stored: bool,
}

/// One of `additionalPrinterColumns`.
#[derive(Debug, Clone)]
pub struct ColumnSource {
    /// `name`.
    pub name: Box<str>,
    /// `type`.
    pub kind: Box<str>,
    /// `format`.
    pub format: Box<str>,
    /// `description`.
    pub description: Box<str>,
    /// `priority`.
    pub priority: i64,
    /// `jsonPath`.
    pub path: Box<str>,
}

/// Where a scale finds its numbers, as member names.
#[derive(Debug, Clone)]
pub struct ScalePaths {
    /// `specReplicasPath`.
    pub spec: Vec<&'static str>,
    /// `statusReplicasPath`.
    pub status: Vec<&'static str>,
    /// `labelSelectorPath`; empty if none.
    pub selector: Vec<&'static str>,
}

const VERBS: [&str; 8] =
    ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
const VIEW_VERBS: [&str; 3] = ["get", "patch", "update"];

/// Compiles a definition whose names are accepted. `id` is that of its storage row. `None` for one
/// that no version of is stored, which validation does not let pass.
pub(super) fn compile(object: &Value<'_>, id: u16) -> Option<&'static Definition> {
    let spec = object.get("spec")?;
    let names = object.at(&["status", "acceptedNames"])?;
    let group = leak(spec.str_at(&["group"]));
    let plural = leak(names.str_at(&["plural"]));
    let name = leak(&format!("{plural}.{group}"));
    let namespaced = spec.str_at(&["scope"]) == "Namespaced";
    let all = spec.list_at(&["versions"]);
    let stored = all.iter().find(|version| version.bool_at(&["storage"]))?.str_at(&["name"]);
    let kinds = (names.str_at(&["kind"]), names.str_at(&["listKind"]));
    let versions: Vec<&'static CustomVersion> =
        all.iter().map(|props| version(props, group, kinds)).collect();
    let at = all.iter().position(|version| version.str_at(&["name"]) == stored)?;
    let mut selectable: Vec<Selectable> = Vec::new();
    for label in versions.iter().flat_map(|version| &version.selectable) {
        if !selectable.iter().any(|known| known.label == *label) {
            selectable.push(Selectable::custom(label));
        }
    }
    let webhook = spec.str_at(&["conversion", "strategy"]) == "Webhook";
    let conversion = spec.get("conversion").filter(|_| webhook);
    let custom = CustomStorage {
        versions: versions.clone(),
        converts_by_webhook: webhook,
        conversion: conversion.and_then(ConversionWebhook::read),
    };
    let storage: &'static Storage = Box::leak(Box::new(Storage::custom(
        id,
        (plural, group, leak(stored), leak(names.str_at(&["kind"]))),
        versions.get(at)?.ty,
        namespaced,
        selectable,
        Box::leak(Box::new(custom)),
    )));
    let hash = storage_version_hash(storage);
    let texts = |name: &str| -> Vec<&'static str> {
        names.list_at(&[name]).iter().filter_map(Value::as_str).map(leak).collect()
    };
    let resources = all.iter().zip(&versions).map(|(props, version)| {
        let resource = Resource {
            group,
            version: version.name,
            name: plural,
            singular: leak(names.str_at(&["singular"])),
            kind: storage.kind,
            list_kind: leak(names.str_at(&["listKind"])),
            namespaced,
            verbs: VERBS.to_vec(),
            short_names: texts("shortNames"),
            categories: texts("categories"),
            subresources: subresources(version, storage),
            storage: Some(storage),
            ty: version.ty,
            list_ty: None,
            served_by_default: props.bool_at(&["served"]),
            storage_version_hash: hash,
            columns: &[],
            custom: Some(version),
        };
        &*Box::leak(Box::new(resource))
    });
    let definition = Definition { name, group, storage, resources: resources.collect() };
    Some(Box::leak(Box::new(definition)))
}

/// Rows live as long as the process, and so do the texts in them.
fn leak(text: &str) -> &'static str {
    String::from(text).leak()
}

fn metadata_type() -> &'static Type {
    let name = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
    catalog().type_named(name).unwrap_or_else(|| unreachable!("the catalog has {name}"))
}

fn version(
    props: &Value<'_>,
    group: &str,
    (kind, list_kind): (&str, &str),
) -> &'static CustomVersion {
    let null = Value::Null;
    let root = props.at(&["schema", "openAPIV3Schema"]);
    let schema = Schema::compile(root.unwrap_or(&null), metadata_type());
    let name = leak(props.str_at(&["name"]));
    let mut schema_json = String::new();
    if let Some(root) = root {
        use crate::object::field::Shown as _;
        root.show(&mut schema_json);
    }
    let deprecated = props.bool_at(&["deprecated"]);
    let warning = || match props.get("deprecationWarning").and_then(Value::as_str) {
        Some(text) => text.into(),
        None => format!("{group}/{name} {kind} is deprecated").into(),
    };
    let selectable = props.list_at(&["selectableFields"]).iter();
    let selectable = selectable.map(|field| {
        let path = field.str_at(&["jsonPath"]);
        leak(path.strip_prefix('.').unwrap_or(path))
    });
    let schema: &'static Schema = Box::leak(Box::new(schema));
    let version = CustomVersion {
        name,
        ty: custom_type(group, name, schema, kind),
        list_definition: leak(&definition_name(group, name, list_kind)),
        schema,
        schema_json: schema_json.into(),
        columns: columns(props),
        has_status: props.at(&["subresources", "status"]).is_some(),
        scale: props.at(&["subresources", "scale"]).map(ScalePaths::of),
        deprecation: deprecated.then(warning),
        selectable: selectable.collect(),
        stored: props.bool_at(&["storage"]),
    };
    Box::leak(Box::new(version))
}

impl ScalePaths {
    fn of(scale: &Value<'_>) -> Self {
        let path = |name: &str| -> Vec<&'static str> {
            let path = scale.str_at(&[name]);
            let path = path.strip_prefix('.').unwrap_or(path);
            path.split('.').filter(|part| !part.is_empty()).map(leak).collect()
        };
        Self {
            spec: path("specReplicasPath"),
            status: path("statusReplicasPath"),
            selector: path("labelSelectorPath"),
        }
    }
}

fn columns(props: &Value<'_>) -> Vec<ColumnSource> {
    let columns = props.list_at(&["additionalPrinterColumns"]).iter();
    let columns: Vec<ColumnSource> = columns
        .map(|column| ColumnSource {
            name: column.str_at(&["name"]).into(),
            kind: column.str_at(&["type"]).into(),
            format: column.str_at(&["format"]).into(),
            description: column.str_at(&["description"]).into(),
            priority: column.i64_at(&["priority"]).unwrap_or(0),
            path: column.str_at(&["jsonPath"]).into(),
        })
        .collect();
    columns
}

/// How OpenAPI names a kind (`gvkToModelName`).
fn definition_name(group: &str, version: &str, kind: &str) -> String {
    let reversed: Vec<&str> = group.split('.').rev().collect();
    format!("{}.{version}.{kind}", reversed.join("."))
}

/// A type with the members that every object has; the rest is in the schema.
fn custom_type(group: &str, version: &str, schema: &'static Schema, kind: &str) -> &'static Type {
    let any = "io.k8s.api.core.v1.ConfigMap";
    let any = catalog().type_named(any).unwrap_or_else(|| unreachable!("the catalog has {any}"));
    let fields: Vec<Field> = any
        .fields
        .iter()
        .filter(|field| matches!(field.name, "apiVersion" | "kind" | "metadata"))
        .map(Field::copied)
        .collect();
    let mut ty = Type::new(leak(&definition_name(group, version, kind)), fields, false);
    ty.structural = Some(schema);
    Box::leak(Box::new(ty))
}

fn subresources(version: &CustomVersion, storage: &'static Storage) -> Vec<Subresource> {
    let mut all = Vec::new();
    if version.has_status {
        all.push(Subresource {
            name: "status",
            group: storage.group,
            version: version.name,
            kind: storage.kind,
            verbs: VIEW_VERBS.to_vec(),
            ty: version.ty,
            columns: &[],
        });
    }
    let scale = catalog().kind("autoscaling", "v1", "Scale").filter(|_| version.scale.is_some());
    if let Some(ty) = scale {
        all.push(Subresource {
            name: "scale",
            group: "autoscaling",
            version: "v1",
            kind: "Scale",
            verbs: VIEW_VERBS.to_vec(),
            ty,
            columns: &[],
        });
    }
    all
}

/// `discovery.StorageVersionHash`: eight bytes of the SHA-256 of group, version and kind.
fn storage_version_hash(storage: &Storage) -> &'static str {
    let text = format!("{}/{}/{}", storage.group, storage.version, storage.kind);
    let digest = Sha256::digest(text.as_bytes());
    leak(&STANDARD.encode(digest.get(..8).unwrap_or_default()))
}
