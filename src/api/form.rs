//! What form of answer a client accepts (features.md section 2.3).
//!
//! Two stages refuse differently, as upstream: the router compares the Accept header with the
//! types a route produces, the handler then looks for a clause whose transformation it can do.

use super::table::{Include, MetaVersion};
use crate::codec::media::{self, Convert, Format};
use crate::codec::{json, yaml};
use crate::request::{Fault, Query, Result, RouterFault};
use bytes::Bytes;

/// What routes of objects and of discovery answer with.
pub(super) const TYPES: &str =
    "application/json, application/yaml, application/vnd.kubernetes.protobuf";
const LIST_TYPES: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf, \
     application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";

/// A negotiated form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// The encoding.
    pub media: Format,
    /// What is shown of the object.
    pub transform: Transform,
    /// JSON with line breaks and two spaces a level.
    pub pretty: bool,
}

/// What is shown of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transform {
    /// All of it.
    None,
    /// Its metadata.
    Partial(MetaVersion),
    /// The metadata of each of a list.
    PartialList(MetaVersion),
    /// Rows for a person.
    Table(MetaVersion, Include),
}

impl Form {
    /// Plain JSON, for answers to clients that asked for nothing that is there.
    pub const JSON: Self = Self { media: Format::Json, transform: Transform::None, pretty: false };

    /// The Content-Type of an answer in this form.
    pub const fn content_type(&self) -> &'static str {
        match self.media {
            Format::Json => "application/json",
            Format::Protobuf => "application/vnd.kubernetes.protobuf",
            Format::Yaml => "application/yaml",
        }
    }

    /// The Content-Type of a watch in this form.
    pub const fn stream_type(&self) -> &'static str {
        match self.media {
            Format::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
            Format::Json | Format::Yaml => "application/json",
        }
    }

    /// The same form with nothing left out, for a Status.
    pub const fn whole(self) -> Self {
        Self { transform: Transform::None, ..self }
    }
}

/// Who asks, as far as the form goes.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'r> {
    /// The Accept header; "" if none.
    pub accept: &'r str,
    /// The User-Agent header.
    pub user_agent: &'r str,
    /// The query.
    pub query: Query<'r>,
}

/// The form of the answer to a request on a resource; routes that list and watch name more types
/// when they refuse.
///
/// # Errors
/// 406 in the router's or the handler's words; 400 for an unknown `includeObject`.
pub fn negotiate(asked: Asked<'_>, lists: bool) -> Result<Form> {
    if !media::is_routable(asked.accept, media::OBJECT_TYPES) {
        let types = if lists { LIST_TYPES } else { TYPES };
        return Err(Fault::Router(RouterFault::NotAcceptable(types)));
    }
    let accepted = media::negotiate(asked.accept, media::FORMATS, |format, convert| {
        convert.is_none_or(|convert| transform(format, convert).is_some())
    });
    let Some(accepted) = accepted else {
        let text = format!("only the following media types are accepted: {TYPES}");
        return Err(Fault::NotAcceptable(text));
    };
    form_of(asked, &accepted)
}

fn form_of(asked: Asked<'_>, accepted: &media::Accepted<'_>) -> Result<Form> {
    let wanted = accepted.convert.and_then(|convert| transform(accepted.format, convert));
    let mut form = Form {
        media: accepted.format,
        transform: wanted.unwrap_or(Transform::None),
        pretty: false,
    };
    if let Transform::Table(version, _) = form.transform {
        form.transform = Transform::Table(version, include(asked.query)?);
    }
    let by_hand = media::is_pretty(asked.query.first("pretty").as_deref(), asked.user_agent);
    form.pretty = form.media == Format::Json && (accepted.pretty || by_hand);
    Ok(form)
}

/// The form of the answer to a request on a custom resource: there is no protobuf of it, and what
/// is not there is refused by the handler alone.
///
/// # Errors
/// 406 in the handler's words; 400 for an unknown `includeObject`.
pub fn negotiate_custom(asked: Asked<'_>) -> Result<Form> {
    const TYPES: &str = "application/json, application/yaml";
    let accepted = media::negotiate(asked.accept, media::FORMATS, |format, convert| {
        let partial = matches!(
            convert.and_then(|convert| transform(format, convert)),
            Some(Transform::Partial(_) | Transform::PartialList(_))
        );
        let known = convert.is_none_or(|convert| transform(format, convert).is_some());
        known && (format != Format::Protobuf || partial)
    });
    let Some(accepted) = accepted else {
        let all = format!("{TYPES}, application/vnd.kubernetes.protobuf");
        let text = format!("only the following media types are accepted: {all}");
        return Err(Fault::NotAcceptable(text));
    };
    form_of(asked, &accepted)
}

