//! Who owns which fields: the registry's side of `object::managed`.

/// Who writes.
#[derive(Debug, Clone, Copy)]
pub struct Manager<'m> {
    /// Manager name.
    pub name: &'m str,
    /// Apply or Update.
    pub operation: ManagerOperation,
    /// Version of the fields.
    pub api_version: &'m str,
    /// "" for the main resource.
    pub subresource: &'m str,
    /// RFC 3339.
    pub time: &'m str,
}

/// How a manager writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManagerOperation {
    /// Server-side apply.
    Apply,
    /// Everything else.
    Update,
}
