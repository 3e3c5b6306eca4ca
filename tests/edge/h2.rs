//! HTTP/2, spoken by hand: frames as RFC 9113 has them.

use crate::server::Server;
use rustls::ClientConnection;
use rustls::StreamOwned;
use std::collections::BTreeMap;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

struct Client {
    stream: StreamOwned<ClientConnection, TcpStream>,
    settings: BTreeMap<u16, u32>,
}

impl Client {
    fn connect(server: &Server) -> Self {
        let config = Arc::new(server.ca.trusting("h2", None));
        let mut client = Self { stream: server.connect(&config), settings: BTreeMap::new() };
        client.stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        client.send(SETTINGS, 0, 0, &[]);
        assert_eq!(client.stream.conn.alpn_protocol(), Some(b"h2".as_slice()));
        client
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.stream.write_all(&frame).unwrap();
    }

    /// HPACK without a table: method and scheme by index, path and authority as literals.
    fn request(&mut self, stream: u32, method: u8, path: &str, ends: bool) {
        let mut block = vec![method, 0x87, 0x04, u8::try_from(path.len()).unwrap()];
        block.extend(path.as_bytes());
        block.extend([0x01, 9]);
        block.extend(b"localhost");
        let flags = END_HEADERS | if ends { END_STREAM } else { 0 };
        self.send(HEADERS, flags, stream, &block);
    }

    fn get(&mut self, stream: u32, path: &str) {
        self.request(stream, 0x82, path, true);
    }

    /// The next frame that is not of the connection's own upkeep; `None` at its end.
    fn frame(&mut self) -> Option<Frame> {
        loop {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            self.stream.read_exact(&mut payload).ok()?;
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let frame = Frame { kind: head[3], flags: head[4], stream, payload };
            match frame.kind {
                SETTINGS if frame.flags & ACK == 0 => {
                    for pair in frame.payload.chunks(6) {
                        let name = u16::from_be_bytes([pair[0], pair[1]]);
                        let value = u32::from_be_bytes([pair[2], pair[3], pair[4], pair[5]]);
                        self.settings.insert(name, value);
                    }
                    self.send(SETTINGS, ACK, 0, &[]);
                }
                SETTINGS | WINDOW_UPDATE => {}
                6 if frame.flags & ACK == 0 => {
                    let payload = frame.payload.clone();
                    self.send(6, ACK, 0, &payload);
                }
                _ => return Some(frame),
            }
        }
    }

    /// Status and body of a stream, giving back the window as data comes.
    fn answer(&mut self, stream: u32) -> (u16, Vec<u8>) {
        let mut status = 0;
        let mut body = Vec::new();
        loop {
            let frame = self.frame().expect("the connection goes on");
            if frame.stream != stream {
                continue;
            }
            match frame.kind {
                HEADERS => status = status_of(&frame.payload),
                DATA => {
                    body.extend(&frame.payload);
                    let count = u32::try_from(frame.payload.len()).unwrap();
                    if count > 0 {
                        self.send(WINDOW_UPDATE, 0, 0, &count.to_be_bytes());
                        self.send(WINDOW_UPDATE, 0, stream, &count.to_be_bytes());
                    }
                }
                RST_STREAM => return (0, body),
                _ => {}
            }
            if frame.flags & END_STREAM != 0 {
                return (status, body);
            }
        }
    }
}

/// `:status` at the head of a block: indexed, or a literal with an indexed name.
fn status_of(block: &[u8]) -> u16 {
    match block[0] {
        0x88 => 200,
        0x8d => 404,
        0x8e => 500,
        0x08 | 0x48 => {
            let text = &block[2..];
            std::str::from_utf8(&text[..3]).ok().and_then(|text| text.parse().ok()).unwrap_or(1)
        }
        other => panic!("block begins with {other:x}"),
    }
}

#[test]
fn requests_run_at_once_and_a_panic_ends_only_its_own() {
    let server = Server::start();
    let mut client = Client::connect(&server);
    client.get(1, "/slow");
    client.get(3, "/panic");
    client.get(5, "/parts");
    // The slow one is first in and last out.
    let (status, body) = client.answer(3);
    assert_eq!(status, 500);
    assert!(body.starts_with(b"This request caused apiserver to panic."));
    assert_eq!(client.answer(5), (200, b"one two".to_vec()));
    assert_eq!(client.answer(1), (200, b"slow".to_vec()));
    assert_eq!(client.settings.get(&3), Some(&100), "streams");
    assert_eq!(client.settings.get(&4), Some(&(256 * 1024)), "window");
    assert_eq!(client.settings.get(&5), Some(&(256 * 1024)), "frame");
    assert_eq!(client.settings.get(&6), Some(&(1024 * 1024)), "header list");
}

