//! Query options of each verb: `metav1.ListOptions`, `GetOptions`, `CreateOptions`, … with their
//! validation (`k8s.io/apimachinery/pkg/apis/meta/v1/validation`).

use super::query::Query;
use super::{Fault, Result, Subject};
use crate::object::field::{ErrorKind, FieldError, Path};
use crate::object::selector::{FieldSelector, LabelSelector};

/// What a reader says of the revision it wants (`resourceVersionMatch`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevisionMatch {
    /// Exactly that revision.
    Exact,
    /// That revision or a later one.
    NotOlderThan,
}

/// Options of list, watch and deletecollection.
#[derive(Debug, Clone)]
pub struct ListOptions {
    /// Labels wanted.
    pub labels: LabelSelector,
    /// Fields wanted.
    pub fields: FieldSelector,
    /// `resourceVersion`, unparsed; "" if not given.
    pub revision: String,
    /// `resourceVersionMatch`.
    pub revision_match: Option<RevisionMatch>,
    /// At most this many items; 0 for all.
    pub limit: i64,
    /// The continue token; "" if none.
    pub continue_token: String,
    /// Seconds after which a watch ends; 0 for the server's choice.
    pub timeout_seconds: i64,
    /// `allowWatchBookmarks`.
    pub bookmarks: bool,
    /// `sendInitialEvents`.
    pub send_initial_events: Option<bool>,
}

impl ListOptions {
    /// Reads and validates the options; `watch` tells which rules hold.
    ///
    /// # Errors
    /// 400 for text that does not parse, 422 for values that do not go together.
    pub fn parse(query: Query<'_>, watch: bool) -> Result<Self> {
        let bad = Fault::BadRequest;
        let labels = LabelSelector::parse(&query.text("labelSelector"))
            .map_err(|error| bad(error.to_string()))?;
        let fields = FieldSelector::parse(&query.text("fieldSelector"))
            .map_err(|error| bad(error.to_string()))?;
        let limit = query.int("limit").map_err(bad)?.unwrap_or(0);
        let timeout_seconds = query.int("timeoutSeconds").map_err(bad)?.unwrap_or(0);
        let mut match_text = query.text("resourceVersionMatch").into_owned();
        let mut options = Self {
            labels,
            fields,
            revision: query.text("resourceVersion").into_owned(),
            revision_match: None,
            limit,
            continue_token: query.text("continue").into_owned(),
            timeout_seconds,
            bookmarks: query.flag("allowWatchBookmarks").unwrap_or(false),
            send_initial_events: query.flag("sendInitialEvents"),
        };
        if watch && options.asks_initial_state() && match_text.is_empty() {
            // Gate WatchList: a watch from "" or "0" streams the state first.
            options.send_initial_events = Some(true);
            "NotOlderThan".clone_into(&mut match_text);
        }
        let errors =
            if watch { options.check_watch(&match_text) } else { options.check_list(&match_text) };
        if !errors.is_empty() {
            return Err(invalid_options("ListOptions", errors));
        }
        options.revision_match = match match_text.as_str() {
            "Exact" => Some(RevisionMatch::Exact),
            "NotOlderThan" => Some(RevisionMatch::NotOlderThan),
            _ => None,
        };
        Ok(options)
    }

    fn asks_initial_state(&self) -> bool {
        self.send_initial_events.is_none() && matches!(self.revision.as_str(), "" | "0")
    }

    fn check_watch(&self, match_text: &str) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let path = Path::root("resourceVersionMatch");
        let is_known = match_text == "NotOlderThan";
        if self.send_initial_events.is_some() && !is_known {
            let text = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            errors.push(FieldError::forbidden(&path, text));
        }
        if match_text.is_empty() {
            return errors;
        }
        if self.send_initial_events.is_none() {
            let text = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is \
                        provided";
            errors.push(FieldError::forbidden(&path, text));
        }
        if !is_known {
            errors.push(FieldError::not_supported(&path, match_text, &["NotOlderThan"]));
        }
        if !self.continue_token.is_empty() {
            let text = "resourceVersionMatch is forbidden when continue is provided";
            errors.push(FieldError::forbidden(&path, text));
        }
        errors
    }

    fn check_list(&self, match_text: &str) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if self.send_initial_events.is_some() {
            let path = Path::root("sendInitialEvents");
            errors.push(FieldError::forbidden(&path, "sendInitialEvents is forbidden for list"));
        }
        if match_text.is_empty() {
            return errors;
        }
        let path = Path::root("resourceVersionMatch");
        if self.revision.is_empty() {
            let text = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            errors.push(FieldError::forbidden(&path, text));
        }
        if !self.continue_token.is_empty() {
            let text = "resourceVersionMatch is forbidden when continue is provided";
            errors.push(FieldError::forbidden(&path, text));
        }
        if !matches!(match_text, "Exact" | "NotOlderThan") {
            let values = ["Exact", "NotOlderThan", ""];
            errors.push(FieldError::not_supported(&path, match_text, &values));
        }
        if match_text == "Exact" && self.revision == "0" {
            let text = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            errors.push(FieldError::forbidden(&path, text));
        }
        errors
    }
}

