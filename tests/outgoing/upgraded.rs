//! A client of the server under test that leaves HTTP: one connection over TLS, bytes both ways.

use super::harness::Server;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

/// What is waited for at most.
const PATIENCE: Duration = Duration::from_secs(20);

/// The connection.
pub(crate) struct Upgraded {
    reader: BufReader<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>,
    /// The status line and the headers, as they came.
    pub(crate) head: Vec<String>,
}

impl Upgraded {
    /// Sends a request with these headers and reads the head of the answer.
    pub(crate) fn ask(server: &Server, line: &str, headers: &[(&str, &str)]) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        let ca = CertificateDer::from_pem_file(server.data_dir().join("pki/ca.crt"));
        roots.add(ca.expect("a certificate")).expect("a CA");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").expect("a name");
        let session = rustls::ClientConnection::new(Arc::new(config), name).expect("a session");
        let stream = TcpStream::connect(("127.0.0.1", server.port)).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut stream = rustls::StreamOwned::new(session, stream);
        let mut request = format!("{line} HTTP/1.1\r\nHost: localhost\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{request}\r\n").as_bytes()).expect("a request");
        let mut reader = BufReader::new(stream);
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("an answer");
            match line.trim_end() {
                "" => break,
                text => head.push(text.to_owned()),
            }
        }
        Self { reader, head }
    }

    /// The value of a header of the answer.
    pub(crate) fn header(&self, wanted: &str) -> Option<&str> {
        let pairs = self.head.iter().filter_map(|line| line.split_once(": "));
        let mut same = pairs.filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        same.next().map(|(_, value)| value)
    }

    /// The body of an answer that stays HTTP.
    pub(crate) fn body(&mut self) -> Vec<u8> {
        let length = self.header("content-length").and_then(|text| text.parse().ok());
        self.receive(length.expect("a length"))
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.reader.get_mut().write_all(bytes).expect("to send");
    }

    pub(crate) fn receive(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.reader.read_exact(&mut bytes).expect("to receive");
        bytes
    }

    /// Ends the own half.
    pub(crate) fn end(&mut self) {
        let stream = self.reader.get_mut();
        stream.conn.send_close_notify();
        stream.flush().expect("to send");
    }

    /// What comes until the end; a connection that is cut has ended too.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.reader.read_to_end(&mut rest).ok();
        rest
    }
}
