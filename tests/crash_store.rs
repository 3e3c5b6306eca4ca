//! A process that writes through the embedded store is killed again and again; what it was told is
//! written, and what its watchers saw, must be there each time, in order, once.
//!
//! The killed process is this test binary itself, running `child` with a directory in its
//! environment. It reports on its standard output: `a` for an acknowledged write, `e` for an event
//! that a watcher was shown, each with revision, key and value.
#![cfg(test)]

#[path = "store/bed.rs"]
#[expect(dead_code, reason = "written for the contract suite, of which this needs a part")]
mod bed;

use bed::Plain;
use bed::Shard;
use bed::delete;
use bed::put;
use kubering::store::Event;
use kubering::store::Expected;
use kubering::store::Item;
use kubering::store::Opened;
use kubering::store::Options;
use kubering::store::Outcome;
use kubering::store::embedded;
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

const DIRECTORY: &str = "KUBERING_CRASH_STORE_DIRECTORY";
const SEED: &str = "KUBERING_CRASH_STORE_SEED";
/// How many times it is killed, if not `ROUNDS`: for a long run by hand.
const ROUNDS_VARIABLE: &str = "KUBERING_CRASH_STORE_ROUNDS";
const ROUNDS: u64 = 24;
const SHARDS: usize = 3;
/// Writes of one shard in one life; all shards together stay below the history's limit, so that
/// nothing leaves it unchecked.
const WRITES: usize = 4_000;
const HISTORY_EVENTS: usize = 15_000;
const IN_FLIGHT: usize = 24;
const KEYS: u64 = 200;

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn options(shards: usize) -> Options {
    let mut options = Options::new(shards);
    options.retention.events_max = HISTORY_EVENTS;
    options
}

/// What happened at a revision: the key and its value, which names its own length and is otherwise
/// padding; `-` for a removal.
type Change = (String, String);

fn short(item: &Plain) -> Change {
    let value = String::from_utf8_lossy(item.value());
    let name = value.split('.').next().unwrap_or_default();
    let length: usize = name.rsplit('+').next().and_then(|text| text.parse().ok()).unwrap_or(0);
    assert_eq!(value.len(), name.len() + 1 + length, "a value lost bytes");
    (String::from_utf8_lossy(item.key()).into_owned(), name.to_owned())
}

fn change(event: &Event<Plain>) -> Change {
    match (&event.current, &event.previous) {
        (Some(item), _) => short(item),
        (None, Some(item)) => (short(item).0, "-".to_owned()),
        (None, None) => panic!("an event without sides"),
    }
}

fn report(kind: char, revision: u64, change: &Change) {
    let line = format!("{kind} {revision} {} {}\n", change.0, change.1);
    // One write for each line, so that a kill never leaves half of one before another.
    std::io::stdout().lock().write_all(line.as_bytes()).expect("reports");
}

/// Not a test: the process that is killed.
#[test]
fn child() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let seed: u64 = std::env::var(SEED).expect("a seed").parse().expect("a number");
    let (opened, _handle) =
        embedded::open::<Plain>(Path::new(&directory), &options(SHARDS), &mut |_| ())
            .expect("opens");
    let Opened { state, links, .. } = opened;
    std::thread::scope(|scope| {
        for link in links {
            let state = &state;
            scope.spawn(move || {
                let prefix = format!("/{}/", link.shard);
                let live = state
                    .iter()
                    .filter(|item| item.key().starts_with(prefix.as_bytes()))
                    .map(|item| (short(item).0, item.revision()))
                    .collect();
                write(Shard::new(link), live, Random(seed + 1));
            });
        }
    });
    // Killed while idle.
    std::thread::park_timeout(Duration::from_secs(60));
}

/// Random writes, some waiting at a time, each on a key that none of the others touches.
fn write(mut shard: Shard, mut live: BTreeMap<String, u64>, mut random: Random) {
    let number = shard.link.shard;
    let mut waiting = VecDeque::new();
    let mut shown = 0;
    for round in 0..WRITES {
        let key = format!("/{number}/{}", random.below(KEYS));
        if waiting.iter().any(|(_, busy, _)| *busy == key) {
            continue;
        }
        let length = if random.below(4) == 0 { random.below(20_000) } else { random.below(500) };
        let name = format!("{round}@{}+{length}", std::process::id());
        let value = format!("{name}.{}", "v".repeat(length as usize));
        let (txn, name) = match live.get(&key) {
            None => (put(&key, Expected::Absent, &value), name),
            Some(revision) if random.below(4) == 0 => {
                (delete(&key, Expected::Revision(*revision)), "-".to_owned())
            }
            Some(revision) => (put(&key, Expected::Revision(*revision), &value), name),
        };
        waiting.push_back((shard.send(txn), key, name));
        if waiting.len() == IN_FLIGHT {
            settle(&mut shard, &mut waiting, &mut live);
        }
        if number == 0 {
            for event in &shard.events[shown..] {
                report('e', event.revision, &change(event));
            }
            shown = shard.events.len();
        }
    }
}

