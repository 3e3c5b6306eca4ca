//! Values as upstream's error messages show them: Go's JSON of its internal structs, which have the
//! Go field names and show every field, and the line diff of two such texts.
//!
//! The shape follows from the catalog's type; [`LAYOUTS`] names where the internal struct differs.

use crate::catalog::catalog;
use crate::codec::json;
use crate::object::schema::{Absent, Field, Scalar, Shape, Type};
use crate::object::{Map, Value};
use crate::registry::read::Read as _;
use std::fmt::Write as _;

/// Go names that are not the JSON name with a capital first letter.
const NAMES: &[(&str, &str)] = &[
    ("apiGroup", "APIGroup"),
    ("apiVersion", "APIVersion"),
    ("awsElasticBlockStore", "AWSElasticBlockStore"),
    ("cephfs", "CephFS"),
    ("cel", "CEL"),
    ("chapAuthDiscovery", "DiscoveryCHAPAuth"),
    ("chapAuthSession", "SessionCHAPAuth"),
    ("cidrs", "CIDRs"),
    ("csi", "CSI"),
    ("diskURI", "DataDiskURI"),
    ("dnsConfig", "DNSConfig"),
    ("dnsPolicy", "DNSPolicy"),
    ("fc", "FC"),
    ("fsGroup", "FSGroup"),
    ("fsGroupChangePolicy", "FSGroupChangePolicy"),
    ("fsType", "FSType"),
    ("gcePersistentDisk", "GCEPersistentDisk"),
    ("gid", "GID"),
    ("gmsaCredentialSpec", "GMSACredentialSpec"),
    ("gmsaCredentialSpecName", "GMSACredentialSpecName"),
    ("grpc", "GRPC"),
    ("httpGet", "HTTPGet"),
    ("httpHeaders", "HTTPHeaders"),
    ("ip", "IP"),
    ("ipFamilies", "IPFamilies"),
    ("ipFamilyPolicy", "IPFamilyPolicy"),
    ("ipMode", "IPMode"),
    ("iqn", "IQN"),
    ("iscsi", "ISCSI"),
    ("iscsiInterface", "ISCSIInterface"),
    ("nfs", "NFS"),
    ("os", "OS"),
    ("pdName", "PDName"),
    ("rbd", "RBD"),
    ("scaleIO", "ScaleIO"),
    ("seLinuxChangePolicy", "SELinuxChangePolicy"),
    ("seLinuxOptions", "SELinuxOptions"),
    ("sslEnabled", "SSLEnabled"),
    ("storageos", "StorageOS"),
    ("targetWWNs", "TargetWWNs"),
    ("tcpSocket", "TCPSocket"),
    ("tty", "TTY"),
    ("uid", "UID"),
    ("wwids", "WWIDs"),
];

/// Go names of the fields of one type.
const TYPE_NAMES: &[(&str, &str, &str)] = &[
    ("DeviceAttribute", "bool", "BoolValue"),
    ("DeviceAttribute", "bools", "BoolValues"),
    ("DeviceAttribute", "int", "IntValue"),
    ("DeviceAttribute", "ints", "IntValues"),
    ("DeviceAttribute", "string", "StringValue"),
    ("DeviceAttribute", "strings", "StringValues"),
    ("DeviceAttribute", "version", "VersionValue"),
    ("DeviceAttribute", "versions", "VersionValues"),
    ("ExternalDocumentation", "url", "URL"),
    ("GlusterfsPersistentVolumeSource", "endpoints", "EndpointsName"),
    ("GlusterfsVolumeSource", "endpoints", "EndpointsName"),
    ("JSONSchemaProps", "$ref", "Ref"),
    ("JSONSchemaProps", "$schema", "Schema"),
    ("JSONSchemaProps", "id", "ID"),
    ("JSONSchemaProps", "x-kubernetes-embedded-resource", "XEmbeddedResource"),
    ("JSONSchemaProps", "x-kubernetes-int-or-string", "XIntOrString"),
    ("JSONSchemaProps", "x-kubernetes-list-map-keys", "XListMapKeys"),
    ("JSONSchemaProps", "x-kubernetes-list-type", "XListType"),
    ("JSONSchemaProps", "x-kubernetes-map-type", "XMapType"),
    ("JSONSchemaProps", "x-kubernetes-preserve-unknown-fields", "XPreserveUnknownFields"),
    ("JSONSchemaProps", "x-kubernetes-validations", "XValidations"),
    ("RBDPersistentVolumeSource", "image", "RBDImage"),
    ("RBDPersistentVolumeSource", "monitors", "CephMonitors"),
    ("RBDPersistentVolumeSource", "pool", "RBDPool"),
    ("RBDPersistentVolumeSource", "user", "RadosUser"),
    ("RBDVolumeSource", "image", "RBDImage"),
    ("RBDVolumeSource", "monitors", "CephMonitors"),
    ("RBDVolumeSource", "pool", "RBDPool"),
    ("RBDVolumeSource", "user", "RadosUser"),
];

