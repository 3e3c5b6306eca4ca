//! TCP over the ring.

use super::ring::Readiness;
use rustix::net::SocketFlags;
use socket2::Domain;
use socket2::Protocol;
use socket2::Socket;
use socket2::Type;
use std::future::poll_fn;
use std::io;
use std::io::Read;
use std::io::Write;
use std::net;
use std::net::Shutdown;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

/// Connections that the kernel keeps for a shard until it accepts them.
const BACKLOG: i32 = 1024;

/// A listening socket with SO_REUSEPORT: every shard binds the same address and the kernel spreads
/// connections over them.
#[derive(Debug)]
pub struct TcpListener(Rc<net::TcpListener>);

impl TcpListener {
    /// Binds and listens.
    ///
    /// # Errors
    /// The system's.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_port(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(Self(Rc::new(socket.into())))
    }

    /// The bound address, with the port the system chose if 0 was asked for.
    ///
    /// # Errors
    /// The system's.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Waits for the next connection.
    ///
    /// # Errors
    /// The system's. Out of file descriptors is one of them and does not go away by itself: the
    /// caller waits before it tries again.
    pub async fn accept(&self) -> io::Result<TcpStream> {
        let mut ready = Readiness::to_read();
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let accept = || rustix::net::accept_with(&self.0, flags).map_err(io::Error::from);
        let stream = poll_fn(|cx| ready.poll_with(cx, &self.0, accept)).await?;
        let stream = TcpStream::from(net::TcpStream::from(stream));
        // Else what a killed server leaves behind keeps its address in use for a minute. Not set on
        // the listener, which would let a second server listen there too without SO_REUSEPORT.
        socket2::SockRef::from(&*stream.socket).set_reuse_address(true)?;
        Ok(stream)
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
pub struct TcpStream {
    socket: Rc<net::TcpStream>,
    reading: Readiness<net::TcpStream>,
    writing: Readiness<net::TcpStream>,
}

impl From<net::TcpStream> for TcpStream {
    /// Of a socket that does not block.
    fn from(socket: net::TcpStream) -> Self {
        let (reading, writing) = (Readiness::to_read(), Readiness::to_write());
        Self { socket: Rc::new(socket), reading, writing }
    }
}

impl TcpStream {
    /// Connects.
    ///
    /// # Errors
    /// The system's.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        let waits = match socket.connect(&address.into()) {
            Ok(()) => false,
            Err(e) if e.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {
                true
            }
            Err(e) => return Err(e),
        };
        let mut stream = Self::from(net::TcpStream::from(socket));
        if waits {
            stream.writing.exhaust();
            poll_fn(|cx| stream.writing.poll(cx, &stream.socket)).await?;
            stream.socket.take_error()?.map_or(Ok(()), Err)?;
        }
        Ok(stream)
    }

    /// The other side's address.
    ///
    /// # Errors
    /// The system's, as when the other side has left already.
    pub fn peer_address(&self) -> io::Result<SocketAddr> {
        self.socket.peer_addr()
    }

    /// Sets what every connection of a server needs: no delay of small writes, and limits on how
    /// long the other side may be silent (`idle` before the first probe, then `probe` for each) or
    /// leave what was sent to it without acknowledgement (`stalled`), after which reads and
    /// writes fail.
    ///
    /// # Errors
    /// The system's.
    pub fn set_liveness(&self, liveness: Liveness) -> io::Result<()> {
        let socket = socket2::SockRef::from(&*self.socket);
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
        let Self { socket, reading, .. } = self;
        let read = reading.poll_with(cx, socket, || (&**socket).read(buffer));
        if let Poll::Ready(Ok(length)) = read
            && length < buffer.len()
        {
            // All there was: the next read asks the ring instead of failing first.
            reading.exhaust();
        }
        read
    }

    /// Writes what the socket takes.
    ///
    /// # Errors
    /// The system's.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { socket, writing, .. } = self;
        writing.poll_with(cx, socket, || (&**socket).write(bytes))
    }

    /// Ends the sending half.
    ///
    /// # Errors
    /// The system's.
    pub fn close(&self) -> io::Result<()> {
        self.socket.shutdown(Shutdown::Write)
    }

    /// As [`Self::poll_read`].
    ///
    /// # Errors
    /// The system's.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| self.poll_read(cx, buffer)).await
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// The system's.
    pub async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = poll_fn(|cx| self.poll_write(cx, bytes)).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            bytes = &bytes[written..];
        }
        Ok(())
    }
}
