//! One connection, from its first byte to its last.

use crate::base::limits::HEADER_BYTES_MAX;
use crate::base::limits::HTTP2_FRAME_BYTES_MAX;
use crate::base::limits::HTTP2_RESETS_PENDING_MAX;
use crate::base::limits::HTTP2_SEND_BUFFER_BYTES_MAX;
use crate::base::limits::HTTP2_STREAM_ERRORS_MAX;
use crate::base::limits::HTTP2_STREAMS_MAX;
use crate::base::limits::HTTP2_WINDOW_BYTES;
use crate::http::Body;
use crate::http::HeaderValue;
use crate::http::Method;
use crate::http::Peer;
use crate::http::Request;
use crate::http::RequestBody;
use crate::http::Response;
use crate::http::StatusCode;
use crate::http::Transport;
use crate::http::Version;
use crate::http::body::Outgoing;
use crate::http::body::Refused;
use crate::http::connections::End;
use crate::http::connections::InFlight;
use crate::http::connections::Slot;
use crate::http::header;
use crate::http::transport::Io;
use crate::http::upgrade::Leaving;
use crate::metrics::Sent;
use bytes::Bytes;
use futures_lite::FutureExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::server::conn::http2;
use hyper::service::Service;
use std::any::Any;
use std::cell::RefCell;
use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

/// What kube-apiserver answers when a handler panics (`filters.WithPanicRecovery`).
const PANIC_TEXT: &str = "This request caused apiserver to panic. Look in the logs for details.\n";

/// Which HTTP a connection speaks, as ALPN found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 with keep-alive.
    Http1,
    /// HTTP/2.
    Http2,
}

/// What the operator may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// HTTP/2 streams a client may have open at once.
    pub streams_max: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { streams_max: HTTP2_STREAMS_MAX }
    }
}

/// A connection whose handshake is done.
#[derive(Debug)]
pub struct Accepted {
    /// What it speaks.
    pub protocol: Protocol,
    /// Who is at the other end.
    pub peer: Rc<Peer>,
    /// Its place among the shard's connections.
    pub slot: Rc<Slot>,
    /// What the operator chose.
    pub options: Options,
}

/// Runs tasks on the shard.
pub trait Spawn: Clone + 'static {
    /// Runs a task, detached; a panic in it must not reach other tasks.
    fn spawn(&self, task: impl Future<Output = ()> + 'static);
}

/// [`Spawn`] as hyper wants it.
#[derive(Debug, Clone)]
struct Executor<S>(S);

impl<S: Spawn, F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Executor<S> {
    /// Most requests are answered without waiting: these cost no task. The others are polled anew
    /// by the task that they become, which is when they learn whom to wake.
    fn execute(&self, task: F) {
        let mut task = Box::pin(task);
        if task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            self.0.spawn(task);
        }
    }
}

/// Answers the requests of one connection until either side ends it.
///
/// Each request is handled on its own: over HTTP/2 they run at once. A panic in the handler is a
/// 500 for that request. A broken connection is no error of the server and is not told.
///
/// The future is boxed here, by a function that is not async, so that the caller's own future holds
/// no room for what it was made from: idle connections are many.
pub fn serve<T, H, F>(
    transport: T,
    accepted: Accepted,
    spawn: impl Spawn,
    handler: H,
) -> Pin<Box<dyn Future<Output = ()>>>
where
    T: Transport,
    H: Fn(Request) -> F + Clone + 'static,
    F: Future<Output = Response> + 'static,
{
    let Accepted { protocol, peer, slot, options } = accepted;
    slot.begin(protocol == Protocol::Http1);
    let transport = Rc::new(RefCell::new(transport));
    let io = Io { transport: Rc::clone(&transport), slot: Rc::clone(&slot) };
    let requests = Requests { handler, peer, slot: Rc::clone(&slot), spawn: spawn.clone() };
    match protocol {
        Protocol::Http1 => {
            let mut builder = http1::Builder::new();
            builder.max_buf_size(HEADER_BYTES_MAX);
            let mut connection = Box::new(builder.serve_connection(io, requests));
            Box::pin(async move {
                let shut_down = http1::Connection::graceful_shutdown;
                drive(Pin::new(&mut *connection), &transport, &slot, shut_down).await;
                if let Some(leaving) = slot.left() {
                    let early = connection.into_parts().read_buf;
                    leave(*leaving, early, transport, &slot).await;
                }
            })
        }
        Protocol::Http2 => {
            let builder = http2_builder(options, spawn);
            let mut connection = Box::pin(builder.serve_connection(io, requests));
            Box::pin(async move {
                let shut_down = http2::Connection::graceful_shutdown;
                drive(connection.as_mut(), &transport, &slot, shut_down).await;
            })
        }
    }
}

