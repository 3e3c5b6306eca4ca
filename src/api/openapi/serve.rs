//! Answers to `/openapi/v2`, `/openapi/v3` and the documents below it.

use crate::api::openapi::document::V2;
use crate::api::openapi::document::V3;
use crate::api::openapi::document::location;
use crate::api::openapi::document::text;
use crate::api::openapi::keep::Kept;
use crate::api::openapi::out::Packed;
use crate::api::openapi::v3_proto;
use crate::codec::gzip;
use bytes::Bytes;

static V2_KEPT: Kept<V2> = Kept::new();
static V3_KEPT: Kept<V3> = Kept::new();

const JSON: &str = "application/json";
const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
/// The name of old, which clients still send.
const PROTOBUF_OLD: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

const V3_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf";
/// The name of old of this one.
const V3_PROTOBUF_OLD: &str = "application/com.github.proto-openapi.spec.v3@v1.0+protobuf";

/// What a request asks for, as far as documents go: header and query values, "" where missing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'r> {
    /// The path.
    pub path: &'r str,
    /// The `hash` of the query.
    pub hash: &'r str,
    /// The Accept header.
    pub accept: &'r str,
    /// The Accept-Encoding header.
    pub accept_encoding: &'r str,
    /// The If-None-Match header.
    pub if_none_match: &'r str,
}

/// What to answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// The document; such answers carry `Vary: Accept`.
    Document {
        /// The Content-Type.
        content_type: &'static str,
        /// The body.
        body: Bytes,
        /// The body is compressed: `Content-Encoding: gzip`.
        gzip: bool,
        /// The ETag with its quotes.
        etag: String,
        /// The URL names this very content: it may be kept for ever.
        immutable: bool,
    },
    /// The URL names content of another time: 301 to this one.
    Moved(String),
    /// No form that the client accepts: 406.
    NotAcceptable,
    /// There is no such document: 404.
    NotFound,
    /// The client's copy is current: 304 with this ETag.
    NotModified(String),
}

/// True for paths that `answer` is for.
pub fn is_served(path: &str) -> bool {
    matches!(path, "/openapi/v2" | "/openapi/v3") || path.starts_with("/openapi/v3/")
}

/// The answer to GET of a path for which `is_served`. The first call after a change of
/// custom resources waits until the documents are built.
pub async fn answer(asked: Asked<'_>) -> Answer {
    let Some(name) = asked.path.strip_prefix("/openapi/v3") else {
        let all = V2_KEPT.get().await;
        return match accepted(asked.accept, &[JSON, PROTOBUF_OLD, PROTOBUF]) {
            Some(JSON) => deliver(asked, &all.json, JSON, false),
            Some(_) => deliver(asked, &all.protobuf, PROTOBUF, false),
            None => Answer::NotAcceptable,
        };
    };
    let all = V3_KEPT.get().await;
    let name = name.trim_matches('/');
    if asked.path == "/openapi/v3" {
        return deliver(asked, &all.index, "text/plain; charset=utf-8", false);
    }
    let Some(document) = all.document(name) else { return Answer::NotFound };
    let Some(media) = accepted(asked.accept, &[JSON, V3_PROTOBUF_OLD, V3_PROTOBUF]) else {
        return Answer::NotAcceptable;
    };
    if !asked.hash.is_empty() && asked.hash != document.hash {
        return Answer::Moved(location(name, &document.hash));
    }
    let answer = deliver(asked, document, JSON, !asked.hash.is_empty());
    match answer {
        Answer::Document { etag, immutable, .. } if media != JSON => {
            let body = v3_proto::of_json(&text(document)).into();
            Answer::Document { content_type: V3_PROTOBUF, body, gzip: false, etag, immutable }
        }
        answer => answer,
    }
}

fn deliver(
    asked: Asked<'_>,
    document: &Packed,
    content_type: &'static str,
    immutable: bool,
) -> Answer {
    let etag = format!("\"{}\"", document.hash);
    if asked.if_none_match.split(',').any(|tag| matches!(tag.trim(), "*") || tag.trim() == etag) {
        return Answer::NotModified(etag);
    }
    let gzip = gzip::is_accepted(asked.accept_encoding);
    let body = if gzip { document.gzip.clone() } else { text(document) };
    Answer::Document { content_type, body, gzip, etag, immutable }
}

/// The first clause of an Accept header that names one of these types; no header means any.
fn accepted(accept: &str, types: &[&'static str]) -> Option<&'static str> {
    if accept.trim().is_empty() {
        return types.first().copied();
    }
    accept.split(',').find_map(|clause| {
        let media = clause.split(';').next().unwrap_or_default().trim();
        match media {
            "*/*" | "application/*" => types.first().copied(),
            _ => types.iter().find(|known| media.eq_ignore_ascii_case(known)).copied(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{Answer, Asked, answer};
    use flate2::read::GzDecoder;
    use std::io::Read as _;

    fn ask(asked: Asked<'_>) -> Answer {
        futures_lite::future::block_on(answer(asked))
    }

    fn body(asked: Asked<'_>) -> (Vec<u8>, String) {
        match ask(asked) {
            Answer::Document { body, etag, .. } => (body.to_vec(), etag),
            other => panic!("{asked:?}: {other:?}"),
        }
    }

    #[test]
    fn the_index_leads_to_documents_that_may_be_kept() {
        let index = Asked { path: "/openapi/v3", ..Asked::default() };
        let index: serde_json::Value = serde_json::from_slice(&body(index).0).expect("JSON");
        let paths = index["paths"].as_object().expect("an object");
        for name in ["api", "api/v1", "apis", "apis/apps", "apis/apps/v1", "version"] {
            let url = paths[name]["serverRelativeURL"].as_str().expect("a URL");
            let (path, hash) = url.split_once("?hash=").expect("a hash");
            let asked = Asked { path, hash, ..Asked::default() };
            assert!(matches!(ask(asked), Answer::Document { immutable: true, .. }), "{url}");
            let stale = Asked { hash: "00", ..asked };
            assert_eq!(ask(stale), Answer::Moved(url.to_owned()));
        }
        let none = Asked { path: "/openapi/v3/apis/nope/v1", ..Asked::default() };
        assert_eq!(ask(none), Answer::NotFound);
    }

    #[test]
    fn both_encodings_hold_the_same_text() {
        let plain = Asked { path: "/openapi/v2", ..Asked::default() };
        let (text, etag) = body(plain);
        let (compressed, _) = body(Asked { accept_encoding: "gzip, deflate", ..plain });
        let mut inflated = Vec::new();
        GzDecoder::new(&*compressed).read_to_end(&mut inflated).expect("gzip");
        assert!(inflated == text && compressed.len() * 5 < text.len());
        let again = Asked { if_none_match: &etag, ..plain };
        assert_eq!(ask(again), Answer::NotModified(etag.clone()));
    }

    #[test]
    fn v2_comes_as_json_or_protobuf() {
        let v2 = |accept: &str| ask(Asked { path: "/openapi/v2", accept, ..Asked::default() });
        let media = |accept: &str| match v2(accept) {
            Answer::Document { content_type, .. } => content_type,
            other => panic!("{accept}: {other:?}"),
        };
        assert_eq!(media("application/json"), "application/json");
        assert_eq!(media("*/*"), "application/json");
        let protobuf = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
        assert_eq!(media(protobuf), protobuf);
        assert_eq!(media(&protobuf.replace("v2.v1", "v2@v1")), protobuf);
        assert_eq!(v2("text/html"), Answer::NotAcceptable);
    }
}
