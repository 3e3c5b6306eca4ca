//! A KMS plugin: gRPC over HTTP/2 on a unix socket, with a key that the test can change.

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response};
use hyper::body::{Body, Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

/// `StatusResponse`, and by chance of the numbers `DecryptRequest` without its annotations.
#[derive(Clone, PartialEq, Message)]
struct Texts {
    #[prost(bytes = "bytes", tag = "1")]
    first: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    second: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    third: Bytes,
}

/// `EncryptResponse`.
#[derive(Clone, PartialEq, Message)]
struct Encrypted {
    #[prost(bytes = "bytes", tag = "1")]
    ciphertext: Bytes,
    #[prost(string, tag = "2")]
    key_id: String,
    #[prost(btree_map = "string, bytes", tag = "3")]
    annotations: BTreeMap<String, Vec<u8>>,
}

/// The plugin; ends with its value.
pub(crate) struct Plugin {
    /// The number of its key.
    pub(crate) key: Arc<AtomicU32>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Plugin {
    pub(crate) fn start(socket: &Path) -> Self {
        let key = Arc::new(AtomicU32::new(1));
        let (shared, socket) = (Arc::clone(&key), socket.to_owned());
        // One that was here before leaves its socket behind.
        std::fs::remove_file(&socket).ok();
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().expect("a runtime");
        runtime.spawn(async move { serve(&socket, &shared).await });
        Self { key, runtime: Some(runtime) }
    }
}

impl Drop for Plugin {
    /// Ends it and closes its connections.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(socket: &Path, key: &Arc<AtomicU32>) {
    let listener = tokio::net::UnixListener::bind(socket).expect("a socket");
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let key = Arc::clone(key);
        let service = hyper::service::service_fn(move |request: http::Request<Incoming>| {
            let key = key.load(Ordering::Relaxed);
            async move {
                let path = request.uri().path().to_owned();
                let asked = whole(request.into_body()).await;
                let answer = answer(&path, &asked, key);
                let mut framed = BytesMut::new();
                framed.put_u8(0);
                framed.put_u32(u32::try_from(answer.len()).expect("short"));
                framed.put_slice(&answer);
                let body = Answer(vec![Frame::data(framed.freeze()), Frame::trailers(done())]);
                Ok::<_, Infallible>(
                    Response::builder()
                        .header("content-type", "application/grpc")
                        .body(body)
                        .expect("an answer"),
                )
            }
        });
        let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service);
        // A client that leaves is no matter.
        tokio::spawn(async move { connection.await.ok() });
    }
}

fn done() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    trailers
}

/// What a call answers. The key is its number, and sealing is turning bytes by it.
fn answer(path: &str, asked: &[u8], key: u32) -> Vec<u8> {
    let turned = |bytes: &[u8], by: u8| -> Bytes { bytes.iter().map(|byte| byte ^ by).collect() };
    let by = |key: u32| u8::try_from(key).expect("small");
    let asked = Texts::decode(asked).expect("a message");
    match path {
        "/v2.KeyManagementService/Status" => Texts {
            first: Bytes::from_static(b"v2"),
            second: Bytes::from_static(b"ok"),
            third: format!("key-{key}").into(),
        }
        .encode_to_vec(),
        "/v2.KeyManagementService/Encrypt" => Encrypted {
            ciphertext: turned(&asked.first, by(key)),
            key_id: format!("key-{key}"),
            annotations: BTreeMap::from([("by.example.com".to_owned(), b"test".to_vec())]),
        }
        .encode_to_vec(),
        "/v2.KeyManagementService/Decrypt" => {
            let id = String::from_utf8_lossy(&asked.third).into_owned();
            let key = id.strip_prefix("key-").and_then(|text| text.parse().ok());
            let first = turned(&asked.first, by(key.expect("a key's id")));
            Texts { first, ..Texts::default() }.encode_to_vec()
        }
        other => panic!("{other}"),
    }
}

/// The message of a request, without what gRPC has before it.
async fn whole(mut body: Incoming) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(frame) =
        std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await
    {
        if let Ok(data) = frame.expect("a frame").into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    bytes.split_off(5)
}

/// Frames of an answer, in order.
struct Answer(Vec<Frame<Bytes>>);

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = if self.0.is_empty() { None } else { Some(self.0.remove(0)) };
        Poll::Ready(next.map(Ok))
    }
}