fn http2_builder<S: Spawn>(options: Options, spawn: S) -> http2::Builder<Executor<S>> {
    let mut builder = http2::Builder::new(Executor(spawn));
    builder
        .max_concurrent_streams(options.streams_max)
        .initial_stream_window_size(HTTP2_WINDOW_BYTES)
        .initial_connection_window_size(HTTP2_WINDOW_BYTES.saturating_mul(options.streams_max))
        .max_frame_size(HTTP2_FRAME_BYTES_MAX)
        .max_header_list_size(u32::try_from(HEADER_BYTES_MAX).unwrap_or(u32::MAX))
        .max_send_buf_size(HTTP2_SEND_BUFFER_BYTES_MAX)
        .max_pending_accept_reset_streams(HTTP2_RESETS_PENDING_MAX)
        .max_local_error_reset_streams(HTTP2_STREAM_ERRORS_MAX);
    builder
}

/// Polls a connection to its end, passing on what the slot wants and sending what came together.
async fn drive<C: Future>(
    mut connection: Pin<&mut C>,
    transport: &RefCell<impl Transport>,
    slot: &Slot,
    shut_down: impl Fn(Pin<&mut C>),
) {
    let mut told = false;
    std::future::poll_fn(|cx| {
        match slot.poll_end(cx.waker()) {
            End::NotYet => {}
            End::Gracefully if told => {}
            End::Gracefully => {
                told = true;
                shut_down(connection.as_mut());
            }
            End::AtOnce => return Poll::Ready(()),
        }
        let ended = connection.as_mut().poll(cx).is_ready();
        let sent = transport.borrow_mut().poll_flush(cx);
        if ended || matches!(sent, Poll::Ready(Err(_))) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Runs what follows HTTP on a connection, unless the slot wants it to end.
fn leave(
    leaving: Leaving,
    early: Bytes,
    transport: Rc<RefCell<impl Transport>>,
    slot: &Slot,
) -> Pin<Box<dyn Future<Output = ()> + '_>> {
    Box::pin(async move {
        let end = std::future::poll_fn(|cx| match slot.poll_end(cx.waker()) {
            End::AtOnce => Poll::Ready(()),
            End::NotYet | End::Gracefully => Poll::Pending,
        });
        let rest = async {
            leaving.run(early, Rc::clone(&transport) as Rc<RefCell<dyn Transport>>).await;
            // Nobody is left to be told.
            std::future::poll_fn(|cx| transport.borrow_mut().poll_close(cx)).await.ok();
        };
        end.or(rest).await;
    })
}

/// What lives until an answer has been sent.
type Held = (Option<InFlight>, Option<Box<dyn Any>>, Option<Sent>);

/// The handler as hyper wants it.
struct Requests<H, S> {
    handler: H,
    spawn: S,
    peer: Rc<Peer>,
    slot: Rc<Slot>,
}

impl<H, F, S> Service<hyper::Request<Incoming>> for Requests<H, S>
where
    S: Spawn,
    H: Fn(Request) -> F + Clone + 'static,
    F: Future<Output = Response> + 'static,
{
    type Response = hyper::Response<Outgoing<Held>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>>>>;

    fn call(&self, request: hyper::Request<Incoming>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let refused = Refused::new(&body);
        let spawn = self.spawn.clone();
        let is_head = parts.method == Method::HEAD;
        let version = parts.version;
        let request = Request {
            method: parts.method,
            uri: parts.uri,
            version,
            headers: parts.headers,
            body: RequestBody::network(body, refused.clone()),
            peer: Rc::clone(&self.peer),
        };
        let in_flight = InFlight::new(&self.slot);
        let slot = Rc::clone(&self.slot);
        let handler = self.handler.clone();
        Box::pin(async move {
            let answer = AssertUnwindSafe(async move { handler(request).await }).catch_unwind();
            let mut response = answer.await.unwrap_or_else(|_| {
                slot.panicked();
                Response::text(StatusCode::INTERNAL_SERVER_ERROR, PANIC_TEXT)
            });
            if let Some(rest) = refused.rest() {
                spawn.spawn(rest);
            }
            if response.close && version == Version::HTTP_2 {
                slot.end(End::Gracefully);
            } else if response.close {
                response.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            if is_head {
                if let Some(length) = response.body.length() {
                    response.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
                }
                response.body = Body::empty();
            }
            let mut held = (Some(in_flight), response.held, response.sent);
            if let Some(upgrade) = response.upgrade.filter(|_| version == Version::HTTP_11) {
                let held = Box::new((held.0.take(), held.1.take()));
                slot.leave(Leaving { upgrade, held });
            }
            let mut answer = hyper::Response::new(Outgoing::new(response.body, held));
            *answer.status_mut() = response.status;
            *answer.headers_mut() = response.headers;
            Ok(answer)
        })
    }
}
