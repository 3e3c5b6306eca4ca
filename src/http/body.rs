//! Bodies of requests and responses.

use crate::base::limits::REFUSED_BODY_BYTES_MAX;
use bytes::Bytes;
use bytes::BytesMut;
use futures_lite::Stream;
use http_body::Body as _;
use http_body::Frame;
use http_body::SizeHint;
use hyper::body::Incoming;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;

/// Why a request body could not be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyError {
    /// The client went away or broke the protocol.
    Aborted,
    /// It is longer than the limit.
    TooLarge,
}

/// A request's body.
#[derive(Debug)]
pub struct RequestBody(Source);

#[derive(Debug)]
enum Source {
    Full(Bytes),
    Network(Incoming, Refused),
}

/// Where a body goes that was refused and has not been read to its end.
#[derive(Debug, Clone, Default)]
pub(in crate::http) struct Refused(Option<Rc<RefCell<Option<Incoming>>>>);

impl Refused {
    /// For a request with this body: none is needed without one.
    pub(in crate::http) fn new(incoming: &Incoming) -> Self {
        Self((!incoming.is_end_stream()).then(Rc::default))
    }

    fn put(self, incoming: Incoming) {
        if let Some(place) = self.0 {
            *place.borrow_mut() = Some(incoming);
        }
    }

    /// The task that reads it on for a while, so that a client which sends all before it reads sees
    /// the refusal and not a broken connection; to run beside the answer.
    pub(in crate::http) fn rest(&self) -> Option<impl Future<Output = ()> + use<>> {
        let mut incoming = self.0.as_ref()?.borrow_mut().take()?;
        Some(async move {
            let mut left = REFUSED_BODY_BYTES_MAX;
            while let Some(Ok(frame)) =
                std::future::poll_fn(|cx| Pin::new(&mut incoming).poll_frame(cx)).await
            {
                let length = frame.data_ref().map_or(0, Bytes::len);
                let Some(rest) = left.checked_sub(length) else { break };
                left = rest;
            }
        })
    }
}

impl RequestBody {
    /// A body that is here already; for requests the server makes to itself, and tests.
    #[must_use]
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self(Source::Full(bytes.into()))
    }

    pub(in crate::http) const fn network(incoming: Incoming, refused: Refused) -> Self {
        Self(Source::Network(incoming, refused))
    }

    /// True if there is certainly no body.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Source::Full(bytes) => bytes.is_empty(),
            Source::Network(incoming, _) => incoming.is_end_stream(),
        }
    }

    /// The whole body, in one piece; a body that came in one frame is not copied.
    ///
    /// # Errors
    /// [`BodyError`]; a declared length above `bytes_max` fails before anything is read.
    pub async fn read(self, bytes_max: usize) -> Result<Bytes, BodyError> {
        let (mut incoming, refused) = match self.0 {
            Source::Full(bytes) if bytes.len() > bytes_max => return Err(BodyError::TooLarge),
            Source::Full(bytes) => return Ok(bytes),
            Source::Network(incoming, refused) => (incoming, refused),
        };
        let declared = incoming.size_hint();
        if declared.lower() > bytes_max as u64 {
            refused.put(incoming);
            return Err(BodyError::TooLarge);
        }
        let mut first: Option<Bytes> = None;
        let mut whole: Option<BytesMut> = None;
        loop {
            let frame = std::future::poll_fn(|cx| Pin::new(&mut incoming).poll_frame(cx)).await;
            let data = match frame {
                None => break,
                Some(Err(_)) => return Err(BodyError::Aborted),
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            };
            let so_far =
                first.as_ref().map_or(0, Bytes::len).max(whole.as_ref().map_or(0, |w| w.len()));
            if data.len() > bytes_max.saturating_sub(so_far) {
                refused.put(incoming);
                return Err(BodyError::TooLarge);
            }
            match (&mut whole, first.take()) {
                (Some(whole), _) => whole.extend_from_slice(&data),
                (None, None) => first = Some(data),
                (None, Some(head)) => {
                    let expected = usize::try_from(declared.lower()).unwrap_or(bytes_max);
                    let mut joined = BytesMut::with_capacity(expected.max(head.len() + data.len()));
                    joined.extend_from_slice(&head);
                    joined.extend_from_slice(&data);
                    whole = Some(joined);
                }
            }
        }
        Ok(whole.map(BytesMut::freeze).or(first).unwrap_or_default())
    }
}

/// A response's body.
pub struct Body(Content);

