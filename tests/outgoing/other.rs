//! Another server that the server under test calls: HTTPS on the loopback, one thread for each
//! connection, answers made by the test.

use rcgen::CertifiedKey;
use rustls::pki_types::PrivateKeyDer;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;

/// What came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Path and query.
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    /// All values of a header.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        let same = self.headers.iter().filter(|(known, _)| known == name);
        same.map(|(_, value)| value.as_str()).collect()
    }
}

/// What is answered: code, content type, body.
pub(crate) type Answer = (u16, &'static str, String);

/// Bytes both ways.
pub(crate) trait Wire: std::io::Read + std::io::Write {}

impl<T: std::io::Read + std::io::Write> Wire for T {}

/// What is done with a connection that wants to leave HTTP.
type Switched = dyn Fn(&Asked, &mut dyn Wire) -> std::io::Result<()> + Send + Sync;

/// An address of this machine that others reach it by, if it has one.
pub(crate) fn outward() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: the system only chooses a way.
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

/// The other server, until the test's process ends.
pub(crate) struct Other {
    pub(crate) port: u16,
    /// Its certificate, base64 of the PEM text.
    pub(crate) ca_bundle: String,
}

impl Other {
    /// For these names, with these answers.
    pub(crate) fn start(
        names: &[&str],
        answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::upgrading(names, answer, |_, _| Err(std::io::ErrorKind::Unsupported.into()))
    }

    /// As [`Self::start`]; requests with an `Upgrade` header go to `switched`, which answers them.
    pub(crate) fn upgrading(
        names: &[&str],
        answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
        switched: impl Fn(&Asked, &mut dyn Wire) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let switched: Arc<Switched> = Arc::new(switched);
        use base64::Engine as _;
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(names).expect("a certificate");
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .expect("a server's config");
        let listener = TcpListener::bind("0.0.0.0:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (config, answer) = (Arc::new(config), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (config, answer) = (Arc::clone(&config), Arc::clone(&answer));
                let switched = Arc::clone(&switched);
                let stream = stream.expect("a connection");
                // A connection that ends early is its client's affair.
                std::thread::spawn(move || serve(stream, config, &*answer, &*switched).ok());
            }
        });
        let ca_bundle = base64::engine::general_purpose::STANDARD.encode(cert.pem());
        Self { port, ca_bundle }
    }
}

fn serve(
    stream: TcpStream,
    config: Arc<rustls::ServerConfig>,
    answer: &dyn Fn(&Asked) -> Answer,
    switched: &Switched,
) -> std::io::Result<()> {
    let session = rustls::ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut reader = BufReader::new(rustls::StreamOwned::new(session, stream));
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let mut asked = Asked { path, headers, body: Vec::new() };
    if !asked.header("upgrade").is_empty() {
        return switched(&asked, &mut reader.into_inner());
    }
    let length = asked.header("content-length").first().and_then(|text| text.parse().ok());
    asked.body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut asked.body)?;
    let (code, content_type, body) = answer(&asked);
    let head = format!(
        "HTTP/1.1 {code} X\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    let stream = reader.get_mut();
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    stream.flush()
}
