//! Requests that want to leave HTTP for another protocol, over another server: sent on as they
//! came, its `101 Switching Protocols` sent back, and bytes carried both ways from then on
//! (`k8s.io/apimachinery/pkg/util/proxy` `UpgradeAwareHandler.tryUpgrade`).
//!
//! What waits in either direction is bounded: who sends faster than the other end takes is not read
//! any further.

use crate::base::limits::{CLIENT_FORWARD_SECONDS_MAX, UPGRADE_LINGER_SECONDS};
use crate::client::{Client, ClientError, Duplex, Payload, Target};
use crate::http::{
    Body, HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Upgrade, Upgraded,
    header,
};
use crate::rt;
use bytes::Bytes;
use futures_lite::StreamExt as _;
use futures_lite::future::or;
use std::net::IpAddr;
use std::time::Duration;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What is sent on.
#[derive(Debug)]
pub struct Wanted<'w> {
    /// Whom to.
    pub target: &'w Target,
    /// The URL there.
    pub url: String,
    /// The method.
    pub method: Method,
    /// The client's headers, those of its connection among them.
    pub headers: HeaderMap,
}

/// What the other end has answered.
#[derive(Debug)]
pub enum Met {
    /// It speaks the other protocol now.
    Switched(http::Response<()>, Duplex),
    /// It does not; its answer for the client, whose connection ends with it.
    Refused(Response),
}

/// `httpstream.IsUpgradeRequest`.
#[must_use]
pub fn is_upgrade(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .any(|value| value.to_str().is_ok_and(|text| text.to_ascii_lowercase().contains("upgrade")))
}

/// Tells the other end for whom this asks (`AppendForwardedForHeader`).
pub fn append_forwarded_for(headers: &mut HeaderMap, peer: IpAddr) {
    let before: Vec<&str> =
        headers.get_all(&FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()).collect();
    let chain = match before[..] {
        [] => peer.to_string(),
        _ => format!("{}, {peer}", before.join(", ")),
    };
    if let Ok(value) = HeaderValue::from_str(&chain) {
        headers.insert(FORWARDED_FOR, value);
    }
}

/// Asks the other end to leave HTTP.
///
/// # Errors
/// Upstream's text: it cannot be reached, breaks off, or answers what is neither an upgrade nor a
/// failure.
pub async fn ask(client: &Client, wanted: Wanted<'_>) -> Result<Met, String> {
    let Wanted { target, url, method, mut headers } = wanted;
    // Nothing of a body goes on.
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::TRANSFER_ENCODING);
    let mut request = http::Request::new(Payload::whole(Bytes::new()));
    *request.uri_mut() = url.parse().map_err(|_| format!("parse {url:?}: invalid URL"))?;
    *request.method_mut() = method;
    *request.headers_mut() = headers;
    let time = Duration::from_secs(CLIENT_FORWARD_SECONDS_MAX);
    let answered = client.stream(target, request, time).await.map_err(|error| match error {
        ClientError::Broken(text) => text,
        other => format!("error dialing backend: {other}"),
    })?;
    let code = answered.head.status();
    match answered.duplex {
        Some(duplex) => Ok(Met::Switched(answered.head, duplex)),
        None if code.as_u16() < 400 => {
            Err(format!("invalid upgrade response: status code {}", code.as_u16()))
        }
        None => {
            let pieces = answered.body.map(Result::ok);
            let mut response = Response::new(code, Body::breakable_stream(pieces));
            response.headers = answered.head.into_parts().0.headers;
            response.headers.remove(header::TRANSFER_ENCODING);
            response.close = true;
            Ok(Met::Refused(response))
        }
    }
}

/// The answer to a client whose bytes go to the other end as they are, and back.
///
/// # Errors
/// As [`ask`].
pub async fn pass(client: &Client, wanted: Wanted<'_>) -> Result<Response, String> {
    match ask(client, wanted).await? {
        Met::Refused(response) => Ok(response),
        Met::Switched(head, duplex) => {
            let protocol = Upgrade::new(move |upgraded| splice(upgraded, duplex));
            Ok(switching(head.into_parts().0.headers, protocol))
        }
    }
}

/// `101 Switching Protocols`.
#[must_use]
pub fn switching(headers: HeaderMap, protocol: Upgrade) -> Response {
    let mut response = Response::new(StatusCode::SWITCHING_PROTOCOLS, Body::empty());
    response.headers = headers;
    response.upgrade = Some(protocol);
    response
}

/// Carries bytes both ways until the other end has said all. A client that has ended its half is
/// waited for a while: what the other end has to say still reaches it.
async fn splice(upgraded: Upgraded, duplex: Duplex) {
    let Upgraded { mut reader, mut writer } = upgraded;
    let Duplex { sender, receiver } = duplex;
    let up = async move {
        loop {
            match reader.read().await {
                Err(_) => return,
                Ok(piece) if piece.is_empty() => break,
                Ok(piece) => {
                    if sender.send(piece).await.is_err() {
                        break;
                    }
                }
            }
        }
        drop(sender);
        rt::sleep(Duration::from_secs(UPGRADE_LINGER_SECONDS)).await;
    };
    let down = async {
        while let Ok(piece) = receiver.recv().await {
            writer.write(&piece).await?;
            while let Ok(more) = receiver.try_recv() {
                writer.write(&more).await?;
            }
            writer.flush().await?;
        }
        Ok::<(), std::io::Error>(())
    };
    or(up, async { drop(down.await) }).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_connection_header_says_that_a_request_wants_to_leave() {
        let with = |name, value| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            headers
        };
        assert!(is_upgrade(&with(header::CONNECTION, "keep-alive, Upgrade")));
        assert!(!is_upgrade(&with(header::UPGRADE, "websocket")));
        assert!(!is_upgrade(&with(header::CONNECTION, "keep-alive")));
    }

    #[test]
    fn the_chain_of_clients_is_joined() {
        let mut headers = HeaderMap::new();
        for text in ["10.0.0.1", "10.0.0.2"] {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(text));
        }
        append_forwarded_for(&mut headers, [10, 0, 0, 3].into());
        assert_eq!(headers.get(&FORWARDED_FOR).expect("there"), "10.0.0.1, 10.0.0.2, 10.0.0.3");
    }
}
