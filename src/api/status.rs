//! Fault → `metav1.Status`: the only file that gives a failure its HTTP code, reason and message.
//!
//! Source of the texts: `k8s.io/apimachinery/pkg/api/errors`.

use crate::object::field::FieldError;
use crate::object::{List, Map, Value};
use crate::request::{DenialDetails, Fault, RouterFault, Subject};
use bumpalo::Bump;
use std::borrow::Cow;

/// A failure, ready to be encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// HTTP code.
    pub code: u16,
    /// Machine-readable reason; "" for none.
    pub reason: Cow<'static, str>,
    /// What a person reads.
    pub message: String,
    /// Extended data; `Some(default)` is shown as `{}`.
    pub details: Option<Details>,
    /// `metadata.continue`, for an expired list.
    pub continue_token: Option<String>,
}

/// `metav1.StatusDetails`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// Object name.
    pub name: String,
    /// API group.
    pub group: String,
    /// Resource, or Kind.
    pub kind: String,
    /// Object uid.
    pub uid: String,
    /// `(reason, message, field)` of each cause.
    pub causes: Vec<(String, String, String)>,
    /// Seconds to wait; also the Retry-After header.
    pub retry_seconds: u32,
}

impl From<Subject> for Details {
    fn from(subject: Subject) -> Self {
        Self { name: subject.name, group: subject.group, kind: subject.resource, ..Self::default() }
    }
}

impl From<DenialDetails> for Details {
    fn from(told: DenialDetails) -> Self {
        let DenialDetails { name, group, kind, uid, causes, retry_seconds } = told;
        Self { name, group, kind, uid, causes, retry_seconds }
    }
}

impl Status {
    fn new(code: u16, reason: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
            message: message.into(),
            details: None,
            continue_token: None,
        }
    }

    fn with(mut self, details: Details) -> Self {
        self.details = Some(details);
        self
    }

    /// Seconds for the Retry-After header; 0 for none.
    pub fn retry_seconds(&self) -> u32 {
        self.details.as_ref().map_or(0, |details| details.retry_seconds)
    }

    /// The Status as an object.
    pub fn to_value<'a>(&self, arena: &'a Bump) -> Value<'a> {
        let mut map = status_head(arena);
        if let Some(token) = &self.continue_token {
            map.entry_map("metadata").insert("continue", Value::str_in(token, arena));
        }
        map.push_unique("status", Value::Str("Failure"));
        map.push_unique("message", Value::str_in(&self.message, arena));
        if !self.reason.is_empty() {
            map.push_unique("reason", Value::str_in(&self.reason, arena));
        }
        if let Some(details) = &self.details {
            map.push_unique("details", Value::Map(details.to_map(arena)));
        }
        map.push_unique("code", Value::Int(i64::from(self.code)));
        Value::Map(map)
    }
}

impl Details {
    fn to_map<'a>(&self, arena: &'a Bump) -> Map<'a> {
        let mut map = Map::new_in(arena);
        let texts = [
            ("name", &self.name),
            ("group", &self.group),
            ("kind", &self.kind),
            ("uid", &self.uid),
        ];
        for (key, text) in texts {
            if !text.is_empty() {
                map.push_unique(key, Value::str_in(text, arena));
            }
        }
        if !self.causes.is_empty() {
            let mut causes = List::new_in(arena);
            for (reason, message, field) in &self.causes {
                let mut cause = Map::new_in(arena);
                for (key, text) in [("reason", reason), ("message", message), ("field", field)] {
                    if !text.is_empty() {
                        cause.push_unique(key, Value::str_in(text, arena));
                    }
                }
                causes.push(Value::Map(cause));
            }
            map.push_unique("causes", Value::List(causes));
        }
        if self.retry_seconds > 0 {
            map.push_unique("retryAfterSeconds", Value::Int(i64::from(self.retry_seconds)));
        }
        map
    }
}

fn status_head(arena: &Bump) -> Map<'_> {
    let mut map = Map::new_in(arena);
    map.push_unique("kind", Value::Str("Status"));
    map.push_unique("apiVersion", Value::Str("v1"));
    map.push_unique("metadata", Value::map_in(arena));
    map
}

