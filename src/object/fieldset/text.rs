//! Field sets as `FieldsV1` text, read and written in upstream's order
//! (`fieldpath.Set.ToJSONStream`, `FromJSON`).

use crate::base::limits::OBJECT_DEPTH_MAX;
use crate::object::fieldset::{Atom, Element, FieldSet, Node};
use crate::object::json_text::{self, BadJson, Reader};
use bumpalo::Bump;
use std::fmt::Write as _;

impl<'a> FieldSet<'a> {
    /// Reads `FieldsV1` text. Steps of kinds that are not known are dropped, as upstream does.
    pub fn parse(text: &'a str, arena: &'a Bump) -> Result<Self, BadJson> {
        let mut reader = Reader::new(text, arena);
        let (set, _) = read(&mut reader, &mut Vec::new(), arena, 0)?;
        reader.end()?;
        Ok(set)
    }

    /// Appends the `FieldsV1` text.
    pub fn push_json(self, out: &mut String) {
        let mut step = String::new();
        push_nodes(self, false, out, &mut step);
    }
}

/// The set of one JSON object, and whether the path to it is itself in the set. `stack` holds the
/// nodes of the objects that are open.
fn read<'a>(
    reader: &mut Reader<'a>,
    stack: &mut Vec<Node<'a>>,
    arena: &'a Bump,
    depth: usize,
) -> Result<(FieldSet<'a>, bool), BadJson> {
    if depth > OBJECT_DEPTH_MAX {
        return Err(BadJson);
    }
    if reader.word("null") {
        return Ok((FieldSet::EMPTY, true));
    }
    reader.expect(b'{')?;
    if reader.eat(b'}') {
        return Ok((FieldSet::EMPTY, true));
    }
    let start = stack.len();
    let mut member = false;
    loop {
        let key = reader.string_after_space()?;
        reader.expect(b':')?;
        if key == "." {
            member = true;
            reader.value(depth + 1)?;
        } else if let Some(element) = element(key, arena)? {
            let (children, member) = read(reader, stack, arena, depth + 1)?;
            stack.push(Node { element, member, children });
        } else {
            reader.value(depth + 1)?;
        }
        if !reader.eat(b',') {
            reader.expect(b'}')?;
            break;
        }
    }
    let nodes = stack.get(start..).unwrap_or_default();
    let member = member || nodes.is_empty();
    let set = if nodes.is_sorted_by(|a, b| a.element < b.element) {
        FieldSet::of_sorted(arena.alloc_slice_copy(nodes))
    } else {
        joined(nodes.to_vec(), arena)
    };
    stack.truncate(start);
    Ok((set, member))
}

/// The set of nodes in any order; repeated elements are one.
fn joined<'a>(mut nodes: Vec<Node<'a>>, arena: &'a Bump) -> FieldSet<'a> {
    nodes.sort_by_key(|node| node.element);
    nodes.dedup_by(|later, first| {
        let same = later.element == first.element;
        if same {
            first.member |= later.member;
            first.children = first.children.union(later.children, arena);
        }
        same
    });
    FieldSet::from_nodes(nodes, arena)
}

/// Reads a step; `None` if its kind is not known.
fn element<'a>(text: &'a str, arena: &'a Bump) -> Result<Option<Element<'a>>, BadJson> {
    let (kind, rest) = text.split_at_checked(2).ok_or(BadJson)?;
    Ok(Some(match kind {
        "f:" => Element::Field(rest),
        "i:" => Element::Index(rest.parse().map_err(|_| BadJson)?),
        "v:" => {
            let mut reader = Reader::new(rest, arena);
            let atom = atom(&mut reader)?;
            reader.end()?;
            Element::Value(atom)
        }
        "k:" => {
            let mut reader = Reader::new(rest, arena);
            let mut fields = Vec::new();
            reader.expect(b'{')?;
            if !reader.eat(b'}') {
                loop {
                    let name = reader.string_after_space()?;
                    reader.expect(b':')?;
                    fields.push((name, atom(&mut reader)?));
                    if !reader.eat(b',') {
                        reader.expect(b'}')?;
                        break;
                    }
                }
            }
            reader.end()?;
            fields.sort_by_key(|(name, _)| *name);
            Element::Key(arena.alloc_slice_copy(&fields))
        }
        _ if kind.ends_with(':') => return Ok(None),
        _ => return Err(BadJson),
    }))
}

fn atom<'a>(reader: &mut Reader<'a>) -> Result<Atom<'a>, BadJson> {
    let before = reader.rest();
    let value = reader.value(0)?;
    let taken = before.len() - reader.rest().len();
    let text = before.get(..taken).unwrap_or("").trim();
    Ok(Atom::of(&value).unwrap_or(Atom::Json(text)))
}

