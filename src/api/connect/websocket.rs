//! The handshake of WebSocket clients, and sending to them.

use crate::api::upgrade::{is_upgrade, switching};
use crate::codec::websocket::{self, Kind};
use crate::http::{
    Body, HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Upgrade,
    UpgradedWriter, header,
};
use bytes::BytesMut;
use std::io;

/// What a client names the protocols in that it can speak.
pub(super) const PROTOCOLS: HeaderName = HeaderName::from_static("sec-websocket-protocol");
const KEY: HeaderName = HeaderName::from_static("sec-websocket-key");
const VERSION: HeaderName = HeaderName::from_static("sec-websocket-version");
const ACCEPT: HeaderName = HeaderName::from_static("sec-websocket-accept");

/// The protocols that a request offers, if it asks for a WebSocket (`IsWebSocketRequest`).
pub(super) fn offered(headers: &HeaderMap) -> Vec<&str> {
    let asks = headers.get(header::UPGRADE).and_then(|value| value.to_str().ok());
    if !asks.is_some_and(|text| text.eq_ignore_ascii_case("websocket")) || !is_upgrade(headers) {
        return Vec::new();
    }
    let texts = headers.get_all(&PROTOCOLS).iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(str::trim).collect()
}

/// Answers the handshake, after which `run` has the connection; 400 if it is no handshake of
/// version 13.
pub(super) fn agree(request: &Request, protocol: Option<&str>, run: Upgrade) -> Response {
    let text = |name: HeaderName| request.header(name).unwrap_or_default();
    let key = text(KEY);
    let sound = request.method == Method::GET && text(VERSION) == "13" && !key.is_empty();
    let accepted = HeaderValue::try_from(websocket::accept(key)).ok().filter(|_| sound);
    let Some(accepted) = accepted else {
        let mut response = Response::new(StatusCode::BAD_REQUEST, Body::full("Bad Request"));
        response.close = true;
        return response;
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(ACCEPT, accepted);
    if let Some(protocol) = protocol.and_then(|protocol| HeaderValue::try_from(protocol).ok()) {
        headers.insert(PROTOCOLS, protocol);
    }
    switching(headers, run)
}

/// Takes the handshake out of headers that go on to one who speaks SPDY.
pub(super) fn remove_handshake(headers: &mut HeaderMap) {
    for name in [&PROTOCOLS, &KEY, &VERSION, &HeaderName::from_static("sec-websocket-extensions")] {
        headers.remove(name);
    }
}

/// Sends one frame.
pub(super) async fn send(
    writer: &mut UpgradedWriter,
    kind: Kind,
    head: &[u8],
    payload: &[u8],
) -> io::Result<()> {
    let mut frame = BytesMut::with_capacity(payload.len() + 16);
    websocket::put(&mut frame, kind, head, payload);
    writer.write(&frame).await?;
    writer.flush().await
}
