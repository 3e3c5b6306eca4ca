//! A port-forward over a WebSocket to a kubelet that speaks SPDY: each message of the client holds
//! bytes of SPDY, which go on as they are (`NewTunnelingHandler`).

use super::websocket::{agree, remove_handshake, send};
use crate::api::upgrade::{self, Met, Wanted};
use crate::client::{Client, Duplex};
use crate::codec::websocket::{self, Kind, Message};
use crate::http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Upgrade, Upgraded,
    header,
};
use bytes::Bytes;
use futures_lite::future::or;

/// What stands before the name of the protocol that is tunnelled.
const PREFIX: &str = "SPDY/3.1+";
/// What a kubelet is told of the protocols, and tells of the one it has chosen.
pub(super) const STREAM_VERSION: HeaderName = HeaderName::from_static("x-stream-protocol-version");
/// `NormalClosure`.
const DONE: [u8; 2] = 1_000u16.to_be_bytes();

/// The protocols of SPDY among those that a client offers.
pub(super) fn tunnelled<'o>(offered: &[&'o str]) -> Vec<&'o str> {
    let ours = offered.iter().filter(|name| name.ends_with(".k8s.io"));
    ours.filter_map(|name| name.strip_prefix(PREFIX)).collect()
}

/// The answer to a client that tunnels these protocols to the kubelet of `wanted`.
///
/// # Errors
/// The kubelet cannot be reached, or answers what is no upgrade.
pub(super) async fn tunnel(
    client: &Client,
    request: &Request,
    protocols: &[&str],
    mut wanted: Wanted<'_>,
) -> Result<Response, String> {
    wanted.method = Method::POST;
    let headers = &mut wanted.headers;
    remove_handshake(headers);
    headers.insert(header::UPGRADE, HeaderValue::from_static("SPDY/3.1"));
    headers.remove(&STREAM_VERSION);
    for protocol in protocols {
        if let Ok(value) = HeaderValue::try_from(*protocol) {
            headers.append(STREAM_VERSION, value);
        }
    }
    let (head, duplex) = match upgrade::ask(client, wanted).await? {
        Met::Refused(response) => return Ok(response),
        Met::Switched(head, duplex) => (head, duplex),
    };
    let headers = head.headers();
    if !speaks_spdy(headers) {
        let text = "unable to upgrade: missing upgrade headers in response\n";
        return Ok(Response::text(StatusCode::INTERNAL_SERVER_ERROR, text));
    }
    let chosen = headers.get(&STREAM_VERSION).and_then(|value| value.to_str().ok());
    let chosen = chosen.map(|name| format!("{PREFIX}{}", name.trim()));
    let run = Upgrade::new(move |upgraded| carry(upgraded, duplex));
    Ok(agree(request, chosen.as_deref(), run))
}

/// True if the answer says that SPDY follows.
pub(super) fn speaks_spdy(headers: &HeaderMap) -> bool {
    let upgrade = headers.get(header::UPGRADE).and_then(|value| value.to_str().ok());
    upgrade.is_some_and(|text| text.to_ascii_lowercase().contains("spdy/3.1"))
        && upgrade::is_upgrade(headers)
}

/// Carries messages one way and bytes the other until either end has had enough.
async fn carry(upgraded: Upgraded, duplex: Duplex) {
    let Upgraded { mut reader, mut writer } = upgraded;
    let Duplex { sender, receiver } = duplex;
    let (pings, pinged) = async_channel::bounded::<Bytes>(1);
    let up = async {
        let mut messages = websocket::Reader::default();
        while let Ok(piece) = reader.read().await {
            if piece.is_empty() {
                return;
            }
            messages.push(&piece);
            loop {
                match messages.next_message() {
                    Ok(None) => break,
                    Ok(Some(Message::Data(bytes))) => {
                        if !bytes.is_empty() && sender.send(bytes).await.is_err() {
                            return;
                        }
                    }
                    // Whoever sends many at once is answered once.
                    Ok(Some(Message::Ping(bytes))) => drop(pings.try_send(bytes)),
                    Ok(Some(Message::Close)) | Err(websocket::Broken) => return,
                }
            }
        }
    };
    let down = async {
        loop {
            let data = async { receiver.recv().await.map(|bytes| (Kind::Binary, bytes)) };
            let pong = async { pinged.recv().await.map(|bytes| (Kind::Pong, bytes)) };
            let Ok((kind, bytes)) = or(data, pong).await else { return };
            if send(&mut writer, kind, &[], &bytes).await.is_err() {
                return;
            }
        }
    };
    or(up, down).await;
    // The client may have gone.
    send(&mut writer, Kind::Close, &[], &DONE).await.ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_protocols_of_spdy_are_tunnelled() {
        let offered = ["v5.channel.k8s.io", "SPDY/3.1+portforward.k8s.io", "SPDY/3.1+other"];
        assert_eq!(tunnelled(&offered), ["portforward.k8s.io"]);
    }
}
