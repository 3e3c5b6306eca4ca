//! Where the new object of an update comes from: a PUT body, a patch, a scale, a namespace's
//! finalizers.

use super::other_kind::other_kind;
use super::{body, meta, stored};
use crate::catalog::{Resource, catalog};
use crate::codec::json;
use crate::object::managed::{self, Writer};
use crate::object::schema::Type;
use crate::object::{Map, Value};
use crate::request::{Context, Fault, FieldValidation, Result};
use bumpalo::Bump;

/// Builds the new object of an update. Called again for every attempt of the loop.
pub trait Change {
    /// The new object, in the version of the URL and defaulted; `old` is in that version.
    ///
    /// # Errors
    /// Whatever makes the change impossible.
    fn apply<'a>(&self, old: &Value<'a>, arena: &'a Bump) -> Result<Value<'a>>;

    /// The object of an update that may create; `None` if this one may not.
    fn create<'a>(&self, arena: &'a Bump) -> Option<Result<Value<'a>>> {
        let _ = arena;
        None
    }

    /// The client sent the whole object (PUT): a uid in it is a precondition, not a change.
    fn is_whole(&self) -> bool {
        false
    }

    /// The managed fields come from the change itself (server-side apply).
    fn owns_managed_fields(&self) -> bool {
        false
    }
}

/// PUT: the body is the new object.
#[derive(Debug)]
pub struct Replace<'b> {
    /// The decoded, defaulted body.
    pub object: Value<'b>,
    /// A missing object is created.
    pub creates: bool,
}

impl Change for Replace<'_> {
    fn apply<'a>(&self, _: &Value<'a>, arena: &'a Bump) -> Result<Value<'a>> {
        Ok(self.object.copy_in(arena))
    }

    fn create<'a>(&self, arena: &'a Bump) -> Option<Result<Value<'a>>> {
        self.creates.then(|| Ok(self.object.copy_in(arena)))
    }

    fn is_whole(&self) -> bool {
        true
    }
}

/// Which patch a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchKind {
    /// `application/apply-patch+yaml`.
    Apply,
    /// `application/json-patch+json`.
    Json,
    /// `application/merge-patch+json`.
    Merge,
    /// `application/strategic-merge-patch+json`.
    Strategic,
}

/// PUT of `namespaces/finalize`: only `spec.finalizers` is taken.
#[derive(Debug)]
pub struct Finalize<'b>(pub Value<'b>);

impl Change for Finalize<'_> {
    fn apply<'a>(&self, _: &Value<'a>, arena: &'a Bump) -> Result<Value<'a>> {
        Ok(self.0.copy_in(arena))
    }
}

/// A change of the Scale of an object, carried over to the object.
#[derive(Debug)]
pub struct Scaled<'w, C> {
    /// The change of the Scale.
    pub change: C,
    /// The scaled resource.
    pub resource: &'static Resource,
    /// The type of a Scale.
    pub ty: &'static Type,
    /// Who writes.
    pub writer: &'w Writer<'w>,
}

impl<C: Change> Change for Scaled<'_, C> {
    fn apply<'a>(&self, old: &Value<'a>, arena: &'a Bump) -> Result<Value<'a>> {
        let version = body::api_version(self.resource.group, self.resource.version);
        let version: &str = arena.alloc_str(&version);
        let custom = self.resource.custom.and_then(|custom| custom.scale.as_ref());
        let path = custom.map_or(&["spec", "replicas"][..], |scale| &scale.spec);
        let paths: &[(&str, &[&str])] = &[(version, path)];
        let broken = |error: managed::BadEntry| Fault::Plain(error.0);
        let owned = old.list_at(&["metadata", "managedFields"]);
        let mut scale = super::scale::of_written(self.resource, old, arena);
        if let Some(entries) = managed::scale::to_scale(arena, owned, paths).map_err(broken)? {
            meta::metadata_mut(&mut scale, arena).insert("managedFields", entries);
        }
        let mut new_scale = self.change.apply(&scale, arena)?;
        super::scale::check_told(self.resource, &new_scale)?;
        super::scale::check(self.resource, &new_scale, meta::name(old))?;
        if !self.change.owns_managed_fields() {
            let writer = Writer { api_version: "autoscaling/v1", ..*self.writer };
            managed::update(arena, Some(self.ty), Some(&scale), &mut new_scale, &writer);
        }
        let scale_owned = new_scale.list_at(&["metadata", "managedFields"]);
        let entries = managed::scale::to_parent(arena, owned, scale_owned, version, paths);
        let entries = entries.map_err(broken)?;
        let mut new = old.copy_in(arena);
        let replicas = new_scale.i64_at(&["spec", "replicas"]).unwrap_or(0);
        if let (Some(mut map), Some((last, above))) = (new.as_map_mut(), path.split_last()) {
            for name in above {
                map = map.entry_map(name);
            }
            map.insert(last, Value::Int(replicas));
        }
        let (asked, uid) = (meta::uid(&new_scale), meta::uid(old));
        if !self.change.is_whole() && !asked.is_empty() && asked != uid {
            let mut subject = stored::subject(self.resource, meta::name(old));
            subject.resource.push_str("/scale");
            let message = format!(
                "Precondition failed: UID in precondition: {asked}, UID in object meta: {uid}"
            );
            return Err(Fault::Conflict { subject, message });
        }
        let metadata = meta::metadata_mut(&mut new, arena);
        match entries {
            Some(entries) => metadata.insert("managedFields", entries),
            None => metadata.remove("managedFields"),
        };
        match new_scale.at(&["metadata", "uid"]) {
            Some(value) => metadata.insert("uid", value.copy_in(arena)),
            None => metadata.remove("uid"),
        };
        // A Scale without one asks for no precondition.
        if let Some(value) = new_scale.at(&["metadata", "resourceVersion"]) {
            metadata.insert("resourceVersion", value.copy_in(arena));
        }
        Ok(new)
    }

    fn is_whole(&self) -> bool {
        self.change.is_whole()
    }

    fn owns_managed_fields(&self) -> bool {
        true
    }
}

