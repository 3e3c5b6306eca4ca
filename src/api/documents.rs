//! GET of what is no resource: the index, the version, discovery, OpenAPI.

use super::answer::Answer;
use super::discovery;
use super::discovery::Discovery;
use super::form;
use super::form::Form;
use super::openapi;
use crate::catalog::custom;
use crate::codec::media;
use crate::codec::media::Format;
use crate::http::Body;
use crate::request::Fault;
use crate::request::RouterFault;
use bytes::Bytes;

/// A request for a document: its path and the headers that matter, "" where missing.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'r> {
    /// The path.
    pub path: &'r str,
    /// Accept, User-Agent and the query.
    pub form: form::Asked<'r>,
    /// The Accept-Encoding header.
    pub accept_encoding: &'r str,
    /// The If-None-Match header.
    pub if_none_match: &'r str,
}

/// Paths of the index that are no API, besides those of single health checks.
const OTHER_PATHS: [&str; 13] = [
    "/.well-known/openid-configuration",
    "/flagz",
    "/healthz",
    "/livez",
    "/metrics",
    "/metrics/slis",
    "/openapi/v2",
    "/openapi/v3",
    "/openapi/v3/",
    "/openid/v1/jwks",
    "/readyz",
    "/statusz",
    "/version",
];

/// The answer to GET or HEAD; `None` if the path is no document's. `checks` are the paths of single
/// health checks, for the index.
pub async fn answer(found: &Discovery, checks: &[&str], asked: Asked<'_>) -> Option<Answer> {
    if openapi::is_served(asked.path) {
        return Some(open_api(asked).await);
    }
    match asked.path {
        "/" | "/index.html" => {
            let others = [&OTHER_PATHS[..], checks].concat();
            let served = custom::served();
            let groups = discovery::with_custom(discovery::built_in(), &served);
            Some(json(discovery::root_paths(&groups, &others)))
        }
        "/version" | "/version/" => Some(json(discovery::version())),
        path => match found.answer(path, asked.form.accept, asked.if_none_match) {
            Some(answer) => Some(discovered(answer, asked)),
            None if found.is_below(path) => {
                let form = form::for_status(asked.form);
                Some(Answer::fault(Fault::Router(RouterFault::NotFound), &form))
            }
            None => None,
        },
    }
}

fn json(body: Bytes) -> Answer {
    Answer::stream(200, "application/json", Body::full(body))
}

fn discovered(answer: discovery::Answer, asked: Asked<'_>) -> Answer {
    match answer {
        discovery::Answer::Document { form, content_type, body, etag } => {
            let media = match form {
                discovery::Form::Json => Format::Json,
                discovery::Form::Protobuf => Format::Protobuf,
                discovery::Form::Yaml => Format::Yaml,
            };
            let query = asked.form.query.first("pretty");
            let pretty = media::is_pretty(query.as_deref(), asked.form.user_agent);
            let form = Form { media, pretty: pretty && media == Format::Json, ..Form::JSON };
            let again = form.pretty || media == Format::Yaml;
            let body = if again { form::reprint(&body, &form) } else { body };
            let mut answer = Answer::stream(200, content_type, Body::full(body));
            if let Some(etag) = etag {
                answer.headers.extend(cache_headers(etag));
            }
            answer
        }
        discovery::Answer::NotModified(etag) => not_modified(etag),
        discovery::Answer::NotAcceptable => {
            let types = media::OBJECT_TYPES.join(", ");
            let text = format!("only the following media types are accepted: {types}");
            Answer::fault(Fault::NotAcceptable(text), &Form::JSON)
        }
    }
}

async fn open_api(asked: Asked<'_>) -> Answer {
    let hash = asked.form.query.first("hash");
    let asked = openapi::Asked {
        path: asked.path,
        hash: hash.as_deref().unwrap_or_default(),
        accept: asked.form.accept,
        accept_encoding: asked.accept_encoding,
        if_none_match: asked.if_none_match,
    };
    match openapi::answer(asked).await {
        openapi::Answer::Document { content_type, body, gzip, etag, immutable } => {
            let mut answer = Answer::stream(200, content_type, Body::full(body));
            answer.headers.push(("etag", etag));
            answer.headers.push(("vary", "Accept, Accept-Encoding".to_owned()));
            if gzip {
                answer.headers.push(("content-encoding", "gzip".to_owned()));
            }
            if immutable {
                answer.headers.push(("cache-control", "public, immutable".to_owned()));
            }
            answer
        }
        openapi::Answer::Moved(location) => {
            let mut answer = Answer::stream(301, "", Body::empty());
            answer.headers.push(("location", location));
            answer
        }
        openapi::Answer::NotAcceptable => Answer::stream(406, "", Body::empty()),
        openapi::Answer::NotFound => Answer::stream(404, "", Body::empty()),
        openapi::Answer::NotModified(etag) => not_modified(etag),
    }
}

fn not_modified(etag: String) -> Answer {
    let mut answer = Answer::stream(304, "", Body::empty());
    answer.headers.extend(cache_headers(etag));
    answer
}

fn cache_headers(etag: String) -> [(&'static str, String); 3] {
    [("etag", etag), ("vary", "Accept".to_owned()), ("cache-control", "public".to_owned())]
}