/// Internal structs whose fields stand in another order, or elsewhere, than in v1.
const LAYOUTS: &[(&str, &str)] = &[
    (
        "io.k8s.api.core.v1.PodSpec",
        "volumes initContainers containers ephemeralContainers restartPolicy \
         terminationGracePeriodSeconds activeDeadlineSeconds dnsPolicy nodeSelector \
         serviceAccountName automountServiceAccountToken nodeName securityContext \
         imagePullSecrets hostname subdomain setHostnameAsFQDN affinity schedulerName \
         tolerations hostAliases priorityClassName priority preemptionPolicy dnsConfig \
         readinessGates runtimeClassName overhead enableServiceLinks \
         topologySpreadConstraints os schedulingGates resourceClaims resources \
         hostnameOverride schedulingGroup",
    ),
    (
        "io.k8s.api.core.v1.Volume",
        "name hostPath emptyDir gcePersistentDisk awsElasticBlockStore gitRepo secret nfs iscsi \
         glusterfs persistentVolumeClaim rbd quobyte flexVolume cinder cephfs flocker \
         downwardAPI fc azureFile configMap vsphereVolume azureDisk photonPersistentDisk \
         projected portworxVolume scaleIO storageos csi ephemeral image",
    ),
    ("io.k8s.api.core.v1.PersistentVolumeSpec", VOLUME_SOURCES),
    (
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps",
        "id $schema $ref description type nullable format title default maximum exclusiveMaximum \
         minimum exclusiveMinimum maxLength minLength pattern maxItems minItems uniqueItems \
         multipleOf enum maxProperties minProperties required items allOf oneOf anyOf not \
         properties additionalProperties patternProperties dependencies additionalItems \
         definitions externalDocs example x-kubernetes-preserve-unknown-fields \
         x-kubernetes-embedded-resource x-kubernetes-int-or-string x-kubernetes-list-map-keys \
         x-kubernetes-list-type x-kubernetes-map-type x-kubernetes-validations",
    ),
    (
        "io.k8s.api.resource.v1.DeviceAttribute",
        "int bool string version ints bools strings versions",
    ),
    (
        "io.k8s.api.core.v1.PodSecurityContext",
        "seLinuxOptions windowsOptions runAsUser runAsGroup runAsNonRoot supplementalGroups \
         supplementalGroupsPolicy fsGroup fsGroupChangePolicy sysctls seccompProfile \
         appArmorProfile seLinuxChangePolicy",
    ),
];

/// The fields of the internal `PersistentVolumeSource`.
const VOLUME_SOURCES: &str = "gcePersistentDisk awsElasticBlockStore hostPath glusterfs nfs rbd \
    quobyte iscsi flexVolume cinder cephfs fc flocker azureFile vsphereVolume azureDisk \
    photonPersistentDisk portworxVolume scaleIO local storageos csi";

/// Fields that the internal pod security context has and v1 keeps in the spec.
const HOST_FIELDS: [&str; 5] =
    ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers"];

/// One line, as in `Invalid value: {…}`. `name` is the type's name without the well-known prefix;
/// an unknown type shows as plain JSON.
pub fn compact(value: Option<&Value<'_>>, name: &str) -> String {
    render(value, name, false)
}

/// As [`compact`], of what Go has a pointer to: a missing one is `null`.
pub fn pointer(value: Option<&Value<'_>>, name: &str) -> String {
    value.map_or_else(|| String::from("null"), |value| compact(Some(value), name))
}

/// Indented by one space, as upstream's diffs have it.
pub fn pretty(value: Option<&Value<'_>>, name: &str) -> String {
    render(value, name, true)
}

fn render(value: Option<&Value<'_>>, name: &str, indented: bool) -> String {
    let mut out = Out { text: String::new(), indented, depth: 0, first: true };
    match catalog().type_named(name) {
        Some(ty) => out.message(value, ty, None),
        None => out.plain(value),
    }
    out.text
}

/// A list of strings or any other plain value as Go's JSON shows it; a missing one is `null`.
pub fn plain(value: Option<&Value<'_>>) -> String {
    let mut out = Out { text: String::new(), indented: false, depth: 0, first: true };
    out.plain(value);
    out.text
}

