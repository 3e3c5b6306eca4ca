//! The calls of a plugin, over gRPC on a unix socket, on a thread of their own.

use super::wire::{
    DecryptRequest, DecryptResponse, EncryptRequest, EncryptResponse, StatusRequest, StatusResponse,
};
use super::{Plugin, figures::Figures};
use async_channel::{Receiver, Sender};
use bytes::Bytes;
use http::uri::PathAndQuery;
use prost::Message;
use std::io;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

/// How often a healthy plugin is asked how it is.
const HEALTHY_INTERVAL: Duration = Duration::from_secs(20);
/// How often one that is not (`kmsPluginHealthzNegativeTTL`).
const SICK_INTERVAL: Duration = Duration::from_secs(3);

const STATUS: &str = "/v2.KeyManagementService/Status";
const ENCRYPT: &str = "/v2.KeyManagementService/Encrypt";
const DECRYPT: &str = "/v2.KeyManagementService/Decrypt";

/// A source that is to be opened, and where the answer goes.
pub(super) struct Job {
    pub(super) request: DecryptRequest,
    pub(super) answer: Sender<Result<Bytes, String>>,
}

/// Where a plugin is and how long it may take.
#[derive(Debug, Clone)]
pub(super) struct Address {
    pub(super) name: String,
    /// `unix:///…`.
    pub(super) endpoint: String,
    pub(super) timeout: Duration,
}

/// The way to a plugin.
#[derive(Clone)]
pub(super) struct Service {
    channel: Channel,
    timeout: Duration,
    figures: Arc<Figures>,
}

impl Service {
    pub(super) async fn status(&self) -> Result<StatusResponse, String> {
        self.call(STATUS, StatusRequest {}).await
    }

    pub(super) async fn encrypt(
        &self,
        plain: Bytes,
        uid: String,
    ) -> Result<EncryptResponse, String> {
        self.call(ENCRYPT, EncryptRequest { plaintext: plain, uid }).await
    }

    async fn decrypt(&self, request: DecryptRequest) -> Result<Bytes, String> {
        let answered: DecryptResponse = self.call(DECRYPT, request).await?;
        Ok(answered.plaintext)
    }

    async fn call<Q, A>(&self, method: &'static str, request: Q) -> Result<A, String>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let begun = Instant::now();
        let answered = tokio::time::timeout(self.timeout, self.unary(method, request)).await;
        let answered = answered
            .unwrap_or_else(|_| Err(Status::deadline_exceeded("context deadline exceeded")));
        let code = answered.as_ref().err().map(|status| status.code());
        self.figures.called(
            method,
            code.map_or("OK".to_owned(), |code| format!("{code:?}")),
            begun,
        );
        answered.map_err(|status| {
            format!("rpc error: code = {:?} desc = {}", status.code(), status.message())
        })
    }

    async fn unary<Q, A>(&self, method: &'static str, request: Q) -> Result<A, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        // A plugin that is not there yet is waited for, as long as the call may take.
        loop {
            let mut grpc = Grpc::new(self.channel.clone());
            if grpc.ready().await.is_ok() {
                let path = PathAndQuery::from_static(method);
                let codec = ProstCodec::<Q, A>::default();
                return grpc
                    .unary(Request::new(request), path, codec)
                    .await
                    .map(Response::into_inner);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Starts the thread of a plugin; it ends with the plugin. `ready` is told when the plugin has been
/// asked for the first time.
pub(super) fn start(
    address: &Address,
    plugin: Weak<Plugin>,
    figures: Arc<Figures>,
    jobs: Receiver<Job>,
    ready: Sender<()>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let endpoint = Endpoint::from_shared(address.endpoint.clone()).map_err(io::Error::other)?;
    let timeout = address.timeout;
    let work = async move {
        let channel = endpoint.connect_lazy();
        let service = Service { channel, timeout, figures };
        tokio::task::spawn_local(look_after(plugin, service.clone(), ready));
        while let Ok(Job { request, answer }) = jobs.recv().await {
            let service = service.clone();
            tokio::task::spawn_local(async move {
                // Whoever asked may have given up.
                answer.send(service.decrypt(request).await).await.ok();
            });
        }
    };
    std::thread::Builder::new()
        .name("kms".to_owned())
        .spawn(move || runtime.block_on(tokio::task::LocalSet::new().run_until(work)))?;
    Ok(())
}

/// Asks the plugin how it is for as long as it is used.
async fn look_after(plugin: Weak<Plugin>, service: Service, ready: Sender<()>) {
    loop {
        let Some(plugin) = plugin.upgrade() else { return };
        let probed = plugin.probe(&service).await;
        let wait = if probed { HEALTHY_INTERVAL } else { SICK_INTERVAL };
        drop(plugin);
        ready.close();
        tokio::time::sleep(wait).await;
    }
}
