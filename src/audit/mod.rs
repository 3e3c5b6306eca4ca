//! What was asked of the server, by whom, and how it ended: audit events by a policy
//! (features.md section 8, `k8s.io/apiserver/pkg/audit`).
//!
//! A shard decides by the [`Policy`] what of a request is told, writes the event as one JSON line
//! and hands it to the [`Journal`]'s thread, and to that of a webhook, through bounded queues. What
//! happens when a queue is full is the mode: `batch` drops the event and counts it; `blocking` lets
//! the request wait (its shard serves others meanwhile); `blocking-strict` fails a request whose
//! first event cannot be written. Bodies are told from the level Request on, never at Metadata.

mod event;
mod journal;
mod policy;
mod rotate;
mod sender;
mod trail;

pub use event::{Moment, Outcome, Subject};
pub use journal::{Figures, Journal, JournalOptions, Mode};
pub use policy::{Decision, Level, Policy, PolicyError, Stage};
pub use rotate::RotateOptions;
pub use sender::SenderOptions;
pub use trail::{Auditor, Seen, Sink, Trail};
