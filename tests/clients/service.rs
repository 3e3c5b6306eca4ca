//! A service over TLS, with a certificate authority of its own, as webhooks and issuers are.

use rcgen::{CertifiedIssuer, KeyPair};
use std::io::{Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One that runs until the test ends.
pub(crate) struct Service {
    /// `https://127.0.0.1:PORT`.
    pub(crate) url: String,
    /// Its authority, PEM.
    pub(crate) ca: String,
    asked: Arc<AtomicUsize>,
}

type Stream = rustls::StreamOwned<rustls::ServerConnection, TcpStream>;

impl Service {
    /// Answers each request, given by its path and body, with a code and JSON.
    pub(crate) fn start(answer: impl Fn(&str, &str) -> (u16, String) + Send + 'static) -> Self {
        let (config, ca) = tls();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("https://{}", listener.local_addr().expect("an address"));
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let connection = rustls::ServerConnection::new(Arc::clone(&config));
                let connection = connection.expect("a connection");
                let mut stream = rustls::StreamOwned::new(connection, socket);
                let Some((path, body)) = request(&mut stream) else { continue };
                counted.fetch_add(1, Ordering::SeqCst);
                let (code, body) = answer(&path, &body);
                let head = "content-type: application/json\r\nconnection: close";
                let length = body.len();
                let text = format!(
                    "HTTP/1.1 {code} X\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}"
                );
                // A client that has left is no failure of the test.
                stream.write_all(text.as_bytes()).ok();
                stream.conn.send_close_notify();
                stream.flush().ok();
            }
        });
        Self { url, ca, asked }
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// A kubeconfig that leads to it.
    pub(crate) fn kubeconfig(&self) -> String {
        use base64::Engine as _;
        let ca = base64::engine::general_purpose::STANDARD.encode(&self.ca);
        format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster: {{server: '{}/hook', \
             certificate-authority-data: {ca}}}\nusers:\n- name: u\n  user: {{token: secret}}\n\
             contexts:\n- name: x\n  context: {{cluster: c, user: u}}\ncurrent-context: x\n",
            self.url
        )
    }
}

fn tls() -> (Arc<rustls::ServerConfig>, String) {
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let authority = CertifiedIssuer::self_signed(params, key).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, &authority).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .expect("a configuration");
    (Arc::new(config), authority.pem())
}

/// The path and body of one request.
fn request(stream: &mut Stream) -> Option<(String, String)> {
    let mut read = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        let length = stream.read(&mut buffer).ok().filter(|length| *length > 0)?;
        read.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8_lossy(&read).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let mut lines = head.lines();
        let path = lines.next()?.split(' ').nth(1)?.to_owned();
        let length = lines
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, value)| value.trim().parse().ok())
            .unwrap_or(0);
        if body.len() >= length {
            return Some((path, body.to_owned()));
        }
    }
}
