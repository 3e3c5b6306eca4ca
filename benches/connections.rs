//! What an idle connection and an idle stream (a watch without events) cost in memory, below the
//! handlers: TLS, HTTP/2 and the executor.
//!
//! The bench starts itself again as the client, so that the server's memory is measured alone.
//! `cargo bench --bench connections [-- CONNECTIONS STREAMS]`

use kubering::http::Body;
use kubering::http::Options;
use kubering::http::Response;
use kubering::http::StatusCode;
use kubering::rt;
use kubering::server::listener::Listener;
use kubering::tls;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::process::Command;
use std::process::Stdio;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "client") {
        return client(&arguments[1..]);
    }
    let numbers: Vec<usize> = arguments.iter().filter_map(|text| text.parse().ok()).collect();
    let (connections, streams) = match numbers.as_slice() {
        [connections, streams, ..] => (*connections, *streams),
        _ => (500, 100),
    };
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a key");
    let material = tls::Material {
        certificates: made.cert.pem().into_bytes(),
        key: made.signing_key.serialize_pem().into_bytes(),
        ..tls::Material::default()
    };
    let tickets = tls::Tickets::new().expect("random bytes");
    let config = tls::Config::new(&material, &tickets).expect("a config");
    let shards = rt::run_shards(rt::Placement::Pinned, vec![config], move |_, config| async move {
        let listener = Rc::new(Listener::new(config, Options::default(), 100_000));
        let idle = |_| async {
            let idle = futures_lite::stream::pending();
            Response::new(StatusCode::OK, Body::stream(idle))
        };
        let socket = rt::TcpListener::bind(address).expect("it listens");
        listener.run(socket, std::future::pending(), idle).await;
    });
    drop(shards.expect("a shard"));
    std::thread::park_timeout(Duration::from_millis(200));
    // The first connections warm up what is shared.
    measure(address, 20, 1);
    let bare = measure(address, connections, 0);
    println!("idle connection: {bare:.0} bytes");
    let full = measure(address, connections, streams);
    println!("idle stream: {:.0} bytes", (full - bare) / streams as f64);
}

/// Resident bytes for each connection while a client holds them.
fn measure(address: SocketAddr, connections: usize, streams: usize) -> f64 {
    let before = resident_bytes();
    let own = std::env::current_exe().expect("this program");
    let mut child = Command::new(own)
        .args(["client", &address.to_string(), &connections.to_string(), &streams.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the client starts");
    let mut ready = [0; 1];
    child.stdout.as_mut().expect("a pipe").read_exact(&mut ready).expect("the client connects");
    std::thread::park_timeout(Duration::from_millis(500));
    let grown = resident_bytes() - before;
    drop(child.stdin.take());
    child.wait().expect("the client ends");
    std::thread::park_timeout(Duration::from_millis(500));
    grown / connections as f64
}

fn resident_bytes() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("/proc");
    let pages: f64 = statm.split(' ').nth(1).and_then(|p| p.parse().ok()).expect("a number");
    pages * 4_096.0
}

/// Holds connections with open requests until its input ends.
fn client(arguments: &[String]) {
    let [address, connections, streams] = arguments else { return };
    let connections: usize = connections.parse().expect("a number");
    let streams: u32 = streams.parse().expect("a number");
    let config = Arc::new(trusting());
    let mut held = Vec::with_capacity(connections);
    for _ in 0..connections {
        let name = "localhost".try_into().expect("a name");
        let tls = rustls::ClientConnection::new(Arc::clone(&config), name).expect("a client");
        let socket = TcpStream::connect(address).expect("the server listens");
        let mut stream = rustls::StreamOwned::new(tls, socket);
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
        for number in 0..streams {
            let block = [&[0x82, 0x87, 0x84, 0x01, 9][..], b"localhost"].concat();
            bytes.extend([0, 0, u8::try_from(block.len()).expect("short"), 1, 5]);
            bytes.extend((number * 2 + 1).to_be_bytes());
            bytes.extend(block);
        }
        stream.write_all(&bytes).expect("the server takes it");
        stream.flush().expect("the server takes it");
        if streams > 0 {
            stream.read_exact(&mut [0; 64]).expect("an answer");
        }
        held.push(stream);
    }
    std::io::stdout().write_all(b"1").and_then(|()| std::io::stdout().flush()).expect("a pipe");
    std::io::stdin().read_to_end(&mut Vec::new()).ok();
}

/// Trusts everybody: only memory is measured.
fn trusting() -> rustls::ClientConfig {
    #[derive(Debug)]
    struct Everybody;
    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    impl ServerCertVerifier for Everybody {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, rustls::Error> {
            Ok(ServerCertVerified::assertion())
        }
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &rustls::DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            Ok(HandshakeSignatureValid::assertion())
        }
        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &rustls::DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            Ok(HandshakeSignatureValid::assertion())
        }
        fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
            rustls::crypto::ring::default_provider()
                .signature_verification_algorithms
                .supported_schemes()
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Everybody))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}
