//! WebSocket (RFC 6455) as a server speaks it: the answer to the client's key, and frames.

use crate::base::limits::WEBSOCKET_MESSAGE_BYTES_MAX;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use ring::digest;

/// What the client's key is hashed with (RFC 6455, 1.3).
const KEY_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Longest payload of a control frame (RFC 6455, 5.5).
const CONTROL_BYTES_MAX: usize = 125;

/// A message of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Text or bytes, whole.
    Data(Bytes),
    /// To be answered with what it holds.
    Ping(Bytes),
    /// Nothing follows it.
    Close,
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Bytes.
    Binary,
    /// The end.
    Close,
    /// The answer to a ping.
    Pong,
}

/// The client breaks the protocol, or sends too much at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

/// `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key`.
#[must_use]
pub fn accept(key: &str) -> String {
    let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key.as_bytes());
    hash.update(KEY_SUFFIX);
    STANDARD.encode(hash.finish())
}

/// Appends one unmasked frame, whole.
pub fn put(out: &mut BytesMut, kind: Kind, head: &[u8], payload: &[u8]) {
    let opcode = match kind {
        Kind::Binary => 0x2,
        Kind::Close => 0x8,
        Kind::Pong => 0xa,
    };
    let length = head.len() + payload.len();
    out.extend_from_slice(&[0x80 | opcode]);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => out.extend_from_slice(&[short]),
        (_, Ok(medium)) => {
            out.extend_from_slice(&[126]);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            out.extend_from_slice(&[127]);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(head);
    out.extend_from_slice(payload);
}

/// Messages out of bytes as they come.
#[derive(Debug, Default)]
pub struct Reader {
    waiting: BytesMut,
    /// A message whose last frame has not come.
    begun: Option<BytesMut>,
}

impl Reader {
    /// Takes more bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
    }

    /// The next message, if all of it is there.
    ///
    /// # Errors
    /// [`Broken`]; then the connection is of no use any more.
    pub fn next_message(&mut self) -> Result<Option<Message>, Broken> {
        loop {
            let Some(frame) = self.frame()? else { return Ok(None) };
            let Frame { last, opcode, payload } = frame;
            match (opcode, &mut self.begun) {
                (0x0, Some(begun)) => {
                    if begun.len() + payload.len() > WEBSOCKET_MESSAGE_BYTES_MAX {
                        return Err(Broken);
                    }
                    begun.extend_from_slice(&payload);
                }
                (0x1 | 0x2, None) if last => return Ok(Some(Message::Data(payload.freeze()))),
                (0x1 | 0x2, None) => self.begun = Some(payload),
                (0x8, _) => return Ok(Some(Message::Close)),
                (0x9, _) => return Ok(Some(Message::Ping(payload.freeze()))),
                (0xa, _) => {}
                _ => return Err(Broken),
            }
            if opcode == 0 && last {
                return Ok(self.begun.take().map(|whole| Message::Data(whole.freeze())));
            }
        }
    }

    fn frame(&mut self) -> Result<Option<Frame>, Broken> {
        let Some(&[first, second]) = self.waiting.first_chunk::<2>() else { return Ok(None) };
        let (last, opcode) = (first & 0x80 != 0, first & 0x0f);
        // Nothing was negotiated that the reserved bits could mean, and clients mask.
        if first & 0x70 != 0 || second & 0x80 == 0 {
            return Err(Broken);
        }
        let rest = self.waiting.get(2..).unwrap_or_default();
        let (length, head) = match second & 0x7f {
            126 => match rest.first_chunk::<2>() {
                Some(length) => (u64::from(u16::from_be_bytes(*length)), 4),
                None => return Ok(None),
            },
            127 => match rest.first_chunk::<8>() {
                Some(length) => (u64::from_be_bytes(*length), 10),
                None => return Ok(None),
            },
            short => (u64::from(short), 2),
        };
        let length = usize::try_from(length).map_err(|_| Broken)?;
        let most = if opcode >= 0x8 { CONTROL_BYTES_MAX } else { WEBSOCKET_MESSAGE_BYTES_MAX };
        if length > most || (opcode >= 0x8 && !last) {
            return Err(Broken);
        }
        let mask = self.waiting.get(head..).and_then(|rest| rest.first_chunk::<4>()).copied();
        let Some(mask) = mask.filter(|_| self.waiting.len() >= head + 4 + length) else {
            return Ok(None);
        };
        let mut frame = self.waiting.split_to(head + 4 + length);
        let mut payload = frame.split_off(head + 4);
        for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
            *byte ^= mask;
        }
        Ok(Some(Frame { last, opcode, payload }))
    }
}

/// One frame, unmasked.
struct Frame {
    last: bool,
    opcode: u8,
    payload: BytesMut,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A frame as a client sends it.
    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = BytesMut::new();
        put(&mut out, Kind::Binary, &[], payload);
        let mask = [1, 2, 3, 4];
        let head = out.len() - payload.len();
        let mut frame = out[..head].to_vec();
        frame[0] = first;
        frame[1] |= 0x80;
        frame.extend_from_slice(&mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    }

    #[test]
    fn the_key_is_answered_as_the_rfc_has_it() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn frames_become_messages_however_they_come() {
        let mut bytes = masked(0x02, b"one ");
        bytes.extend(masked(0x89, b"?"));
        bytes.extend(masked(0x80, b"message"));
        bytes.extend(masked(0x82, &[7; 70_000]));
        bytes.extend(masked(0x88, &[]));
        let mut reader = Reader::default();
        let mut found = Vec::new();
        for piece in bytes.chunks(3) {
            reader.push(piece);
            while let Some(message) = reader.next_message().expect("sound") {
                found.push(message);
            }
        }
        assert_eq!(
            found,
            [
                Message::Ping(Bytes::from_static(b"?")),
                Message::Data(Bytes::from_static(b"one message")),
                Message::Data(vec![7; 70_000].into()),
                Message::Close,
            ]
        );
    }

    #[test]
    fn what_is_unmasked_reserved_or_too_long_is_broken() {
        for bytes in [
            &[0x82, 0x01, 0x00][..],
            &[0xc2, 0x80],
            &[0x89, 0xfe, 0, 126],
            &[0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &masked(0x80, b"the rest of nothing"),
        ] {
            let mut reader = Reader::default();
            reader.push(bytes);
            assert_eq!(reader.next_message(), Err(Broken), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn junk_never_panics(junk in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader::default();
            reader.push(&junk);
            while let Ok(Some(_)) = reader.next_message() {}
        }
    }
}
