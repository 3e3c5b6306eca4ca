//! Connections that are kept for further exchanges. Everything here is on the client's own thread.

use crate::base::hash::HashMap;
use crate::base::limits::CLIENT_HOSTS_MAX;
use crate::base::limits::CLIENT_IDLE_CONNECTIONS_MAX;
use crate::base::limits::CLIENT_IDLE_SECONDS_MAX;
use crate::client::ClientError;
use crate::client::Payload;
use crate::client::Target;
use crate::client::Trust;
use crate::client::connect;
use crate::client::connect::Connection;
use crate::client::error::broken;
use crate::client::target::Key;
use http::HeaderValue;
use http::Uri;
use http::header;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1;
use hyper::client::conn::http2;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// All that is kept.
#[derive(Debug, Default)]
pub(in crate::client) struct Pool {
    hosts: RefCell<HashMap<Key, Host>>,
}

/// What is kept of one server.
#[derive(Debug)]
struct Host {
    /// So that the address in the key stays this one's.
    _trust: Arc<Trust>,
    http2: Option<http2::SendRequest<Payload>>,
    idle: Vec<http1::SendRequest<Payload>>,
    /// A connection is being made that others may share.
    dialing: Option<Rc<Notify>>,
    /// The last connection was HTTP/1.1: nothing to share.
    http1: bool,
    used: Instant,
}

/// What an exchange may use.
enum Found {
    Kept(Connection),
    Wait(Rc<Notify>),
    Dial(Dialing),
}

/// An exchange without an answer, and the request if certainly nothing of it was sent.
struct Unanswered {
    error: ClientError,
    unsent: Option<http::Request<Payload>>,
}

impl From<TrySendError<http::Request<Payload>>> for Unanswered {
    fn from(mut failed: TrySendError<http::Request<Payload>>) -> Self {
        let unsent = failed.take_message();
        Self { error: broken(&failed.into_error()), unsent }
    }
}

/// Tells those who wait when a connection has been made, or not.
struct Dialing {
    pool: Rc<Pool>,
    key: Key,
}

impl Drop for Dialing {
    fn drop(&mut self) {
        if let Some(host) = self.pool.hosts.borrow_mut().get_mut(&self.key)
            && let Some(notify) = host.dialing.take()
        {
            notify.notify_waiters();
        }
    }
}

impl Pool {
    /// One exchange up to the answer's headers. `upgrades` keeps to HTTP/1.1 and to a connection
    /// of its own.
    pub(in crate::client) async fn send(
        self: &Rc<Self>,
        target: &Target,
        request: http::Request<Payload>,
        upgrades: bool,
    ) -> Result<http::Response<Incoming>, ClientError> {
        let key = Key::new(target, request.uri(), upgrades)?;
        let mut request = request;
        loop {
            let (connection, fresh) = match self.find(target, &key, upgrades) {
                Found::Kept(connection) => (connection, false),
                Found::Wait(notify) => {
                    notify.notified().await;
                    continue;
                }
                Found::Dial(dialing) => {
                    let connection = Box::pin(connect::connect(target, &key)).await?;
                    self.learn(&key, &connection);
                    drop(dialing);
                    (connection, true)
                }
            };
            match self.exchange(&key, connection, request).await {
                Ok(response) => return Ok(response),
                // The other end had closed a kept connection: nothing was sent.
                Err(Unanswered { unsent: Some(unsent), .. }) if !fresh => request = unsent,
                Err(failed) => return Err(failed.error),
            }
        }
    }

    fn find(self: &Rc<Self>, target: &Target, key: &Key, upgrades: bool) -> Found {
        let dialing = || Dialing { pool: Rc::clone(self), key: key.clone() };
        let mut hosts = self.hosts.borrow_mut();
        if upgrades || (hosts.len() >= CLIENT_HOSTS_MAX && !hosts.contains_key(key)) {
            return Found::Dial(dialing());
        }
        let host = hosts.entry(key.clone()).or_insert_with(|| Host {
            _trust: Arc::clone(&target.trust),
            http2: None,
            idle: Vec::new(),
            dialing: None,
            http1: key.upgrades,
            used: Instant::now(),
        });
        host.used = Instant::now();
        if host.http2.as_ref().is_some_and(http2::SendRequest::is_closed) {
            host.http2 = None;
        }
        if let Some(shared) = &host.http2 {
            return Found::Kept(Connection::Http2(shared.clone()));
        }
        while let Some(idle) = host.idle.pop() {
            if idle.is_ready() {
                return Found::Kept(Connection::Http1(idle));
            }
        }
        match &host.dialing {
            Some(notify) if !host.http1 => Found::Wait(Rc::clone(notify)),
            _ => {
                host.dialing = Some(Rc::new(Notify::new()));
                Found::Dial(dialing())
            }
        }
    }

    /// Keeps what can be shared of a new connection.
    fn learn(&self, key: &Key, connection: &Connection) {
        let mut hosts = self.hosts.borrow_mut();
        let Some(host) = hosts.get_mut(key) else { return };
        match connection {
            Connection::Http1(_) => host.http1 = true,
            Connection::Http2(sender) => {
                host.http1 = false;
                host.http2 = Some(sender.clone());
            }
        }
    }

    async fn exchange(
        self: &Rc<Self>,
        key: &Key,
        connection: Connection,
        mut request: http::Request<Payload>,
    ) -> Result<http::Response<Incoming>, Unanswered> {
        match connection {
            Connection::Http2(mut sender) => {
                request.headers_mut().remove(header::HOST);
                Ok(sender.try_send_request(request).await?)
            }
            Connection::Http1(mut sender) => {
                let whole = request.uri().clone();
                to_origin_form(&mut request);
                let answered = sender.try_send_request(request).await;
                let response = answered.map_err(|failed| {
                    let mut failed = Unanswered::from(failed);
                    if let Some(unsent) = &mut failed.unsent {
                        *unsent.uri_mut() = whole;
                    }
                    failed
                })?;
                self.keep_when_free(key.clone(), sender);
                Ok(response)
            }
        }
    }

    /// Keeps the connection once its answer has been read.
    fn keep_when_free(self: &Rc<Self>, key: Key, mut sender: http1::SendRequest<Payload>) {
        let pool = Rc::clone(self);
        tokio::task::spawn_local(async move {
            if sender.ready().await.is_err() {
                return;
            }
            if let Some(host) = pool.hosts.borrow_mut().get_mut(&key)
                && host.idle.len() < CLIENT_IDLE_CONNECTIONS_MAX
            {
                host.idle.push(sender);
            }
        });
    }

    /// Lets go of servers that nobody has asked for a while.
    pub(in crate::client) async fn sweep(self: Rc<Self>) {
        let age = Duration::from_secs(CLIENT_IDLE_SECONDS_MAX);
        loop {
            tokio::time::sleep(age / 3).await;
            self.hosts
                .borrow_mut()
                .retain(|_, host| host.dialing.is_some() || host.used.elapsed() < age);
        }
    }
}

/// HTTP/1.1 names the host in a header and only path and query in its first line.
fn to_origin_form(request: &mut http::Request<Payload>) {
    let host = request.uri().authority().and_then(|at| HeaderValue::from_str(at.as_str()).ok());
    if let (Some(host), false) = (host, request.headers().contains_key(header::HOST)) {
        request.headers_mut().insert(header::HOST, host);
    }
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.map_or_else(|| Uri::from_static("/"), Uri::from);
}