/// Structs that embed their metadata.
const EMBEDS_META: [&str; 3] =
    ["PersistentVolumeClaimTemplate", "PodTemplateSpec", "ResourceClaimTemplateSpec"];

struct Out {
    text: String,
    indented: bool,
    depth: usize,
    first: bool,
}

impl Out {
    fn open(&mut self, bracket: char) {
        self.text.push(bracket);
        self.depth += 1;
        self.first = true;
    }

    fn close(&mut self, bracket: char) {
        self.depth -= 1;
        if !self.first {
            self.line();
        }
        self.text.push(bracket);
        self.first = false;
    }

    fn item(&mut self) {
        if !self.first {
            self.text.push(',');
        }
        self.first = false;
        self.line();
    }

    fn line(&mut self) {
        if self.indented {
            self.text.push('\n');
            self.text.extend(std::iter::repeat_n(' ', self.depth));
        }
    }

    fn key(&mut self, name: &str) {
        self.item();
        self.string(name);
        self.text.push_str(if self.indented { ": " } else { ":" });
    }

    /// Go's JSON escapes: also `<`, `>` and `&`.
    fn string(&mut self, text: &str) {
        self.text.push('"');
        for letter in text.chars() {
            match letter {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                '\t' => self.text.push_str("\\t"),
                '<' | '>' | '&' | '\0'..='\u{1f}' | '\u{2028}' | '\u{2029}' => {
                    let _ = write!(self.text, "\\u{:04x}", u32::from(letter));
                }
                _ => self.text.push(letter),
            }
        }
        self.text.push('"');
    }

    fn plain(&mut self, value: Option<&Value<'_>>) {
        match value {
            None | Some(Value::Null) => self.text.push_str("null"),
            Some(Value::Bool(flag)) => self.text.push_str(if *flag { "true" } else { "false" }),
            Some(Value::Int(number)) => {
                let _ = write!(self.text, "{number}");
            }
            Some(Value::Float(number)) => {
                let _ = write!(self.text, "{number}");
            }
            Some(Value::Str(text)) => self.string(text),
            Some(raw @ Value::Raw(_)) => {
                let mut text = Vec::new();
                json::encode_any(raw, &mut text);
                self.text.push_str(&String::from_utf8_lossy(&text));
            }
            Some(Value::List(list)) => {
                self.open('[');
                for value in list {
                    self.item();
                    self.plain(Some(value));
                }
                self.close(']');
            }
            Some(Value::Map(map)) => {
                let mut entries: Vec<_> = map.iter().collect();
                entries.sort_unstable_by_key(|(key, _)| *key);
                self.open('{');
                for (key, value) in entries {
                    self.key(key);
                    self.plain(Some(value));
                }
                self.close('}');
            }
        }
    }

    /// A value that is text upstream: members stand as they were sent.
    fn as_sent(&mut self, value: &Value<'_>) {
        match value {
            Value::Map(map) => {
                self.open('{');
                for (key, value) in map.iter() {
                    self.key(key);
                    self.as_sent(value);
                }
                self.close('}');
            }
            Value::List(list) => {
                self.open('[');
                for value in list {
                    self.item();
                    self.as_sent(value);
                }
                self.close(']');
            }
            _ => self.plain(Some(value)),
        }
    }

    fn message(&mut self, value: Option<&Value<'_>>, ty: &'static Type, spec: Option<&Value<'_>>) {
        self.open('{');
        let empty = Value::Null;
        let value = value.unwrap_or(&empty);
        if ty.name.starts_with("io.k8s.apimachinery.") {
            self.tagged(value, ty);
        } else if EMBEDS_META.contains(&ty.go_name) {
            if let Some(meta) = catalog().type_named("meta.v1.ObjectMeta") {
                self.tagged(value.get("metadata").unwrap_or(&empty), meta);
            }
            self.fields(value, ty, &["spec"]);
        } else if let Some((_, layout)) = LAYOUTS.iter().find(|(name, _)| *name == ty.name) {
            if let Some(spec) = spec.filter(|_| ty.go_name == "PodSecurityContext")
                && let Some(pod) = catalog().type_named("core.v1.PodSpec")
            {
                self.fields(spec, pod, &HOST_FIELDS);
            }
            let names: Vec<&str> = layout.split_ascii_whitespace().collect();
            self.fields(value, ty, &names);
        } else {
            for field in &ty.fields {
                if !matches!(field.name, "kind" | "apiVersion") || field.number != 0 {
                    self.field(value, ty, field);
                }
            }
        }
        self.close('}');
    }

