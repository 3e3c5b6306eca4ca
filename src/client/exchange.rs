//! The way from the shards to the client's thread and back.

use crate::base::limits::CLIENT_ANSWER_BYTES_MAX;
use crate::base::limits::CLIENT_CHUNKS_MAX;
use crate::base::limits::CLIENT_EXCHANGES_MAX;
use crate::base::limits::CLIENT_QUEUE_MAX;
use crate::client::ClientError;
use crate::client::Payload;
use crate::client::Target;
use crate::client::error::broken;
use crate::client::pool::Pool;
use async_channel::Receiver;
use async_channel::Sender;
use async_channel::TrySendError;
use bytes::Bytes;
use bytes::BytesMut;
use futures_lite::future::or;
use hyper::body::Body;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;

/// Asks other servers; for any thread, and any kind of executor. Clones share everything.
#[derive(Debug, Clone)]
pub struct Client {
    jobs: Sender<Job>,
}

/// An answer whose body comes in pieces.
#[derive(Debug)]
pub struct Streamed {
    /// Status and headers.
    pub head: http::Response<()>,
    /// The body.
    pub body: Chunks,
    /// After `101 Switching Protocols`: the connection.
    pub duplex: Option<Duplex>,
}

/// The pieces of a body; the end of the channel is the end of the body. At most
/// `CLIENT_CHUNKS_MAX` wait here; then the other end does. Dropping it ends the exchange.
pub type Chunks = Receiver<Result<Bytes, ClientError>>;

/// A connection in both directions; bounded like [`Chunks`]. Dropping an end closes that direction.
#[derive(Debug)]
pub struct Duplex {
    /// To the other end.
    pub sender: Sender<Bytes>,
    /// From it.
    pub receiver: Receiver<Bytes>,
}

/// What the thread is asked to do.
#[derive(Debug)]
struct Job {
    target: Target,
    request: http::Request<Payload>,
    timeout: Duration,
    answer: Answer,
}

/// Where the answer goes; dropping the other end gives the exchange up.
#[derive(Debug)]
enum Answer {
    Whole(oneshot::Sender<Result<http::Response<Bytes>, ClientError>>),
    Streamed(oneshot::Sender<Result<Streamed, ClientError>>),
}

impl Client {
    /// Starts the thread; it ends when the last clone has been dropped.
    ///
    /// # Errors
    /// There can be no thread, or no runtime.
    pub fn start() -> io::Result<Self> {
        let (jobs, queue) = async_channel::bounded(CLIENT_QUEUE_MAX);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new()
            .name("client".to_owned())
            .spawn(move || runtime.block_on(tokio::task::LocalSet::new().run_until(run(queue))))?;
        Ok(Self { jobs })
    }

    /// One exchange. The URL of the request is absolute; `timeout` is for all of it.
    ///
    /// # Errors
    /// [`ClientError`]; whatever status the other end answers is none.
    pub async fn call(
        &self,
        target: &Target,
        request: http::Request<Bytes>,
        timeout: Duration,
    ) -> Result<http::Response<Bytes>, ClientError> {
        let (answer, answered) = oneshot::channel();
        let request = request.map(Payload::whole);
        self.put(target, request, timeout, Answer::Whole(answer))?;
        answered.await.unwrap_or(Err(ClientError::Stopped))
    }

    /// One exchange whose bodies go on as they come. `timeout` is until the answer's headers. A
    /// request with an `Upgrade` header goes over a connection of its own.
    ///
    /// # Errors
    /// [`ClientError`]; whatever status the other end answers is none.
    pub async fn stream(
        &self,
        target: &Target,
        request: http::Request<Payload>,
        timeout: Duration,
    ) -> Result<Streamed, ClientError> {
        let (answer, answered) = oneshot::channel();
        self.put(target, request, timeout, Answer::Streamed(answer))?;
        answered.await.unwrap_or(Err(ClientError::Stopped))
    }

    fn put(
        &self,
        target: &Target,
        request: http::Request<Payload>,
        timeout: Duration,
        answer: Answer,
    ) -> Result<(), ClientError> {
        let job = Job { target: target.clone(), request, timeout, answer };
        self.jobs.try_send(job).map_err(|refused| match refused {
            TrySendError::Full(_) => ClientError::Busy,
            TrySendError::Closed(_) => ClientError::Stopped,
        })
    }
}

/// The thread's work: every exchange is a task.
async fn run(queue: Receiver<Job>) {
    let pool = Rc::<Pool>::default();
    let open = Rc::new(Cell::new(0));
    tokio::task::spawn_local(Rc::clone(&pool).sweep());
    while let Ok(job) = queue.recv().await {
        let counted = Counted::new(&open);
        let pool = Rc::clone(&pool);
        tokio::task::spawn_local(async move {
            match counted {
                Some(counted) => serve(&pool, job, counted).await,
                None => refuse(job),
            }
        });
    }
}

