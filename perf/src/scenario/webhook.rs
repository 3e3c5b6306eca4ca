//! What a validating webhook adds to a write: the same creates without one and with one, which this
//! process answers at once. What the server spends is its own share: the question, the connection,
//! the answer.

use super::stage::Stage;
use crate::Fault;
use crate::client::Call;
use crate::measure::Measure;
use crate::objects;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// The namespace whose writes the webhook sees.
const NAMESPACE: &str = "perf-webhook";
const NAME: &str = "perf-webhook";
const CONFIGURATIONS: &str =
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
/// How long a configuration may take to be heeded.
const HEEDED: Duration = Duration::from_secs(20);

/// Creates without a webhook, then with one.
pub(crate) async fn run(stage: &Stage<'_>) -> Result<Vec<Measure>, Fault> {
    let clients = stage.clients().await?;
    stage.namespace(&clients[0], NAMESPACE).await?;
    let maps = format!("/api/v1/namespaces/{NAMESPACE}/configmaps");
    let hook = Hook::start().await?;
    let mut all = Vec::new();
    for (variant, prefix) in [("without a webhook", "plain"), ("one webhook", "asked")] {
        if prefix == "asked" {
            clients[0].make(&Call::post(CONFIGURATIONS, hook.configuration())).await?;
            let probe = Call::post(format!("{maps}?dryRun=All"), objects::stamped("probe", 0, 60));
            let deadline = Instant::now() + HEEDED;
            while hook.asked.load(Ordering::Relaxed) == 0 {
                if Instant::now() > deadline {
                    return Err(format!("the webhook is not asked after {HEEDED:?}").into());
                }
                clients[0].send(&probe).await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        let (path, round) = (maps.clone(), stage.round);
        let make = move |n| {
            let name = format!("{prefix}-{round}-{n}");
            Call::post(path.as_str(), objects::stamped(&name, 0, 60))
        };
        all.push(stage.saturate(&clients, variant, "POST", make).await?);
    }
    clients[0].send(&Call::delete(format!("{CONFIGURATIONS}/{NAME}"))).await?;
    if let Some(asked) = all.last_mut() {
        let calls = hook.asked.load(Ordering::Relaxed);
        asked.figures.insert("calls_of_the_webhook".to_owned(), calls as f64);
    }
    Ok(all)
}

/// The webhook: a server of this process that lets everything pass.
struct Hook {
    address: SocketAddr,
    /// Its authority's certificate, PEM.
    authority: String,
    asked: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Hook {
    async fn start() -> Result<Self, Fault> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let names = vec!["127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names)?.signed_by(&key, &issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, asked) = (listener.local_addr()?, Arc::new(AtomicU64::new(0)));
        let counted = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(acceptor.clone(), stream, Arc::clone(&counted)));
            }
        });
        Ok(Self { address, authority: issuer.pem(), asked, task })
    }

    fn configuration(&self) -> String {
        let authority = STANDARD.encode(&self.authority);
        format!(
            r#"{{"metadata":{{"name":"{NAME}"}},"webhooks":[{{"name":"perf.example.com",
            "clientConfig":{{"url":"https://{}/","caBundle":"{authority}"}},
            "rules":[{{"apiGroups":[""],"apiVersions":["v1"],"operations":["CREATE"],
            "resources":["configmaps"]}}],"namespaceSelector":{{"matchLabels":{{
            "kubernetes.io/metadata.name":"{NAMESPACE}"}}}},"sideEffects":"None",
            "admissionReviewVersions":["v1"]}}]}}"#,
            self.address
        )
    }
}

async fn serve(acceptor: TlsAcceptor, stream: TcpStream, asked: Arc<AtomicU64>) {
    // Sent as they come: what waits for another packet would be counted as the server's wait.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let service = service_fn(move |request| answer(request, Arc::clone(&asked)));
    let connection = auto::Builder::new(TokioExecutor::new());
    // A client that goes away ends it.
    drop(connection.serve_connection(TokioIo::new(stream), service).await);
}

/// Lets the object pass.
async fn answer(
    request: Request<Incoming>,
    asked: Arc<AtomicU64>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    asked.fetch_add(1, Ordering::Relaxed);
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let review: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let uid = review["request"]["uid"].as_str().unwrap_or_default();
    let text = format!(
        r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1",
        "response":{{"uid":"{uid}","allowed":true}}}}"#
    );
    let mut response = Response::new(Full::new(Bytes::from(text)));
    let json = hyper::header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, json);
    Ok(response)
}
