//! From a name to a connection that takes requests.

use crate::base::limits::CLIENT_DIAL_SECONDS_MAX;
use crate::base::limits::CLIENT_HANDSHAKE_SECONDS_MAX;
use crate::base::limits::CLIENT_KEEPALIVE_SECONDS;
use crate::base::limits::CLIENT_KEEPALIVE_SECONDS_MAX;
use crate::base::limits::HEADER_BYTES_MAX;
use crate::client::ClientError;
use crate::client::Payload;
use crate::client::Target;
use crate::client::error::broken;
use crate::client::error::errno_text;
use crate::client::target::Key;
use hyper::client::conn::http1;
use hyper::client::conn::http2;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use rustls::AlertDescription;
use rustls::CertificateError;
use rustls::Error;
use rustls::InvalidMessage;
use rustls::pki_types::ServerName;
use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A connection's end for requests.
#[derive(Debug)]
pub(in crate::client) enum Connection {
    Http1(http1::SendRequest<Payload>),
    Http2(http2::SendRequest<Payload>),
}

/// Runs what hyper does besides on the client's own thread.
#[derive(Debug, Clone, Copy)]
struct SameThread;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for SameThread {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// Connects, with TLS if the key has a name to verify.
pub(in crate::client) async fn connect(
    target: &Target,
    key: &Key,
) -> Result<Connection, ClientError> {
    let stream = dial(&key.host, key.port).await?;
    // An exchange is small and waited for.
    stream.set_nodelay(true).ok();
    let Some(name) = &key.server_name else { return http1(stream).await };
    let configs = target.trust.configs()?;
    let config = if key.upgrades { &configs.http1 } else { &configs.any };
    let name = ServerName::try_from(name.clone())
        .map_err(|_| ClientError::Unusable(format!("{name:?} is no name of a server")))?;
    let handshake = TlsConnector::from(Arc::clone(config)).connect(name, stream);
    let time = Duration::from_secs(CLIENT_HANDSHAKE_SECONDS_MAX);
    let stream = tokio::time::timeout(time, handshake)
        .await
        .map_err(|_| ClientError::Tls("net/http: TLS handshake timeout".to_owned()))?
        .map_err(|error| handshake_error(&error))?;
    if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
        return http1(stream).await;
    }
    let (sender, connection) = http2::Builder::new(SameThread)
        .timer(TokioTimer::new())
        .adaptive_window(true)
        .keep_alive_interval(Duration::from_secs(CLIENT_KEEPALIVE_SECONDS))
        .keep_alive_timeout(Duration::from_secs(CLIENT_KEEPALIVE_SECONDS_MAX))
        .max_header_list_size(u32::try_from(HEADER_BYTES_MAX).unwrap_or(u32::MAX))
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(&error))?;
    tokio::task::spawn_local(connection);
    Ok(Connection::Http2(sender))
}

async fn http1(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<Connection, ClientError> {
    let (sender, connection) = http1::Builder::new()
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(&error))?;
    tokio::task::spawn_local(connection.with_upgrades());
    Ok(Connection::Http1(sender))
}

/// The first address that can be connected to; if none can, the error of the first.
async fn dial(host: &str, port: u16) -> Result<TcpStream, ClientError> {
    let addresses: Vec<SocketAddr> = match host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => match tokio::net::lookup_host((host, port)).await {
            Ok(found) => found.collect(),
            Err(_) => Vec::new(),
        },
    };
    let mut failed = None;
    for address in addresses {
        let time = Duration::from_secs(CLIENT_DIAL_SECONDS_MAX);
        let text = match tokio::time::timeout(time, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => format!("dial tcp {address}: connect: {}", errno_text(&error)),
            Err(_) => format!("dial tcp {address}: i/o timeout"),
        };
        failed.get_or_insert(text);
    }
    let unknown = || format!("dial tcp: lookup {host}: no such host");
    Err(ClientError::Dial(failed.unwrap_or_else(unknown)))
}

/// A failed handshake in Go's words.
fn handshake_error(error: &io::Error) -> ClientError {
    let reason = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    ClientError::Tls(match reason {
        Some(Error::InvalidCertificate(CertificateError::Other(refused))) => {
            format!("tls: failed to verify certificate: {refused}")
        }
        Some(Error::AlertReceived(alert)) => format!("remote error: tls: {}", alert_text(*alert)),
        Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            "http: server gave HTTP response to HTTPS client".to_owned()
        }
        Some(other) => format!("tls: {other}"),
        None if error.kind() == io::ErrorKind::UnexpectedEof => "EOF".to_owned(),
        None => errno_text(error),
    })
}

/// Go's `alertText`.
fn alert_text(alert: AlertDescription) -> String {
    let known = match alert {
        AlertDescription::UnexpectedMessage => "unexpected message",
        AlertDescription::BadRecordMac => "bad record MAC",
        AlertDescription::HandshakeFailure => "handshake failure",
        AlertDescription::BadCertificate => "bad certificate",
        AlertDescription::UnsupportedCertificate => "unsupported certificate",
        AlertDescription::CertificateRevoked => "revoked certificate",
        AlertDescription::CertificateExpired => "expired certificate",
        AlertDescription::CertificateUnknown => "unknown certificate",
        AlertDescription::UnknownCA => "unknown certificate authority",
        AlertDescription::AccessDenied => "access denied",
        AlertDescription::ProtocolVersion => "protocol version not supported",
        AlertDescription::InternalError => "internal error",
        AlertDescription::UnrecognisedName => "unrecognized name",
        AlertDescription::CertificateRequired => "certificate required",
        AlertDescription::NoApplicationProtocol => "no application protocol",
        other => return format!("alert({})", u8::from(other)),
    };
    known.to_owned()
}
