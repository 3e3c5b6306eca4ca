//! What comes on connections that have left HTTP: messages of WebSockets, frames of SPDY.

use kubering::codec::spdy;
use kubering::codec::spdy::Received;
use kubering::codec::websocket;
use kubering::codec::websocket::Message;

/// What is read does not depend on the pieces in which it comes.
pub(crate) fn run(data: &[u8]) {
    let whole = data.len().max(1);
    for width in [1, 7] {
        assert_eq!(messages(data, width), messages(data, whole));
        assert_eq!(frames(data, width), frames(data, whole));
    }
}

/// The messages that come in pieces so wide, and whether the last one is broken.
fn messages(data: &[u8], width: usize) -> (Vec<Message>, bool) {
    let mut reader = websocket::Reader::default();
    let mut found = Vec::new();
    for piece in data.chunks(width) {
        reader.push(piece);
        loop {
            match reader.next_message() {
                Ok(Some(message)) => found.push(message),
                Ok(None) => break,
                Err(websocket::Broken) => return (found, true),
            }
        }
    }
    (found, false)
}

/// The same of frames; data that is read piece by piece is joined.
fn frames(data: &[u8], width: usize) -> (Vec<Received>, bool) {
    let mut reader = spdy::Reader::default();
    let mut found: Vec<Received> = Vec::new();
    for piece in data.chunks(width) {
        reader.push(piece);
        loop {
            match reader.next_frame() {
                Ok(Some(received)) => join(&mut found, received),
                Ok(None) => break,
                Err(spdy::Broken) => return (found, true),
            }
        }
    }
    (found, false)
}

fn join(found: &mut Vec<Received>, received: Received) {
    if let Received::Data { stream, bytes, last } = &received
        && let Some(Received::Data { stream: before, bytes: had, last: ended @ false }) =
            found.last_mut()
        && before == stream
    {
        *had = [&had[..], &bytes[..]].concat().into();
        *ended = *last;
        return;
    }
    found.push(received);
}
