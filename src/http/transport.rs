//! The bytes under HTTP.

use crate::http::connections::Slot;
use hyper::rt::ReadBufCursor;
use std::cell::RefCell;
use std::io;
use std::io::IoSlice;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;

/// A two-way stream of bytes, buffered on both sides.
pub trait Transport: Unpin + 'static {
    /// Received bytes that were not consumed yet, waiting for some if there are none; empty at the
    /// end of the stream.
    ///
    /// # Errors
    /// The connection's.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>>;
    /// Takes `count` of the bytes last seen.
    fn consume(&mut self, count: usize);
    /// Takes bytes to send; they may wait for [`Self::poll_flush`].
    ///
    /// # Errors
    /// The connection's.
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;
    /// Sends all that waits.
    ///
    /// # Errors
    /// The connection's.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Sends all that waits and ends the sending half.
    ///
    /// # Errors
    /// The connection's.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// A transport as hyper wants it, telling the slot what arrives.
///
/// A flush is only noted: h2 asks for one after every DATA frame, and each would be a record and a
/// call into the system. Who polls the connection flushes once it has nothing more to say.
pub(in crate::http) struct Io<T> {
    pub(in crate::http) transport: Rc<RefCell<T>>,
    pub(in crate::http) slot: Rc<Slot>,
}

impl<T: Transport> hyper::rt::Read for Io<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let mut transport = this.transport.borrow_mut();
        let received = std::task::ready!(transport.poll_fill(cx))?;
        let taken = received.len().min(buffer.remaining());
        let (now, _) = received.split_at(taken);
        buffer.put_slice(now);
        if taken > 0 {
            this.slot.received();
        }
        transport.consume(taken);
        Poll::Ready(Ok(()))
    }
}

impl<T: Transport> hyper::rt::Write for Io<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.transport.borrow_mut().poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport.borrow_mut().poll_close(cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut transport = self.transport.borrow_mut();
        let mut written = 0;
        for slice in slices.iter().filter(|slice| !slice.is_empty()) {
            match transport.poll_write(cx, slice) {
                Poll::Ready(Ok(count)) => {
                    written += count;
                    if count < slice.len() {
                        break;
                    }
                }
                Poll::Ready(Err(error)) if written == 0 => return Poll::Ready(Err(error)),
                Poll::Pending if written == 0 => return Poll::Pending,
                // What was taken is told; the rest comes again and meets the same obstacle.
                Poll::Ready(Err(_)) | Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(written))
    }
}
