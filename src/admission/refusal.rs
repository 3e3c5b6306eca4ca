//! The refusal that plugins share.

use crate::request::{Attributes, Fault, Subject};

/// 403 for the object of the request (`admission.NewForbidden`).
pub(super) fn refuse(at: &Attributes<'_>, message: impl Into<String>) -> Fault {
    let subject = Subject {
        group: at.resource.group.into(),
        resource: at.resource.name.into(),
        name: at.title.into(),
    };
    Fault::Forbidden { subject, message: message.into(), cause: None }
}