    /// A struct that has JSON tags inside upstream too: what is not set is left out.
    fn tagged(&mut self, value: &Value<'_>, ty: &'static Type) {
        for field in &ty.fields {
            match (value.get(field.name), field.absent) {
                (Some(found), _) if field.omits(found) => {}
                (Some(found), _) => {
                    self.key(field.name);
                    match field.kind.message() {
                        Some(inner) if field.shape == Shape::One => {
                            self.message(Some(found), inner, None);
                        }
                        Some(inner) if field.shape == Shape::List => {
                            self.open('[');
                            for item in value.items(field.name) {
                                self.item();
                                self.message(Some(item), inner, None);
                            }
                            self.close(']');
                        }
                        _ => self.plain(Some(found)),
                    }
                }
                (None, Absent::Shown(text)) => {
                    self.key(field.name);
                    self.text.push_str(text);
                }
                (None, Absent::Omitted) => {}
            }
        }
    }

    fn fields(&mut self, value: &Value<'_>, ty: &'static Type, names: &[&str]) {
        for name in names {
            if let Some(field) = ty.field(name) {
                self.field(value, ty, field);
            }
        }
    }

    fn field(&mut self, owner: &Value<'_>, ty: &'static Type, field: &Field) {
        let own = TYPE_NAMES.iter().find(|(of, json, _)| *of == ty.go_name && *json == field.name);
        let own = own.map(|(_, _, go)| go);
        let known = NAMES.iter().find(|(json, _)| *json == field.name).map(|(_, go)| go);
        match own.or(known) {
            Some(go) => self.key(go),
            None => {
                let mut letters = field.name.chars();
                let first = letters.next().unwrap_or('_').to_ascii_uppercase();
                self.key(&format!("{first}{}", letters.as_str()));
            }
        }
        let value = owner.get(field.name);
        match (field.shape, field.kind.message(), value) {
            (Shape::List | Shape::Map, _, None) => self.text.push_str("null"),
            (Shape::List, Some(ty), Some(_)) => {
                self.open('[');
                for item in owner.items(field.name) {
                    self.item();
                    self.message(Some(item), ty, None);
                }
                self.close(']');
            }
            (Shape::Map, Some(ty), Some(_)) => {
                let mut entries: Vec<_> = owner.entries(field.name).collect();
                entries.sort_unstable_by_key(|(key, _)| *key);
                self.open('{');
                for (key, item) in entries {
                    self.key(key);
                    self.message(Some(item), ty, None);
                }
                self.close('}');
            }
            (Shape::One, Some(_), None) if field.pointer => self.text.push_str("null"),
            (Shape::One, Some(ty), value) => self.message(value, ty, Some(owner)),
            (Shape::One, None, None) => self.zero(field),
            (Shape::One, None, Some(raw)) if field.kind.scalar() == Some(Scalar::RawExtension) => {
                self.as_sent(raw);
            }
            (Shape::OneOrBool | Shape::OneOrList | Shape::MapOrStrings, Some(ty), Some(value)) => {
                self.union(value, field.shape, ty);
            }
            _ => self.plain(value),
        }
    }

    /// The structs that stand for unions of JSON's forms (`JSONSchemaPropsOrBool` and its like).
    fn union(&mut self, value: &Value<'_>, shape: Shape, ty: &'static Type) {
        self.open('{');
        match (shape, value) {
            (Shape::MapOrStrings, _) => {
                let mut entries: Vec<_> = value.as_map().into_iter().flat_map(Map::iter).collect();
                entries.sort_unstable_by_key(|(key, _)| *key);
                for (key, value) in entries {
                    self.key(key);
                    self.open('{');
                    let schema = Some(value).filter(|value| value.as_map().is_some());
                    self.schema("Schema", schema, ty);
                    self.key("Property");
                    self.plain(Some(value).filter(|_| schema.is_none()));
                    self.close('}');
                }
            }
            (Shape::OneOrList, Value::List(list)) => {
                self.schema("Schema", None, ty);
                self.key("JSONSchemas");
                self.open('[');
                for item in list {
                    self.item();
                    self.message(Some(item), ty, None);
                }
                self.close(']');
            }
            (Shape::OneOrList, _) => {
                self.schema("Schema", Some(value), ty);
                self.key("JSONSchemas");
                self.plain(None);
            }
            _ => {
                self.key("Allows");
                self.text.push_str(if value.as_bool() == Some(false) { "false" } else { "true" });
                self.schema("Schema", Some(value).filter(|value| value.as_map().is_some()), ty);
            }
        }
        self.close('}');
    }