/// What `as`, `g` and `v` of a clause ask for; `None` if there is no such form.
fn transform(format: Format, convert: Convert<'_>) -> Option<Transform> {
    let version = match (convert.group, convert.version) {
        ("meta.k8s.io", "v1") => MetaVersion::V1,
        ("meta.k8s.io", "v1beta1") => MetaVersion::V1Beta1,
        _ => return None,
    };
    match convert.kind {
        "Table" if format == Format::Protobuf => None,
        "Table" => Some(Transform::Table(version, Include::Metadata)),
        "PartialObjectMetadata" => Some(Transform::Partial(version)),
        "PartialObjectMetadataList" => Some(Transform::PartialList(version)),
        _ => None,
    }
}

/// The encoding for a Status: what Accept says without transforming it, else indented JSON
/// (`ErrorNegotiated`).
pub fn for_status(asked: Asked<'_>) -> Form {
    media::negotiate(asked.accept, media::FORMATS, |_, convert| convert.is_none())
        .and_then(|accepted| form_of(asked, &accepted).ok())
        .unwrap_or(Form { pretty: true, ..Form::JSON })
}

fn include(query: Query<'_>) -> Result<Include> {
    let text = query.text("includeObject");
    Include::parse(&text).ok_or_else(|| {
        Fault::BadRequest(format!(
            "Unable to convert to Table as requested: includeObject: Invalid value: {text:?}: must \
             be 'Metadata', 'Object', 'None', or empty"
        ))
    })
}

/// JSON text in another media type, or indented.
pub fn reprint(text: &[u8], form: &Form) -> Bytes {
    let mut out = Vec::with_capacity(text.len() * 2);
    if form.media == Format::Yaml {
        return match yaml::from_json(text, &mut out) {
            Ok(()) => out.into(),
            // Our own text is JSON; should it not be, it is at least shown.
            Err(_) => Bytes::copy_from_slice(text),
        };
    }
    json::write::indented(text.strip_suffix(b"\n").unwrap_or(text), &mut out);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(accept: &str) -> Result<Form> {
        negotiate(Asked { accept, user_agent: "", query: Query::new("") }, false)
    }

    #[test]
    fn empty_and_wildcard_mean_json() {
        assert_eq!(form(""), Ok(Form::JSON));
        assert_eq!(form("*/*"), Ok(Form::JSON));
        assert_eq!(form("text/html,*/*"), Ok(Form::JSON));
    }

    #[test]
    fn the_router_refuses_what_no_route_produces() {
        let refused = Err(Fault::Router(RouterFault::NotAcceptable(TYPES)));
        assert_eq!(form("text/html"), refused);
        assert_eq!(form("application/*"), refused);
        assert_eq!(form("application/cbor"), refused);
    }

    #[test]
    fn routes_that_list_tell_of_streams() {
        let asked = Asked { accept: "text/html", user_agent: "", query: Query::new("") };
        let refused = Err(Fault::Router(RouterFault::NotAcceptable(LIST_TYPES)));
        assert_eq!(negotiate(asked, true), refused);
    }

    #[test]
    fn a_status_is_never_transformed() {
        let form = |accept| for_status(Asked { accept, user_agent: "", query: Query::new("") });
        let fallback = Form { pretty: true, ..Form::JSON };
        assert_eq!(form("application/yaml;as=Table;v=v1;g=meta.k8s.io"), fallback);
        assert_eq!(form("application/json;as=Table,application/yaml").media, Format::Yaml);
        assert_eq!(form("application/*"), Form::JSON);
        assert_eq!(form("text/html"), fallback);
    }

    #[test]
    fn quality_orders_the_clauses() {
        assert_eq!(form("application/json;q=0.5,application/yaml").unwrap().media, Format::Yaml);
        assert_eq!(form("application/yaml;q=0.1,application/json").unwrap().media, Format::Json);
    }

    #[test]
    fn a_transformation_that_is_not_there_falls_to_the_next_clause() {
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
        assert!(matches!(form(table).unwrap().transform, Transform::Table(MetaVersion::V1, _)));
        let fallback = "application/json;as=Table;v=v9;g=meta.k8s.io,application/json";
        assert_eq!(form(fallback), Ok(Form::JSON));
        let bogus = "application/json;as=Bogus;v=v1;g=meta.k8s.io";
        assert!(matches!(form(bogus), Err(Fault::NotAcceptable(_))));
        let binary = "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io";
        assert!(form(binary).is_err());
    }

    #[test]
    fn people_get_indented_json_unless_they_decline() {
        let ask = |agent, query| Asked { accept: "", user_agent: agent, query: Query::new(query) };
        assert!(negotiate(ask("curl/8", ""), false).unwrap().pretty);
        assert!(!negotiate(ask("curl/8", "pretty=false"), false).unwrap().pretty);
        assert!(negotiate(ask("x", "pretty=true"), false).unwrap().pretty);
    }
}
