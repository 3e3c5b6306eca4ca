//! One HTTP/2 connection over TLS to a server, with windows of client-go's order of size.

use crate::Fault;
use crate::kubeconfig::Access;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::client::Resumption;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Bytes a server may send on one stream before it has to wait; client-go takes 4 MiB.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
/// Bytes it may send on the connection before it has to wait.
const CONNECTION_WINDOW_BYTES: u32 = 64 << 20;
/// A request that takes longer has failed.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// JSON, the plain form.
pub(crate) const JSON: &str = "application/json";
/// Protobuf, as kubelets and controllers ask for built-in kinds.
pub(crate) const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
/// Metadata alone, as controllers ask for kinds that they only count.
pub(crate) const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
/// Metadata lists.
pub(crate) const METADATA_LIST: &str =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// Where a server is, whom to trust and who to be.
#[derive(Debug)]
pub(crate) struct Endpoint {
    authority: String,
    name: ServerName<'static>,
    tls: Arc<rustls::ClientConfig>,
    tls_anew: Arc<rustls::ClientConfig>,
    authorization: Option<String>,
}

impl Endpoint {
    /// Of an access. Fails on PEM that does not parse and on addresses that are not https.
    pub(crate) fn new(access: &Access) -> Result<Self, Fault> {
        let authority = access.server.strip_prefix("https://").ok_or("the server is not https")?;
        let authority = authority.trim_end_matches('/').to_owned();
        let host = authority.rsplit_once(':').map_or(authority.as_str(), |(host, _)| host);
        let mut roots = rustls::RootCertStore::empty();
        for cert in CertificateDer::pem_slice_iter(&access.ca) {
            roots.add(cert.map_err(|e| format!("certificate authority: {e:?}"))?)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let mut tls = match &access.client {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
                let chain = chain.map_err(|e| format!("client certificate: {e:?}"))?;
                let key = PrivateKeyDer::from_pem_slice(key);
                builder
                    .with_client_auth_cert(chain, key.map_err(|e| format!("client key: {e:?}"))?)?
            }
        };
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let mut tls_anew = tls.clone();
        tls_anew.resumption = Resumption::disabled();
        Ok(Self {
            name: ServerName::try_from(host.trim_matches(['[', ']']).to_owned())?,
            authority,
            tls: Arc::new(tls),
            tls_anew: Arc::new(tls_anew),
            authorization: access.token.as_ref().map(|token| format!("Bearer {token}")),
        })
    }

    /// A TLS connection alone; with `anew`, none of an earlier session is used.
    pub(crate) async fn handshake(
        &self,
        anew: bool,
    ) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Fault> {
        let tcp = TcpStream::connect(&self.authority).await?;
        tcp.set_nodelay(true)?;
        let config = if anew { &self.tls_anew } else { &self.tls };
        Ok(TlsConnector::from(Arc::clone(config)).connect(self.name.clone(), tcp).await?)
    }

    /// A connection that is ready for requests.
    pub(crate) async fn connect(self: &Arc<Self>) -> Result<Client, Fault> {
        self.connect_with(STREAM_WINDOW_BYTES).await
    }

    /// A connection whose streams take this many bytes before the client has read them.
    pub(crate) async fn connect_with(self: &Arc<Self>, window: u32) -> Result<Client, Fault> {
        let stream = self.handshake(false).await?;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(window)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_concurrent_reset_streams(1024)
            .handshake(TokioIo::new(stream))
            .await?;
        // It ends when the client is dropped; its error is the requests' error too.
        tokio::spawn(connection);
        Ok(Client { endpoint: Arc::clone(self), sender })
    }

    /// So many connections.
    pub(crate) async fn pool(self: &Arc<Self>, count: usize) -> Result<Vec<Client>, Fault> {
        let mut all = Vec::with_capacity(count);
        for _ in 0..count.max(1) {
            all.push(self.connect().await?);
        }
        Ok(all)
    }
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// Its method.
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: String,
    /// What to accept.
    pub(crate) accept: &'static str,
    /// The body's media type, if there is one.
    pub(crate) content_type: &'static str,
    /// The body.
    pub(crate) body: Bytes,
    /// Whether gzip is accepted.
    pub(crate) gzip: bool,
}

