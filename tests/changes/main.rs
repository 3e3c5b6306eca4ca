//! Patches, field ownership and server-side apply on real types, against recorded conversations
//! with kube-apiserver where they are there (`KUBERING_ORACLE`, default `../shared/oracle`).
#![cfg(test)]

mod deployment;
mod recorded;

use bumpalo::Bump;
use kubering::catalog::Resource;
use kubering::codec::json::{self, Strictness};
use kubering::object::Value;
use kubering::object::schema::Type;
use kubering::registry::stored;

/// A JSON body, decoded by schema and with defaults.
fn decoded<'a>(arena: &'a Bump, resource: &Resource, text: &str) -> Value<'a> {
    let decoded = json::decode(text.as_bytes(), resource.ty, arena, Strictness::Ignore).unwrap();
    with_defaults(arena, resource, decoded.value)
}

/// A changed tree, decoded again and with defaults.
fn conformed<'a>(arena: &'a Bump, resource: &Resource, tree: &Value<'a>) -> Value<'a> {
    let decoded = json::conform(tree, resource.ty, arena, Strictness::Ignore).unwrap();
    with_defaults(arena, resource, decoded.value)
}

fn with_defaults<'a>(arena: &'a Bump, resource: &Resource, mut object: Value<'a>) -> Value<'a> {
    stored::fill_defaults(resource, &mut object, arena);
    object
}

/// The value as JSON that `serde_json` reads.
fn shown(value: &Value<'_>, ty: &'static Type) -> serde_json::Value {
    let mut text = Vec::new();
    json::encode(value, ty, &mut text);
    serde_json::from_slice(&text).unwrap()
}
