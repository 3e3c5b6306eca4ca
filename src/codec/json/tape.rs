//! From text to tape: a flat list of nodes that every decoder reads. JSON comes by way of
//! simd-json, or of the slow scanner where simd-json refuses; YAML builds its tape itself.

use super::scan::{self, SyntaxError};
use crate::base::limits::OBJECT_DEPTH_MAX;
use bumpalo::Bump;
use simd_json::{Buffers, INPUT_PADDING, Node, StaticNode, Tape};
use std::borrow::Cow;
use std::cell::RefCell;

/// Where the exact text of a number can be had.
#[derive(Debug, Clone, Copy)]
pub(super) enum Numbers<'s> {
    /// As Go prints the parsed number: the source was no JSON.
    Printed,
    /// The same; the source was an object.
    Tree,
    /// In this JSON text.
    Source(&'s [u8]),
}

impl<'s> Numbers<'s> {
    /// The text of the number that is node `at`.
    pub(super) fn text(self, nodes: &[Node<'_>], at: usize) -> Cow<'s, str> {
        if let Self::Source(source) = self
            && let Some(text) = scan::number_text(source, at)
        {
            return Cow::Borrowed(text);
        }
        Cow::Owned(match nodes.get(at) {
            Some(Node::Static(StaticNode::I64(n))) => n.to_string(),
            Some(Node::Static(StaticNode::U64(n))) => n.to_string(),
            Some(Node::Static(StaticNode::F64(n))) => {
                let mut out = Vec::new();
                super::write::float(*n, &mut out);
                String::from_utf8(out).unwrap_or_default()
            }
            _ => String::new(),
        })
    }
}

thread_local! {
    static SPARE: RefCell<Spare> = const { RefCell::new(Spare { buffers: None, tape: None }) };
}

/// What one parse leaves for the next one on the thread.
#[derive(Default)]
struct Spare {
    buffers: Option<Buffers>,
    tape: Option<Tape<'static>>,
}

/// Tapes larger than this are not kept.
const KEPT_NODES_MAX: usize = 64 * 1024;

/// Parses `source`. Strings on the tape live in `arena`. The tape has at least one node. True if it
/// is nested deeper than what is decoded.
pub(super) fn parse<'a>(source: &[u8], arena: &'a Bump) -> Result<(Tape<'a>, bool), SyntaxError> {
    let spare = SPARE.with(RefCell::take);
    let mut buffers =
        spare.buffers.unwrap_or_else(|| Buffers::with_max_depth(source.len(), OBJECT_DEPTH_MAX));
    let mut tape: Tape<'a> = spare.tape.unwrap_or_else(|| Tape(Vec::new())).reset();
    // simd-json unescapes strings in place and reads a few bytes beyond the end.
    let copy = arena.alloc_slice_fill_copy(source.len() + INPUT_PADDING, 0u8);
    if let Some(body) = copy.get_mut(..source.len()) {
        body.copy_from_slice(source);
    }
    let parsed = simd_json::fill_tape_padded(copy, source.len(), &mut buffers, &mut tape);
    SPARE.with_borrow_mut(|spare| spare.buffers = Some(buffers));
    match parsed {
        Ok(()) if !tape.0.is_empty() => Ok((tape, false)),
        Ok(()) | Err(_) => {
            give_back(tape);
            scan::tape(source, arena).map(|(nodes, deep)| (Tape(nodes), deep))
        }
    }
}

/// Keeps a tape's memory for the next parse on this thread.
pub(super) fn give_back(tape: Tape<'_>) {
    if tape.0.capacity() > 0 && tape.0.capacity() <= KEPT_NODES_MAX {
        // The thread may be ending; then there is nothing to keep it for.
        let _ = SPARE.try_with(|spare| {
            if let Ok(mut spare) = spare.try_borrow_mut() {
                spare.tape = Some(tape.reset());
            }
        });
    }
}

/// True if `source` is JSON.
pub(crate) fn is_json(source: &[u8], arena: &Bump) -> bool {
    parse(source, arena).map(|(tape, _)| give_back(tape)).is_ok()
}

/// The position behind the value at `at`.
pub(super) fn behind(nodes: &[Node<'_>], at: usize) -> usize {
    match nodes.get(at) {
        Some(Node::Object { count, .. } | Node::Array { count, .. }) => at + count + 1,
        _ => at + 1,
    }
}

/// The value at `at` as compact JSON text.
pub(super) fn text<'a>(nodes: &[Node<'_>], at: usize, arena: &'a Bump) -> &'a str {
    let end = behind(nodes, at);
    let mut out = Vec::with_capacity((end - at) * 16);
    // Open arrays and objects: how many values are still to come, and of which kind they are.
    let mut open: Vec<(usize, u8)> = Vec::new();
    let mut key = false;
    for node in nodes.get(at..end).unwrap_or(&[]) {
        match node {
            Node::String(text) => super::write::string(text, &mut out),
            Node::Static(StaticNode::Null) => out.extend_from_slice(b"null"),
            Node::Static(StaticNode::Bool(true)) => out.extend_from_slice(b"true"),
            Node::Static(StaticNode::Bool(false)) => out.extend_from_slice(b"false"),
            Node::Static(StaticNode::I64(n)) => super::write::int(*n, &mut out),
            Node::Static(StaticNode::U64(n)) => {
                out.extend_from_slice(itoa::Buffer::new().format(*n).as_bytes());
            }
            Node::Static(StaticNode::F64(n)) => super::write::float(*n, &mut out),
            Node::Array { len, .. } if *len > 0 => {
                out.push(b'[');
                open.push((*len, b']'));
                key = false;
                continue;
            }
            Node::Object { len, .. } if *len > 0 => {
                out.push(b'{');
                open.push((*len, b'}'));
                key = true;
                continue;
            }
            Node::Array { .. } => out.extend_from_slice(b"[]"),
            Node::Object { .. } => out.extend_from_slice(b"{}"),
        }
        if std::mem::replace(&mut key, false) {
            out.push(b':');
            continue;
        }
        // A value has ended, and with it all that it was the last one of.
        while let Some((left, close)) = open.last_mut() {
            *left -= 1;
            if *left > 0 {
                out.push(b',');
                key = *close == b'}';
                break;
            }
            out.push(*close);
            open.pop();
        }
    }
    // Writers make UTF-8 of UTF-8.
    arena.alloc_str(std::str::from_utf8(&out).unwrap_or("null"))
}

#[cfg(test)]
mod tests {
    use super::{give_back, parse, text};
    use bumpalo::Bump;

    #[test]
    fn tapes_print_as_they_were_read() {
        let arena = Bump::new();
        for source in ["{}", r#"{"a":[1,-2,{"b":{}},[],[[0]]],"c":"\"x","d":null,"e":1.5}"#, "true"]
        {
            let (tape, _) = parse(source.as_bytes(), &arena).unwrap();
            assert_eq!(text(&tape.0, 0, &arena), source);
        }
    }

    #[test]
    fn buffers_are_used_again_whatever_happened_before() {
        let arena = Bump::new();
        for source in [&b"{\"a\":1}"[..], b"[", b"[[[]]]", b"", b"\"\\ud800\"", b"1"] {
            let tape = parse(source, &arena);
            assert_eq!(tape.is_ok(), !matches!(source, b"[" | b""), "{source:?}");
            let _ = tape.map(|(tape, _)| give_back(tape));
        }
    }
}
