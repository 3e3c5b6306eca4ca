//! The client against a real HTTPS server on the loopback.

use super::*;
use bytes::Bytes;
use futures_lite::future::block_on;
use http::Method;
use http::Request;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::CertifiedKey;
use rustls::pki_types::PrivateKeyDer;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio_rustls::TlsAcceptor;

const TIMEOUT: Duration = Duration::from_secs(10);

/// A server on a thread of its own, until the test's process ends.
struct Server {
    address: SocketAddr,
    pem: Vec<u8>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// Answers `/slow` never, `/big` too much, anything else with method, path and body.
    fn start(alpn: &[&str], names: &[&str]) -> Self {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(names).expect("a certificate");
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .expect("a server's config");
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("non-blocking");
        let address = listener.local_addr().expect("an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(accept(listener, config, counted));
        });
        Self { address, pem: cert.pem().into_bytes(), connections }
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }

    /// Believed, and dialled without a look at what `localhost` is.
    fn target(&self) -> Target {
        let trust = Trust::new(Roots::Pem(self.pem.clone()), None);
        let address = Some(("127.0.0.1".to_owned(), self.address.port()));
        Target { address, ..Target::of_url(trust) }
    }
}

async fn accept(
    listener: std::net::TcpListener,
    config: rustls::ServerConfig,
    counted: Arc<AtomicUsize>,
) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        counted.fetch_add(1, Relaxed);
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let service = service_fn(answer);
            let io = TokioIo::new(stream);
            if http2 {
                let executor = hyper_util::rt::TokioExecutor::new();
                let builder = hyper::server::conn::http2::Builder::new(executor);
                builder.serve_connection(io, service).await.ok();
            } else {
                let builder = hyper::server::conn::http1::Builder::new();
                builder.serve_connection(io, service).with_upgrades().await.ok();
            }
        });
    }
}

async fn answer(
    mut request: Request<hyper::body::Incoming>,
) -> Result<http::Response<Payload>, Infallible> {
    let path = request.uri().path().to_owned();
    if path == "/slow" {
        std::future::pending::<()>().await;
    }
    if request.headers().contains_key(http::header::UPGRADE) {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let (mut reader, mut writer) =
                tokio::io::split(TokioIo::new(upgrade.await.expect("an upgrade")));
            tokio::io::copy(&mut reader, &mut writer).await.ok();
        });
        let switched = http::Response::builder().status(101).header("upgrade", "echo");
        return Ok(switched.body(Payload::whole(Bytes::new())).expect("an answer"));
    }
    let mut text = format!("{} {path} ", request.method());
    if path == "/big" {
        text = "x".repeat(crate::base::limits::CLIENT_ANSWER_BYTES_MAX + 1);
    }
    let body = request.body_mut();
    while let Some(frame) =
        std::future::poll_fn(|cx| hyper::body::Body::poll_frame(std::pin::Pin::new(body), cx)).await
    {
        let data = frame.expect("a frame").into_data().expect("data");
        text.push_str(std::str::from_utf8(&data).expect("text"));
    }
    Ok(http::Response::new(Payload::whole(Bytes::from(text))))
}

fn post(url: &str) -> Request<Bytes> {
    let request = Request::builder().method(Method::POST).uri(url);
    request.body(Bytes::from_static(b"hello")).expect("a request")
}

fn call(client: &Client, target: &Target, url: &str) -> Result<String, String> {
    let answered = block_on(client.call(target, post(url), TIMEOUT));
    let response = answered.map_err(|error| error.to_string())?;
    Ok(String::from_utf8(response.into_body().to_vec()).expect("text"))
}

#[test]
fn connections_are_kept_for_both_versions() {
    for alpn in [&["h2", "http/1.1"][..], &["http/1.1"], &[]] {
        let server = Server::start(alpn, &["localhost"]);
        let (client, target) = (Client::start().expect("a client"), server.target());
        for _ in 0..3 {
            assert_eq!(call(&client, &target, &server.url("/a?b")), Ok("POST /a hello".to_owned()));
            // The answer is there before its connection is free again.
            std::thread::park_timeout(Duration::from_millis(20));
        }
        assert_eq!(server.connections.load(Relaxed), 1, "{alpn:?}");
    }
}

