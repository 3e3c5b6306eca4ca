//! A request as every later stage sees it: URL → verb, resource and options; faults as data.

mod attributes;
mod context;
mod fault;
mod info;
mod options;
mod query;
mod user;

pub use attributes::{Attributes, Operation, Sent};
pub use context::{Annotation, Context};
pub use fault::{Denial, DenialDetails, Fault, Result, RouterFault, Subject};
pub use info::{BadPath, RequestInfo, Verb};
pub use options::{
    DeleteOptions, FieldValidation, ListOptions, Propagation, RawDeleteOptions, RevisionMatch,
    WriteOptions, WriteVerb, bad_read_error_option, parse_revision, parse_uint,
};
pub use query::{Query, parse_go_int};
pub use user::User;
