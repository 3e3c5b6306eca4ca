//! SPDY/3.1 frames as the client of a kubelet speaks it: streams are opened, written to, ended and
//! read. What a kubelet says in the headers of its replies is of no use here and not read.

use crate::base::limits::SPDY_CONTROL_BYTES_MAX;
use bytes::{Buf as _, Bytes, BytesMut};
use flate2::{Compress, Compression, FlushCompress};
use std::fmt;

const FIN: u8 = 0x01;
const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const RST_STREAM: u16 = 3;
const PING: u16 = 6;
const GOAWAY: u16 = 7;
/// The status of a stream that is not wanted any more.
const CANCEL: u32 = 5;
/// Longest payload of a frame.
const DATA_BYTES_MAX: usize = (1 << 24) - 1;

/// The names that header blocks are compressed with (SPDY/3, 2.6.10.1); each stands there with its
/// length before it.
const WORDS: &str = "options head post put delete trace accept accept-charset accept-encoding \
    accept-language accept-ranges age allow authorization cache-control connection content-base \
    content-encoding content-language content-length content-location content-md5 content-range \
    content-type date etag expect expires from host if-match if-modified-since if-none-match \
    if-range if-unmodified-since last-modified location max-forwards pragma proxy-authenticate \
    proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade \
    user-agent vary via warning www-authenticate method get status";
/// The words that follow them, among which some have spaces.
const PHRASES: [&str; 8] =
    ["200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin"];
/// The rest, without lengths.
const TEXT: &str = "100101201202205206300302303304305306307402405406407408409410411412413414415416\
    417502504505203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad \
    Request401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not \
    Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 \
    Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,\
    application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,\
    deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

fn dictionary() -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in WORDS.split(' ').chain(PHRASES) {
        put_text(&mut bytes, word);
    }
    bytes.extend_from_slice(TEXT.as_bytes());
    bytes
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// What is sent.
pub struct Writer {
    headers: Compress,
    next_stream: u32,
    next_ping: u32,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

impl Default for Writer {
    fn default() -> Self {
        let mut headers = Compress::new(Compression::default(), true);
        // Refused only in the middle of a stream.
        headers.set_dictionary(&dictionary()).ok();
        Self { headers, next_stream: 1, next_ping: 1 }
    }
}

impl Writer {
    /// Opens a stream with one header; its number.
    pub fn open(&mut self, out: &mut BytesMut, name: &str, value: &str) -> u32 {
        let mut block = 1u32.to_be_bytes().to_vec();
        put_text(&mut block, name);
        put_text(&mut block, value);
        let mut packed = Vec::with_capacity(block.len() + 256);
        // There is room for what so few bytes become.
        self.headers.compress_vec(&block, &mut packed, FlushCompress::Sync).ok();
        let stream = self.next_stream;
        self.next_stream += 2;
        let mut payload = stream.to_be_bytes().to_vec();
        payload.extend_from_slice(&[0; 6]);
        payload.extend_from_slice(&packed);
        control(out, SYN_STREAM, &payload);
        stream
    }

    /// Asks for a sign of life.
    pub fn ping(&mut self, out: &mut BytesMut) {
        control(out, PING, &self.next_ping.to_be_bytes());
        self.next_ping = self.next_ping.wrapping_add(2);
    }
}

/// Gives a ping back.
pub fn pong(out: &mut BytesMut, id: u32) {
    control(out, PING, &id.to_be_bytes());
}

/// Ends a stream in both directions.
pub fn reset(out: &mut BytesMut, stream: u32) {
    let mut payload = stream.to_be_bytes().to_vec();
    payload.extend_from_slice(&CANCEL.to_be_bytes());
    control(out, RST_STREAM, &payload);
}

/// Writes to a stream; `last` ends this direction of it.
pub fn data(out: &mut BytesMut, stream: u32, mut bytes: &[u8], last: bool) {
    loop {
        let (now, later) = bytes.split_at(bytes.len().min(DATA_BYTES_MAX));
        out.extend_from_slice(&(stream & 0x7fff_ffff).to_be_bytes());
        length(out, if last && later.is_empty() { FIN } else { 0 }, now.len());
        out.extend_from_slice(now);
        if later.is_empty() {
            return;
        }
        bytes = later;
    }
}

fn control(out: &mut BytesMut, kind: u16, payload: &[u8]) {
    out.extend_from_slice(&[0x80, 3]);
    out.extend_from_slice(&kind.to_be_bytes());
    length(out, 0, payload.len());
    out.extend_from_slice(payload);
}

fn length(out: &mut BytesMut, flags: u8, length: usize) {
    let length = u32::try_from(length).unwrap_or(u32::MAX) & 0x00ff_ffff;
    out.extend_from_slice(&(length | u32::from(flags) << 24).to_be_bytes());
}

/// What has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// Bytes of a stream; the last of it if so said.
    Data {
        /// The stream.
        stream: u32,
        /// Some of what was sent at once.
        bytes: Bytes,
        /// Nothing follows.
        last: bool,
    },
    /// The other end has taken a stream.
    Opened {
        /// The stream.
        stream: u32,
        /// It will write nothing.
        last: bool,
    },
    /// A stream has ended in both directions.
    Reset(u32),
    /// To be given back, if it is not an answer.
    Ping(u32),
    /// No further stream is taken.
    GoAway,
}