#[test]
fn large_bodies_pass_whole_in_both_directions() {
    let server = Server::start();
    let mut client = Client::connect(&server);
    client.get(1, "/large");
    let (status, body) = client.answer(1);
    assert_eq!((status, body.len()), (200, 10_000_000));
    assert!(body.chunks(10_000).enumerate().all(|(n, c)| c.iter().all(|b| *b == n as u8)));
    client.request(3, 0x83, "/echo", false);
    let sent: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
    for chunk in sent.chunks(16_000) {
        client.send(DATA, 0, 3, chunk);
    }
    client.send(DATA, END_STREAM, 3, &[]);
    assert_eq!(client.answer(3), (200, sent));
}

#[test]
fn a_broken_off_body_is_seen_as_such() {
    let server = Server::start();
    let mut client = Client::connect(&server);
    client.get(1, "/broken");
    assert_eq!(client.answer(1).0, 0);
    client.get(3, "/parts");
    assert_eq!(client.answer(3).0, 200);
}

#[test]
fn a_body_waits_for_its_window_and_ends_with_its_stream() {
    let server = Server::start();
    let mut client = Client::connect(&server);
    client.get(1, "/endless");
    let mut received = 0;
    while received < 65_535 {
        let frame = client.frame().expect("the connection goes on");
        received += if frame.kind == DATA { frame.payload.len() } else { 0 };
    }
    std::thread::park_timeout(Duration::from_millis(100));
    let pieces = server.counts.pieces.load(SeqCst);
    assert!(pieces < 64, "{pieces} pieces of 16 KiB for a window of 64 KiB");
    assert_eq!(server.counts.dropped.load(SeqCst), 0);
    client.send(RST_STREAM, 0, 1, &8u32.to_be_bytes());
    client.send(WINDOW_UPDATE, 0, 0, &65_535u32.to_be_bytes());
    client.get(3, "/parts");
    assert_eq!(client.answer(3).0, 200);
    for _ in 0..100 {
        if server.counts.dropped.load(SeqCst) == 1 {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    panic!("the body outlived its stream");
}

#[test]
fn a_client_that_opens_and_resets_in_a_loop_is_cut_off() {
    let server = Server::start();
    let mut client = Client::connect(&server);
    let mut cut = false;
    for number in 0..20_000u32 {
        let stream = number * 2 + 1;
        let mut block = vec![0x82, 0x87, 0x04, 5];
        block.extend(b"/slow");
        let mut frames = Vec::new();
        for (kind, flags, payload) in
            [(HEADERS, END_HEADERS | END_STREAM, &block[..]), (RST_STREAM, 0, &[0, 0, 0, 8][..])]
        {
            let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
            frames.extend(&length[1..]);
            frames.extend([kind, flags]);
            frames.extend(stream.to_be_bytes());
            frames.extend(payload);
        }
        if client.stream.write_all(&frames).is_err() {
            cut = true;
            break;
        }
    }
    if !cut {
        let mut rest = std::iter::from_fn(|| client.frame());
        assert!(rest.any(|frame| frame.kind == GOAWAY), "the server took it");
    }
    let mut other = Client::connect(&server);
    other.get(1, "/parts");
    assert_eq!(other.answer(1).0, 200);
}

#[test]
fn closing_answers_and_drains_send_goaway() {
    let server = Server::start();
    let mut client = Client::connect(&server);
    client.get(1, "/close");
    let mut kinds = Vec::new();
    while let Some(frame) = client.frame() {
        kinds.push(frame.kind);
    }
    assert!(kinds.contains(&GOAWAY) && kinds.contains(&DATA), "{kinds:?}");
    let mut client = Client::connect(&server);
    client.get(1, "/slow");
    std::thread::park_timeout(Duration::from_millis(100));
    server.drain();
    let mut body = Vec::new();
    let mut away = false;
    while let Some(frame) = client.frame() {
        away |= frame.kind == GOAWAY;
        if frame.kind == DATA {
            body.extend(frame.payload);
        }
    }
    assert!(away);
    assert_eq!(body, b"slow");
}
