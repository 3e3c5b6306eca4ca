//! Takes connections on one shard and brings them up to HTTP.

use crate::base::limits::TLS_HANDSHAKE_SECONDS_MAX;
use crate::http;
use crate::http::Accepted;
use crate::http::Connections;
use crate::http::Peer;
use crate::http::Request;
use crate::http::Response;
use crate::http::Slot;
use crate::http::Spawn;
use crate::rt;
use crate::tls;
use std::cell::Cell;
use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

/// How dead peers are found: within three minutes, as kube-apiserver's listener does.
const LIVENESS: rt::Liveness = rt::Liveness {
    idle: Duration::from_secs(60),
    probe: Duration::from_secs(15),
    probes: 8,
    stalled: Duration::from_secs(120),
};
/// How long to wait when the system has no file descriptor for a connection.
const EXHAUSTED_WAIT: Duration = Duration::from_millis(100);

/// The executor, for HTTP.
#[derive(Debug, Clone, Copy)]
struct OnShard;

impl Spawn for OnShard {
    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        rt::spawn_isolated(task);
    }
}

/// What the connections of one shard share.
#[derive(Debug)]
pub struct Listener {
    /// The open connections.
    pub connections: Connections,
    /// What TLS handshakes use from now on.
    pub tls: RefCell<tls::Config>,
    /// What the operator chose for HTTP.
    pub options: http::Options,
    /// Handshakes that failed, for `apiserver_tls_handshake_errors_total`.
    pub handshake_errors: Cell<u64>,
}

impl Listener {
    /// No connections yet.
    #[must_use]
    pub fn new(tls: tls::Config, options: http::Options, connections_max: usize) -> Self {
        Self {
            connections: Connections::new(connections_max),
            tls: RefCell::new(tls),
            options,
            handshake_errors: Cell::new(0),
        }
    }

    /// Accepts connections until `stop` completes and serves each by a task of its own, which lives
    /// on after that. The socket is closed then.
    pub async fn run<H, F>(
        self: Rc<Self>,
        socket: rt::TcpListener,
        stop: impl Future<Output = ()>,
        handler: H,
    ) where
        H: Fn(Request) -> F + Clone + 'static,
        F: Future<Output = Response> + 'static,
    {
        let accepting = async {
            loop {
                match socket.accept().await {
                    Ok(stream) => {
                        // A full shard closes the connection at once: the client tries again.
                        if let Some(slot) = self.connections.enter() {
                            let connection = Rc::clone(&self).serve(stream, slot, handler.clone());
                            rt::spawn_isolated(connection);
                        }
                    }
                    Err(error) if is_exhausted(&error) => rt::sleep(EXHAUSTED_WAIT).await,
                    // The client has left before it was accepted.
                    Err(_) => rt::yield_now().await,
                }
            }
        };
        futures_lite::future::or(stop, accepting).await;
    }

    async fn serve<H, F>(self: Rc<Self>, stream: rt::TcpStream, slot: Rc<Slot>, handler: H)
    where
        H: Fn(Request) -> F + Clone + 'static,
        F: Future<Output = Response> + 'static,
    {
        let Ok(address) = stream.peer_address() else { return };
        if stream.set_liveness(LIVENESS).is_err() {
            return;
        }
        let config = self.tls.borrow().clone();
        let limit = Duration::from_secs(TLS_HANDSHAKE_SECONDS_MAX);
        // Boxed, so that its room is given back once it is done.
        let handshake = Box::pin(tls::Stream::accept(stream, &config));
        let Ok(Ok(stream)) = rt::timeout(limit, handshake).await else {
            self.handshake_errors.set(self.handshake_errors.get() + 1);
            return;
        };
        let connection = self.speak(stream, &config, address, slot, handler);
        drop(config);
        connection.await;
    }

    /// What follows the handshake; not async, so that nothing of it stays in the task.
    fn speak<H, F>(
        &self,
        stream: Box<tls::Stream>,
        config: &tls::Config,
        address: SocketAddr,
        slot: Rc<Slot>,
        handler: H,
    ) -> Pin<Box<dyn Future<Output = ()>>>
    where
        H: Fn(Request) -> F + Clone + 'static,
        F: Future<Output = Response> + 'static,
    {
        let peer = Rc::new(Peer::new(address, stream.client_certificates(config)));
        let accepted = Accepted { protocol: stream.protocol(), peer, slot, options: self.options };
        http::serve(*stream, accepted, OnShard, handler)
    }
}

/// Out of file descriptors or memory, here or in the whole system.
fn is_exhausted(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
