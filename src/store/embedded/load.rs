//! Reading the log at start: records in revision order become the state and the history.
//!
//! Threads read slices of the log and build the items (the costly part); the opening thread puts
//! them together in order as they come.

use crate::base::limits::KMS_START_SECONDS_MAX;
use crate::seal::{SealError, Sealer};
use crate::store::Event;
use crate::store::Item;
use crate::store::embedded::record;
use crate::store::engine::Loaded;
use bytes::Bytes;
use fjall::Keyspace;
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How often a plugin that is away is asked again.
const PLUGIN_PAUSE: Duration = Duration::from_millis(500);

/// The log is read in about so many slices; old revisions are sparse, so slices differ in size.
const SLICES: u64 = 256;
/// Reading threads at most.
const THREADS_MAX: usize = 8;
/// Slices that may wait for being put together, for each thread.
const SLICES_WAITING: usize = 4;

#[derive(Debug)]
pub(super) enum Error {
    Broken(String),
    Fjall(fjall::Error),
}

impl From<fjall::Error> for Error {
    fn from(error: fjall::Error) -> Self {
        Self::Fjall(error)
    }
}

struct Row<I> {
    revision: u64,
    previous: u64,
    compacted: u64,
    expiry: u64,
    key: Bytes,
    item: Option<Arc<I>>,
}

/// Reads everything.
pub(super) fn load<I: Item>(
    keyspace: &Keyspace,
    sealer: Option<&Sealer>,
    progress: &mut dyn FnMut(u64),
) -> Result<Loaded<I>, Error> {
    let (Some(first), Some(last)) = (keyspace.first_key_value(), keyspace.last_key_value()) else {
        return Ok(Loaded::empty());
    };
    let (last, newest) = last.into_inner()?;
    let (first, last) = (revision(&first.key()?)?, revision(&last)?);
    let newest = record::decode(&record::log_key(last), &newest)
        .ok_or_else(|| Error::Broken(format!("record {last} is unreadable")))?;
    let width = (last - first) / SLICES + 1;
    let slices = (last - first) / width + 1;
    let next_slice = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let (sender, rows) = mpsc::sync_channel(threads * SLICES_WAITING);
    let building = std::thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, next_slice) = (sender.clone(), &next_slice);
            scope.spawn(move || {
                loop {
                    let slice = next_slice.fetch_add(1, Relaxed);
                    if slice >= slices {
                        return;
                    }
                    let start = first + slice * width;
                    let range = start..=start.saturating_add(width - 1).min(last);
                    let rows = read(keyspace, sealer, range);
                    if sender.send((slice, rows)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        assemble(rows, Building::new(newest.stamp.compacted), progress)
    })?;
    Ok(building.finish(last))
}

/// The plain bytes of a value. What no key opens stays as it is, and is an object that cannot be
/// read: that is told when somebody reads it, as upstream.
fn opened(sealer: Option<&Sealer>, key: &[u8], stored: Bytes) -> Bytes {
    let Some(sealer) = sealer else { return stored };
    let begun = Instant::now();
    loop {
        match sealer.open(key, key, &stored) {
            Ok(opened) => return opened.plain,
            // The plugin was there a moment ago: it may be back in the next one.
            Err(SealError::Unavailable)
                if begun.elapsed() < Duration::from_secs(KMS_START_SECONDS_MAX) =>
            {
                std::thread::park_timeout(PLUGIN_PAUSE);
            }
            Err(_) => return stored,
        }
    }
}

type Slice<I> = (u64, Result<Vec<Row<I>>, Error>);

/// Adds the slices in order. Takes the queue, so that a failure here ends the readers.
#[expect(clippy::needless_pass_by_value, reason = "dropping the queue ends the readers")]
fn assemble<I: Item>(
    slices: mpsc::Receiver<Slice<I>>,
    mut building: Building<I>,
    progress: &mut dyn FnMut(u64),
) -> Result<Building<I>, Error> {
    let mut waiting = BTreeMap::new();
    let mut wanted = 0;
    for (slice, rows) in &slices {
        waiting.insert(slice, rows?);
        while let Some(rows) = waiting.remove(&wanted) {
            for row in rows {
                building.add(row)?;
            }
            wanted += 1;
            progress(building.records);
        }
    }
    Ok(building)
}

fn revision(log_key: &[u8]) -> Result<u64, Error> {
    let key = log_key.try_into();
    key.map(u64::from_be_bytes).map_err(|_| Error::Broken("a record has no revision".to_owned()))
}

fn read<I: Item>(
    keyspace: &Keyspace,
    sealer: Option<&Sealer>,
    revisions: RangeInclusive<u64>,
) -> Result<Vec<Row<I>>, Error> {
    let mut rows = Vec::new();
    let (first, last) = revisions.into_inner();
    for pair in keyspace.range(record::log_key(first)..=record::log_key(last)) {
        let (log_key, bytes) = pair.into_inner()?;
        let Some(record) = record::decode(&log_key, &bytes) else {
            return Err(Error::Broken(format!("record {} is unreadable", revision(&log_key)?)));
        };
        let stamp = record.stamp;
        let new = |value| {
            let value = opened(sealer, &record.key, value);
            Arc::new(I::new(record.key.clone(), stamp.revision, value))
        };
        rows.push(Row {
            revision: stamp.revision,
            previous: stamp.previous,
            compacted: stamp.compacted,
            expiry: stamp.expiry,
            item: record.value.map(new),
            key: record.key,
        });
    }
    Ok(rows)
}

/// The state as of the rows so far.
struct Building<I> {
    compacted: u64,
    records: u64,
    state: BTreeMap<Bytes, (Arc<I>, u64)>,
    events: Vec<Event<I>>,
    forget: VecDeque<u64>,
}

impl<I: Item> Building<I> {
    fn new(compacted: u64) -> Self {
        Self {
            compacted,
            records: 0,
            state: BTreeMap::new(),
            events: Vec::new(),
            forget: VecDeque::new(),
        }
    }

    fn add(&mut self, row: Row<I>) -> Result<(), Error> {
        self.records += 1;
        let Row { revision, previous: expected, compacted, expiry, key, item } = row;
        if compacted > self.compacted {
            return Err(Error::Broken(format!("record {revision} is newer than the newest")));
        }
        let previous = match &item {
            Some(item) => self.state.insert(key, (item.clone(), expiry)),
            None => self.state.remove(&key),
        };
        let previous = previous.map(|(item, _)| item);
        let found = previous.as_ref().map_or(0, |item| item.revision());
        if revision > self.compacted {
            // What a kept event superseded is kept as well.
            if found != expected {
                return Err(Error::Broken(format!(
                    "record {revision} follows {expected}, which is missing ({found} is there)"
                )));
            }
            let next = self.events.last().map_or(self.compacted, |event| event.revision) + 1;
            if revision != next {
                return Err(Error::Broken(format!("record {next} is missing")));
            }
            self.events.push(Event { revision, current: item, previous });
            return Ok(());
        }
        // Compacted, so the event is history; its records may not all have been removed yet.
        self.forget.extend((found != 0).then_some(found));
        self.forget.extend(item.is_none().then_some(revision));
        Ok(())
    }

    fn finish(self, revision: u64) -> Loaded<I> {
        Loaded {
            items: self.state.into_values().collect(),
            events: self.events,
            revision,
            compacted: self.compacted,
            forget: self.forget,
        }
    }
}