/// How unknown and duplicate fields of a body are taken (`fieldValidation`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldValidation {
    /// Dropped without a word.
    Ignore,
    /// 400.
    Strict,
    /// A Warning header each.
    Warn,
}

/// Options of create, update and patch.
#[derive(Debug, Clone)]
pub struct WriteOptions {
    /// Everything but storing.
    pub dry_run: bool,
    /// Who owns the fields written; "" to derive it from the user agent.
    pub field_manager: String,
    /// What to do with unknown fields.
    pub field_validation: FieldValidation,
    /// Server-side apply takes conflicting fields over.
    pub force: Option<bool>,
}

/// Which options kind errors name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteVerb {
    /// `CreateOptions`.
    Create,
    /// `PatchOptions` with server-side apply.
    Apply,
    /// `PatchOptions`.
    Patch,
    /// `UpdateOptions`.
    Update,
}

impl WriteOptions {
    /// Reads and validates the options.
    ///
    /// # Errors
    /// 422 as `ValidateCreateOptions` and its siblings give it.
    pub fn parse(query: Query<'_>, verb: WriteVerb) -> Result<Self> {
        let mut errors = Vec::new();
        let dry_run = check_dry_run(&query.all("dryRun").collect::<Vec<_>>(), &mut errors);
        let field_manager = query.text("fieldManager").into_owned();
        let force = query.flag("force");
        if verb == WriteVerb::Apply {
            if field_manager.is_empty() {
                let path = Path::root("fieldManager");
                errors.push(FieldError::required(&path, "is required for apply patch"));
            }
        } else if verb == WriteVerb::Patch && force.is_some() {
            let path = Path::root("force");
            errors.push(FieldError::forbidden(&path, "may not be specified for non-apply patch"));
        }
        check_field_manager(&field_manager, &mut errors);
        let validation = query.text("fieldValidation");
        let field_validation = match &*validation {
            "Ignore" => FieldValidation::Ignore,
            "Strict" => FieldValidation::Strict,
            "" | "Warn" => FieldValidation::Warn,
            other => {
                let path = Path::root("fieldValidation");
                let values = ["", "Ignore", "Strict", "Warn"];
                errors.push(FieldError::not_supported(&path, other, &values));
                FieldValidation::Warn
            }
        };
        if !errors.is_empty() {
            let kind = match verb {
                WriteVerb::Create => "CreateOptions",
                WriteVerb::Apply | WriteVerb::Patch => "PatchOptions",
                WriteVerb::Update => "UpdateOptions",
            };
            return Err(invalid_options(kind, errors));
        }
        Ok(Self { dry_run, field_manager, field_validation, force })
    }
}

/// What happens to the objects that name the deleted one as their owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// The garbage collector deletes them later.
    Background,
    /// They go first; finalizer `foregroundDeletion`.
    Foreground,
    /// They stay; finalizer `orphan`.
    Orphan,
}

/// Options of delete and deletecollection, from the body or the query.
#[derive(Debug, Clone, Default)]
pub struct DeleteOptions {
    /// Everything but removing.
    pub dry_run: bool,
    /// Seconds until a pod is killed.
    pub grace_seconds: Option<i64>,
    /// The older form of `propagation`.
    pub orphan_dependents: Option<bool>,
    /// What happens to dependents.
    pub propagation: Option<Propagation>,
    /// The object must have this uid.
    pub uid: Option<String>,
    /// The object must have this resourceVersion.
    pub resource_version: Option<String>,
    /// The object is to go because it cannot be read.
    pub ignore_read_error: bool,
}

/// The option that deletes what cannot be read.
const IGNORE_READ_ERROR: &str = "ignoreStoreReadErrorWithClusterBreakingPotential";

