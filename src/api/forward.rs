//! Requests that another server answers: what goes there, and its answer back as it comes
//! (`httputil.ReverseProxy` with `k8s.io/apimachinery/pkg/util/proxy`).
//!
//! Requests that want to leave HTTP go by `api::upgrade`.

use crate::client::{Client, ClientError, Payload, Target};
use crate::http::{Body, HeaderMap, HeaderName, HeaderValue, Method, Response, header};
use bytes::Bytes;
use futures_lite::StreamExt as _;
use std::time::Duration;

/// Headers that belong to one connection and not to what goes over it (`hopHeaders`).
const HOP_HEADERS: [HeaderName; 7] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What is sent on.
#[derive(Debug)]
pub struct Forward<'f> {
    /// Whom to.
    pub target: &'f Target,
    /// The URL there.
    pub url: String,
    /// The method.
    pub method: Method,
    /// The client's headers; those of its connection are left out.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Until the answer's headers.
    pub timeout: Duration,
}

/// The answer of the other server; its body goes on as it comes.
///
/// # Errors
/// There is none.
pub async fn forward(client: &Client, forward: Forward<'_>) -> Result<Response, ClientError> {
    let Forward { target, url, method, mut headers, body, timeout } = forward;
    remove_hop_headers(&mut headers);
    headers.remove(header::HOST);
    headers.remove(header::CONTENT_LENGTH);
    let mut request = http::Request::new(Payload::whole(body));
    let unusable = |error: http::uri::InvalidUri| ClientError::Unusable(error.to_string());
    *request.uri_mut() = url.parse().map_err(unusable)?;
    *request.method_mut() = method;
    *request.headers_mut() = headers;
    let answered = client.stream(target, request, timeout).await?;
    let (head, ()) = answered.head.into_parts();
    // A broken body breaks ours off, so that the client sees that it is incomplete.
    let pieces = answered.body.map(Result::ok);
    let mut response = Response::new(head.status, Body::breakable_stream(pieces));
    response.headers = head.headers;
    remove_hop_headers(&mut response.headers);
    Ok(response)
}

/// Tells the other server whom the request is from.
pub fn add_forwarded(headers: &mut HeaderMap, peer: std::net::IpAddr, host: &str, uri: &str) {
    let before = headers.get(&FORWARDED_FOR).and_then(|value| value.to_str().ok());
    let chain = match before {
        Some(before) => format!("{before}, {peer}"),
        None => peer.to_string(),
    };
    let told = [
        ("x-forwarded-for", chain.as_str()),
        ("x-forwarded-uri", uri),
        ("x-forwarded-host", host),
        ("x-forwarded-proto", "https"),
    ];
    for (name, text) in told {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

fn remove_hop_headers(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .collect();
    for name in named.iter().chain(&HOP_HEADERS).chain([&KEEP_ALIVE, &PROXY_CONNECTION]) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_the_connection_stay_behind() {
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("connection", "X-Own, close"), ("x-own", "1"), ("te", "trailers"), ("accept", "a")]
        {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        remove_hop_headers(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["accept"]);
    }

    #[test]
    fn the_chain_of_clients_grows() {
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED_FOR, HeaderValue::from_static("10.0.0.1"));
        add_forwarded(&mut headers, [10, 0, 0, 2].into(), "h:443", "/apis/g/v");
        assert_eq!(headers.get(&FORWARDED_FOR).expect("is there"), "10.0.0.1, 10.0.0.2");
        assert_eq!(headers.get("x-forwarded-uri").expect("is there"), "/apis/g/v");
    }
}