impl Call {
    /// A GET of JSON.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::with_body(Method::GET, path, "", Bytes::new())
    }

    /// A DELETE.
    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self::with_body(Method::DELETE, path, "", Bytes::new())
    }

    /// A POST of JSON.
    pub(crate) fn post(path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self::with_body(Method::POST, path, JSON, body.into())
    }

    /// A PUT of JSON.
    pub(crate) fn put(path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self::with_body(Method::PUT, path, JSON, body.into())
    }

    /// A merge patch.
    pub(crate) fn merge_patch(path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self::with_body(Method::PATCH, path, "application/merge-patch+json", body.into())
    }

    fn with_body(
        method: Method,
        path: impl Into<String>,
        content_type: &'static str,
        body: Bytes,
    ) -> Self {
        Self { method, path: path.into(), accept: JSON, content_type, body, gzip: false }
    }

    /// The same, answered in another media type.
    pub(crate) fn accept(self, accept: &'static str) -> Self {
        Self { accept, ..self }
    }

    /// The same, the answer compressed if the server likes.
    pub(crate) fn gzip(self) -> Self {
        Self { gzip: true, ..self }
    }
}

/// An answer whose body was read and counted.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// Bytes of its body, as sent.
    pub(crate) bytes: u64,
    /// The first bytes of its body, for an error's text.
    pub(crate) head: Bytes,
}

/// A connection; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    endpoint: Arc<Endpoint>,
    sender: SendRequest<Full<Bytes>>,
}

impl Client {
    /// Sends a request and reads the answer to its end, keeping none of it but its head.
    pub(crate) async fn send(&self, call: &Call) -> Result<Answer, Fault> {
        tokio::time::timeout(CALL_TIMEOUT, async {
            let mut response = self.open(call).await?;
            let mut answer =
                Answer { status: response.status().as_u16(), bytes: 0, head: Bytes::new() };
            while let Some(frame) = response.body_mut().frame().await {
                if let Ok(data) = frame?.into_data() {
                    if answer.bytes == 0 {
                        answer.head = data.slice(..data.len().min(512));
                    }
                    answer.bytes += data.len() as u64;
                }
            }
            Ok(answer)
        })
        .await
        .map_err(|_| format!("no answer within {CALL_TIMEOUT:?}"))?
    }

    /// Sends a request whose answer must be one of 2xx, or 409 where something is there already.
    pub(crate) async fn make(&self, call: &Call) -> Result<(), Fault> {
        let answer = self.send(call).await?;
        match answer.status {
            200..=299 | 409 => Ok(()),
            status => Err(format!(
                "{} {}: {status} {}",
                call.method,
                call.path,
                String::from_utf8_lossy(&answer.head)
            )
            .into()),
        }
    }

    /// Sends a request and keeps the whole body.
    pub(crate) async fn read(&self, call: &Call) -> Result<(u16, Bytes), Fault> {
        let response = self.open(call).await?;
        let status = response.status().as_u16();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }

    /// Sends a request; the body is the caller's to read.
    pub(crate) async fn open(&self, call: &Call) -> Result<Response<Incoming>, Fault> {
        let uri = format!("https://{}{}", self.endpoint.authority, call.path);
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(uri)
            .header("accept", call.accept)
            .header("user-agent", "kubering-perf");
        if let Some(value) = &self.endpoint.authorization {
            request = request.header("authorization", value);
        }
        if !call.content_type.is_empty() {
            request = request.header("content-type", call.content_type);
        }
        if call.gzip {
            request = request.header("accept-encoding", "gzip");
        }
        let request = request.body(Full::new(call.body.clone()))?;
        let mut sender = self.sender.clone();
        sender.ready().await?;
        Ok(sender.send_request(request).await?)
    }
}