/// One of the exchanges under way.
struct Counted(Rc<Cell<usize>>);

impl Counted {
    fn new(open: &Rc<Cell<usize>>) -> Option<Self> {
        if open.get() >= CLIENT_EXCHANGES_MAX {
            return None;
        }
        open.set(open.get() + 1);
        Some(Self(Rc::clone(open)))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

fn refuse(job: Job) {
    // Whoever asked may have gone.
    match job.answer {
        Answer::Whole(answer) => drop(answer.send(Err(ClientError::Busy))),
        Answer::Streamed(answer) => drop(answer.send(Err(ClientError::Busy))),
    }
}

async fn serve(pool: &Rc<Pool>, job: Job, counted: Counted) {
    let Job { target, request, timeout, answer } = job;
    let upgrades = request.headers().contains_key(http::header::UPGRADE);
    match answer {
        Answer::Whole(mut answer) => {
            let work = async {
                let response = pool.send(&target, request, upgrades).await?;
                let (head, body) = response.into_parts();
                Ok(http::Response::from_parts(head, collect(body).await?))
            };
            let timed = tokio::time::timeout(timeout, work);
            let done = or(async { Some(timed.await) }, async {
                answer.closed().await;
                None
            });
            if let Some(done) = done.await {
                answer.send(done.unwrap_or(Err(ClientError::Deadline))).ok();
            }
        }
        Answer::Streamed(mut answer) => {
            let timed = tokio::time::timeout(timeout, pool.send(&target, request, upgrades));
            let done = or(async { Some(timed.await) }, async {
                answer.closed().await;
                None
            });
            match done.await {
                None => {}
                Some(Ok(Ok(response))) => hand_over(response, answer, counted).await,
                Some(Ok(Err(error))) => drop(answer.send(Err(error))),
                Some(Err(_)) => drop(answer.send(Err(ClientError::Deadline))),
            }
        }
    }
}

/// The whole body.
async fn collect(mut body: Incoming) -> Result<Bytes, ClientError> {
    let mut whole = BytesMut::new();
    while let Some(piece) = next(&mut body).await {
        let piece = piece?;
        if piece.len() > CLIENT_ANSWER_BYTES_MAX - whole.len() {
            return Err(ClientError::TooLarge);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

/// The next piece of data.
async fn next(body: &mut Incoming) -> Option<Result<Bytes, ClientError>> {
    loop {
        let frame = std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await;
        match frame? {
            Ok(frame) => {
                if let Ok(data) = frame.into_data() {
                    return Some(Ok(data));
                }
            }
            Err(error) => return Some(Err(broken(&error))),
        }
    }
}

/// Gives the answer's head to who asked, then its body piece by piece.
async fn hand_over(
    mut response: http::Response<Incoming>,
    answer: oneshot::Sender<Result<Streamed, ClientError>>,
    counted: Counted,
) {
    let switched = response.status() == http::StatusCode::SWITCHING_PROTOCOLS;
    let upgraded = match switched {
        false => None,
        true => match hyper::upgrade::on(&mut response).await {
            Ok(upgraded) => Some(upgraded),
            Err(error) => return drop(answer.send(Err(broken(&error)))),
        },
    };
    let (head, mut body) = response.into_parts();
    let head = http::Response::from_parts(head, ());
    let (pieces, chunks) = async_channel::bounded(CLIENT_CHUNKS_MAX);
    let Some(upgraded) = upgraded else {
        if answer.send(Ok(Streamed { head, body: chunks, duplex: None })).is_err() {
            return;
        }
        let forward = async {
            while let Some(piece) = next(&mut body).await {
                let failed = piece.is_err();
                if pieces.send(piece).await.is_err() || failed {
                    break;
                }
            }
        };
        return or(forward, pieces.closed()).await;
    };
    let (sender, outgoing) = async_channel::bounded::<Bytes>(CLIENT_CHUNKS_MAX);
    let (incoming, receiver) = async_channel::bounded::<Bytes>(CLIENT_CHUNKS_MAX);
    let duplex = Some(Duplex { sender, receiver });
    drop(pieces);
    if answer.send(Ok(Streamed { head, body: chunks, duplex })).is_err() {
        return;
    }
    let (mut reader, mut writer) = tokio::io::split(TokioIo::new(upgraded));
    let counted = Rc::new(counted);
    let kept = Rc::clone(&counted);
    tokio::task::spawn_local(async move {
        let _kept = kept;
        while let Ok(piece) = outgoing.recv().await {
            if writer.write_all(&piece).await.is_err() || writer.flush().await.is_err() {
                return;
            }
        }
        writer.shutdown().await.ok();
    });
    let read = async {
        let mut buffer = BytesMut::new();
        while matches!(reader.read_buf(&mut buffer).await, Ok(1..)) {
            if incoming.send(buffer.split().freeze()).await.is_err() {
                return;
            }
        }
    };
    or(read, incoming.closed()).await;
}
