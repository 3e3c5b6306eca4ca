//! `apiVersion` and `kind` of a body, before anything else is known of it.

use super::document::Document;
use super::error::DecodeError;
use super::tape::behind;
use bumpalo::Bump;
use simd_json::{Node, StaticNode};

/// What a body says it is; "" where it says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TypeMeta<'a> {
    /// `apiVersion`.
    pub api_version: &'a str,
    /// `kind`.
    pub kind: &'a str,
}

/// Reads `apiVersion` and `kind` of a JSON body (`SimpleMetaFactory.Interpret`).
///
/// # Errors
/// What upstream puts after `couldn't get version/kind; json parse error: `.
pub fn peek_type_meta<'a>(source: &[u8], arena: &'a Bump) -> Result<TypeMeta<'a>, DecodeError> {
    Document::parse(source, arena)?.type_meta()
}

/// The same of a tape.
pub(super) fn type_meta<'a>(nodes: &[Node<'a>]) -> Result<TypeMeta<'a>, DecodeError> {
    const GO_TYPE: &str = "struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; \
                           Kind string \"json:\\\"kind,omitempty\\\"\" }";
    let mismatch = |value: &str| DecodeError::Type {
        value: value.to_owned(),
        field: None,
        expected: GO_TYPE.to_owned(),
    };
    let len = match nodes.first() {
        Some(Node::Object { len, .. }) => *len,
        Some(Node::Array { .. }) => return Err(mismatch("array")),
        Some(Node::String(_)) => return Err(mismatch("string")),
        Some(Node::Static(StaticNode::Bool(_))) => return Err(mismatch("bool")),
        Some(Node::Static(StaticNode::Null)) | None => 0,
        Some(Node::Static(_)) => return Err(mismatch("number")),
    };
    let mut meta = TypeMeta::default();
    let mut at = 1;
    for _ in 0..len {
        let key = nodes.get(at);
        let slot = match key {
            Some(Node::String(key)) if key.eq_ignore_ascii_case("apiVersion") => {
                Some((&mut meta.api_version, ".apiVersion"))
            }
            Some(Node::String(key)) if key.eq_ignore_ascii_case("kind") => {
                Some((&mut meta.kind, ".kind"))
            }
            _ => None,
        };
        at += 1;
        if let Some((slot, name)) = slot {
            let value = match nodes.get(at) {
                Some(Node::String(text)) => {
                    *slot = text;
                    None
                }
                Some(Node::Static(StaticNode::Null)) | None => None,
                Some(Node::Static(StaticNode::Bool(_))) => Some("bool"),
                Some(Node::Static(_)) => Some("number"),
                Some(Node::Array { .. }) => Some("array"),
                Some(Node::Object { .. }) => Some("object"),
            };
            if let Some(value) = value {
                return Err(DecodeError::Type {
                    value: value.to_owned(),
                    field: Some(("", name.trim_start_matches('.').to_owned())),
                    expected: "string".to_owned(),
                });
            }
        }
        at = behind(nodes, at);
    }
    Ok(meta)
}