/// The Status of a success without an object, as a delete or a binding answers.
pub fn success<'a>(details: Option<&Details>, code: Option<u16>, arena: &'a Bump) -> Value<'a> {
    let mut map = status_head(arena);
    map.push_unique("status", Value::Str("Success"));
    if let Some(details) = details {
        map.push_unique("details", Value::Map(details.to_map(arena)));
    }
    if let Some(code) = code {
        map.push_unique("code", Value::Int(i64::from(code)));
    }
    Value::Map(map)
}

/// `pods` or `deployments.apps`.
fn qualified(subject: &Subject) -> String {
    if subject.group.is_empty() {
        return subject.resource.clone();
    }
    format!("{}.{}", subject.resource, subject.group)
}

impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::AlreadyExists { subject, generated, terminating } => {
                already_exists(subject, generated, terminating)
            }
            Fault::ApplyConflict { message, causes } => {
                let causes = causes
                    .into_iter()
                    .map(|(message, field)| ("FieldManagerConflict".to_owned(), message, field))
                    .collect();
                Self::new(409, "Conflict", message).with(Details { causes, ..Details::default() })
            }
            Fault::BadRequest(message) => Self::new(400, "BadRequest", message),
            Fault::Conflict { subject, message } => {
                let what = qualified(&subject);
                let text = format!(
                    "Operation cannot be fulfilled on {what} {:?}: {message}",
                    subject.name
                );
                Self::new(409, "Conflict", text).with(subject.into())
            }
            Fault::Denied(denial) => {
                let details = denial.details.map(Details::from);
                Self { details, ..Self::new(denial.code, denial.reason, denial.message) }
            }
            Fault::Expired { message, continue_token } => {
                Self { continue_token, ..Self::new(410, "Expired", message) }
            }
            Fault::Forbidden { subject, message, cause } => forbidden(subject, &message, cause),
            Fault::Internal(message) => {
                let causes = vec![(String::new(), message.clone(), String::new())];
                Self::new(500, "InternalError", format!("Internal error occurred: {message}"))
                    .with(Details { causes, ..Details::default() })
            }
            Fault::Invalid { subject, errors } => invalid(subject, &errors),
            Fault::MethodNotSupported(subject, verb) => {
                let kind = qualified(&subject);
                let text = format!("{verb} is not supported on resources of kind {kind:?}");
                Self::new(405, "MethodNotAllowed", text).with(subject.into())
            }
            Fault::MethodNotAllowed(message) => Self::new(405, "MethodNotAllowed", message),
            Fault::NotAcceptable(message) => Self::new(406, "NotAcceptable", message),
            Fault::NotFound(subject) => {
                let text = format!("{} {:?} not found", qualified(&subject), subject.name);
                Self::new(404, "NotFound", text).with(subject.into())
            }
            Fault::Plain(message) => Self::new(500, "", message),
            Fault::Rejected => {
                let text = "the server rejected our request due to an error in our request";
                Self::new(422, "Invalid", text).with(Details::default())
            }
            Fault::Router(fault) => router(fault),
            Fault::StoreRead { subject, causes } => store_read(subject, causes),
            Fault::TooLarge(message) => Self::new(413, "RequestEntityTooLarge", message),
            Fault::TooManyRequests { message, retry_seconds, cause } => {
                Self::new(429, "TooManyRequests", message).with(later(retry_seconds, cause))
            }
            Fault::Timeout { message, retry_seconds, cause } => {
                let text = format!("Timeout: {message}");
                Self::new(504, "Timeout", text).with(later(retry_seconds, cause))
            }
            Fault::Unauthorized => Self::new(401, "Unauthorized", "Unauthorized"),
            Fault::Unavailable(message) => Self::new(503, "ServiceUnavailable", message),
            Fault::UnsupportedMediaType(message) => Self::new(415, "UnsupportedMediaType", message),
        }
    }
}

