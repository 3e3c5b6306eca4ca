//! What a junctor mentions must be declared outside of it (`apiserver/schema/complete.go`).

use super::shape::properties;
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::Read as _;
use crate::registry::validation::{Errors, Report as _};

/// Checks the junctors of the root: upstream does not look at those of the nodes below.
pub(super) fn completeness(schema: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    junctors(schema, Some(schema), path, path, errors);
}

/// `declared` and `place` are the structural node, `from` is where the junctors stand.
fn junctors(
    schema: &Value<'_>,
    declared: Option<&Value<'_>>,
    place: &Path<'_>,
    from: &Path<'_>,
    errors: &mut Errors,
) {
    if let Some(not) = schema.get("not") {
        mentioned(not, declared, place, &from.child("not"), errors);
    }
    for name in ["allOf", "anyOf", "oneOf"] {
        let from = from.child(name);
        for (at, below) in schema.items(name).iter().enumerate() {
            mentioned(below, declared, place, &from.index(at), errors);
        }
    }
}

fn mentioned(
    schema: &Value<'_>,
    declared: Option<&Value<'_>>,
    place: &Path<'_>,
    from: &Path<'_>,
    errors: &mut Errors,
) {
    let Some(node) = declared else {
        errors.required(place, &format!("because it is defined in {from}"));
        return;
    };
    junctors(schema, declared, place, from, errors);
    if let Some(items) = schema.get("items") {
        let (place, from) = (place.child("items"), from.child("items"));
        mentioned(items, node.get("items"), &place, &from, errors);
    }
    for (name, property) in properties(schema) {
        let (place, from) = (place.child("properties"), from.child("properties"));
        let (place, from) = (place.key(name), from.key(name));
        match node.get("properties").and_then(|all| all.get(name)) {
            Some(declared) => mentioned(property, Some(declared), &place, &from, errors),
            None => {
                let additional = node.get("additionalProperties");
                if additional.is_none_or(|schema| schema.as_map().is_none()) {
                    errors.required(&place, &format!("because it is defined in {from}"));
                }
            }
        }
    }
}
