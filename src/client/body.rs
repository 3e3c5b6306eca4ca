//! A request's body on its way out.

use async_channel::Receiver;
use bytes::Bytes;
use futures_lite::Stream;
use hyper::body::Frame;
use hyper::body::SizeHint;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;

/// What is sent.
pub struct Payload(Content);

enum Content {
    Whole(Bytes),
    Pieces(Pin<Box<Receiver<Bytes>>>),
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Payload")
    }
}

impl Payload {
    /// All of it.
    #[must_use]
    pub const fn whole(bytes: Bytes) -> Self {
        Self(Content::Whole(bytes))
    }

    /// Pieces as they come, until the channel is closed.
    #[must_use]
    pub fn pieces(pieces: Receiver<Bytes>) -> Self {
        Self(Content::Pieces(Box::pin(pieces)))
    }
}

impl hyper::body::Body for Payload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let piece = match &mut self.get_mut().0 {
            Content::Whole(bytes) if bytes.is_empty() => None,
            Content::Whole(bytes) => Some(std::mem::take(bytes)),
            Content::Pieces(pieces) => std::task::ready!(pieces.as_mut().poll_next(context)),
        };
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Content::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Pieces(_) => SizeHint::default(),
        }
    }
}
