//! YAML → object: a kind's name on the first line, then a body in YAML or JSON.

use bumpalo::Bump;
use kubering::codec::json;
use kubering::codec::json::Strictness;
use kubering::codec::yaml;

/// What was printed as YAML reads as what prints the same.
pub(crate) fn run(data: &[u8]) {
    let arena = Bump::new();
    let (resource, body) = super::kind(data);
    if let Ok(document) = yaml::parse(body, &arena) {
        let _ = document.type_meta();
        let _ = document.decode(resource.ty, &arena, Strictness::Report);
        let _ = document.any(&arena);
    }
    let Ok(value) = json::parse_any(body, &arena) else { return };
    let mut text = Vec::new();
    json::encode_any(&value, &mut text);
    let mut printed = Vec::new();
    yaml::from_json(&text, &mut printed).expect("our own JSON");
    let read = yaml::parse(&printed, &arena).expect("our own YAML");
    let mut again = Vec::new();
    json::encode_any(&read.any(&arena).expect("a tree"), &mut again);
    let mut twice = Vec::new();
    yaml::from_json(&again, &mut twice).expect("our own JSON");
    assert_eq!(String::from_utf8_lossy(&twice), String::from_utf8_lossy(&printed));
}
