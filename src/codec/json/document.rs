//! A parsed body, of which no type is known yet.

use super::context::Place;
use super::decode::{Decoded, Decoder, Strictness, decode_nodes};
use super::error::DecodeError;
use super::peek::{TypeMeta, type_meta};
use super::scan::SyntaxError;
use super::tape::{self, Numbers};
use crate::object::Value;
use crate::object::schema::Type;
use bumpalo::Bump;
use simd_json::{Node, StaticNode, Tape};

/// A body that is JSON, or YAML made into it: parse once, then ask what it is, then decode it.
pub struct Document<'a, 's> {
    tape: Tape<'a>,
    numbers: Numbers<'s>,
    /// Nested deeper than what is decoded.
    deep: bool,
    /// Duplicate keys that the parser has seen itself.
    duplicates: Vec<String>,
}

impl std::fmt::Debug for Document<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Document").field("nodes", &self.tape.0.len()).finish_non_exhaustive()
    }
}

impl<'a, 's> Document<'a, 's> {
    /// Parses JSON; strings live in `arena`.
    ///
    /// # Errors
    /// With Go's text.
    pub fn parse(source: &'s [u8], arena: &'a Bump) -> Result<Self, SyntaxError> {
        let (tape, deep) = tape::parse(source, arena)?;
        Ok(Self { tape, numbers: Numbers::Source(source), deep, duplicates: Vec::new() })
    }

    /// A document of nodes that come from elsewhere, with its duplicate keys.
    pub(crate) fn of_nodes(nodes: Vec<Node<'a>>, duplicates: Vec<String>) -> Self {
        Self { tape: Tape(nodes), numbers: Numbers::Printed, deep: false, duplicates }
    }

    /// What the body says it is.
    ///
    /// # Errors
    /// What upstream puts after `couldn't get version/kind; json parse error: `.
    pub fn type_meta(&self) -> Result<TypeMeta<'a>, DecodeError> {
        type_meta(&self.tape.0)
    }

    /// Decodes the body as an object of type `ty`.
    ///
    /// # Errors
    /// As [`json::decode`](super::decode()).
    pub fn decode(
        &self,
        ty: &'static Type,
        arena: &'a Bump,
        strictness: Strictness,
    ) -> Result<Decoded<'a>, DecodeError> {
        self.bounded()?;
        let mut decoded = decode_nodes(&self.tape.0, self.numbers, ty, arena, strictness)?;
        self.add_duplicates(&mut decoded, strictness);
        Ok(decoded)
    }

    /// The body without a type; with duplicate keys if asked for.
    ///
    /// # Errors
    /// If it is nested too deep, or holds a number that no float64 can hold.
    pub fn decode_any(
        &self,
        arena: &'a Bump,
        strictness: Strictness,
    ) -> Result<Decoded<'a>, DecodeError> {
        self.bounded()?;
        self.finite()?;
        let mut decoder = Decoder::new(&self.tape.0, self.numbers, arena, strictness);
        let value = match strictness {
            Strictness::Ignore => decoder.any(),
            Strictness::Report => decoder.any_at(&Place::ROOT),
        };
        let mut decoded = Decoded { value, strict_errors: decoder.strict_errors };
        self.add_duplicates(&mut decoded, strictness);
        Ok(decoded)
    }

    /// The body without a type; of duplicate keys the last counts.
    ///
    /// # Errors
    /// As [`Document::decode_any`].
    pub fn any(&self, arena: &'a Bump) -> Result<Value<'a>, DecodeError> {
        Ok(self.decode_any(arena, Strictness::Ignore)?.value)
    }

    /// What is made of a document is walked by recursion everywhere: no deeper than the limit.
    fn bounded(&self) -> Result<(), SyntaxError> {
        if self.deep { Err(SyntaxError::Depth(b'{')) } else { Ok(()) }
    }

    /// Where no type says what a number is, Go reads it as a float64.
    fn finite(&self) -> Result<(), DecodeError> {
        let infinite =
            |node: &Node<'_>| matches!(node, Node::Static(StaticNode::F64(n)) if !n.is_finite());
        let Some(at) = self.tape.0.iter().position(infinite) else { return Ok(()) };
        let text = self.numbers.text(&self.tape.0, at);
        let value = format!("number {text}");
        Err(DecodeError::Type { value, field: None, expected: "float64".into() })
    }

    fn add_duplicates(&self, decoded: &mut Decoded<'a>, strictness: Strictness) {
        if strictness == Strictness::Report
            && let Some(text) = self.yaml_duplicates()
        {
            decoded.strict_errors.insert(0, text);
        }
    }

    /// What YAML's strict reader says of keys that stand twice.
    pub fn yaml_duplicates(&self) -> Option<String> {
        let lines = self.duplicates.join("\n");
        (!lines.is_empty()).then(|| format!("yaml: unmarshal errors:\n{lines}"))
    }
}

impl Drop for Document<'_, '_> {
    fn drop(&mut self) {
        tape::give_back(Tape(std::mem::take(&mut self.tape.0)));
    }
}
