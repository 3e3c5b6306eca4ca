//! What fuzzing feeds with bytes of a peer. Each target has a `run` that must never panic, and
//! checks what holds for any input; `tests/fuzz_smoke.rs` runs the same functions in `cargo test`.

pub(crate) mod cel;
pub(crate) mod credentials;
pub(crate) mod fields;
pub(crate) mod headers;
pub(crate) mod json;
pub(crate) mod patch;
pub(crate) mod proto;
pub(crate) mod sealed;
pub(crate) mod selectors;
pub(crate) mod streams;
pub(crate) mod url;
pub(crate) mod yaml;

use kubering::catalog::Resource;
use kubering::catalog::catalog;
use kubering::codec::json as codec_json;
use kubering::object::Value;
use kubering::object::schema::Type;

/// A kind that has a resource, and what follows the first line of `data`. The line names it
/// (`apps/v1/Deployment`, `v1/Pod`); any other line stands for some kind.
fn kind(data: &[u8]) -> (&'static Resource, &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (line, rest) = data.split_at(end);
    let rest = rest.get(1..).unwrap_or_default();
    let name = std::str::from_utf8(line).unwrap_or_default();
    let named = name.rsplit_once('/').and_then(|(group_version, kind)| {
        let (group, version) = group_version.rsplit_once('/').unwrap_or(("", group_version));
        catalog().resource_of_kind(group, version, kind)
    });
    let resources = catalog().resources();
    let sum = line.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31) + usize::from(*byte));
    let resource = named.unwrap_or(&resources[sum % resources.len()]);
    (resource, rest)
}

/// The value as JSON of its type.
fn json_text(value: &Value<'_>, ty: &'static Type) -> String {
    let mut out = Vec::new();
    codec_json::encode(value, ty, &mut out);
    String::from_utf8(out).expect("JSON is UTF-8")
}

/// Sets `apiVersion` and `kind`, which no protobuf message holds, as `from` has them.
fn name<'a>(value: &mut Value<'a>, from: &Value<'a>) {
    for field in ["kind", "apiVersion"] {
        if let (Some(map), Some(named)) = (value.as_map_mut(), from.get(field)) {
            map.insert(field, Value::Str(named.as_str().unwrap_or_default()));
        }
    }
}
