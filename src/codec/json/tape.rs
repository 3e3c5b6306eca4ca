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
pub enum Numbers<'s> {
    /// As Go prints the parsed number: the source was no JSON.
    Printed,
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
    static SPARE: RefCell<Option<(Buffers, Tape<'static>)>> = const { RefCell::new(None) };
}

/// Parses `source` and hands the tape to `then`. Strings on the tape live in `arena`.
pub(super) fn with_tape<'a, R>(
    source: &[u8],
    arena: &'a Bump,
    then: impl FnOnce(&[Node<'a>]) -> R,
) -> Result<R, SyntaxError> {
    let spare = SPARE.with(RefCell::take);
    let (mut buffers, tape) = spare.unwrap_or_else(|| {
        (Buffers::with_max_depth(source.len(), OBJECT_DEPTH_MAX), Tape(Vec::new()))
    });
    let mut tape: Tape<'a> = tape.reset();
    // simd-json unescapes strings in place and reads a few bytes beyond the end.
    let copy = arena.alloc_slice_fill_copy(source.len() + INPUT_PADDING, 0u8);
    if let Some(body) = copy.get_mut(..source.len()) {
        body.copy_from_slice(source);
    }
    let parsed = simd_json::fill_tape_padded(copy, source.len(), &mut buffers, &mut tape);
    let result = match parsed {
        Ok(()) if !tape.0.is_empty() => Ok(then(&tape.0)),
        Ok(()) | Err(_) => scan::tape(source, arena).map(|nodes| then(&nodes)),
    };
    SPARE.with(|spare| spare.replace(Some((buffers, tape.reset()))));
    result
}

/// True if `source` is JSON.
pub(crate) fn is_json(source: &[u8], arena: &Bump) -> bool {
    with_tape(source, arena, |_| ()).is_ok()
}

/// The position behind the value at `at`.
pub(super) fn behind(nodes: &[Node<'_>], at: usize) -> usize {
    match nodes.get(at) {
        Some(Node::Object { count, .. } | Node::Array { count, .. }) => at + count + 1,
        _ => at + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::with_tape;
    use bumpalo::Bump;

    #[test]
    fn buffers_are_used_again_whatever_happened_before() {
        let arena = Bump::new();
        for source in [&b"{\"a\":1}"[..], b"[", b"[[[]]]", b"", b"\"\\ud800\"", b"1"] {
            let nodes = with_tape(source, &arena, <[_]>::len);
            assert_eq!(nodes.is_ok(), !matches!(source, b"[" | b""), "{source:?}");
        }
    }
}
