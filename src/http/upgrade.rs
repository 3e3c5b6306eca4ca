//! A connection that leaves HTTP: after `101 Switching Protocols` its bytes are those of another
//! protocol, which runs in the connection's own task.

use crate::http::Transport;
use bytes::Bytes;
use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;

/// What a connection is to do once its `101 Switching Protocols` has been sent.
pub struct Upgrade(Protocol);

/// It has the connection until it ends.
type Protocol = Box<dyn FnOnce(Upgraded) -> Pin<Box<dyn Future<Output = ()>>>>;

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Upgrade")
    }
}

impl Upgrade {
    /// The other protocol; when it ends, so does the connection.
    #[must_use]
    pub fn new<F>(protocol: impl FnOnce(Upgraded) -> F + 'static) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        Self(Box::new(move |upgraded| Box::pin(protocol(upgraded))))
    }
}

/// A connection on its way out of HTTP, with what lives as long as it does.
pub(in crate::http) struct Leaving {
    pub(in crate::http) upgrade: Upgrade,
    pub(in crate::http) held: Box<dyn Any>,
}

impl fmt::Debug for Leaving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Leaving")
    }
}

impl Leaving {
    /// Runs the other protocol. `early` came before HTTP had ended.
    pub(in crate::http) async fn run(self, early: Bytes, transport: Rc<RefCell<dyn Transport>>) {
        let mut writer = UpgradedWriter { transport: Rc::clone(&transport) };
        let reader = UpgradedReader { early, transport };
        if writer.flush().await.is_ok() {
            let upgraded = Upgraded { reader, writer };
            (self.upgrade.0)(upgraded).await;
        }
        drop(self.held);
    }
}

/// Both directions of a connection that has left HTTP.
#[derive(Debug)]
pub struct Upgraded {
    /// From the client.
    pub reader: UpgradedReader,
    /// To it.
    pub writer: UpgradedWriter,
}

/// What a client sends.
pub struct UpgradedReader {
    early: Bytes,
    transport: Rc<RefCell<dyn Transport>>,
}

impl fmt::Debug for UpgradedReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpgradedReader")
    }
}

impl UpgradedReader {
    /// What has come, waiting for some; empty when the client has ended its half.
    ///
    /// # Errors
    /// The connection's.
    pub async fn read(&mut self) -> io::Result<Bytes> {
        if !self.early.is_empty() {
            return Ok(std::mem::take(&mut self.early));
        }
        std::future::poll_fn(|cx| {
            let mut transport = self.transport.borrow_mut();
            let received = std::task::ready!(transport.poll_fill(cx))?;
            let piece = Bytes::copy_from_slice(received);
            transport.consume(piece.len());
            std::task::Poll::Ready(Ok(piece))
        })
        .await
    }
}

/// What a client is sent.
pub struct UpgradedWriter {
    transport: Rc<RefCell<dyn Transport>>,
}

impl fmt::Debug for UpgradedWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpgradedWriter")
    }
}

impl UpgradedWriter {
    /// Takes all of it, waiting while the client does not; [`Self::flush`] sends what is left.
    ///
    /// # Errors
    /// The connection's.
    pub async fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let write =
                |cx: &mut std::task::Context<'_>| self.transport.borrow_mut().poll_write(cx, bytes);
            let count = std::future::poll_fn(write).await?;
            bytes = bytes.get(count..).unwrap_or_default();
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// Sends all that waits.
    ///
    /// # Errors
    /// The connection's.
    pub async fn flush(&mut self) -> io::Result<()> {
        std::future::poll_fn(|cx| self.transport.borrow_mut().poll_flush(cx)).await
    }

    /// Ends this half.
    ///
    /// # Errors
    /// The connection's.
    pub async fn close(&mut self) -> io::Result<()> {
        std::future::poll_fn(|cx| self.transport.borrow_mut().poll_close(cx)).await
    }
}
