//! HTTP/1.1 and TLS.

use crate::certificates::Authority;
use crate::server::Server;
use rustls::ClientConfig;
use rustls::sign::CertifiedKey;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

/// Status, headers in lower case, body.
type Answer = (u16, Vec<(String, String)>, Vec<u8>);

fn ask<S: Read + Write>(stream: &mut BufReader<S>, head: &str, body: &[u8]) -> Answer {
    let request = format!("{head}\r\nhost: localhost\r\n\r\n");
    stream.get_mut().write_all(request.as_bytes()).unwrap();
    stream.get_mut().write_all(body).unwrap();
    stream.get_mut().flush().unwrap();
    answer(stream, head.starts_with("HEAD"))
}

fn answer<S: Read>(stream: &mut BufReader<S>, is_head: bool) -> Answer {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap_or_default().parse().unwrap();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let length = header(&headers, "content-length").map_or(0, |text| text.parse().unwrap());
    let mut body = vec![0; if is_head { 0 } else { length }];
    stream.read_exact(&mut body).unwrap();
    (status, headers, body)
}

fn header<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn text(answer: Answer) -> String {
    String::from_utf8(answer.2).unwrap()
}

fn who(server: &Server, config: &Arc<ClientConfig>) -> String {
    text(ask(&mut BufReader::new(server.connect(config)), "GET /who HTTP/1.1", b""))
}