/// A JSON, merge or strategic merge patch.
#[derive(Debug)]
pub struct Patch<'b> {
    /// Which.
    pub kind: PatchKind,
    /// The patch document.
    pub text: &'b [u8],
    /// The type that is patched.
    pub ty: &'static Type,
    /// The resource whose defaults are filled in afterwards; `None` for a Scale.
    pub defaults: Option<&'static Resource>,
    /// What happens to unknown fields.
    pub validation: FieldValidation,
    /// Where warnings go.
    pub context: &'b Context,
    /// Kind and apiVersion that the object must keep.
    pub type_meta: (&'static str, String),
}

impl Change for Patch<'_> {
    fn apply<'a>(&self, old: &Value<'a>, arena: &'a Bump) -> Result<Value<'a>> {
        let refused = match self.patched(old, arena) {
            Err(fault @ Fault::Invalid { .. })
                if self.kind != PatchKind::Strategic && self.ty.structural.is_none() =>
            {
                fault
            }
            result => return result,
        };
        // The refusal shows the patched text, which upstream makes of the object as clients see it.
        let mut shown = Vec::with_capacity(2048);
        json::encode(old, self.ty, &mut shown);
        json::parse_any(&shown, arena).map_or(Err(refused), |old| self.patched(&old, arena))
    }
}

impl Patch<'_> {
    fn patched<'a>(&self, old: &Value<'a>, arena: &'a Bump) -> Result<Value<'a>> {
        let mut new = old.copy_in(arena);
        json::raw::expand(&mut new, self.ty, arena);
        let (validation, context) = (self.validation, self.context);
        let twice = body::patch(self.kind, validation, self.text, self.ty, &mut new, arena)?;
        let mut new = if self.kind == PatchKind::Strategic {
            // The tree goes into an object of the kind of the URL, whatever it says it is.
            let patch = (self.text, twice);
            let mut new = body::restore(self.ty, validation, context, patch, &new, arena)?;
            json::raw::sort(&mut new, self.ty, arena);
            new
        } else {
            self.check_kind(&new, arena)?;
            body::conform(self.ty, validation, context, twice, &new, arena)?
        };
        keep_namespace(&mut new, meta::namespace(old), arena)?;
        check_name(meta::name(&new), meta::name(old))?;
        if let Some(map) = new.as_map_mut() {
            map.insert("kind", Value::Str(self.type_meta.0));
            map.insert("apiVersion", Value::str_in(&self.type_meta.1, arena));
        }
        if let Some(resource) = self.defaults {
            stored::fill_defaults(resource, &mut new, arena);
        }
        Ok(new)
    }

    /// A patch that names another kind makes an object of that kind, which is then refused.
    fn check_kind(&self, new: &Value<'_>, arena: &Bump) -> Result<()> {
        let (kind, api_version) = (new.str_at(&["kind"]), new.str_at(&["apiVersion"]));
        let same = |own: &str, wanted: &str| own.is_empty() || own == wanted;
        if same(kind, self.type_meta.0) && same(api_version, &self.type_meta.1) {
            return Ok(());
        }
        if self.ty.structural.is_some() && same(api_version, &self.type_meta.1) {
            return Err(other_kind(new, kind, self.type_meta.0));
        }
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let Some(ty) = catalog().kind(group, version, kind) else {
            let why = format!(
                "no kind {kind:?} is registered for version {api_version:?} in scheme {:?}",
                body::SCHEME
            );
            return Err(body::invalid_patch(new, &why));
        };
        let context = Context::default();
        body::conform(ty, FieldValidation::Ignore, &context, Vec::new(), new, arena)?;
        let own = self.type_meta.0;
        let why = format!("converting ({version}.{kind}) to (core.{own}): unknown conversion");
        Err(body::invalid_patch(new, &why))
    }
}

/// A patch may not move the object to another namespace; one that takes it away changes nothing
/// (`EnsureObjectNamespaceMatchesRequestNamespace`).
pub(super) fn keep_namespace<'a>(new: &mut Value<'a>, wanted: &str, arena: &'a Bump) -> Result<()> {
    let own = meta::namespace(new);
    if own == wanted {
        return Ok(());
    }
    if !own.is_empty() && !wanted.is_empty() {
        let text = "the namespace of the provided object does not match the namespace sent on \
                    the request";
        return Err(Fault::BadRequest(text.into()));
    }
    let metadata = meta::metadata_mut(new, arena);
    metadata.remove("namespace");
    if !wanted.is_empty() {
        metadata.insert_behind(&["name"], "namespace", Value::str_in(wanted, arena));
    }
    Ok(())
}

/// A patch may not take the object's name away or change it.
pub(super) fn check_name(own: &str, wanted: &str) -> Result<()> {
    if own.is_empty() {
        return Err(Fault::BadRequest(format!(
            "the name of the object ({wanted} based on URL) was undeterminable: name must be \
             provided"
        )));
    }
    if own != wanted {
        return Err(Fault::BadRequest(format!(
            "the name of the object ({own}) does not match the name on the URL ({wanted})"
        )));
    }
    Ok(())
}

/// An empty object with kind and apiVersion.
pub(super) fn typed<'a>(kind: &'static str, api_version: &str, arena: &'a Bump) -> Map<'a> {
    let mut map = Map::new_in(arena);
    map.push_unique("kind", Value::Str(kind));
    map.push_unique("apiVersion", Value::str_in(api_version, arena));
    map
}
