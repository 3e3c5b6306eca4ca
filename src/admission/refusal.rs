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

/// Messages as upstream joins them (`utilerrors.NewAggregate`): each once; `None` of none.
pub(super) fn aggregate(mut messages: Vec<String>) -> Option<String> {
    let mut seen = Vec::new();
    messages.retain(|message| {
        let new = !seen.contains(message);
        seen.push(message.clone());
        new
    });
    match messages.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        many => Some(format!("[{}]", many.join(", "))),
    }
}
