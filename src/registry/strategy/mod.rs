//! What a kind does around create and update (`registry/rest` strategies upstream).
//!
//! A [`Strategy`] is a row: rules as data where kinds differ in little, functions where a kind has
//! behaviour of its own. `generic` puts a row to work; `table` holds all rows. The caller decodes,
//! applies the constant defaults (`catalog::defaults`), then
//! create: [`Strategy::apply_defaults`] → admission → [`Strategy::begin_create`] →
//! [`Strategy::check_create`] → [`Strategy::warn_create`] → [`Strategy::finish`];
//! update: the same with `old`. Nothing here does I/O or looks at other objects.

mod app_armor;
mod cluster;
mod core;
mod gated;
mod generic;
mod groups;
mod pod;
pub mod service;
mod table;
mod workload;

use crate::catalog::custom::CustomVersion;
use crate::object::Value;
use crate::registry::validation::Errors;
use crate::registry::validation::metadata::NameRule;
use bumpalo::Bump;

pub use pod::qos_class;
pub use table::{CUSTOM, CUSTOM_WITH_STATUS, strategy};

/// Who sent the request.
#[derive(Debug, Clone, Copy, Default)]
pub struct User<'s> {
    /// User name.
    pub name: &'s str,
    /// User uid; "" if none.
    pub uid: &'s str,
    /// Group names.
    pub groups: &'s [String],
    /// Extra attributes.
    pub extra: &'s [(String, Vec<String>)],
}

/// What a request tells a strategy.
#[derive(Debug)]
pub struct Scope<'a, 's> {
    /// Where new values are made.
    pub arena: &'a Bump,
    /// API group of the request, "" for core.
    pub group: &'s str,
    /// API version of the request.
    pub version: &'s str,
    /// Group that the request named, where several serve the kind (Event).
    pub served_group: &'s str,
    /// Plural resource name.
    pub resource: &'s str,
    /// Kind of the resource.
    pub kind: &'s str,
    /// The resource lives in namespaces.
    pub namespaced: bool,
    /// The version of the request, for a custom resource.
    pub custom: Option<&'static CustomVersion>,
    /// Subresource, "" for the main resource.
    pub subresource: &'s str,
    /// Namespace of the request, "" if none.
    pub namespace: &'s str,
    /// Who asks.
    pub user: User<'s>,
    /// The time now, RFC 3339 in seconds, UTC.
    pub now: &'s str,
    /// `--allow-privileged`.
    pub allow_privileged: bool,
    /// Warning texts for the client, in order.
    pub warnings: &'s mut Vec<String>,
}

/// Changes a new or decoded object.
pub type ChangeFn = for<'a> fn(&mut Value<'a>, &mut Scope<'a, '_>);
/// Changes an object that is to replace `old`.
pub type UpdateFn = for<'a> fn(&mut Value<'a>, &Value<'_>, &mut Scope<'a, '_>);
/// Checks a new object.
pub type CheckFn = fn(&Value<'_>, &Scope<'_, '_>, &mut Errors);
/// Checks an object that is to replace the second.
pub type CheckUpdateFn = fn(&Value<'_>, &Value<'_>, &Scope<'_, '_>, &mut Errors);
/// Warns of an object that is new or replaces the second, through the named subresource.
pub type WarnFn = fn(&Value<'_>, Option<&Value<'_>>, &str, &mut Vec<String>);

/// What moves `metadata.generation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// Nothing: the field stays as it is stored.
    Unset,
    /// 1 on create, never moved.
    Created,
    /// 1 on create, one more when one of these top-level members changes.
    Members(&'static [&'static str]),
    /// As `Members(["spec"])`, with the fields that are dropped because their feature is off.
    SpecAsSent,
    /// As `Members(["spec"])`, but not set on create.
    SpecLate,
    /// As `Members(["spec"])`, and when annotations change.
    SpecOrAnnotations,
    /// Any change outside metadata, or of labels.
    AllOrLabels,
    /// Any change outside metadata, and outside status for `status: true`.
    AllButMetadata {
        /// Status has a subresource of its own.
        status: bool,
    },
}

/// What becomes of `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Not a thing of its own: an ordinary field, or none.
    Plain,
    /// Dropped on create, kept from the stored object on update, changed through `/status`.
    Split(StatusMeta),
    /// As `Split`, but taken from the client on create (Node).
    SplitKeptOnCreate(StatusMeta),
}

/// What a write to `/status` may change in metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusMeta {
    /// All that a main update may.
    Free,
    /// All but labels (Deployment).
    KeepLabels,
    /// All but ownerReferences (Pod).
    KeepOwners,
    /// Nothing of labels, annotations, finalizers, ownerReferences (`ResetObjectMetaForStatus`).
    Reset,
    /// Nothing but managedFields.
    KeepAll,
}

/// How metadata is validated by the kind itself, before the generic check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetaCheck {
    /// Not at all.
    Generic,
    /// By apimachinery's `ValidateObjectMeta`.
    Plain,
    /// As `Kube`, but what a name is made from is not looked at (`ValidateObjectMetaWithOpts`).
    Generated,
    /// By core's `ValidateObjectMeta`: also bare finalizer names.
    Kube,
}

/// Whether the kind's update checks metadata as for a new object, beside what it checks of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recheck {
    /// Of changes only.
    No,
    /// Last, after the kind's own checks.
    After,
    /// Before what is checked of changes.
    Before,
    /// As for a new object only.
    Instead,
    /// As for a new object only, before the kind's own checks and after them.
    Twice,
}

/// One kind's behaviour.
#[derive(Debug, Clone, Copy)]
pub struct Strategy {
    /// The rule for names.
    pub name: NameRule,
    /// Who checks metadata.
    pub meta: MetaCheck,
    /// Where updates of the main resource check metadata as for a new object once more.
    pub recheck: Recheck,
    /// What moves the generation.
    pub generation: Generation,
    /// What becomes of status.
    pub status: Status,
    /// Conditional defaults, on every decode.
    pub default: ChangeFn,
    /// `PrepareForCreate` beyond status and generation.
    pub prepare_create: ChangeFn,
    /// `PrepareForUpdate` beyond status and generation.
    pub prepare_update: UpdateFn,
    /// `Validate` beyond metadata.
    pub validate_create: CheckFn,
    /// `ValidateUpdate` beyond metadata, for the main resource and every subresource but status.
    pub validate_update: CheckUpdateFn,
    /// `ValidateUpdate` of `/status`, beyond metadata.
    pub validate_status: CheckUpdateFn,
    /// `WarningsOnCreate`, `WarningsOnUpdate`.
    pub warn: WarnFn,
    /// `Canonicalize`.
    pub finish: ChangeFn,
}
