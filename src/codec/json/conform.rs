//! Value to value: decoding a tree that is already there, without going through text.
//!
//! A patched object may hold unknown fields and values of any type. Upstream decodes its text
//! again; the same decoder runs here on a tape made from the tree.

use super::decode::{Decoded, Strictness, decode_nodes};
use super::error::DecodeError;
use super::tape::Numbers;
use super::untyped::parse_any;
use crate::object::Value;
use crate::object::schema::Type;
use bumpalo::Bump;
use simd_json::{Node, StaticNode};

/// Brings `value` into the canonical form of an object of type `ty`. Strings are shared.
///
/// # Errors
/// As [`decode`](super::decode) of the value's text.
pub fn conform<'a>(
    value: &Value<'a>,
    ty: &'static Type,
    arena: &'a Bump,
    strictness: Strictness,
) -> Result<Decoded<'a>, DecodeError> {
    let mut nodes = Vec::with_capacity(256);
    flatten(value, arena, &mut nodes);
    decode_nodes(&nodes, Numbers::Tree, ty, arena, strictness)
}

/// Appends the nodes of `value`.
fn flatten<'a>(value: &Value<'a>, arena: &'a Bump, nodes: &mut Vec<Node<'a>>) {
    match value {
        Value::Null => nodes.push(Node::Static(StaticNode::Null)),
        Value::Bool(b) => nodes.push(Node::Static(StaticNode::Bool(*b))),
        Value::Int(n) => nodes.push(Node::Static(StaticNode::I64(*n))),
        Value::Float(n) => nodes.push(Node::Static(StaticNode::F64(*n))),
        Value::Str(text) => nodes.push(Node::String(text)),
        Value::Raw(text) => match parse_any(text.as_bytes(), arena) {
            Ok(tree) => flatten(&tree, arena, nodes),
            Err(_) => nodes.push(Node::Object { len: 0, count: 0 }),
        },
        Value::List(list) => {
            let at = nodes.len();
            nodes.push(Node::Array { len: list.len(), count: 0 });
            list.iter().for_each(|item| flatten(item, arena, nodes));
            close(nodes, at);
        }
        Value::Map(map) => {
            let at = nodes.len();
            nodes.push(Node::Object { len: map.len(), count: 0 });
            for (key, value) in map.iter() {
                nodes.push(Node::String(key));
                flatten(value, arena, nodes);
            }
            close(nodes, at);
        }
    }
}

/// Tells the container at `at` how many nodes it holds.
fn close(nodes: &mut [Node<'_>], at: usize) {
    let inside = nodes.len() - at - 1;
    if let Some(Node::Array { count, .. } | Node::Object { count, .. }) = nodes.get_mut(at) {
        *count = inside;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Strictness, decode, encode, encode_any, parse_any};
    use super::conform;
    use crate::object::Value;
    use crate::object::fixture::deployment;
    use crate::object::schema::omit;
    use bumpalo::Bump;

    #[test]
    fn a_tree_decodes_as_its_text_does() {
        let arena = Bump::new();
        let ty = deployment();
        let texts = [
            r#"{"kind":"Deployment","metadata":{"name":"d","finalizers":["b",null,"a"]},
                "spec":{"replicas":2,"bogus":1.5,"template":{"spec":{"containers":[{"name":"c",
                "zap":[{"x":1},[]],"ports":[{"containerPort":80}]}]}}},"status":null}"#,
            r#"{"spec":{"replicas":"2"}}"#,
            r#"{"spec":{"template":{"spec":{"containers":{"name":1}}}}}"#,
            r#"{"metadata":{"labels":{"a":null,"b":5}}}"#,
            "[]",
            "null",
        ];
        for text in texts {
            let tree = parse_any(text.as_bytes(), &arena).expect("JSON");
            let ours = conform(&tree, ty, &arena, Strictness::Report);
            let theirs = decode(text.as_bytes(), ty, &arena, Strictness::Report);
            match (ours, theirs) {
                (Ok(ours), Ok(theirs)) => {
                    assert_eq!(ours.value, theirs.value, "{text}");
                    assert_eq!(ours.strict_errors, theirs.strict_errors, "{text}");
                    // What is canonical stays as it is.
                    let again = conform(&ours.value, ty, &arena, Strictness::Report);
                    let (mut a, mut b) = (Vec::new(), Vec::new());
                    encode_any(&again.expect("canonical").value, &mut a);
                    encode_any(&ours.value, &mut b);
                    assert_eq!(a, b, "{text}");
                }
                (Err(ours), Err(theirs)) => assert_eq!(ours.to_string(), theirs.to_string()),
                (ours, theirs) => panic!("{text}: {ours:?} {theirs:?}"),
            }
        }
    }

    #[test]
    fn empty_lists_and_maps_are_told_from_none_until_they_are_written() {
        let arena = Bump::new();
        let ty = deployment();
        let text = r#"{"metadata":{"name":"d","labels":{},"annotations":null,"finalizers":[]},
            "spec":{"template":{"spec":{"containers":[{"name":"c","ports":[]}]}}}}"#;
        let mut value =
            decode(text.as_bytes(), ty, &arena, Strictness::Report).expect("an object").value;
        let is_there = |value: &Value<'_>, path: &[&str]| value.at(path).is_some();
        assert!(is_there(&value, &["metadata", "labels"]));
        assert!(is_there(&value, &["metadata", "finalizers"]));
        assert!(!is_there(&value, &["metadata", "annotations"]));
        let containers = ["spec", "template", "spec", "containers"];
        assert!(is_there(&value.list_at(&containers)[0], &["ports"]));
        let mut told = Vec::new();
        encode(&value, ty, &mut told);
        omit(&mut value, ty);
        assert!(!is_there(&value, &["metadata", "labels"]));
        assert!(!is_there(&value.list_at(&containers)[0], &["ports"]));
        let mut omitted = Vec::new();
        encode(&value, ty, &mut omitted);
        assert_eq!(String::from_utf8_lossy(&told), String::from_utf8_lossy(&omitted));
        assert!(!String::from_utf8_lossy(&told).contains("labels"));
    }
}
