//! The thread that sends events to a webhook, in lists (`plugin/pkg/audit/webhook`, `buffered`).
//!
//! One list is under way at a time. What comes meanwhile waits in the bounded queue; what finds it
//! full is lost and counted in batch mode, and waits itself otherwise.

use super::journal::{Figures, Journal, Message, Mode};
use crate::base::clock;
use crate::base::ids;
use crate::client::{Client, Endpoint};
use async_channel::Receiver;
use bytes::Bytes;
use futures_lite::future::block_on;
use std::io;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long one try may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How often a list is tried (`DefaultRetryBackoffWithInitialDelay`).
const TRIES: u32 = 5;
const FACTOR: f64 = 1.5;
const JITTER: f64 = 0.2;
/// How often an open list looks for more events.
const POLL: Duration = Duration::from_millis(20);

const HEAD: &[u8] =
    br#"{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":["#;

/// Where and how events are sent.
#[derive(Debug, Clone)]
pub struct SenderOptions {
    /// The thread that asks.
    pub client: Client,
    /// Whom.
    pub endpoint: Endpoint,
    /// What requests do meanwhile.
    pub mode: Mode,
    /// Events that may wait.
    pub queue_max: usize,
    /// Events of one list.
    pub batch_max: usize,
    /// How long a list waits for more.
    pub wait_max: Duration,
    /// Lists a second, and at once; unlimited if none.
    pub throttle: Option<(f64, u32)>,
    /// The wait before the second try.
    pub first_wait: Duration,
    /// Bytes of one list, if they are limited.
    pub batch_bytes_max: Option<usize>,
}

impl SenderOptions {
    /// Starts the thread, which ends once all ways to it are gone and the queue is empty.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(self) -> io::Result<(Journal, JoinHandle<()>)> {
        Journal::open(self.mode, self.queue_max, "audit-webhook", move |waiting, figures| {
            Sender { throttle: Throttle::new(self.throttle), options: self }
                .run(&waiting, &figures);
        })
    }
}

struct Sender {
    options: SenderOptions,
    throttle: Throttle,
}

impl Sender {
    fn run(mut self, waiting: &Receiver<Message>, figures: &Figures) {
        while let Ok(first) = waiting.recv_blocking() {
            let events = self.collect(first, waiting, figures);
            for part in self.parts(&events) {
                self.throttle.wait(figures);
                let sent = self.send(part, figures);
                if let Err(why) = &sent {
                    let count = part.iter().filter(|event| !event.line.is_empty()).count();
                    figures.errors.fetch_add(count as u64, Ordering::Relaxed);
                    log::error!("audit events cannot be sent: {why}");
                }
                for done in part.iter().filter_map(|event| event.done.as_ref()) {
                    // Who has left needs no answer.
                    done.try_send(sent.is_ok()).ok();
                }
            }
        }
    }

    /// The events of a list: as many as there are, and in batch mode those that come in time.
    fn collect(
        &self,
        first: Message,
        waiting: &Receiver<Message>,
        figures: &Figures,
    ) -> Vec<Message> {
        let wait =
            if self.options.mode == Mode::Batch { self.options.wait_max } else { Duration::ZERO };
        let deadline = clock::now() + wait;
        let mut events = vec![first];
        while events.len() < self.options.batch_max {
            match waiting.try_recv() {
                Ok(event) => events.push(event),
                Err(_) if waiting.is_closed() || figures.ending.load(Ordering::Relaxed) => break,
                Err(_) if clock::now() >= deadline => break,
                Err(_) => std::thread::park_timeout(POLL),
            }
        }
        events
    }

