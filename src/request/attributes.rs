//! What admission and the registry know of a write beside the object itself
//! (`admission.Attributes`).

use super::Context;
use crate::catalog::Resource;

/// What a write does to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A streaming subresource is opened.
    Connect,
    /// The object is made.
    Create,
    /// The object is removed or marked.
    Delete,
    /// The object is changed.
    Update,
}

/// One write.
#[derive(Debug, Clone, Copy)]
pub struct Attributes<'r> {
    /// The resource of the URL.
    pub resource: &'static Resource,
    /// The subresource of the URL; "" if none.
    pub subresource: &'r str,
    /// The namespace; "" for cluster-scoped resources.
    pub namespace: &'r str,
    /// The object's name; "" while it is not known.
    pub name: &'r str,
    /// What is done.
    pub operation: Operation,
    /// An update found nothing, and makes the object.
    pub by_update: bool,
    /// Nothing will be stored.
    pub dry_run: bool,
    /// Who asks.
    pub context: &'r Context,
}

impl Attributes<'_> {
    /// True for writes to `resource` of `group` itself, not to a subresource.
    pub fn is(&self, group: &str, resource: &str) -> bool {
        self.resource.group == group
            && self.resource.name == resource
            && self.subresource.is_empty()
    }
}
