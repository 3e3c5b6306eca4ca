//! What can go wrong with a request, as data. `api::status` alone gives faults their HTTP code,
//! reason and message.

use crate::object::field::FieldError;

/// The resource a fault speaks of: `group` is "" for core.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subject {
    /// API group.
    pub group: String,
    /// Plural resource name, or the Kind where upstream names that.
    pub resource: String,
    /// Object name.
    pub name: String,
}

/// What an admission webhook tells the client of its refusal: most of a `metav1.Status`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Denial {
    /// HTTP code, 400 or above.
    pub code: u16,
    /// Machine-readable reason; "" for none.
    pub reason: String,
    /// What a person reads.
    pub message: String,
    /// Its `details`.
    pub details: Option<DenialDetails>,
}

/// `metav1.StatusDetails`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DenialDetails {
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
    /// Seconds to wait.
    pub retry_seconds: u32,
}

/// A request's failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// 409: the object is there.
    AlreadyExists {
        /// What exists.
        subject: Subject,
        /// generateName gave up: the retry hint and its text.
        generated: bool,
        /// The one that is there is being deleted.
        terminating: bool,
    },
    /// 400.
    BadRequest(String),
    /// 409: `Operation cannot be fulfilled on RES "NAME": TEXT`.
    Conflict {
        /// What was in the way; `group`/`resource` as the message names them.
        subject: Subject,
        /// The text after the colon.
        message: String,
    },
    /// An admission webhook refused, with a Status of its own.
    Denied(Box<Denial>),
    /// 410 with an optional fresh continue token.
    Expired {
        /// The message.
        message: String,
        /// `metadata.continue` of the Status.
        continue_token: Option<String>,
    },
    /// 403 `RES "NAME" is forbidden: TEXT`.
    Forbidden {
        /// What was asked for.
        subject: Subject,
        /// The text after `is forbidden: `.
        message: String,
        /// Extra cause (type, message, field), as NamespaceTerminating.
        cause: Option<Box<(&'static str, String, String)>>,
    },
    /// 500 `Internal error occurred: TEXT`.
    Internal(String),
    /// 422 `KIND.GROUP "NAME" is invalid: ERRORS`; `subject.resource` is the Kind.
    Invalid {
        /// The object.
        subject: Subject,
        /// At least one error.
        errors: Vec<FieldError>,
    },
    /// 409 of server-side apply: one cause (message, field) each.
    ApplyConflict {
        /// The whole message, `Apply failed with 1 conflict: …`.
        message: String,
        /// Causes `(message, field)`.
        causes: Vec<(String, String)>,
    },
    /// 405; the message.
    MethodNotAllowed(String),
    /// 405: the resource, which is the subject, has no such verb.
    MethodNotSupported(Subject, &'static str),
    /// 406; the message.
    NotAcceptable(String),
    /// 404 `RES "NAME" not found`.
    NotFound(Subject),
    /// What the router answers before any handler is reached; its Status has empty `details`.
    Router(RouterFault),
    /// A Go error that upstream leaves untyped: 500, no reason, raw text.
    Plain(String),
    /// 500 `failed to read one or more RES from the storage`, which names the objects.
    StoreRead {
        /// The resource.
        subject: Subject,
        /// Key and what is wrong, one each.
        causes: Vec<(String, String)>,
    },
    /// 422 with `the server rejected our request due to an error in our request`.
    Rejected,
    /// 413; the message.
    TooLarge(String),
    /// 429 with seconds to wait.
    TooManyRequests {
        /// The message.
        message: String,
        /// Retry-After, seconds.
        retry_seconds: u32,
        /// Extra cause (type, message), as DisruptionBudget.
        cause: Option<(&'static str, String)>,
    },
    /// 504.
    Timeout {
        /// The message after `Timeout: `.
        message: String,
        /// Retry-After, seconds; 0 for none.
        retry_seconds: u32,
        /// Extra cause (type, message), as ResourceVersionTooLarge.
        cause: Option<(&'static str, String)>,
    },
    /// 401.
    Unauthorized,
    /// 503; the message.
    Unavailable(String),
    /// 415; the message.
    UnsupportedMediaType(String),
}

/// A request that fits no route (`go-restful` errors as the API server writes them).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouterFault {
    /// 405 `the server does not allow this method on the requested resource`.
    MethodNotAllowed,
    /// 406 with the types the route produces.
    NotAcceptable(&'static str),
    /// 404 `the server could not find the requested resource`.
    NotFound,
    /// 415 `415: Unsupported Media Type`.
    UnsupportedMediaType,
}

/// The result of anything a request does.
pub type Result<T> = std::result::Result<T, Fault>;