    /// The events in lists that are not too large.
    fn parts<'e>(&self, events: &'e [Message]) -> Vec<&'e [Message]> {
        let max = self.options.batch_bytes_max.unwrap_or(usize::MAX);
        let (mut parts, mut begin, mut bytes) = (Vec::new(), 0, 0);
        for (at, event) in events.iter().enumerate() {
            if bytes > 0 && bytes + event.line.len() > max {
                parts.extend(events.get(begin..at));
                (begin, bytes) = (at, 0);
            }
            bytes += event.line.len();
        }
        parts.extend(events.get(begin..));
        parts
    }

    /// Any failure is tried again (`retryOnError`), unless the server stops.
    fn send(&self, events: &[Message], figures: &Figures) -> Result<(), String> {
        let mut body = HEAD.to_vec();
        for event in events.iter().filter(|event| !event.line.is_empty()) {
            if body.len() > HEAD.len() {
                body.push(b',');
            }
            body.extend_from_slice(event.line.trim_ascii_end());
        }
        if body.len() == HEAD.len() {
            return Ok(());
        }
        body.extend_from_slice(b"]}");
        let body = Bytes::from(body);
        let SenderOptions { endpoint, client, first_wait, .. } = &self.options;
        let mut wait = *first_wait;
        for tried in 1.. {
            match block_on(endpoint.post_once(client, body.clone(), TIMEOUT)) {
                Ok(_) => return Ok(()),
                Err(error) if tried >= TRIES => return Err(error.text),
                Err(error) => {
                    let [draw] = ids::random::<1>();
                    let until = wait.mul_f64(1.0 + JITTER * f64::from(draw) / 255.0);
                    if !figures.pause(clock::now() + until) {
                        return Err(error.text);
                    }
                }
            }
            wait = wait.mul_f64(FACTOR);
        }
        unreachable!("the loop returns at its last try")
    }
}

/// A bucket of lists that may be sent (`flowcontrol.NewTokenBucketRateLimiter`).
struct Throttle {
    limit: Option<(f64, u32)>,
    left: f64,
    at: Instant,
}

impl Throttle {
    fn new(limit: Option<(f64, u32)>) -> Self {
        Self { limit, left: limit.map_or(0.0, |(_, burst)| f64::from(burst)), at: clock::now() }
    }

    fn wait(&mut self, figures: &Figures) {
        let Some((rate, burst)) = self.limit.filter(|(rate, _)| *rate > 0.0) else { return };
        let now = clock::now();
        let grown = now.duration_since(self.at).as_secs_f64() * rate;
        self.left = (self.left + grown).min(f64::from(burst.max(1)));
        self.at = now;
        self.left -= 1.0;
        if self.left < 0.0 {
            figures.pause(now + Duration::from_secs_f64(-self.left / rate));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Roots, Target, Trust};

    fn sender(batch_bytes_max: Option<usize>) -> Sender {
        let target = Target::of_url(Trust::new(Roots::System, None));
        let options = SenderOptions {
            client: Client::start().unwrap(),
            endpoint: Endpoint::new("https://127.0.0.1:1/".into(), target, None),
            mode: Mode::Blocking,
            queue_max: 4,
            batch_max: 2,
            wait_max: Duration::ZERO,
            throttle: None,
            first_wait: Duration::from_millis(1),
            batch_bytes_max,
        };
        Sender { throttle: Throttle::new(None), options }
    }

    fn event(text: &'static str) -> Message {
        Message { line: Bytes::from_static(text.as_bytes()), done: None }
    }

    #[test]
    fn lists_keep_to_their_limits() {
        let (_queue, waiting) = async_channel::bounded(4);
        for text in ["b", "c"] {
            _queue.try_send(event(text)).unwrap();
        }
        let figures = Figures::default();
        assert_eq!(sender(None).collect(event("a"), &waiting, &figures).len(), 2);
        let events = [event("aaa"), event("bb"), event("cccc"), event("d")];
        let lengths = |max| sender(max).parts(&events).iter().map(|p| p.len()).collect::<Vec<_>>();
        assert_eq!(lengths(None), [4]);
        assert_eq!(lengths(Some(5)), [2, 2]);
        assert_eq!(lengths(Some(1)), [1, 1, 1, 1]);
    }

    #[test]
    fn what_cannot_be_sent_is_an_error_after_its_tries() {
        let error = sender(None).send(&[event("{}\n")], &Figures::default()).unwrap_err();
        assert!(error.contains("connection refused"), "{error}");
        let ending = Figures::default();
        ending.ending.store(true, Ordering::Relaxed);
        assert!(sender(None).send(&[event("{}\n")], &ending).is_err());
        assert_eq!(sender(None).send(&[event("")], &ending), Ok(()));
    }
}
