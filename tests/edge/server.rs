//! A server of one shard with a handler that shows what it was given.

use crate::certificates::Authority;
use crate::certificates::Identity;
use bytes::Bytes;
use futures_lite::stream;
use kubering::base::limits::REQUEST_BODY_BYTES_MAX;
use kubering::http::Body;
use kubering::http::BodyError;
use kubering::http::Options;
use kubering::http::Request;
use kubering::http::Response;
use kubering::http::StatusCode;
use kubering::rt;
use kubering::server::listener::Listener;
use kubering::tls;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

/// What a test tells the server.
pub(crate) enum Order {
    Drain,
    Use(tls::Config),
}

/// What the handlers have counted.
#[derive(Default)]
pub(crate) struct Counts {
    /// Pieces of the endless body that were asked for.
    pub(crate) pieces: AtomicUsize,
    /// Endless bodies that were dropped.
    pub(crate) dropped: AtomicUsize,
}

pub(crate) struct Server {
    pub(crate) ca: Authority,
    pub(crate) clients: Authority,
    pub(crate) address: SocketAddr,
    pub(crate) counts: Arc<Counts>,
    orders: async_channel::Sender<Order>,
    tickets: tls::Tickets,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::limited(1_000)
    }

    pub(crate) fn limited(connections_max: usize) -> Self {
        let ca = Authority::new("servers");
        let clients = Authority::new("clients");
        let tickets = tls::Tickets::new().unwrap();
        let config = config(&ca.server(), &clients, &tickets);
        let (orders, orders_rx) = async_channel::bounded(16);
        let (address_tx, address) = async_channel::bounded(1);
        let counts = Arc::new(Counts::default());
        let seed = (config, orders_rx, address_tx, Arc::clone(&counts), connections_max);
        let run = |_, (config, orders, address, counts, connections_max)| {
            serve(config, orders, address, counts, connections_max)
        };
        let shards = rt::run_shards(rt::Placement::Unpinned, vec![seed], run).unwrap();
        drop(shards);
        let address = address.recv_blocking().unwrap();
        Self { ca, clients, address, counts, orders, tickets }
    }

    pub(crate) fn drain(&self) {
        self.orders.send_blocking(Order::Drain).unwrap();
    }

    /// Shows another certificate from now on.
    pub(crate) fn use_identity(&self, identity: &Identity) {
        let config = config(identity, &self.clients, &self.tickets);
        self.orders.send_blocking(Order::Use(config)).unwrap();
    }

    pub(crate) fn connect_plain(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    pub(crate) fn connect(
        &self,
        config: &Arc<rustls::ClientConfig>,
    ) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
        let name = "localhost".try_into().unwrap();
        let client = rustls::ClientConnection::new(Arc::clone(config), name).unwrap();
        rustls::StreamOwned::new(client, self.connect_plain())
    }
}

fn config(own: &Identity, clients: &Authority, tickets: &tls::Tickets) -> tls::Config {
    let material = tls::Material {
        certificates: own.certificate.pem().into_bytes(),
        key: own.key.serialize_pem().into_bytes(),
        client_ca: Some(clients.pem()),
        ..tls::Material::default()
    };
    tls::Config::new(&material, tickets).unwrap()
}

async fn serve(
    config: tls::Config,
    orders: async_channel::Receiver<Order>,
    address: async_channel::Sender<SocketAddr>,
    counts: Arc<Counts>,
    connections_max: usize,
) {
    let socket = rt::TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    address.send(socket.local_address().unwrap()).await.unwrap();
    let listener = Rc::new(Listener::new(config, Options::default(), connections_max));
    let handler = move |request| answer(request, Arc::clone(&counts));
    let ordered = Rc::clone(&listener);
    let drained = async move {
        while let Ok(order) = orders.recv().await {
            match order {
                Order::Use(config) => *ordered.tls.borrow_mut() = config,
                Order::Drain => return,
            }
        }
        std::future::pending().await
    };
    Rc::clone(&listener).run(socket, drained, handler).await;
    listener.connections.drain();
    while listener.connections.open() > 0 {
        rt::sleep(Duration::from_millis(5)).await;
    }
}

/// Counts an endless body that is dropped.
struct Dropped(Arc<Counts>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, SeqCst);
    }
}

async fn answer(request: Request, counts: Arc<Counts>) -> Response {
    match request.path() {
        "/echo" => match request.body.read(REQUEST_BODY_BYTES_MAX).await {
            Ok(body) => Response::new(StatusCode::OK, Body::full(body)),
            Err(BodyError::TooLarge) => Response::text(StatusCode::PAYLOAD_TOO_LARGE, "too large"),
            Err(BodyError::Aborted) => Response::text(StatusCode::BAD_REQUEST, "aborted"),
        },
        "/who" => {
            let certificates = request.peer.certificates.as_ref();
            let text = certificates.map_or_else(
                || "nobody".to_owned(),
                |found| format!("{} {:?}", found.chain.len(), found.client_ca),
            );
            Response::text(StatusCode::OK, text)
        }
        "/panic" => panic!("meant to panic"),
        "/slow" => {
            rt::sleep(Duration::from_millis(300)).await;
            Response::text(StatusCode::OK, "slow")
        }
        "/close" => Response { close: true, ..Response::text(StatusCode::OK, "bye") },
        "/parts" => {
            let parts = vec![Bytes::from_static(b"one "), Bytes::from_static(b"two")];
            Response::new(StatusCode::OK, Body::parts(parts))
        }
        "/broken" => {
            let pieces = [Some(Bytes::from_static(b"begin")), None];
            Response::new(StatusCode::OK, Body::breakable_stream(stream::iter(pieces)))
        }
        "/endless" => {
            let guard = Dropped(Arc::clone(&counts));
            let endless = stream::repeat_with(move || {
                guard.0.pieces.fetch_add(1, SeqCst);
                Bytes::from_static(&[b'e'; 16_384])
            });
            Response::new(StatusCode::OK, Body::stream(endless))
        }
        "/large" => {
            let pieces = stream::iter(0..1_000u32).map(|n| Bytes::from(vec![n as u8; 10_000]));
            Response::new(StatusCode::OK, Body::stream(pieces))
        }
        _ => Response::text(StatusCode::NOT_FOUND, "no such path"),
    }
}

use futures_lite::StreamExt;
