//! One TLS connection over a TCP stream.
//!
//! Built on rustls's unbuffered interface: what is to be sent is collected, sealed into full
//! records and given to the socket in one call, on flush or when four records have come together;
//! what arrives is opened from as large reads. Buffers are borrowed from the shard while in use.

use crate::http::ClientCertificates;
use crate::http::Protocol;
use crate::http::Transport;
use crate::http::Verification;
use crate::rt::TcpStream;
use crate::tls::Config;
use crate::tls::buffer::BUFFER_BYTES;
use crate::tls::buffer::Buffer;
use crate::tls::certificates::ClientVerifier;
use bytes::Bytes;
use rustls::server::ServerConnectionData;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::ConnectionState;
use rustls::unbuffered::EncodeTlsData;
use rustls::unbuffered::ReadTraffic;
use std::fmt;
use std::io;
use std::task::Context;
use std::task::Poll;
use std::task::ready;

/// Plaintext that is collected before it is sealed without a flush: with what sealing adds it fits
/// into one buffer.
const COLLECTED_BYTES_MAX: usize = 4 * 16 * 1024;
/// Room that sealed bytes of the handshake need at least: a flight with a long certificate chain
/// comes in pieces of at most a record.
const SEALED_RECORD_BYTES_MAX: usize = 16 * 1024 + 256;
/// Bytes of a client that are thrown away after a failed handshake; then the connection is cut.
const LINGER_BYTES_MAX: usize = 256 * 1024;
/// What Go's server tells a client that speaks plain HTTP to it.
const PLAIN_HTTP_ANSWER: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

/// Why there is no connection.
#[derive(Debug)]
pub enum AcceptError {
    /// The socket's error, or its end in the middle of the handshake.
    Io(io::Error),
    /// The client spoke plain HTTP and was told so.
    PlainHttp,
    /// The handshake failed.
    Tls(rustls::Error),
}

impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::PlainHttp => f.write_str("client sent an HTTP request to an HTTPS server"),
            Self::Tls(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AcceptError {}

impl From<io::Error> for AcceptError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A server's end of a TLS connection.
pub struct Stream {
    tcp: TcpStream,
    tls: UnbufferedServerConnection,
    /// From the socket, sealed.
    received: Buffer,
    /// Opened, not consumed.
    opened: Buffer,
    /// To be sealed.
    collected: Buffer,
    /// Sealed, to the socket.
    sealed: Buffer,
    /// The peer has ended its half.
    ended: bool,
    /// The end of our half has been sealed.
    closing: bool,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("tcp", &self.tcp).finish_non_exhaustive()
    }
}

