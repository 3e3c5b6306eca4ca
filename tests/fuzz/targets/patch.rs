//! Patches: a kind's name, an object and a patch, one a line. The patch is read as all three forms.

use super::json_text;
use bumpalo::Bump;
use kubering::codec::json;
use kubering::codec::json::Strictness;
use kubering::object::Value;
use kubering::object::patch;
use kubering::object::schema::Type;

/// A merge patch applied twice is applied once. What a patch made decodes the same from its tree
/// and from its text.
pub(crate) fn run(data: &[u8]) {
    let (resource, rest) = super::kind(data);
    let arena = Bump::new();
    let mut lines = rest.splitn(2, |byte| *byte == b'\n');
    let (Some(object), Some(patch)) = (lines.next(), lines.next()) else { return };
    let Ok(patch) = json::parse_any(patch, &arena) else { return };
    let ty = resource.ty;
    let Ok(object) = json::decode(object, ty, &arena, Strictness::Ignore) else { return };
    let object = object.value;

    let mut merged = object.copy_in(&arena);
    if patch::merge::apply(&arena, &mut merged, &patch).is_ok() {
        let mut twice = merged.copy_in(&arena);
        patch::merge::apply(&arena, &mut twice, &patch).expect("it applied before");
        assert_eq!(text(&twice), text(&merged));
        patch::merge::order_as_patched(&mut twice, &patch);
        conforms(&merged, ty, &arena);
    }
    let mut strategic = object.copy_in(&arena);
    if patch::strategic::apply(&arena, ty, &mut strategic, &patch).is_ok() {
        conforms(&strategic, ty, &arena);
    }
    for typed in [false, true] {
        let Ok(operations) = patch::json::Patch::read(&patch, typed) else { continue };
        let mut target = object.copy_in(&arena);
        if operations.apply(&arena, Some(ty), &mut target).is_ok() {
            operations.order_as_patched(&mut target);
            conforms(&target, ty, &arena);
        }
    }
}

fn text(value: &Value<'_>) -> String {
    let mut out = Vec::new();
    json::encode_any(value, &mut out);
    String::from_utf8(out).expect("JSON is UTF-8")
}

fn conforms<'a>(patched: &Value<'a>, ty: &'static Type, arena: &'a Bump) {
    let tree = json::conform(patched, ty, arena, Strictness::Report);
    let body = text(patched);
    let read = json::decode(body.as_bytes(), ty, arena, Strictness::Report);
    match (tree, read) {
        (Ok(tree), Ok(read)) => {
            assert_eq!(json_text(&tree.value, ty), json_text(&read.value, ty));
            assert_eq!(tree.strict_errors, read.strict_errors);
        }
        (tree, read) => assert_eq!(tree.is_ok(), read.is_ok(), "{tree:?} {read:?}\n{body}"),
    }
}