fn settle(
    shard: &mut Shard,
    waiting: &mut VecDeque<(u64, String, String)>,
    live: &mut BTreeMap<String, u64>,
) {
    let (ticket, key, name) = waiting.pop_front().expect("one waits");
    match shard.answer(ticket) {
        Ok(Outcome::Applied { revision, .. }) => {
            if name == "-" {
                live.remove(&key);
            } else {
                live.insert(key.clone(), revision);
            }
            report('a', revision, &(key, name));
        }
        other => panic!("{key}: {other:?}"),
    }
}

/// What is known to have happened, and the state as of `verified`.
#[derive(Default)]
struct Model {
    told: BTreeMap<u64, Change>,
    state: BTreeMap<String, (u64, String)>,
    verified: u64,
    acknowledged: u64,
}

impl Model {
    fn hear(&mut self, line: &str) {
        let words: Vec<_> = line.split(' ').collect();
        let [kind @ ("a" | "e"), revision, key, value] = words[..] else { return };
        let revision: u64 = revision.parse().expect("a revision");
        let change = (key.to_owned(), value.to_owned());
        assert!(revision > self.verified, "{revision} was given out before: {line}");
        self.acknowledged += u64::from(kind == "a");
        let known = self.told.entry(revision).or_insert_with(|| change.clone());
        assert_eq!(*known, change, "one revision, two changes");
    }

    /// Checks all that is new in a reopened store.
    fn check(&mut self, opened: &Opened<Plain>) {
        let told = self.told.last_key_value().map_or(0, |(revision, _)| *revision);
        assert!(opened.revision >= told, "{} < {told}: a write is lost", opened.revision);
        assert!(opened.compacted <= self.verified.max(1), "the test writes too much");
        let mut next = opened.compacted + 1;
        for event in &opened.history {
            assert_eq!(event.revision, next, "a gap or a repetition");
            next += 1;
            if event.revision <= self.verified {
                continue;
            }
            let (key, value) = change(event);
            if let Some(known) = self.told.get(&event.revision) {
                assert_eq!(*known, (key.clone(), value.clone()), "at {}", event.revision);
            }
            let previous = if value == "-" {
                self.state.remove(&key)
            } else {
                self.state.insert(key, (event.revision, value))
            };
            let found = event.previous.as_ref().map(|item| (item.revision(), short(item).1));
            assert_eq!(found, previous, "before {}", event.revision);
        }
        assert_eq!(next, opened.revision + 1, "the history ends early");
        let found: BTreeMap<_, _> = opened
            .state
            .iter()
            .map(|item| (short(item), item.revision()))
            .map(|((key, value), revision)| (key, (revision, value)))
            .collect();
        assert_eq!(found, self.state);
        self.verified = opened.revision;
        self.told.clear();
    }
}

#[test]
fn nothing_told_is_lost_by_kill_9() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut model = Model::default();
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    let started = Instant::now();
    let rounds =
        std::env::var(ROUNDS_VARIABLE).map_or(ROUNDS, |text| text.parse().expect("a number"));
    for round in 0..rounds {
        let mut child = Command::new(std::env::current_exe().expect("this binary"))
            .args(["child", "--exact", "--nocapture"])
            .env(DIRECTORY, directory.path())
            .env(SEED, random.below(u64::MAX).to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let reports = BufReader::new(child.stdout.take().expect("a pipe"));
        let patience = Duration::from_millis(random.below(500));
        let killer = std::thread::spawn(move || {
            std::thread::park_timeout(patience);
            child.kill().expect("kills");
            child.wait().expect("ends")
        });
        for line in reports.lines() {
            model.hear(&line.expect("reads"));
        }
        let status = killer.join().expect("joins");
        assert!(status.code().is_none(), "round {round}: it ended by itself: {status}");
        let (opened, handle) =
            embedded::open::<Plain>(directory.path(), &options(1), &mut |_| ()).expect("opens");
        model.check(&opened);
        handle.close().expect("closes");
    }
    println!(
        "{rounds} kills, {} acknowledged writes, revision {}, {:?}",
        model.acknowledged,
        model.verified,
        started.elapsed()
    );
    assert!(model.acknowledged > 1_000, "it wrote too little to show anything");
}
