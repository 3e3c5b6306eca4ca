//! Admission policies: ValidatingAdmissionPolicy and MutatingAdmissionPolicy with their bindings.
//! Policies are compiled once on each shard after one of them has changed, and come into effect
//! with the next request.

mod compiled;
mod input;
mod matching;
mod mutating;
mod params;
mod validating;

pub(super) use mutating::Round;

use crate::admission::{Authority, Reader};
use crate::metrics::Recorder;
use crate::object::Value;
use crate::request::{Attributes, Denial, DenialDetails, Fault, Result};
use bumpalo::Bump;

/// Judges a request by the validating policies.
///
/// # Errors
/// The refusal of the first policy that refuses.
pub(super) async fn validate(
    at: &Attributes<'_>,
    object: &Value<'_>,
    old: Option<&Value<'_>>,
    reader: &Reader,
    (authority, metrics): (&dyn Authority, &Recorder),
) -> Result<()> {
    if is_exempt(at) {
        return Ok(());
    }
    validating::validate(at, object, old, reader, (authority, metrics)).await
}

/// Changes a request's object by the mutating policies; true if they changed it.
///
/// # Errors
/// The refusal of the first policy that cannot be applied.
pub(super) async fn mutate<'a>(
    at: &Attributes<'_>,
    object: &mut Value<'a>,
    old: Option<&Value<'_>>,
    (reader, authority, round): (&Reader, &dyn Authority, &mut Round),
    arena: &'a Bump,
) -> Result<bool> {
    if is_exempt(at) {
        return Ok(false);
    }
    mutating::mutate(at, object, old, (reader, authority, round), arena).await
}

/// What policies are never asked about: themselves, and reviews that are not stored
/// (`isPolicyResource`, `exclusion.Excluded`).
fn is_exempt(at: &Attributes<'_>) -> bool {
    match at.resource.group {
        "admissionregistration.k8s.io" => matches!(
            at.resource.name,
            "mutatingadmissionpolicies"
                | "mutatingadmissionpolicybindings"
                | "validatingadmissionpolicies"
                | "validatingadmissionpolicybindings"
        ),
        "authentication.k8s.io" => {
            matches!(at.resource.name, "selfsubjectreviews" | "tokenreviews")
        }
        "authorization.k8s.io" => at.resource.name.ends_with("reviews"),
        _ => false,
    }
}

/// The reasons that a policy may give, with the codes that they bring (`reasonToCode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reason {
    code: u16,
    name: &'static str,
}

impl Reason {
    const INVALID: Self = Self { code: 422, name: "Invalid" };

    fn of(name: &str) -> Self {
        match name {
            "Forbidden" => Self { code: 403, name: "Forbidden" },
            "RequestEntityTooLarge" => Self { code: 413, name: "RequestEntityTooLarge" },
            "Unauthorized" => Self { code: 401, name: "Unauthorized" },
            _ => Self::INVALID,
        }
    }
}

/// The refusal of a policy, with one cause for each message.
fn denied(at: &Attributes<'_>, reason: Reason, message: String, causes: &[String]) -> Fault {
    let cause = |text: &String| (String::new(), text.clone(), String::new());
    let details = DenialDetails {
        name: at.title.into(),
        group: at.resource.group.into(),
        kind: at.resource.name.into(),
        causes: causes.iter().map(cause).collect(),
        ..DenialDetails::default()
    };
    Fault::Denied(Box::new(Denial {
        code: reason.code,
        reason: reason.name.to_owned(),
        message,
        details: Some(details),
    }))
}

/// `RES "NAME" is forbidden: TEXT` (`admission.NewForbidden`).
fn forbidden(at: &Attributes<'_>, text: &str) -> String {
    let resource = match at.resource.group {
        "" => at.resource.name.to_owned(),
        group => format!("{}.{group}", at.resource.name),
    };
    match at.title {
        "" => format!("{resource} is forbidden: {text}"),
        name => format!("{resource} {name:?} is forbidden: {text}"),
    }
}
