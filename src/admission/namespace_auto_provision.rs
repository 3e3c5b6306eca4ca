//! NamespaceAutoProvision: what is made in a namespace that is not there makes the namespace.

use super::Reader;
use crate::request::{Attributes, Operation, Result};

/// Makes the namespace of a create.
///
/// # Errors
/// As those of reads and of the store.
pub(super) async fn admit(at: &Attributes<'_>, reader: &Reader) -> Result<()> {
    let namespaces = at.is("", "namespaces");
    if at.operation != Operation::Create || at.dry_run || at.namespace.is_empty() || namespaces {
        return Ok(());
    }
    if reader.fact("namespaces", "", at.namespace, |_| Present).await?.is_some() {
        return Ok(());
    }
    reader.create_namespace(at.namespace).await
}

/// It is there.
struct Present;
