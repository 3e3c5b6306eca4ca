//! TCP over the ring.

use futures_lite::AsyncRead;
use futures_lite::AsyncReadExt;
use futures_lite::AsyncWrite;
use futures_lite::AsyncWriteExt;
use glommio::net;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

/// A listening socket with SO_REUSEPORT: every shard binds the same address and the kernel spreads
/// connections over them.
#[derive(Debug)]
pub struct TcpListener(net::TcpListener);

impl TcpListener {
    /// Binds and listens.
    ///
    /// # Errors
    /// The system's.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        net::TcpListener::bind(address).map(Self).map_err(io::Error::from)
    }

    /// The bound address, with the port the system chose if 0 was asked for.
    ///
    /// # Errors
    /// The system's.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr().map_err(io::Error::from)
    }

    /// Waits for the next connection.
    ///
    /// # Errors
    /// The system's. Out of file descriptors is one of them and does not go away by itself: the
    /// caller waits before it tries again.
    pub async fn accept(&self) -> io::Result<TcpStream> {
        let stream = self.0.accept().await?;
        // Else what a killed server leaves behind keeps its address in use for a minute. The
        // listener, whose option it would inherit, does not give its descriptor away.
        socket2::SockRef::from(&stream).set_reuse_address(true)?;
        Ok(TcpStream(stream))
    }
}

/// See [`TcpStream::set_liveness`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Liveness {
    /// Silence before the first probe.
    pub idle: Duration,
    /// Time between probes.
    pub probe: Duration,
    /// Unanswered probes after which the other side counts as gone.
    pub probes: u32,
    /// How long sent bytes may stay unacknowledged.
    pub stalled: Duration,
}

/// A connection. Closed when dropped.
#[derive(Debug)]
pub struct TcpStream(net::TcpStream);

impl TcpStream {
    /// Connects.
    ///
    /// # Errors
    /// The system's.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        net::TcpStream::connect(address).await.map(Self).map_err(io::Error::from)
    }

    /// The other side's address.
    ///
    /// # Errors
    /// The system's, as when the other side has left already.
    pub fn peer_address(&self) -> io::Result<SocketAddr> {
        self.0.peer_addr().map_err(io::Error::from)
    }

    /// Sets what every connection of a server needs: no delay of small writes, and limits on how
    /// long the other side may be silent (`idle` before the first probe, then `probe` for each) or
    /// leave what was sent to it without acknowledgement (`stalled`), after which reads and
    /// writes fail.
    ///
    /// # Errors
    /// The system's.
    pub fn set_liveness(&self, liveness: Liveness) -> io::Result<()> {
        let socket = socket2::SockRef::from(&self.0);
        let keepalive = socket2::TcpKeepalive::new()
            .with_time(liveness.idle)
            .with_interval(liveness.probe)
            .with_retries(liveness.probes);
        socket.set_nodelay(true)?;
        socket.set_tcp_keepalive(&keepalive)?;
        socket.set_tcp_user_timeout(Some(liveness.stalled))
    }

    /// Reads what is there, 0 at the end of the stream.
    ///
    /// # Errors
    /// The system's.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }

    /// Writes what the socket takes.
    ///
    /// # Errors
    /// The system's.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    /// Ends the sending half.
    ///
    /// # Errors
    /// The system's.
    pub fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }

    /// As [`Self::poll_read`].
    ///
    /// # Errors
    /// The system's.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).await
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// The system's.
    pub async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await
    }
}
