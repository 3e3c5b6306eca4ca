//! Protobuf → object, and stored bytes → answers: a kind's name on the first line, then a message.

use super::json_text;
use bumpalo::Bump;
use kubering::codec::proto;
use kubering::codec::proto::envelope;
use kubering::codec::transcode;
use kubering::object::Value;

const REVISION: u64 = 7;

/// What decodes is canonical, also by way of JSON; and the direct way from stored bytes to JSON
/// writes what decoding and encoding would.
pub(crate) fn run(data: &[u8]) {
    let (resource, raw) = super::kind(data);
    let ty = resource.ty;
    let arena = Bump::new();
    let _ = envelope::unwrap(raw);
    let _ = transcode::scan::Metadata::read(raw);

    let mut stored = Vec::new();
    envelope::wrap(resource.version, resource.kind, raw, &mut stored);
    let unknown = envelope::unwrap(&stored).expect("our own envelope").expect("an envelope");
    assert_eq!(unknown.raw, raw);
    let names = transcode::Names { api_version: resource.version, kind: resource.kind };
    let mut direct = Vec::new();
    let transcoded = transcode::to_json(&stored, ty, Some(names), REVISION, &mut direct);

    let decoded = proto::decode(raw, ty, &arena);
    assert_eq!(transcoded.is_ok(), decoded.is_ok(), "{transcoded:?} {decoded:?}");
    let Ok(mut value) = decoded else { return };
    let mut again = Vec::new();
    proto::encode(&value, ty, &mut again);
    let again = arena.alloc_slice_copy(&again);
    let again = proto::decode(again, ty, &arena).expect("our own protobuf");
    assert_eq!(json_text(&again, ty), json_text(&value, ty));

    if let Some(map) = value.as_map_mut() {
        map.insert("kind", Value::Str(resource.kind));
        map.insert("apiVersion", Value::Str(resource.version));
        map.entry_map("metadata").insert("resourceVersion", Value::Str("7"));
    }
    let direct = String::from_utf8(direct).expect("JSON is UTF-8");
    let decoded = json_text(&value, ty);
    if direct != decoded {
        // Fields may come in another order; trees that serde_json finds too deep are not compared.
        let parse = serde_json::from_str::<serde_json::Value>;
        assert_eq!(parse(&direct).ok(), parse(&decoded).ok(), "the direct way differs");
    }
}