enum Content {
    Parts(VecDeque<Bytes>),
    Single(Bytes),
    Stream(Pin<Box<dyn Stream<Item = Option<Bytes>>>>),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.length() {
            Some(length) => write!(f, "Body({length} bytes)"),
            None => f.write_str("Body(stream)"),
        }
    }
}

impl Body {
    /// No bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self(Content::Single(Bytes::new()))
    }

    /// One piece.
    #[must_use]
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self(Content::Single(bytes.into()))
    }

    /// Pieces that are all there, sent in order and not joined.
    #[must_use]
    pub fn parts(parts: Vec<Bytes>) -> Self {
        Self(Content::Parts(parts.into()))
    }

    /// Pieces as they come. The next one is asked for only when the client can take it, so at most
    /// [`crate::base::limits::HTTP2_SEND_BUFFER_BYTES_MAX`] wait here; the stream is dropped as
    /// soon as the client has left.
    #[must_use]
    pub fn stream(stream: impl Stream<Item = Bytes> + 'static) -> Self {
        use futures_lite::StreamExt;
        Self(Content::Stream(Box::pin(stream.map(Some))))
    }

    /// As [`Self::stream`]; an item `None` breaks the response off, so that the client sees that it
    /// is incomplete.
    #[must_use]
    pub fn breakable_stream(stream: impl Stream<Item = Option<Bytes>> + 'static) -> Self {
        Self(Content::Stream(Box::pin(stream)))
    }

    /// The length in bytes, if known.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        match &self.0 {
            Content::Single(bytes) => Some(bytes.len() as u64),
            Content::Parts(parts) => Some(parts.iter().map(|part| part.len() as u64).sum()),
            Content::Stream(_) => None,
        }
    }

    /// The body if it is all there in one piece.
    #[must_use]
    pub const fn whole(&self) -> Option<&Bytes> {
        match &self.0 {
            Content::Single(bytes) => Some(bytes),
            Content::Parts(_) | Content::Stream(_) => None,
        }
    }

    /// The pieces, one after the other; a stream that breaks off ends.
    pub fn into_stream(self) -> Pin<Box<dyn Stream<Item = Bytes>>> {
        use futures_lite::StreamExt;
        match self.0 {
            Content::Parts(parts) => Box::pin(futures_lite::stream::iter(parts)),
            Content::Single(bytes) => Box::pin(futures_lite::stream::once(bytes)),
            Content::Stream(stream) => Box::pin(stream.map_while(|piece| piece)),
        }
    }

    /// All of it in one piece; `None` if a stream was broken off. For tests and small answers.
    pub async fn collect(self) -> Option<Bytes> {
        let mut whole = BytesMut::new();
        match self.0 {
            Content::Single(bytes) => return Some(bytes),
            Content::Parts(parts) => {
                for part in parts {
                    whole.extend_from_slice(&part);
                }
            }
            Content::Stream(mut stream) => {
                use futures_lite::StreamExt;
                while let Some(piece) = stream.next().await {
                    whole.extend_from_slice(&piece?);
                }
            }
        }
        Some(whole.freeze())
    }
}

/// A stream said that the response cannot be completed.
#[derive(Debug)]
pub(in crate::http) struct BrokenOff;

impl fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the response was broken off")
    }
}

impl std::error::Error for BrokenOff {}

/// A body on its way; `G` is kept until it has been sent or dropped.
pub(in crate::http) struct Outgoing<G> {
    body: Body,
    _guard: G,
}

impl<G> Outgoing<G> {
    pub(in crate::http) fn new(body: Body, guard: G) -> Self {
        Self { body, _guard: guard }
    }
}

impl<G: Unpin> http_body::Body for Outgoing<G> {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let data = match &mut self.get_mut().body.0 {
            Content::Single(bytes) if bytes.is_empty() => return Poll::Ready(None),
            Content::Single(bytes) => std::mem::take(bytes),
            Content::Parts(parts) => match parts.pop_front() {
                None => return Poll::Ready(None),
                Some(part) => part,
            },
            Content::Stream(stream) => match std::task::ready!(stream.as_mut().poll_next(cx)) {
                None => return Poll::Ready(None),
                Some(None) => return Poll::Ready(Some(Err(BrokenOff))),
                Some(Some(piece)) => piece,
            },
        };
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.body.0 {
            Content::Single(bytes) => bytes.is_empty(),
            Content::Parts(parts) => parts.is_empty(),
            Content::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.body.length().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