/// What one is told who shall come again.
fn later(retry_seconds: u32, cause: Option<(&'static str, String)>) -> Details {
    let causes = cause.into_iter().map(|(kind, text)| (kind.to_owned(), text, String::new()));
    Details { retry_seconds, causes: causes.collect(), ..Details::default() }
}

fn store_read(subject: Subject, causes: Vec<(String, String)>) -> Status {
    let text = format!("failed to read one or more {} from the storage", qualified(&subject));
    let causes = causes
        .into_iter()
        .map(|(key, text)| ("UnexpectedServerResponse".to_owned(), text, key))
        .collect();
    let details = Details { name: "list".to_owned(), causes, ..Details::from(subject) };
    Status::new(500, "StorageReadError", text).with(details)
}

fn already_exists(subject: Subject, generated: bool, terminating: bool) -> Status {
    let mut text = format!("{} {:?} already exists", qualified(&subject), subject.name);
    let mut details = Details::from(subject);
    if generated {
        text.push_str(", the server was not able to generate a unique name for the object");
        details.retry_seconds = 1;
    }
    if terminating {
        text.insert_str(0, "object is being deleted: ");
    }
    Status::new(409, "AlreadyExists", text).with(details)
}

fn forbidden(
    subject: Subject,
    message: &str,
    cause: Option<Box<(&'static str, String, String)>>,
) -> Status {
    let text = if subject.resource.is_empty() {
        format!("forbidden: {message}")
    } else if subject.name.is_empty() {
        format!("{} is forbidden: {message}", qualified(&subject))
    } else {
        format!("{} {:?} is forbidden: {message}", qualified(&subject), subject.name)
    };
    let mut details = Details::from(subject);
    let cause = cause.map(|cause| *cause);
    details.causes.extend(cause.map(|(kind, text, field)| (kind.to_owned(), text, field)));
    Status::new(403, "Forbidden", text).with(details)
}

/// One error stands alone, several in brackets; the aggregated text drops duplicates.
fn invalid(subject: Subject, errors: &[FieldError]) -> Status {
    let mut texts: Vec<String> = Vec::with_capacity(errors.len());
    for error in errors {
        let text = error.to_string();
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    let joined = match texts.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    };
    let text = format!("{} {:?} is invalid: {joined}", qualified(&subject), subject.name);
    let causes = errors
        .iter()
        .map(|e| (e.kind.reason().to_owned(), e.body.clone(), e.field.clone()))
        .collect();
    let details = Details { causes, ..Details::from(subject) };
    Status::new(422, "Invalid", text).with(details)
}

fn router(fault: RouterFault) -> Status {
    let status = match fault {
        RouterFault::MethodNotAllowed => {
            let text = "the server does not allow this method on the requested resource";
            Status::new(405, "MethodNotAllowed", text)
        }
        RouterFault::NotAcceptable(types) => {
            let text = format!("406: Not Acceptable\n\nAvailable representations: {types}");
            Status::new(406, "NotAcceptable", text)
        }
        RouterFault::NotFound => {
            Status::new(404, "NotFound", "the server could not find the requested resource")
        }
        RouterFault::UnsupportedMediaType => {
            Status::new(415, "UnsupportedMediaType", "415: Unsupported Media Type")
        }
    };
    status.with(Details::default())
}

#[cfg(test)]
mod tests {
    use super::Status;
    use crate::object::field::{FieldError, Path};
    use crate::request::{Fault, Subject};

    fn subject() -> Subject {
        Subject { group: "apps".into(), resource: "deployments".into(), name: "web".into() }
    }

    #[test]
    fn messages_name_the_resource_with_its_group() {
        let status = Status::from(Fault::NotFound(subject()));
        assert_eq!(status.message, r#"deployments.apps "web" not found"#);
        assert_eq!(status.code, 404);
        let status = Status::from(Fault::Conflict { subject: subject(), message: "x".into() });
        assert_eq!(status.message, r#"Operation cannot be fulfilled on deployments.apps "web": x"#);
    }

    #[test]
    fn several_field_errors_stand_in_brackets_without_duplicates() {
        let path = Path::root("spec");
        let errors = vec![
            FieldError::required(&path, ""),
            FieldError::required(&path, ""),
            FieldError::forbidden(&path, "no"),
        ];
        let status = Status::from(Fault::Invalid { subject: subject(), errors });
        assert!(
            status
                .message
                .ends_with(r#""web" is invalid: [spec: Required value, spec: Forbidden: no]"#)
        );
        assert_eq!(status.details.map(|d| d.causes.len()), Some(3));
    }
}