#[test]
fn certificates_are_refused_in_the_words_of_go() {
    let server = Server::start(&["h2"], &["a.example", "b.example"]);
    let client = Client::start().expect("a client");
    let verify = "tls: failed to verify certificate: x509:";
    let mut target = server.target();
    let wrong_name =
        format!("{verify} certificate is valid for a.example, b.example, not localhost");
    assert_eq!(call(&client, &target, &server.url("/")), Err(wrong_name));
    target.server_name = Some("b.example".to_owned());
    assert!(call(&client, &target, &server.url("/")).is_ok());
    target.server_name = Some("127.0.0.1".to_owned());
    let no_addresses = format!(
        "{verify} cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs"
    );
    assert_eq!(call(&client, &target, &server.url("/")), Err(no_addresses));
    let other = Server::start(&["h2"], &["localhost"]);
    target.trust = Trust::new(Roots::Pem(other.pem), None);
    let unknown = format!("{verify} certificate signed by unknown authority");
    assert_eq!(call(&client, &target, &server.url("/")), Err(unknown));
    target.trust = Trust::new(Roots::Unverified, None);
    assert!(call(&client, &target, &server.url("/")).is_ok());
    target.trust = Trust::new(Roots::Pem(b"no PEM".to_vec()), None);
    let unusable = "unable to load root certificates: unable to parse bytes as PEM block";
    assert_eq!(call(&client, &target, &server.url("/")), Err(unusable.to_owned()));
}

#[test]
fn what_does_not_answer_is_told_as_go_tells_it() {
    let server = Server::start(&["h2"], &["localhost"]);
    let (client, target) = (Client::start().expect("a client"), server.target());
    let url = server.url("/slow");
    let time = Duration::from_millis(50);
    let error = block_on(client.call(&target, post(&url), time)).expect_err("a timeout");
    let text = format!("Post \"{url}\": context deadline exceeded");
    assert_eq!(go_url_error(&Method::POST, &url, &error), text);
    let closed = Target::of_url(Trust::new(Roots::System, None));
    let refused = "dial tcp 127.0.0.1:1: connect: connection refused".to_owned();
    assert_eq!(call(&client, &closed, "https://127.0.0.1:1/x"), Err(refused));
    let scheme = "unsupported protocol scheme \"ftp\"".to_owned();
    assert_eq!(call(&client, &closed, "ftp://127.0.0.1/"), Err(scheme));
    assert_eq!(
        block_on(client.call(&target, post(&server.url("/big")), TIMEOUT)).map(|_| ()),
        Err(ClientError::TooLarge)
    );
}

#[test]
fn bodies_go_on_as_they_come_and_connections_are_upgraded() {
    let server = Server::start(&["h2", "http/1.1"], &["localhost"]);
    let (client, target) = (Client::start().expect("a client"), server.target());
    block_on(async {
        let (pieces, payload) = async_channel::bounded(2);
        let request = Request::post(server.url("/s")).body(Payload::pieces(payload));
        let asked = client.stream(&target, request.expect("a request"), TIMEOUT);
        pieces.send(Bytes::from_static(b"one ")).await.expect("sent");
        pieces.send(Bytes::from_static(b"two")).await.expect("sent");
        drop(pieces);
        let answer = asked.await.expect("an answer");
        assert_eq!(answer.head.status(), 200);
        let mut text = Vec::new();
        while let Ok(piece) = answer.body.recv().await {
            text.extend_from_slice(&piece.expect("a piece"));
        }
        assert_eq!(text, b"POST /s one two");

        let request = Request::get(server.url("/up"))
            .header("connection", "Upgrade")
            .header("upgrade", "echo")
            .body(Payload::whole(Bytes::new()));
        let answer = client.stream(&target, request.expect("a request"), TIMEOUT).await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.head.status(), 101);
        let duplex = answer.duplex.expect("a connection");
        duplex.sender.send(Bytes::from_static(b"ping")).await.expect("sent");
        assert_eq!(duplex.receiver.recv().await.expect("an echo"), "ping");
        drop(duplex.sender);
        assert!(duplex.receiver.recv().await.is_err(), "the other end closes as well");
    });
}