impl Stream {
    /// Does the handshake. The caller bounds its time.
    ///
    /// # Errors
    /// [`AcceptError`]; the client has been sent an alert where there is one for it.
    pub async fn accept(tcp: TcpStream, config: &Config) -> Result<Box<Self>, AcceptError> {
        let tls =
            UnbufferedServerConnection::new(config.server.clone()).map_err(AcceptError::Tls)?;
        let mut stream = Box::new(Self {
            tcp,
            tls,
            received: Buffer::default(),
            opened: Buffer::default(),
            collected: Buffer::default(),
            sealed: Buffer::default(),
            ended: false,
            closing: false,
        });
        let mut is_first = true;
        loop {
            if stream.received.filled().first().is_some_and(|byte| is_first && *byte != 0x16) {
                stream.sealed.push(PLAIN_HTTP_ANSWER);
                stream.linger().await?;
                return Err(AcceptError::PlainHttp);
            }
            is_first = is_first && stream.received.is_empty();
            if let Err(error) = stream.advance() {
                stream.alert();
                stream.linger().await.ok();
                return Err(AcceptError::Tls(error));
            }
            std::future::poll_fn(|cx| stream.poll_send(cx)).await?;
            if !stream.tls.is_handshaking() {
                return Ok(stream);
            }
            let count = std::future::poll_fn(|cx| stream.poll_receive(cx)).await?;
            if count == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }

    /// What was agreed on by ALPN; HTTP/1.1 for clients that do not know it.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match self.tls.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            _ => Protocol::Http1,
        }
    }

    /// The client's certificates, verified now against the roots of `config`.
    #[must_use]
    pub fn client_certificates(&self, config: &Config) -> Option<ClientCertificates> {
        let chain = self.tls.peer_certificates()?;
        let verify = |verifier: &Option<ClientVerifier>| match verifier {
            Some(verifier) => verifier.verify(chain),
            None => Verification::NotConfigured,
        };
        Some(ClientCertificates {
            chain: chain.iter().map(|der| Bytes::copy_from_slice(der)).collect(),
            client_ca: verify(&config.client_ca),
            front_proxy_ca: verify(&config.front_proxy_ca),
        })
    }

    /// Reads from the socket what it has; 0 at its end.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let room = self.received.room(SEALED_RECORD_BYTES_MAX);
        if room.is_empty() {
            return Poll::Ready(Err(io::Error::from(io::ErrorKind::InvalidData)));
        }
        match self.tcp.poll_read(cx, room) {
            Poll::Ready(Ok(count)) => {
                self.received.fill(count);
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                self.received.rest();
                Poll::Pending
            }
        }
    }

    /// Gives the socket what has been sealed.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.sealed.is_empty() {
            let count = ready!(self.tcp.poll_write(cx, self.sealed.filled()))?;
            if count == 0 {
                return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero)));
            }
            self.sealed.consume(count);
        }
        self.sealed.rest();
        Poll::Ready(Ok(()))
    }

    /// Lets rustls work on all that was received, which then is opened. That fits: bytes are only
    /// received while nothing opened waits, and opening makes no bytes more.
    fn advance(&mut self) -> Result<(), rustls::Error> {
        loop {
            let status = self.tls.process_tls_records(self.received.filled_mut());
            let mut discard = status.discard;
            let mut is_done = false;
            let state = match status.state {
                Ok(state) => state,
                Err(error) => {
                    self.received.consume(discard);
                    return Err(error);
                }
            };
            match state {
                ConnectionState::ReadTraffic(traffic) => {
                    discard += open(traffic, &mut self.opened)?;
                }
                ConnectionState::EncodeTlsData(data) => encode(data, &mut self.sealed)?,
                // Bytes are sent in the order they were sealed, so they count as sent.
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::PeerClosed => self.ended = true,
                ConnectionState::Closed => {
                    self.ended = true;
                    is_done = true;
                }
                // It wants more bytes, or could write. Early data is not offered.
                _ => is_done = true,
            }
            self.received.consume(discard);
            if is_done {
                return Ok(());
            }
        }
    }

    /// Seals the alert that belongs to an error, if there is one.
    fn alert(&mut self) {
        loop {
            let status = self.tls.process_tls_records(self.received.filled_mut());
            let discard = status.discard;
            match status.state {
                Ok(ConnectionState::EncodeTlsData(data)) => {
                    if encode(data, &mut self.sealed).is_err() {
                        return;
                    }
                }
                _ => return,
            }
            self.received.consume(discard);
        }
    }

    /// Sends the last words of a failed handshake and waits for the client to leave, so that what
    /// it still sends does not make the system take them back.
    async fn linger(&mut self) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_send(cx)).await?;
        self.tcp.close()?;
        let mut left = LINGER_BYTES_MAX;
        while left > 0 {
            self.received.consume(usize::MAX);
            let count = std::future::poll_fn(|cx| self.poll_receive(cx)).await?;
            left = if count == 0 { 0 } else { left.saturating_sub(count) };
        }
        Ok(())
    }

    /// Seals what was collected, and the end of our half if it is asked for. The sealed buffer must
    /// have been sent: then there is room.
    fn seal(&mut self, close: bool) -> io::Result<()> {
        loop {
            let status = self.tls.process_tls_records(self.received.filled_mut());
            let mut discard = status.discard;
            let mut is_done = false;
            match status.state.map_err(invalid)? {
                ConnectionState::WriteTraffic(mut traffic) => {
                    let room = self.sealed.room(BUFFER_BYTES);
                    let count = traffic.encrypt(self.collected.filled(), room);
                    self.sealed.fill(count.map_err(io::Error::other)?);
                    if close {
                        let room = self.sealed.room(SEALED_RECORD_BYTES_MAX);
                        let count = traffic.queue_close_notify(room);
                        self.sealed.fill(count.map_err(io::Error::other)?);
                    }
                    is_done = true;
                }
                ConnectionState::ReadTraffic(traffic) => {
                    discard += open(traffic, &mut self.opened).map_err(invalid)?;
                }
                ConnectionState::EncodeTlsData(data) => {
                    encode(data, &mut self.sealed).map_err(invalid)?;
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::PeerClosed => self.ended = true,
                _ => return Err(io::Error::from(io::ErrorKind::BrokenPipe)),
            }
            self.received.consume(discard);
            if is_done {
                self.collected.consume(usize::MAX);
                self.collected.rest();
                return Ok(());
            }
        }
    }
}

impl Transport for Stream {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        while self.opened.is_empty() && !self.ended {
            if ready!(self.poll_receive(cx))? == 0 {
                self.ended = true;
            }
            let advanced = self.advance();
            if advanced.is_err() {
                self.alert();
            }
            // Answers of the protocol itself; if they have to wait they go with the next bytes.
            if let Poll::Ready(Err(error)) = self.poll_send(cx) {
                return Poll::Ready(Err(error));
            }
            advanced.map_err(invalid)?;
        }
        Poll::Ready(Ok(self.opened.filled()))
    }

    fn consume(&mut self, count: usize) {
        self.opened.consume(count);
        self.opened.rest();
        self.received.rest();
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.collected.filled().len() >= COLLECTED_BYTES_MAX {
            ready!(self.poll_send(cx))?;
            self.seal(false)?;
            if let Poll::Ready(Err(error)) = self.poll_send(cx) {
                return Poll::Ready(Err(error));
            }
        }
        let room = COLLECTED_BYTES_MAX - self.collected.filled().len();
        let (now, _) = bytes.split_at(bytes.len().min(room));
        Poll::Ready(Ok(self.collected.push(now)))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_send(cx))?;
            if self.collected.is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.seal(false)?;
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        if !self.closing {
            self.closing = true;
            self.seal(true)?;
        }
        ready!(self.poll_send(cx))?;
        Poll::Ready(self.tcp.close())
    }
}

/// Moves opened records out; tells how many bytes of the received ones are to be discarded.
fn open(
    mut traffic: ReadTraffic<'_, '_, ServerConnectionData>,
    opened: &mut Buffer,
) -> Result<usize, rustls::Error> {
    let mut discard = 0;
    while let Some(record) = traffic.next_record() {
        let record = record?;
        discard += record.discard;
        if opened.push(record.payload) < record.payload.len() {
            return Err(rustls::Error::General("no room for what was opened".to_owned()));
        }
    }
    Ok(discard)
}

/// Takes a record of the protocol itself.
fn encode(
    mut data: EncodeTlsData<'_, ServerConnectionData>,
    sealed: &mut Buffer,
) -> Result<(), rustls::Error> {
    match data.encode(sealed.room(SEALED_RECORD_BYTES_MAX)) {
        Ok(count) => {
            sealed.fill(count);
            Ok(())
        }
        Err(error) => Err(rustls::Error::General(error.to_string())),
    }
}

fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
