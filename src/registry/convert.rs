//! Conversion between the served versions of one kind.

use crate::object::Value;
use bumpalo::Bump;

/// Converts.
///
/// # Errors
/// If there is no conversion.
pub fn convert<'a>(
    object: Value<'a>,
    from: (&str, &str),
    to: (&str, &str),
    arena: &'a Bump,
) -> Result<Value<'a>, String> {
    let _ = (&object, arena);
    Err(format!("no conversion from {}/{} to {}/{}", from.0, from.1, to.0, to.1))
}
