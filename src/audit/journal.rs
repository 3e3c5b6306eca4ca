//! The thread that writes events, and the bounded queue before it.

use super::rotate::{RotateOptions, RotatingFile};
use crate::base::clock;
use crate::base::limits::{AUDIT_BATCH_BYTES_MAX, AUDIT_QUEUE_MAX};
use async_channel::{Receiver, Sender, TrySendError};
use bytes::Bytes;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a request does while its event waits to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Goes on; an event that finds the queue full is dropped and counted.
    Batch,
    /// Waits.
    Blocking,
    /// Waits, and fails if its first event cannot be written.
    BlockingStrict,
}

impl Mode {
    /// By the name that flags use.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "batch" => Some(Self::Batch),
            "blocking" => Some(Self::Blocking),
            "blocking-strict" => Some(Self::BlockingStrict),
            _ => None,
        }
    }
}

/// Where and how events are written.
#[derive(Debug, Clone)]
pub struct JournalOptions {
    /// The file; none for standard output.
    pub file: Option<RotateOptions>,
    /// What requests do meanwhile.
    pub mode: Mode,
    /// Events that may wait, `--audit-log-batch-buffer-size`; at most `AUDIT_QUEUE_MAX`.
    pub queue_max: usize,
}

/// Counters of the process.
#[derive(Debug, Default)]
pub struct Figures {
    /// Events handed to the journal.
    pub events: AtomicU64,
    /// Events that were not written: the queue was full, or writing failed.
    pub errors: AtomicU64,
    /// Requests that failed because their event could not be written.
    pub rejected: AtomicU64,
    /// The server stops: nobody waits any more for what fails.
    pub ending: AtomicBool,
}

impl Figures {
    /// Waits, unless the server stops; then false.
    pub(super) fn pause(&self, until: Instant) -> bool {
        loop {
            if self.ending.load(Ordering::Relaxed) {
                return false;
            }
            let left = until.saturating_duration_since(clock::now());
            if left.is_zero() {
                return true;
            }
            std::thread::park_timeout(left.min(PAUSE));
        }
    }
}

/// How soon a thread that waits sees that the server stops.
const PAUSE: Duration = Duration::from_millis(100);

/// An event on its way.
pub(super) struct Message {
    pub(super) line: Bytes,
    /// Told whether the line was written.
    pub(super) done: Option<Sender<bool>>,
}

/// A way to the thread; clones lead to the same one.
#[derive(Debug, Clone)]
pub struct Journal {
    queue: Sender<Message>,
    mode: Mode,
    figures: Arc<Figures>,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Message({} bytes)", self.line.len())
    }
}

enum Target {
    File(RotatingFile),
    Output(io::Stdout),
}

impl Target {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::File(file) => file.write(lines),
            Self::Output(output) => output.write_all(lines).and_then(|()| output.flush()),
        }
    }
}

impl Journal {
    /// Opens the file and starts the thread, which ends once all ways to it are gone and the queue
    /// is empty.
    ///
    /// # Errors
    /// The file cannot be opened, or the thread not be started.
    pub fn start(options: JournalOptions) -> io::Result<(Self, JoinHandle<()>)> {
        let target = match options.file {
            Some(file) => Target::File(RotatingFile::open(file)?),
            None => Target::Output(io::stdout()),
        };
        Self::open(options.mode, options.queue_max, "audit", move |waiting, figures| {
            write_all(target, &waiting, &figures);
        })
    }

