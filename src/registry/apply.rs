//! Server-side apply as a change: the applied configuration merged into the live object, or made
//! the new one.

use super::body::{self, Expected};
use super::change::{self, Change};
use super::{meta, stored};
use crate::catalog::Resource;
use crate::codec::json;
use crate::object::Value;
use crate::object::apply::{self, ApplyError, LAST_APPLIED, Request};
use crate::object::managed::Writer;
use crate::request::{Context, Fault, FieldValidation, Result};
use bumpalo::Bump;

/// An apply request.
#[derive(Debug)]
pub struct ApplyChange<'b> {
    /// The configuration, decoded without schema.
    pub config: Value<'b>,
    /// What strict decoding says of keys that stand twice in it.
    pub twice: Option<String>,
    /// What it must be.
    pub expected: Expected,
    /// The resource applied to.
    pub resource: &'static Resource,
    /// The resource whose defaults are filled in afterwards; `None` for a Scale.
    pub defaults: Option<&'static Resource>,
    /// Who applies.
    pub writer: &'b Writer<'b>,
    /// Fields of others are taken over.
    pub force: bool,
    /// A missing object is made.
    pub creates: bool,
    /// What happens to unknown fields.
    pub validation: FieldValidation,
    /// Where warnings go.
    pub context: &'b Context,
    /// Name of the URL.
    pub name: &'b str,
    /// Namespace of the URL; "" if none.
    pub namespace: &'b str,
}

impl ApplyChange<'_> {
    fn merge<'a>(&self, live: Option<&Value<'a>>, arena: &'a Bump) -> Result<Value<'a>> {
        let config = self.config.copy_in(arena);
        let last_applied = live
            .filter(|_| self.writer.manager == "kubectl")
            .and_then(|live| live.at(&["metadata", "annotations", LAST_APPLIED])?.as_str())
            .and_then(|text| json::parse_any(text.as_bytes(), arena).ok());
        let request = Request {
            writer: self.writer,
            kind: self.expected.kind,
            force: self.force,
            last_applied: last_applied.as_ref(),
        };
        let ty = Some(self.expected.ty);
        let live = live.map(|live| {
            let mut live = live.share_in(arena);
            json::raw::expand(&mut live, self.expected.ty, arena);
            live
        });
        let merged = apply::apply(arena, ty, live.as_ref(), &config, &request).map_err(
            |error| match error {
                ApplyError::BadRequest(text) => Fault::BadRequest(text),
                ApplyError::Conflict { message, causes } => {
                    Fault::ApplyConflict { message, causes }
                }
                ApplyError::Plain(text) => Fault::Plain(text),
            },
        )?;
        let (validation, context) = (self.validation, self.context);
        body::check_twice(validation, context, self.twice.as_deref())?;
        // Upstream decodes nothing of what it merges into a custom resource.
        let merged_custom = self.expected.ty.structural.is_some();
        let validation = if merged_custom { FieldValidation::Ignore } else { validation };
        let mut new =
            body::conform(self.expected.ty, validation, context, Vec::new(), &merged, arena)?;
        json::raw::sort(&mut new, self.expected.ty, arena);
        change::keep_namespace(&mut new, self.namespace, arena)?;
        change::check_name(meta::name(&new), self.name)?;
        if let Some(resource) = self.defaults {
            stored::fill_merged(resource, &mut new, arena);
        }
        Ok(new)
    }
}

impl Change for ApplyChange<'_> {
    fn apply<'a>(&self, old: &Value<'a>, arena: &'a Bump) -> Result<Value<'a>> {
        self.merge(Some(old), arena)
    }

    fn create<'a>(&self, arena: &'a Bump) -> Option<Result<Value<'a>>> {
        self.creates.then(|| {
            let uid = meta::uid(&self.config);
            if !uid.is_empty() {
                let message = format!(
                    "uid mismatch: the provided object specified uid {uid}, and no existing object \
                     was found"
                );
                let subject = stored::subject(self.resource, self.name);
                return Err(Fault::Conflict { subject, message });
            }
            self.merge(None, arena)
        })
    }

    fn owns_managed_fields(&self) -> bool {
        true
    }
}