#[test]
fn a_connection_serves_request_after_request() {
    let server = Server::start();
    let config = Arc::new(server.ca.trusting("http/1.1", None));
    let mut stream = BufReader::new(server.connect(&config));
    let body = vec![b'b'; 300_000];
    let head = format!("POST /echo HTTP/1.1\r\ncontent-length: {}", body.len());
    let (status, headers, echo) = ask(&mut stream, &head, &body);
    assert_eq!((status, echo == body), (200, true));
    assert!(header(&headers, "date").is_some());
    assert_eq!(text(ask(&mut stream, "GET /parts HTTP/1.1", b"")), "one two");
    let (status, headers, body) = ask(&mut stream, "HEAD /parts HTTP/1.1", b"");
    assert_eq!((status, header(&headers, "content-length"), body.len()), (200, Some("7"), 0));
    assert_eq!(ask(&mut stream, "GET /none HTTP/1.1", b"").0, 404);
    let (status, headers, _) = ask(&mut stream, "GET /close HTTP/1.1", b"");
    assert_eq!((status, header(&headers, "connection")), (200, Some("close")));
    assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn bodies_above_the_limit_are_refused_before_they_are_read() {
    let server = Server::start();
    let config = Arc::new(server.ca.trusting("http/1.1", None));
    let mut stream = BufReader::new(server.connect(&config));
    let head = "POST /echo HTTP/1.1\r\ncontent-length: 3145729";
    assert_eq!(ask(&mut stream, head, b"").0, 413);
    let mut stream = BufReader::new(server.connect(&config));
    let head = "POST /echo HTTP/1.1\r\ntransfer-encoding: chunked";
    let chunk = [b"10000\r\n".as_slice(), &[b'c'; 65_536], b"\r\n"].concat();
    let body = chunk.repeat(49);
    stream.get_mut().write_all(format!("{head}\r\nhost: x\r\n\r\n").as_bytes()).unwrap();
    // The server may close before all is sent.
    let _refused = stream.get_mut().write_all(&body);
    assert_eq!(answer(&mut stream, false).0, 413);
}

#[test]
fn a_panic_is_a_500_for_that_request_alone() {
    let server = Server::start();
    let config = Arc::new(server.ca.trusting("http/1.1", None));
    let mut stream = BufReader::new(server.connect(&config));
    let (status, _, body) = ask(&mut stream, "GET /panic HTTP/1.1", b"");
    let expected = "This request caused apiserver to panic. Look in the logs for details.\n";
    assert_eq!((status, String::from_utf8(body).unwrap().as_str()), (500, expected));
    assert_eq!(text(ask(&mut stream, "GET /parts HTTP/1.1", b"")), "one two");
}

#[test]
fn client_certificates_are_told_as_they_are() {
    let server = Server::start();
    let good = server.clients.client("good");
    let foreign = Authority::new("others").client("foreign");
    let as_server = server.clients.server();
    for versions in [&[&rustls::version::TLS13], &[&rustls::version::TLS12]] {
        let ask_as = |identity| {
            who(&server, &Arc::new(server.ca.trusting_with("http/1.1", identity, versions)))
        };
        assert_eq!(ask_as(None), "nobody");
        assert_eq!(ask_as(Some(&good)), "1 Verified");
        assert_eq!(ask_as(Some(&foreign)), "1 Failed(\"invalid peer certificate: UnknownIssuer\")");
        assert!(ask_as(Some(&as_server)).starts_with("1 Failed"));
    }
}

#[test]
fn a_resumed_session_keeps_its_certificate() {
    let server = Server::start();
    let good = server.clients.client("good");
    for versions in [&[&rustls::version::TLS13], &[&rustls::version::TLS12]] {
        let config = Arc::new(server.ca.trusting_with("http/1.1", Some(&good), versions));
        for kind in [rustls::HandshakeKind::Full, rustls::HandshakeKind::Resumed] {
            let mut stream = BufReader::new(server.connect(&config));
            assert_eq!(text(ask(&mut stream, "GET /who HTTP/1.1", b"")), "1 Verified");
            assert_eq!(stream.get_ref().conn.handshake_kind(), Some(kind));
        }
    }
}

#[test]
fn a_certificate_without_its_key_gets_no_connection() {
    #[derive(Debug)]
    struct Stolen(Arc<CertifiedKey>);
    impl rustls::client::ResolvesClientCert for Stolen {
        fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<CertifiedKey>> {
            Some(Arc::clone(&self.0))
        }
        fn has_certs(&self) -> bool {
            true
        }
    }
    let server = Server::start();
    let (good, other) = (server.clients.client("good"), server.clients.client("other"));
    let mut config = server.ca.trusting("http/1.1", None);
    let key = rustls::crypto::ring::sign::any_supported_type(&other.key_der()).unwrap();
    let stolen = Arc::new(CertifiedKey::new(vec![good.der()], key));
    config.client_auth_cert_resolver = Arc::new(Stolen(stolen));
    let mut stream = server.connect(&Arc::new(config));
    let sent = stream.write_all(b"GET /who HTTP/1.1\r\nhost: x\r\n\r\n");
    let read = sent.and_then(|()| stream.read(&mut [0; 16]));
    let error = read.expect_err("no connection").to_string();
    assert!(error.contains("DecryptError") || error.contains("BadCertificate"), "{error}");
}

#[test]
fn plain_http_is_told_that_this_is_https() {
    let server = Server::start();
    let mut stream = server.connect_plain();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 400 Bad Request\r\n"), "{answer}");
    assert!(answer.ends_with("Client sent an HTTP request to an HTTPS server.\n"), "{answer}");
}

#[test]
fn garbage_ends_its_connection_only() {
    let server = Server::start();
    for garbage in [&b"\x16\x03\x01\xff\xff"[..], &[0x16; 100_000], &[0; 3], &[0xff; 70_000]] {
        let mut stream = server.connect_plain();
        // The server may close in the middle of it.
        let _closed = stream.write_all(garbage);
        let _closed = stream.shutdown(std::net::Shutdown::Write);
        let _closed = stream.read_to_end(&mut Vec::new());
    }
    let config = Arc::new(server.ca.trusting("http/1.1", None));
    assert_eq!(who(&server, &config), "nobody");
}

#[test]
fn new_certificates_are_shown_to_new_connections() {
    let server = Server::start();
    let config = Arc::new(server.ca.trusting("http/1.1", None));
    let mut old = BufReader::new(server.connect(&config));
    assert_eq!(text(ask(&mut old, "GET /who HTTP/1.1", b"")), "nobody");
    let next = server.ca.server();
    server.use_identity(&next);
    assert_eq!(text(ask(&mut old, "GET /slow HTTP/1.1", b"")), "slow");
    // A fresh configuration, since a resumed session shows no certificate.
    let config = Arc::new(server.ca.trusting("http/1.1", None));
    let mut new = BufReader::new(server.connect(&config));
    assert_eq!(text(ask(&mut new, "GET /who HTTP/1.1", b"")), "nobody");
    let shown = new.get_ref().conn.peer_certificates().unwrap();
    assert_eq!(shown.first(), Some(&next.der()));
}

#[test]
fn connections_above_the_limit_are_closed() {
    let server = Server::limited(1);
    let config = Arc::new(server.ca.trusting("http/1.1", None));
    let mut first = BufReader::new(server.connect(&config));
    assert_eq!(text(ask(&mut first, "GET /who HTTP/1.1", b"")), "nobody");
    assert_eq!(server.connect_plain().read(&mut [0; 1]).unwrap_or(0), 0);
    drop(first);
    for _ in 0..100 {
        std::thread::park_timeout(Duration::from_millis(10));
        let mut next = server.connect(&config);
        if next.write_all(b"GET /who HTTP/1.1\r\nhost: x\r\n\r\n").is_ok() && next.flush().is_ok() {
            let mut next = BufReader::new(next);
            if next.fill_buf().is_ok_and(|bytes| !bytes.is_empty()) {
                assert_eq!(answer(&mut next, false).0, 200);
                return;
            }
        }
    }
    panic!("the place was not freed");
}

#[test]
fn a_body_waits_for_its_reader_and_ends_with_it() {
    let server = Server::start();
    let config = Arc::new(server.ca.trusting("http/1.1", None));
    let mut stream = server.connect(&config);
    stream.write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    stream.read_exact(&mut [0; 100_000]).unwrap();
    let mut before = 0;
    for _ in 0..100 {
        std::thread::park_timeout(Duration::from_millis(50));
        let now = server.counts.pieces.swap(before, SeqCst).max(before);
        server.counts.pieces.store(now, SeqCst);
        if now == before {
            break;
        }
        before = now;
    }
    // What the kernel buffers for a socket, and a little.
    assert!(before < 16 * 1024 * 1024 / 16_384, "{before} pieces for a reader that stands still");
    drop(stream);
    for _ in 0..100 {
        if server.counts.dropped.load(SeqCst) == 1 {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    panic!("the body outlived its client");
}

#[test]
fn a_drain_waits_for_the_request_and_ends_the_connection() {
    let server = Server::start();
    let config = Arc::new(server.ca.trusting("http/1.1", None));
    let mut stream = BufReader::new(server.connect(&config));
    stream.get_mut().write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    std::thread::park_timeout(Duration::from_millis(100));
    server.drain();
    assert_eq!(text(answer(&mut stream, false)), "slow");
    assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
}
