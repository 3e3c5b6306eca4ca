//! GET of what is no resource: the index, the version, discovery, OpenAPI.

use super::answer::Answer;
use super::discovery;
use super::discovery::Discovery;
use super::form;
use super::form::Form;
use super::openapi;
use crate::catalog::{catalog, custom};
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

/// What the router refuses of a request to a document that it serves: any method but GET, and an
/// Accept header that names none of `types` and not everything. The index, the lists of groups and
/// OpenAPI are served beside the router, which answer any method.
pub fn refused(method: &str, types: &'static str, form: form::Asked<'_>) -> Option<Answer> {
    let known: Vec<&str> = types.split(", ").collect();
    let fault = if method != "GET" {
        RouterFault::MethodNotAllowed
    } else if !media::is_routable(form.accept, &known) {
        RouterFault::NotAcceptable(types)
    } else {
        return None;
    };
    Some(Answer::fault(Fault::Router(fault), &form::for_status(form)))
}

/// The types of a document that the router serves; `None` for one that is served beside it.
fn routed(path: &str) -> Option<&'static str> {
    let path = path.strip_suffix('/').unwrap_or(path);
    match path {
        "/version" => Some("application/json"),
        "/api" | "/api/v1" => Some(form::TYPES),
        _ => {
            let (group, version) = path.strip_prefix("/apis/")?.split_once('/')?;
            let group = catalog().groups().iter().find(|known| known.name == group)?;
            let versions = &group.versions;
            let served = versions.iter().any(|v| v.version == version && v.served_by_default());
            served.then_some(form::TYPES)
        }
    }
}

/// The answer to a request; `None` if the path is no document's. `checks` are the paths of single
/// health checks, for the index.
pub async fn answer(
    found: &Discovery,
    checks: &[String],
    method: &str,
    asked: Asked<'_>,
) -> Option<Answer> {
    if let Some(answer) = routed(asked.path).and_then(|types| refused(method, types, asked.form)) {
        return Some(answer);
    }
    if openapi::is_served(asked.path) {
        return Some(open_api(asked).await);
    }
    match asked.path {
        "/" | "/index.html" => {
            let others = OTHER_PATHS.iter().copied().chain(checks.iter().map(String::as_str));
            let others: Vec<&str> = others.collect();
            let served = custom::served();
            let groups = discovery::with_custom(discovery::built_in(), &served);
            Some(json(discovery::root_paths(&groups, &others)))
        }
        "/version" | "/version/" => Some(json(discovery::version())),
        path if path.starts_with("/version/") => {
            let form = form::for_status(asked.form);
            Some(Answer::fault(Fault::Router(RouterFault::NotFound), &form))
        }
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
    let is_index = asked.path == "/openapi/v3";
    let varies: &[&str] =
        if asked.path == "/openapi/v2" { &["Accept-Encoding", "Accept"] } else { &["Accept"] };
    let mut varies: Vec<_> = varies.iter().map(|by| ("vary", (*by).to_owned())).collect();
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
            // The index of version 3 is made anew for each request, and not told apart.
            if !is_index {
                // Upstream compresses version 2 alone.
                if gzip && varies.len() == 1 {
                    varies.push(("vary", "Accept-Encoding".to_owned()));
                }
                answer.headers.push(("etag", etag));
                answer.headers.extend(varies);
            }
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
        openapi::Answer::NotAcceptable => {
            let mut answer = Answer::stream(406, "", Body::empty());
            answer.headers.extend(varies);
            answer
        }
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

#[cfg(test)]
mod tests {
    use super::{form, refused, routed};
    use crate::request::Query;

    #[test]
    fn the_router_serves_get_alone_and_the_types_it_has() {
        let ask = |method: &str, path: &str, accept: &str| {
            let form = form::Asked { accept, user_agent: "", query: Query::new("") };
            routed(path).and_then(|types| refused(method, types, form)).map(|answer| answer.code)
        };
        assert_eq!(ask("GET", "/version", "application/json;q=0.1"), None);
        assert_eq!(ask("GET", "/version/", "application/yaml"), Some(406));
        assert_eq!(ask("GET", "/api/v1", "application/yaml"), None);
        assert_eq!(ask("GET", "/api", "application/*"), Some(406));
        for path in ["/api", "/api/v1", "/apis/apps/v1", "/version"] {
            assert_eq!(ask("POST", path, ""), Some(405), "{path}");
            assert_eq!(ask("HEAD", path, ""), Some(405), "{path}");
        }
        // These are answered beside the router.
        for path in ["/", "/apis", "/apis/apps", "/apis/nope/v1", "/openapi/v3"] {
            assert_eq!(ask("POST", path, "text/html"), None, "{path}");
        }
    }
}