    fn schema(&mut self, name: &str, value: Option<&Value<'_>>, ty: &'static Type) {
        self.key(name);
        match value {
            Some(value) => self.message(Some(value), ty, None),
            None => self.plain(None),
        }
    }

    fn zero(&mut self, field: &Field) {
        let text = match field.kind.scalar() {
            _ if field.pointer => "null",
            Some(Scalar::Bool) => "false",
            Some(Scalar::Int32 | Scalar::Int64 | Scalar::Float64 | Scalar::IntOrString) => "0",
            Some(Scalar::String) => "\"\"",
            Some(Scalar::Quantity) => "\"0\"",
            _ => "null",
        };
        self.text.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::{compact, pretty};
    use crate::registry::sample::tree;
    use bumpalo::Bump;
    use serde_json::json;

    #[test]
    fn structs_show_every_field_by_its_go_name() {
        let arena = Bump::new();
        let context = tree(&arena, &json!({"privileged": true, "allowPrivilegeEscalation": false}));
        assert_eq!(
            compact(Some(&context), "core.v1.SecurityContext"),
            "{\"Capabilities\":null,\"Privileged\":true,\"SELinuxOptions\":null,\
             \"WindowsOptions\":null,\"RunAsUser\":null,\"RunAsGroup\":null,\"RunAsNonRoot\":null,\
             \"ReadOnlyRootFilesystem\":null,\"AllowPrivilegeEscalation\":false,\"ProcMount\":null,\
             \"SeccompProfile\":null,\"AppArmorProfile\":null}"
        );
    }

    #[test]
    fn the_template_of_a_job_shows_as_upstream_shows_it() {
        let arena = Bump::new();
        let template = tree(
            &arena,
            &json!({
                "metadata": {"labels": {"job-name": "j"}},
                "spec": {
                    "containers": [{"name": "c", "image": "i", "terminationMessagePolicy": "File",
                        "terminationMessagePath": "/dev/termination-log",
                        "imagePullPolicy": "Always"}],
                    "restartPolicy": "OnFailure", "terminationGracePeriodSeconds": 30,
                    "dnsPolicy": "ClusterFirst", "securityContext": {},
                    "schedulerName": "default-scheduler",
                },
            }),
        );
        let shown = compact(Some(&template), "core.v1.PodTemplateSpec");
        assert_eq!(shown, include_str!("testdata/job_template.json").trim_end());
    }

    #[test]
    fn indented_text_is_what_diffs_are_made_of() {
        let arena = Bump::new();
        let spec = tree(
            &arena,
            &json!({"accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}}}),
        );
        let shown = pretty(Some(&spec), "core.v1.PersistentVolumeClaimSpec");
        let head = "{\n \"AccessModes\": [\n  \"ReadWriteOnce\"\n ],\n \"Selector\": null,\n \
            \"Resources\": {\n  \"Limits\": null,\n  \"Requests\": {\n   \"storage\": \"1Gi\"\n  \
            }\n },\n";
        assert!(shown.starts_with(head), "{shown}");
    }

    #[test]
    fn structs_with_tags_leave_out_empty_lists_and_others_show_them() {
        let arena = Bump::new();
        let term = tree(
            &arena,
            &json!({"labelSelector": {"matchLabels": {}, "matchExpressions": []}, "namespaces": [],
                "topologyKey": "z"}),
        );
        let shown = compact(Some(&term), "core.v1.PodAffinityTerm");
        assert!(shown.starts_with("{\"LabelSelector\":{},\"Namespaces\":[],"), "{shown}");
    }

    #[test]
    fn a_schema_shows_its_unions_as_structs() {
        let arena = Bump::new();
        let schema = tree(
            &arena,
            &json!({"type": "object", "items": {}, "additionalProperties": false,
                "x-kubernetes-list-type": "map"}),
        );
        let name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";
        let shown = compact(Some(&schema), name);
        let head = "{\"ID\":\"\",\"Schema\":\"\",\"Ref\":null,\"Description\":\"\",\
                    \"Type\":\"object\",\"Nullable\":false,";
        assert!(shown.starts_with(head), "{shown}");
        assert!(shown.contains("\"Items\":{\"Schema\":{\"ID\":\"\","), "{shown}");
        let more = "\"AdditionalProperties\":{\"Allows\":false,\"Schema\":null},\
                    \"PatternProperties\":null,";
        assert!(shown.contains(more), "{shown}");
        assert!(shown.contains("\"XListType\":\"map\","), "{shown}");
    }
}