/// The fields of `DeleteOptions` before validation.
#[derive(Debug, Clone, Default)]
pub struct RawDeleteOptions {
    /// `dryRun`.
    pub dry_run: Vec<String>,
    /// `gracePeriodSeconds`.
    pub grace_seconds: Option<i64>,
    /// `orphanDependents`.
    pub orphan_dependents: Option<bool>,
    /// `propagationPolicy`.
    pub propagation: Option<String>,
    /// `preconditions.uid`.
    pub uid: Option<String>,
    /// `preconditions.resourceVersion`.
    pub resource_version: Option<String>,
    /// `ignoreStoreReadErrorWithClusterBreakingPotential`.
    pub ignore_read_error: bool,
}

impl RawDeleteOptions {
    /// The options as the query string gives them.
    ///
    /// # Errors
    /// 400 for a grace period that is no number.
    pub fn from_query(query: Query<'_>) -> Result<Self> {
        Ok(Self {
            dry_run: query.all("dryRun").map(std::borrow::Cow::into_owned).collect(),
            grace_seconds: query.int("gracePeriodSeconds").map_err(Fault::BadRequest)?,
            orphan_dependents: query.flag("orphanDependents"),
            propagation: query.first("propagationPolicy").map(std::borrow::Cow::into_owned),
            uid: None,
            resource_version: None,
            ignore_read_error: query.flag(IGNORE_READ_ERROR) == Some(true),
        })
    }

    /// Validates (`ValidateDeleteOptions`).
    ///
    /// # Errors
    /// 422 for values that are unknown or contradict each other.
    pub fn check(self) -> Result<DeleteOptions> {
        let mut errors = Vec::new();
        let path = Path::root("propagationPolicy");
        if let (Some(policy), Some(_)) = (&self.propagation, self.orphan_dependents) {
            let text = "orphanDependents and deletionPropagation cannot be both set";
            errors.push(FieldError::invalid(&path, policy, text));
        }
        let propagation = match self.propagation.as_deref() {
            None => None,
            Some("Foreground") => Some(Propagation::Foreground),
            Some("Background") => Some(Propagation::Background),
            Some("Orphan") => Some(Propagation::Orphan),
            Some(other) => {
                errors.push(FieldError {
                    kind: ErrorKind::NotSupported,
                    field: path.to_string(),
                    body: format!(
                        "Unsupported value: {other:?}: supported values: \"Foreground\", \
                         \"Background\", \"Orphan\", \"nil\""
                    ),
                });
                None
            }
        };
        let dry_run = check_dry_run(&self.dry_run, &mut errors);
        self.check_alone(&mut errors);
        if !errors.is_empty() {
            return Err(invalid_options("DeleteOptions", errors));
        }
        Ok(DeleteOptions {
            dry_run,
            grace_seconds: self.grace_seconds.map(|s| if s < 0 { 1 } else { s }),
            orphan_dependents: self.orphan_dependents,
            propagation,
            uid: self.uid,
            resource_version: self.resource_version,
            ignore_read_error: self.ignore_read_error,
        })
    }

    /// Who deletes what cannot be read can ask for nothing else (`ValidateIgnoreStoreReadError`).
    fn check_alone(&self, errors: &mut Vec<FieldError>) {
        let others = [
            (!self.dry_run.is_empty(), "dryRun"),
            (self.propagation.is_some(), "propagationPolicy"),
            (self.orphan_dependents.is_some(), "orphanDependents"),
            (self.grace_seconds.is_some(), "gracePeriodSeconds"),
            (self.uid.is_some() || self.resource_version.is_some(), "preconditions"),
        ];
        for (_, other) in others.iter().filter(|(is_set, _)| self.ignore_read_error && *is_set) {
            let text = format!("cannot be set together with .{other}");
            errors.push(FieldError::invalid(&Path::root(IGNORE_READ_ERROR), true, &text));
        }
    }
}

/// 422: the option makes no sense where it stands.
pub fn bad_read_error_option(subject: Subject, why: &str) -> Fault {
    let error = FieldError::invalid(&Path::root(IGNORE_READ_ERROR), true, why);
    Fault::Invalid { subject, errors: vec![error] }
}

/// 422 for an options object, as `ListOptions.meta.k8s.io "" is invalid: …`.
fn invalid_options(kind: &str, errors: Vec<FieldError>) -> Fault {
    let subject =
        Subject { group: "meta.k8s.io".into(), resource: kind.into(), name: String::new() };
    Fault::Invalid { subject, errors }
}

