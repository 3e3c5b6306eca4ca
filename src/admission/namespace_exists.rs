//! NamespaceExists: everything is refused in a namespace that is not there, deletion too.

use super::Reader;
use crate::request::{Attributes, Fault, Result, Subject};
use bumpalo::Bump;

/// Judges by the namespace of the request.
///
/// # Errors
/// 404 for a missing one.
pub(super) async fn validate(at: &Attributes<'_>, reader: &Reader) -> Result<()> {
    if at.namespace.is_empty() || at.is("", "namespaces") {
        return Ok(());
    }
    let arena = Bump::new();
    if reader.get("", "namespaces", "", at.namespace, &arena).await?.is_some() {
        return Ok(());
    }
    let (resource, name) = ("namespaces".into(), at.namespace.into());
    Err(Fault::NotFound(Subject { resource, name, ..Subject::default() }))
}
