//! Documents outside the API: the index of paths and the version.

use crate::api::discovery::Document;
use crate::api::discovery::group::GroupEntry;
use crate::api::openapi::tree::Maker;
use crate::catalog::catalog;
use crate::codec::json;
use crate::codec::json::encode_any;
use crate::codec::proto;
use crate::codec::proto::envelope;
use crate::object::Value;
use bumpalo::Bump;
use bytes::Bytes;

impl Document {
    /// Encodes a document of the type with this definition name; without one there is no protobuf.
    pub(super) fn new(value: &Value<'_>, definition: &'static str) -> Self {
        let mut json = Vec::with_capacity(4096);
        encode_any(value, &mut json);
        json.push(b'\n');
        let mut protobuf = Vec::with_capacity(2048);
        if let Some(ty) = catalog().type_named(definition) {
            let text = |field| value.str_at(&[field]);
            envelope::wrap_with(text("apiVersion"), text("kind"), &mut protobuf, |out| {
                proto::encode(value, ty, out);
            });
        }
        Self { json: Bytes::from(json), protobuf: Bytes::from(protobuf) }
    }
}

/// `/`: every listed path, sorted. `others` are the paths that are not of the API: health checks,
/// metrics and so on.
pub fn root_paths(groups: &[GroupEntry<'_>], others: &[&str]) -> Bytes {
    let arena = Bump::new();
    let make = Maker(&arena);
    let mut paths: Vec<&str> = vec!["/api", "/apis", "/apis/"];
    paths.extend(others.iter().map(|path| &*arena.alloc_str(path)));
    for group in groups {
        let root = match group.name {
            "" => "/api",
            name => {
                let root = make.text(format_args!("/apis/{name}"));
                paths.push(root);
                root
            }
        };
        for version in &group.versions {
            paths.push(make.text(format_args!("{root}/{}", version.version)));
        }
    }
    paths.sort_unstable();
    paths.dedup();
    let document = make.map([("paths", make.texts(&paths))]);
    indented(&document)
}

/// As upstream writes these two: always with line breaks, and none at the end.
fn indented(value: &Value<'_>) -> Bytes {
    let mut compact = Vec::with_capacity(8192);
    encode_any(value, &mut compact);
    let mut out = Vec::with_capacity(compact.len() * 2);
    json::write::indented(&compact, &mut out);
    while out.last() == Some(&b'\n') {
        out.pop();
    }
    Bytes::from(out)
}

/// `/version`: what this server is and which API it serves (`version.Info`).
pub fn version() -> Bytes {
    const FIELDS: [(&str, &str); 13] = [
        ("major", "1"),
        ("minor", "36"),
        ("emulationMajor", "1"),
        ("emulationMinor", "36"),
        ("minCompatibilityMajor", "1"),
        ("minCompatibilityMinor", "35"),
        // The release whose API is served, and this server as its build.
        ("gitVersion", concat!("v1.36.2+kubering-", env!("CARGO_PKG_VERSION"))),
        ("gitCommit", ""),
        ("gitTreeState", "clean"),
        ("buildDate", "1970-01-01T00:00:00Z"),
        ("goVersion", ""),
        ("compiler", "rustc"),
        ("platform", PLATFORM),
    ];
    let arena = Bump::new();
    let document = Maker(&arena).map(FIELDS.map(|(name, text)| (name, Value::Str(text))));
    indented(&document)
}

/// As Go names it.
const PLATFORM: &str = if cfg!(target_arch = "aarch64") { "linux/arm64" } else { "linux/amd64" };
