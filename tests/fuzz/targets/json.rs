//! JSON → object: a kind's name on the first line, then a body.

use super::json_text;
use bumpalo::Bump;
use kubering::codec::json::Strictness;
use kubering::codec::json::decode;
use kubering::codec::json::encode_any;
use kubering::codec::json::parse_any;
use kubering::codec::json::peek_type_meta;
use kubering::codec::proto;

/// What decodes is canonical: printed and decoded again it prints the same. So it does by way of
/// protobuf. Strictness changes only what is reported.
pub(crate) fn run(data: &[u8]) {
    let (resource, body) = super::kind(data);
    let ty = resource.ty;
    let arena = Bump::new();
    let _ = peek_type_meta(body, &arena);
    untyped(body, &arena);

    let strict = decode(body, ty, &arena, Strictness::Report);
    let lax = decode(body, ty, &arena, Strictness::Ignore);
    let (Ok(strict), Ok(lax)) = (&strict, &lax) else {
        assert_eq!(strict.is_ok(), lax.is_ok(), "strictness decides: {strict:?} {lax:?}");
        return;
    };
    let text = json_text(&strict.value, ty);
    assert_eq!(text, json_text(&lax.value, ty));
    let again = decode(text.as_bytes(), ty, &arena, Strictness::Report).expect("our own JSON");
    assert_eq!(again.strict_errors, [""; 0], "in our own {text}");
    assert_eq!(json_text(&again.value, ty), text);

    let mut raw = Vec::new();
    proto::encode(&strict.value, ty, &mut raw);
    let raw = arena.alloc_slice_copy(&raw);
    let mut back = proto::decode(raw, ty, &arena).expect("our own protobuf");
    super::name(&mut back, &strict.value);
    assert_eq!(json_text(&back, ty), text, "by way of protobuf");
    assert_eq!(back, strict.value, "equal texts of unequal values: {text}");
}

/// Without a schema, too, what was printed prints the same again; but for a negative zero, which
/// reads as a whole number and has no sign then, as with Go.
fn untyped(body: &[u8], arena: &Bump) {
    let Ok(value) = parse_any(body, arena) else { return };
    let mut text = Vec::new();
    encode_any(&value, &mut text);
    let mut again = Vec::new();
    encode_any(&parse_any(&text, arena).expect("our own JSON"), &mut again);
    let printed = String::from_utf8_lossy(&text).replace("-0", "0");
    assert_eq!(String::from_utf8_lossy(&again).replace("-0", "0"), printed);
}