    /// A queue and the thread that works on it.
    pub(super) fn open(
        mode: Mode,
        queue_max: usize,
        name: &str,
        work: impl FnOnce(Receiver<Message>, Arc<Figures>) + Send + 'static,
    ) -> io::Result<(Self, JoinHandle<()>)> {
        let (queue, waiting) = async_channel::bounded(queue_max.clamp(1, AUDIT_QUEUE_MAX));
        let figures = Arc::new(Figures::default());
        let counted = Arc::clone(&figures);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || work(waiting, counted))?;
        Ok((Self { queue, mode, figures }, thread))
    }

    /// The counters.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Hands an event over as the mode says. False if it is lost and the request must fail.
    pub async fn tell(&self, line: Bytes, first: bool) -> bool {
        if self.mode == Mode::Batch {
            self.drop_off(line);
            return true;
        }
        self.figures.events.fetch_add(1, Ordering::Relaxed);
        let (done, written) = async_channel::bounded(1);
        let sent = self.queue.send(Message { line, done: Some(done) }).await.is_ok();
        if sent && written.recv().await == Ok(true) {
            return true;
        }
        let rejects = first && self.mode == Mode::BlockingStrict;
        if rejects {
            self.figures.rejected.fetch_add(1, Ordering::Relaxed);
        }
        !rejects
    }

    /// Blocks until everything that was handed over before is written, or given up: for the end.
    pub fn flush(&self) {
        self.figures.ending.store(true, Ordering::Relaxed);
        let (done, written) = async_channel::bounded(1);
        let last = Message { line: Bytes::new(), done: Some(done) };
        if self.queue.send_blocking(last).is_ok() {
            // An error means that the thread has ended: then there is nothing to wait for.
            written.recv_blocking().ok();
        }
    }

    /// Counts an event that is not told.
    pub(super) fn give_up(&self) {
        self.figures.events.fetch_add(1, Ordering::Relaxed);
        self.figures.errors.fetch_add(1, Ordering::Relaxed);
    }

    /// Hands an event over without waiting, for what ends in a drop; a full queue loses it.
    pub fn drop_off(&self, line: Bytes) {
        self.figures.events.fetch_add(1, Ordering::Relaxed);
        match self.queue.try_send(Message { line, done: None }) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => {
                self.figures.errors.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Writes what waits, together as far as there is more.
fn write_all(mut target: Target, waiting: &Receiver<Message>, figures: &Figures) {
    let mut lines = Vec::new();
    let mut done = Vec::new();
    let mut failing = false;
    while let Ok(message) = waiting.recv_blocking() {
        lines.clear();
        let mut count = 0;
        let mut next = Some(message);
        while let Some(message) = next {
            count += 1;
            lines.extend_from_slice(&message.line);
            done.extend(message.done);
            next = if lines.len() < AUDIT_BATCH_BYTES_MAX { waiting.try_recv().ok() } else { None };
        }
        let written = target.write(&lines);
        if let Err(error) = &written {
            figures.errors.fetch_add(count, Ordering::Relaxed);
            if !failing {
                log::error!("audit events cannot be written: {error}");
            }
        }
        failing = written.is_err();
        for one in done.drain(..) {
            // Who has left needs no answer.
            one.try_send(!failing).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rt;

    fn journal(mode: Mode, directory: &tempfile::TempDir) -> (Journal, JoinHandle<()>) {
        let path = directory.path().join("audit.log");
        let file = Some(RotateOptions { path, ..RotateOptions::default() });
        Journal::start(JournalOptions { file, mode, queue_max: 4 }).unwrap()
    }

    #[test]
    fn a_request_that_waited_finds_its_event_in_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let (journal, thread) = journal(Mode::Blocking, &directory);
        assert!(rt::block_on(async { journal.tell(Bytes::from_static(b"a\n"), true).await }));
        let path = directory.path().join("audit.log");
        assert_eq!(std::fs::read(path).unwrap(), b"a\n");
        drop(journal);
        thread.join().unwrap();
    }

    #[test]
    fn what_finds_the_queue_full_is_lost_and_counted() {
        let (queue, _waiting) = async_channel::bounded(1);
        let journal = Journal { queue, mode: Mode::Batch, figures: Arc::default() };
        journal.drop_off(Bytes::from_static(b"a\n"));
        journal.drop_off(Bytes::from_static(b"b\n"));
        assert_eq!(journal.figures().events.load(Ordering::Relaxed), 2);
        assert_eq!(journal.figures().errors.load(Ordering::Relaxed), 1);
    }
}
