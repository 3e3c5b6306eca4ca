//! Validation, kind by kind, with the paths and texts that kube-apiserver gives.
//!
//! Everything here is a pure function over `Value`: it reads canonical, defaulted objects and
//! appends to a list of field errors in the order in which upstream finds them.

pub mod admission;
pub mod autoscaling;
pub mod binding;
pub mod claim;
pub mod class;
pub mod container;
pub mod core;
pub mod cron;
pub mod custom;
pub mod definition;
pub mod device;
pub mod device_slice;
pub mod device_status;
mod embedded;
pub mod env;
pub mod event;
pub mod expression;
pub mod extension;
pub mod flow;
pub mod format;
pub mod go_form;
pub mod ip;
pub mod job;
pub mod job_status;
pub mod line_diff;
pub mod metadata;
pub mod network;
pub mod node;
pub mod persistent;
pub mod pod;
mod pod_resize;
pub mod pod_spec;
pub mod pod_status;
pub mod probe;
pub mod profile;
pub mod quota;
pub mod rbac;
pub mod resources;
pub mod rules;
pub mod scheduling;
pub mod security;
pub mod selector;
pub mod service;
pub mod signing;
pub mod storage;
pub mod template;
pub mod volume;
pub mod volume_source;
pub mod workload;

use crate::object::Value;
use crate::object::field::{ErrorKind, FieldError, Path, Shown};
use std::borrow::Cow;
use std::fmt::Write as _;

/// The errors of one object, in order.
pub type Errors = Vec<FieldError>;

/// What a format rule has against a text; empty if nothing.
pub type Messages = Vec<Cow<'static, str>>;

/// `apimachinery validation.FieldImmutableErrorMsg`.
pub const IMMUTABLE: &str = "field is immutable";
/// `apimachinery validation.IsNegativeErrorMsg`.
pub const NEGATIVE: &str = "must be greater than or equal to 0";

/// Appending errors without naming the type each time.
pub(crate) trait Report {
    /// `Required value[: detail]`.
    fn required(&mut self, path: &Path<'_>, detail: &str);
    /// `Invalid value: VALUE[: detail]`.
    fn invalid(&mut self, path: &Path<'_>, value: impl Shown, detail: &str);
    /// `Forbidden[: detail]`.
    fn forbidden(&mut self, path: &Path<'_>, detail: &str);
    /// `Duplicate value: VALUE`.
    fn duplicate(&mut self, path: &Path<'_>, value: impl Shown);
    /// `Not found: VALUE`.
    fn not_found(&mut self, path: &Path<'_>, value: impl Shown);
    /// `Not found: VALUE: detail`.
    fn not_found_of(&mut self, path: &Path<'_>, value: &str, detail: &str);
    /// `Unsupported value: VALUE: supported values: …`, in the order given.
    fn unsupported(&mut self, path: &Path<'_>, value: impl Shown, values: &[&str]);
    /// `Too long: may not be more than N bytes`.
    fn too_long(&mut self, path: &Path<'_>, bytes_max: usize);
    /// `Too many: N: must have at most M items`.
    fn too_many(&mut self, path: &Path<'_>, actual: usize, items_max: usize);
    /// One `Invalid value` for each message.
    fn messages(&mut self, path: &Path<'_>, value: &str, messages: Messages);
    /// `Required value` if `value` is empty, else one error for each message of `rule`.
    fn required_text(&mut self, path: &Path<'_>, value: &str, rule: fn(&str) -> Messages);
    /// An error unless `value` is empty or one of `values`; true if it is fine.
    fn one_of(&mut self, path: &Path<'_>, value: &str, values: &[&str]) -> bool;
    /// An error if `value` is there and not one of `values`: "" is none.
    fn one_of_given(&mut self, path: &Path<'_>, value: Option<&Value<'_>>, values: &[&str]);
    /// An error if `value` is there and negative.
    fn non_negative(&mut self, path: &Path<'_>, value: Option<i64>);
}

impl Report for Errors {
    fn required(&mut self, path: &Path<'_>, detail: &str) {
        self.push(FieldError::required(path, detail));
    }

    fn invalid(&mut self, path: &Path<'_>, value: impl Shown, detail: &str) {
        self.push(FieldError::invalid(path, value, detail));
    }

    fn forbidden(&mut self, path: &Path<'_>, detail: &str) {
        self.push(FieldError::forbidden(path, detail));
    }

    fn duplicate(&mut self, path: &Path<'_>, value: impl Shown) {
        self.push(FieldError::duplicate(path, value));
    }

    fn not_found(&mut self, path: &Path<'_>, value: impl Shown) {
        self.push(FieldError::not_found(path, value));
    }

    fn not_found_of(&mut self, path: &Path<'_>, value: &str, detail: &str) {
        let mut error = FieldError::not_found(path, value);
        error.body.push_str(": ");
        error.body.push_str(detail);
        self.push(error);
    }

    fn unsupported(&mut self, path: &Path<'_>, value: impl Shown, values: &[&str]) {
        let mut body = String::from(ErrorKind::NotSupported.text());
        body.push_str(": ");
        value.show(&mut body);
        for (at, value) in values.iter().enumerate() {
            let lead = if at == 0 { ": supported values: " } else { ", " };
            let _ = write!(body, "{lead}\"{value}\"");
        }
        self.push(FieldError { kind: ErrorKind::NotSupported, field: path.to_string(), body });
    }

    fn too_long(&mut self, path: &Path<'_>, bytes_max: usize) {
        self.push(FieldError::too_long(path, bytes_max));
    }

    fn too_many(&mut self, path: &Path<'_>, actual: usize, items_max: usize) {
        self.push(FieldError::too_many(path, actual, items_max));
    }

    fn messages(&mut self, path: &Path<'_>, value: &str, messages: Messages) {
        for message in messages {
            self.push(FieldError::invalid(path, value, &message));
        }
    }

    fn required_text(&mut self, path: &Path<'_>, value: &str, rule: fn(&str) -> Messages) {
        if value.is_empty() {
            self.required(path, "");
        } else {
            self.messages(path, value, rule(value));
        }
    }

    fn one_of(&mut self, path: &Path<'_>, value: &str, values: &[&str]) -> bool {
        let fine = value.is_empty() || values.contains(&value);
        if !fine {
            self.unsupported(path, value, values);
        }
        fine
    }

    fn one_of_given(&mut self, path: &Path<'_>, value: Option<&Value<'_>>, values: &[&str]) {
        if let Some(value) = value.and_then(Value::as_str).filter(|value| !values.contains(value)) {
            self.unsupported(path, value, values);
        }
    }

    fn non_negative(&mut self, path: &Path<'_>, value: Option<i64>) {
        if let Some(value) = value.filter(|value| *value < 0) {
            self.push(FieldError::invalid(path, value, NEGATIVE));
        }
    }
}

/// Text that an error shows as it stands: Go's JSON of an internal type.
pub(crate) struct Verbatim<'t>(pub(crate) &'t str);

impl Shown for Verbatim<'_> {
    fn show(&self, out: &mut String) {
        out.push_str(self.0);
    }
}