/// The other end breaks the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

/// Frames out of bytes as they come; data is given on before its frame is complete.
#[derive(Debug, Default)]
pub struct Reader {
    waiting: BytesMut,
    /// Stream, bytes that are to come, and whether they are its last.
    data: Option<(u32, usize, bool)>,
}

impl Reader {
    /// Takes more bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
    }

    /// The next thing that has come.
    ///
    /// # Errors
    /// [`Broken`]; then the connection is of no use any more.
    pub fn next_frame(&mut self) -> Result<Option<Received>, Broken> {
        loop {
            if let Some((stream, left, last)) = self.data {
                if self.waiting.is_empty() && left > 0 {
                    return Ok(None);
                }
                let bytes = self.waiting.split_to(left.min(self.waiting.len())).freeze();
                let left = left - bytes.len();
                self.data = (left > 0).then_some((stream, left, last));
                return Ok(Some(Received::Data { stream, bytes, last: last && left == 0 }));
            }
            let Some(head) = self.waiting.first_chunk::<8>() else { return Ok(None) };
            let [a, b, c, d, flags, e, f, g] = *head;
            let length = usize::try_from(u32::from_be_bytes([0, e, f, g])).map_err(|_| Broken)?;
            let first = u32::from_be_bytes([a, b, c, d]);
            if first & 0x8000_0000 == 0 {
                self.waiting.advance(8);
                self.data = Some((first, length, flags & FIN != 0));
                continue;
            }
            if first & 0x7fff_0000 != 3 << 16 || length > SPDY_CONTROL_BYTES_MAX {
                return Err(Broken);
            }
            if self.waiting.len() < 8 + length {
                return Ok(None);
            }
            self.waiting.advance(8);
            let payload = self.waiting.split_to(length);
            let number = payload.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes));
            let kind = u16::from_be_bytes([c, d]);
            let number = match kind {
                SYN_REPLY | RST_STREAM | PING => number.ok_or(Broken)?,
                GOAWAY => return Ok(Some(Received::GoAway)),
                // Settings, windows and streams of the other end's own.
                _ => continue,
            };
            return Ok(Some(match kind {
                SYN_REPLY => Received::Opened { stream: number, last: flags & FIN != 0 },
                RST_STREAM => Received::Reset(number),
                _ => Received::Ping(number),
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Decompress, FlushDecompress};
    use proptest::prelude::*;

    /// The identity of SPDY/3's dictionary, which every stream of header blocks names.
    const DICTIONARY_ADLER: u32 = 0xe3c6_a7c2;

    #[test]
    fn headers_are_compressed_with_the_dictionary_of_the_protocol() {
        assert_eq!(dictionary().len(), 1_423);
        let (mut out, mut writer) = (BytesMut::new(), Writer::default());
        assert_eq!(writer.open(&mut out, "streamtype", "error"), 1);
        let first = out.split();
        assert_eq!(writer.open(&mut out, "streamtype", "stdin"), 3);
        let mut unpack = Decompress::new(true);
        let mut plain = Vec::with_capacity(256);
        let block = &first[18..];
        assert_eq!(block[2..6], DICTIONARY_ADLER.to_be_bytes());
        let asked = unpack.decompress_vec(block, &mut plain, FlushDecompress::Sync);
        assert!(asked.is_err(), "it asks for the dictionary");
        unpack.set_dictionary(&dictionary()).expect("the one it names");
        unpack.decompress_vec(&block[6..], &mut plain, FlushDecompress::Sync).expect("sound");
        assert_eq!(plain, b"\0\0\0\x01\0\0\0\x0astreamtype\0\0\0\x05error");
        plain.clear();
        unpack.decompress_vec(&out[18..], &mut plain, FlushDecompress::Sync).expect("sound");
        assert!(plain.ends_with(b"stdin"));
    }

    #[test]
    fn frames_are_read_however_they_come() {
        let mut bytes = BytesMut::new();
        control(&mut bytes, SYN_REPLY, &[0, 0, 0, 1, 9, 9]);
        control(&mut bytes, 4, &[0; 12]);
        data(&mut bytes, 5, b"some text", false);
        data(&mut bytes, 5, b"", true);
        pong(&mut bytes, 2);
        reset(&mut bytes, 3);
        let mut reader = Reader::default();
        let (mut text, mut found) = (Vec::new(), Vec::new());
        for piece in bytes.chunks(2) {
            reader.push(piece);
            while let Some(received) = reader.next_frame().expect("sound") {
                match received {
                    Received::Data { stream: 5, bytes, last: false } => text.extend(bytes),
                    other => found.push(other),
                }
            }
        }
        assert_eq!(text, b"some text");
        assert_eq!(
            found,
            [
                Received::Opened { stream: 1, last: false },
                Received::Data { stream: 5, bytes: Bytes::new(), last: true },
                Received::Ping(2),
                Received::Reset(3),
            ]
        );
    }

    proptest! {
        #[test]
        fn junk_never_panics(junk in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader::default();
            reader.push(&junk);
            while let Ok(Some(_)) = reader.next_frame() {}
        }
    }
}