fn push_nodes(set: FieldSet<'_>, member: bool, out: &mut String, step: &mut String) {
    if set.is_empty() {
        out.push_str("{}");
        return;
    }
    let mut lead = '{';
    if member {
        out.push_str("{\".\":{}");
        lead = ',';
    }
    for node in set.nodes() {
        out.push(lead);
        lead = ',';
        match node.element {
            // Names are mostly plain, and need no second pass for escapes.
            Element::Field(name) if is_plain(name) => {
                out.push_str("\"f:");
                out.push_str(name);
                out.push_str("\":");
            }
            element => {
                step.clear();
                push_element(element, step);
                json_text::push_string(out, step, false);
                out.push(':');
            }
        }
        push_nodes(node.children, node.member, out, step);
    }
    out.push('}');
}

/// True if JSON shows `name` as it is. Without branches, so that it compiles to vector compares.
fn is_plain(name: &str) -> bool {
    name.bytes().fold(true, |plain, byte| plain & (byte >= 0x20) & (byte != b'"') & (byte != b'\\'))
}

fn push_element(element: Element<'_>, out: &mut String) {
    match element {
        Element::Field(name) => {
            out.push_str("f:");
            out.push_str(name);
        }
        Element::Key(fields) => {
            out.push_str("k:{");
            for (at, (name, value)) in fields.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                json_text::push_string(out, name, false);
                out.push(':');
                value.push_json(out);
            }
            out.push('}');
        }
        Element::Value(value) => {
            out.push_str("v:");
            value.push_json(out);
        }
        Element::Index(at) => {
            let _ = write!(out, "i:{at}");
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::object::fieldset::FieldSet;
    use crate::object::json_text::BadJson;
    use bumpalo::Bump;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    fn rewritten(text: &str) -> Result<String, BadJson> {
        let arena = Bump::new();
        let text = arena.alloc_str(text);
        let mut out = String::new();
        FieldSet::parse(text, &arena)?.push_json(&mut out);
        Ok(out)
    }

    #[test]
    fn what_upstream_writes_comes_out_as_it_went_in() {
        let texts = [
            "{}",
            r#"{"f:data":{".":{},"f:a":{}},"f:metadata":{"f:labels":{"f:l":{}}}}"#,
            r#"{"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:port":{}}}}"#,
            r#"{"f:finalizers":{"v:\"a.b/1\"":{},"v:\"a.b/2\"":{}},"f:l":{"i:0":{},"i:10":{}}}"#,
            r#"{"f:a\"b\\":{},"k:{\"n\":\"\\u003c\"}":{},"v:1.5":{},"v:true":{},"v:null":{}}"#,
        ];
        for text in texts {
            assert_eq!(rewritten(text).as_deref(), Ok(text));
        }
    }

    #[test]
    fn other_texts_are_brought_into_upstreams_order() {
        let cases = [
            (r#"{ "f:b": {}, "f:a": {".": {}} }"#, r#"{"f:a":{},"f:b":{}}"#),
            (r#"{"v:2":{},"v:10":{},"f:x":{}}"#, r#"{"f:x":{},"v:2":{},"v:10":{}}"#),
            (r#"{"k:{\"b\":1.0,\"a\":2}":{}}"#, r#"{"k:{\"a\":2,\"b\":1}":{}}"#),
            (r#"{"f:a":{"f:x":{}},"f:a":{"f:y":{}}}"#, r#"{"f:a":{"f:x":{},"f:y":{}}}"#),
            (r#"{"z:new":{},"f:a":null}"#, r#"{"f:a":{}}"#),
        ];
        for (text, expected) in cases {
            assert_eq!(rewritten(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn bad_texts_are_refused() {
        for text in
            ["", "[]", "1", "{\"f\":{}}", "{\"fa\":{}}", "{\"i:x\":{}}", "{\"f:a\":1}", "{}x"]
        {
            assert_eq!(rewritten(text), Err(BadJson), "{text}");
        }
        assert_eq!(rewritten(&"{\"f:a\":".repeat(5_000)), Err(BadJson));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in any::<String>()) {
            let _ = rewritten(&text);
        }

        #[test]
        fn writing_is_stable(
            text in r#"\{("[fvi]:[a-c0-9:]{0,4}":\{\},){0,3}"f:a":\{"v:1":\{\}\}\}"#,
        ) {
            if let Ok(once) = rewritten(&text) {
                prop_assert_eq!(rewritten(&once), Ok(once));
            }
        }
    }
}