fn check_dry_run<S: AsRef<str>>(values: &[S], errors: &mut Vec<FieldError>) -> bool {
    if values.iter().all(|value| value.as_ref() == "All") {
        return !values.is_empty();
    }
    let shown: Vec<String> = values.iter().map(|value| format!("{:?}", value.as_ref())).collect();
    errors.push(FieldError {
        kind: ErrorKind::NotSupported,
        field: "dryRun".into(),
        body: format!("Unsupported value: [{}]: supported values: \"All\"", shown.join(",")),
    });
    false
}

/// At most 128 bytes, printable (`ValidateFieldManager`).
fn check_field_manager(manager: &str, errors: &mut Vec<FieldError>) {
    const BYTES_MAX: usize = 128;
    let path = Path::root("fieldManager");
    if manager.len() > BYTES_MAX {
        errors.push(FieldError::too_long(&path, BYTES_MAX));
    }
    for (at, character) in manager.chars().enumerate() {
        if character.is_control() {
            let code = u32::from(character);
            let text = format!("invalid character U+{code:04X} (at position {at})");
            errors.push(FieldError::invalid(&path, manager, &text));
        }
    }
}

/// `resourceVersion` of get, list and watch as a number; 0 for "" and "0".
///
/// # Errors
/// The untyped error of `APIObjectVersioner.ParseResourceVersion`.
pub fn parse_revision(text: &str) -> Result<u64> {
    if text.is_empty() || text == "0" {
        return Ok(0);
    }
    parse_uint(text)
        .map_err(|error| Fault::Plain(format!("resourceVersion: Invalid value: {text:?}: {error}")))
}

/// `strconv.ParseUint(text, 10, 64)`.
///
/// # Errors
/// Go's text.
pub fn parse_uint(text: &str) -> std::result::Result<u64, String> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let why = if digits { "value out of range" } else { "invalid syntax" };
    let parsed = text.parse::<u64>().ok().filter(|_| digits);
    parsed.ok_or_else(|| format!("strconv.ParseUint: parsing {text:?}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_options_that_contradict_are_invalid() {
        let parse = |q: &'static str, watch| ListOptions::parse(Query::new(q), watch);
        assert!(parse("resourceVersionMatch=Exact", false).is_err());
        assert!(parse("resourceVersionMatch=Exact&resourceVersion=0", false).is_err());
        assert!(parse("resourceVersionMatch=NotOlderThan&resourceVersion=0", false).is_ok());
        assert!(parse("sendInitialEvents=true", false).is_err());
        assert!(parse("sendInitialEvents=true", true).is_err());
        let watch = parse("", true).unwrap();
        assert_eq!(watch.send_initial_events, Some(true));
        assert_eq!(parse("resourceVersion=5", true).unwrap().send_initial_events, None);
    }

    #[test]
    fn watches_tell_all_that_is_wrong_with_their_revision() {
        let told = |q: &'static str| match ListOptions::parse(Query::new(q), true) {
            Err(Fault::Invalid { errors, .. }) => {
                errors.iter().map(|error| format!("{:?}", error.kind)).collect::<Vec<_>>().join(" ")
            }
            Err(other) => panic!("{other:?}"),
            Ok(_) => String::new(),
        };
        assert_eq!(told("sendInitialEvents=true"), "Forbidden");
        assert_eq!(told("resourceVersionMatch=Exact"), "Forbidden NotSupported");
        let exact = "sendInitialEvents=true&resourceVersionMatch=Exact";
        assert_eq!(told(exact), "Forbidden NotSupported");
        assert_eq!(told("resourceVersionMatch=NotOlderThan"), "Forbidden");
        // A watch from the start streams the state first, which no token can continue.
        assert_eq!(told("continue=x"), "Forbidden");
        assert_eq!(told("continue=x&resourceVersion=5"), "");
    }

    #[test]
    fn a_negative_grace_period_is_one_second() {
        let raw = RawDeleteOptions { grace_seconds: Some(-4), ..RawDeleteOptions::default() };
        assert_eq!(raw.check().unwrap().grace_seconds, Some(1));
    }

    #[test]
    fn revisions_fail_as_upstream() {
        assert_eq!(parse_revision("12"), Ok(12));
        assert!(matches!(parse_revision("-5"), Err(Fault::Plain(_))));
    }
}
