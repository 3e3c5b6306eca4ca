//! Scalars from the tape, each in its canonical form.

use super::context::Place;
use super::decode::{Decoder, Decoding};
use super::error::DecodeError;
use super::scan;
use super::tape;
use super::tape::Numbers;
use crate::base::duration;
use crate::codec::scalar::time::{self, Layout};
use crate::codec::scalar::{Quantity, QuantityError, ScalarError, base64_normalize};
use crate::object::Value;
use crate::object::schema::Scalar;
use simd_json::{Node, StaticNode};
use std::borrow::Cow;

impl<'a> Decoder<'a, '_> {
    /// Reads a scalar; none for null and for a value of the wrong type.
    pub(super) fn scalar(&mut self, scalar: Scalar, place: &Place<'_>) -> Decoding<Value<'a>> {
        if scalar != Scalar::Json && self.null() {
            return Ok(None);
        }
        let value = match (scalar, self.node()) {
            (Scalar::Bool, Node::Static(StaticNode::Bool(value))) => Value::Bool(value),
            (Scalar::String, Node::String(text)) => Value::Str(text),
            (Scalar::Int32, Node::Static(node)) => match integer(node) {
                Some(n) if i32::try_from(n).is_ok() => Value::Int(n),
                _ => return self.wrong(scalar, place),
            },
            (Scalar::Int64, Node::Static(node)) => match integer(node) {
                Some(n) => Value::Int(n),
                None => return self.wrong(scalar, place),
            },
            (Scalar::Float64, Node::Static(node)) => match float(node) {
                Some(n) => Value::Float(n),
                None => return self.wrong(scalar, place),
            },
            (Scalar::Bytes, Node::String(text)) => return Ok(self.bytes(text)),
            (Scalar::Quantity, _) => return self.quantity(false).map(Some),
            (Scalar::Time, _) => return self.time(Layout::Seconds, place).map(Some),
            (Scalar::MicroTime, _) => return self.time(Layout::Micro, place).map(Some),
            (Scalar::Duration, _) => return self.duration(place).map(Some),
            (Scalar::IntOrString, _) => return self.int_or_string(place).map(Some),
            (Scalar::RawExtension, Node::Object { .. }) => return Ok(Some(self.raw_object())),
            (Scalar::Json | Scalar::RawExtension, _) => return Ok(Some(self.any())),
            (Scalar::FieldsV1, _) => {
                let text = tape::text(self.nodes, self.at, self.arena);
                self.skip();
                return Ok(Some(Value::Raw(text)));
            }
            (Scalar::Bool | Scalar::Bytes | Scalar::Float64 | Scalar::Int32, _)
            | (Scalar::Int64 | Scalar::String, _) => return self.wrong(scalar, place),
        };
        self.at += 1;
        Ok(Some(value))
    }

    /// An object that is kept as it was sent (`RawExtension.UnmarshalJSON`): its text stays, and
    /// one that has none gets it as Go would write it.
    fn raw_object(&mut self) -> Value<'a> {
        if let Numbers::Source(source) = self.numbers
            && let Some(text) = scan::object_text(source, self.at)
        {
            self.skip();
            return Value::Raw(self.arena.alloc_str(text));
        }
        let is_tree = matches!(self.numbers, Numbers::Tree);
        let tree = self.any();
        super::raw::text_of(&tree, !is_tree, self.arena)
    }

    fn wrong(&mut self, scalar: Scalar, place: &Place<'_>) -> Decoding<Value<'a>> {
        self.mismatch(place, place.scalar_type(scalar));
        Ok(None)
    }

    /// Text into the arena, unless it stands there already.
    fn keep(&self, text: Cow<'a, str>) -> Value<'a> {
        Value::Str(match text {
            Cow::Borrowed(text) => text,
            Cow::Owned(text) => self.arena.alloc_str(&text),
        })
    }

    fn bytes(&mut self, text: &'a str) -> Option<Value<'a>> {
        self.at += 1;
        match base64_normalize(text) {
            Ok(text) => Some(self.keep(text)),
            Err(error) => {
                self.mismatch.get_or_insert(error.into());
                None
            }
        }
    }

    /// A quantity of a `core/v1 ResourceList`.
    pub(super) fn resource_quantity(&mut self) -> Result<Value<'a>, DecodeError> {
        self.quantity(true)
    }

    fn quantity(&mut self, rounded: bool) -> Result<Value<'a>, DecodeError> {
        let source: Cow<'a, str> = match self.node() {
            Node::String(text) => Cow::Borrowed(text),
            Node::Static(StaticNode::Null) => Cow::Borrowed("0"),
            Node::Static(StaticNode::Bool(_)) | Node::Array { .. } | Node::Object { .. } => {
                return Err(ScalarError::Quantity(QuantityError::Format).into());
            }
            Node::Static(_) => {
                let text = self.numbers.text(self.nodes, self.at);
                Cow::Borrowed(self.arena.alloc_str(&text))
            }
        };
        self.at += 1;
        let mut quantity = Quantity::parse(&source).map_err(ScalarError::Quantity)?;
        if rounded {
            quantity = quantity.round_up_milli();
        }
        Ok(match source {
            Cow::Borrowed(source) => self.keep(quantity.kept(source)),
            Cow::Owned(source) => self.keep(Cow::Owned(quantity.kept(&source).into_owned())),
        })
    }

    /// The string that stands here, for scalars whose Go decoder reads one first.
    fn text(&mut self, place: &Place<'_>) -> Result<&'a str, DecodeError> {
        match self.node() {
            Node::String(text) => {
                self.at += 1;
                Ok(text)
            }
            Node::Array { .. } | Node::Object { .. } | Node::Static(_) => {
                Err(self.type_error(place, "string".to_owned(), false))
            }
        }
    }

    fn time(&mut self, layout: Layout, place: &Place<'_>) -> Result<Value<'a>, DecodeError> {
        let source = self.text(place)?;
        let instant = time::parse(source, layout).map_err(ScalarError::Time)?;
        if time::is_canonical(source, layout) {
            return Ok(Value::Str(source));
        }
        Ok(Value::Str(self.arena.alloc_str(time::Text::new(instant, layout).as_str())))
    }

    fn duration(&mut self, place: &Place<'_>) -> Result<Value<'a>, DecodeError> {
        let source = self.text(place)?;
        let nanos = duration::parse(source).map_err(ScalarError::Duration)?;
        let text = duration::text(nanos);
        Ok(self.keep(if text == source { Cow::Borrowed(source) } else { Cow::Owned(text) }))
    }

    fn int_or_string(&mut self, place: &Place<'_>) -> Result<Value<'a>, DecodeError> {
        let value = match self.node() {
            Node::String(text) => Value::Str(text),
            Node::Static(node) => match integer(node).filter(|n| i32::try_from(*n).is_ok()) {
                Some(n) => Value::Int(n),
                None => return Err(self.type_error(place, "int32".to_owned(), true)),
            },
            Node::Array { .. } | Node::Object { .. } => {
                return Err(self.type_error(place, "int32".to_owned(), true));
            }
        };
        self.at += 1;
        Ok(value)
    }
}

/// The integer that a number without fraction or exponent is.
fn integer(node: StaticNode) -> Option<i64> {
    match node {
        StaticNode::I64(n) => Some(n),
        StaticNode::U64(n) => i64::try_from(n).ok(),
        StaticNode::Bool(_) | StaticNode::F64(_) | StaticNode::Null => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "Go parses the digits as a float as well")]
fn float(node: StaticNode) -> Option<f64> {
    match node {
        StaticNode::I64(n) => Some(n as f64),
        StaticNode::U64(n) => Some(n as f64),
        StaticNode::F64(n) if n.is_finite() => Some(n),
        StaticNode::Bool(_) | StaticNode::F64(_) | StaticNode::Null => None,
    }
}
