//! What the embedded store keeps over a restart, and what it refuses to open.

use crate::bed::Bed;
use crate::bed::Embedded;
use crate::bed::Plain;
use crate::bed::Shard;
use crate::bed::event_text;
use crate::bed::open;
use crate::bed::put;
use crate::bed::put_for;
use crate::bed::text;
use crate::contract::Random;
use crate::flow::assert_no_gap;
use kubering::store::Expected;
use kubering::store::Item;
use kubering::store::OpenError;
use kubering::store::Opened;
use kubering::store::Options;
use kubering::store::Outcome;
use kubering::store::embedded;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

fn state(opened: &Opened<Plain>) -> Vec<String> {
    opened.state.iter().map(|item| text(item)).collect()
}

fn try_open(path: &Path) -> Result<Opened<Plain>, OpenError> {
    embedded::open(path, &Options::new(1), &mut |_| ()).map(|(opened, _)| opened)
}

#[test]
fn state_history_and_revision_are_there_again() {
    let bed = Embedded::new();
    let (mut shards, handle) = open(&bed, 1);
    let shard = &mut shards[0];
    let a = shard.create("/a", "1");
    let b = shard.create("/b", "1");
    let a2 = shard.update("/a", a, "2");
    let last = shard.delete("/b", b);
    let before: Vec<_> = shard.events.iter().map(event_text).collect();
    handle.close().expect("closes");

    let (opened, _handle) = bed.open(&Options::new(1));
    assert_eq!((opened.revision, opened.compacted), (last, 1));
    assert_eq!(state(&opened), ["/a=2"]);
    assert_eq!(opened.state[0].revision(), a2);
    assert_eq!(opened.history.iter().map(event_text).collect::<Vec<_>>(), before);
    let mut shard = Shard::new(opened.links.into_iter().next().expect("a link"));
    assert_eq!(shard.link.committed.load(Ordering::Acquire), last);
    assert_eq!(shard.texts_at(b), ["/a=1", "/b=1"]);
    assert_eq!(shard.update("/a", a2, "3"), last + 1);
}

#[test]
fn the_revision_survives_the_compaction_of_a_last_delete() {
    let bed = Embedded::new();
    let mut options = Options::new(1);
    options.retention.age = std::time::Duration::ZERO;
    let (opened, handle) = bed.open(&options);
    let mut shard = Shard::new(opened.links.into_iter().next().expect("a link"));
    let mut last = 1;
    for round in 0..50 {
        let revision = shard.create("/a", &round.to_string());
        last = shard.delete("/a", revision);
    }
    handle.close().expect("closes");
    let (opened, _handle) = bed.open(&options);
    assert_eq!(opened.revision, last);
    assert!(opened.state.is_empty());
    // The newest record says how far the history had been let go when it was written.
    assert_eq!(opened.compacted, last - 1);
    assert_eq!(opened.history.len(), 1);
}

#[test]
fn the_log_forgets_what_is_compacted() {
    let bed = Embedded::new();
    let mut options = Options::new(1);
    options.retention.events_max = 10;
    let (opened, handle) = bed.open(&options);
    let mut shard = Shard::new(opened.links.into_iter().next().expect("a link"));
    let mut revision = shard.create("/a", "0");
    for round in 1..500 {
        revision = shard.update("/a", revision, &round.to_string());
    }
    handle.close().expect("closes");
    let mut read = 0;
    let opened: (Opened<Plain>, _) =
        embedded::open(bed.directory.path(), &options, &mut |records| read = records)
            .expect("opens");
    assert_eq!(opened.0.revision, revision);
    assert!(read <= 15, "{read} records are left");
}

#[test]
fn a_random_run_with_restarts_and_compaction_keeps_everything() {
    let bed = Embedded::new();
    let mut options = Options::new(1);
    options.retention.events_max = 300;
    let mut model = std::collections::BTreeMap::<String, (u64, String)>::new();
    let mut states = vec![Vec::new(), Vec::new()];
    let mut random = Random(7);
    for life in 0..8_u64 {
        let (opened, handle) = bed.open(&options);
        let revision = opened.revision;
        assert_eq!(revision as usize, states.len() - 1);
        assert_eq!(state(&opened), states[revision as usize]);
        assert_no_gap(&opened.history, opened.compacted + 1);
        assert_eq!(opened.compacted + opened.history.len() as u64, revision);
        let mut shard = Shard::new(opened.links.into_iter().next().expect("a link"));
        for old in opened.compacted..=revision {
            assert_eq!(shard.texts_at(old), states[old as usize], "at {old} in life {life}");
        }
        for round in 0..100 + random.below(200) {
            let key = format!("/k/{}", random.below(30));
            let value = format!("{life}.{round}");
            match model.get(&key).cloned() {
                None => {
                    model.insert(key.clone(), (shard.create(&key, &value), value));
                }
                Some((revision, _)) if random.below(3) == 0 => {
                    shard.delete(&key, revision);
                    model.remove(&key);
                }
                Some((revision, _)) => {
                    model.insert(key.clone(), (shard.update(&key, revision, &value), value));
                }
            }
            states.push(model.iter().map(|(key, (_, value))| format!("{key}={value}")).collect());
        }
        handle.close().expect("closes");
    }
}

#[test]
fn keys_that_expired_while_closed_go_after_opening() {
    let bed = Embedded::new();
    let clock = Arc::new(AtomicU64::new(1_000));
    let mut options = Options::new(1);
    let hands = clock.clone();
    options.unix_seconds = Arc::new(move || hands.load(Ordering::SeqCst));
    let (opened, handle) = bed.open(&options);
    let mut shard = Shard::new(opened.links.into_iter().next().expect("a link"));
    for index in 0..2_000 {
        shard.send(put_for(&format!("/e/{index}"), Expected::Absent, 10));
    }
    shard.reach(2_001);
    handle.close().expect("closes");
    clock.store(2_000, Ordering::SeqCst);
    let (opened, _handle) = bed.open(&options);
    assert_eq!(opened.state.len(), 2_000, "opening changes nothing");
    let mut shard = Shard::new(opened.links.into_iter().next().expect("a link"));
    shard.reach(4_001);
    assert!(shard.events.iter().all(|event| event.current.is_none()));
    assert!(shard.texts_at(4_001).is_empty());
}

#[test]
fn a_second_process_is_refused() {
    let bed = Embedded::new();
    let (_shards, handle) = open(&bed, 1);
    let path = bed.directory.path();
    assert_eq!(try_open(path).err(), Some(OpenError::Locked { path: path.into() }));
    handle.close().expect("closes");
    try_open(path).expect("opens");
}

#[test]
fn other_formats_are_refused() {
    let bed = Embedded::new();
    drop(open(&bed, 1));
    let path = bed.directory.path();
    let format = path.join("log/format");
    fs::write(&format, "kubering store format 2\n").expect("writes");
    let newer = OpenError::NewerFormat { path: path.into(), found: 2, known: 1 };
    assert_eq!(try_open(path).err(), Some(newer.clone()));
    assert!(newer.to_string().contains("newer version"));
    for text in ["kubering store format 0\n", "something else", ""] {
        fs::write(&format, text).expect("writes");
        assert!(matches!(try_open(path), Err(OpenError::Corrupt { .. })), "{text}");
    }
    fs::remove_file(&format).expect("removes");
    assert!(matches!(try_open(path), Err(OpenError::Corrupt { .. })));
}

#[test]
fn a_creation_that_was_cut_short_is_begun_again() {
    let bed = Embedded::new();
    let half = bed.directory.path().join("log.new");
    fs::create_dir(&half).expect("makes");
    fs::write(half.join("0.jnl"), "half").expect("writes");
    let (mut shards, _handle) = open(&bed, 1);
    assert_eq!(shards[0].create("/a", "1"), 2);
}

/// The newest journal and its bytes without the zeros at the end.
fn journal(bed: &Embedded) -> (PathBuf, Vec<u8>) {
    let entries = fs::read_dir(bed.directory.path().join("log")).expect("reads");
    let mut journals: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jnl"))
        .collect();
    journals.sort();
    let path = journals.pop().expect("a journal");
    let mut bytes = fs::read(&path).expect("reads");
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.truncate(used);
    (path, bytes)
}

/// A store of 20 acknowledged writes of 10 kB, then one more; where its batch starts.
fn written() -> (Embedded, PathBuf, Vec<u8>, usize) {
    let bed = Embedded::new();
    let (mut shards, handle) = open(&bed, 1);
    for index in 0..20 {
        shards[0].create(&format!("/{index:02}"), &"value ".repeat(1_700));
    }
    handle.close().expect("closes");
    let (_, before) = journal(&bed);
    let (mut shards, handle) = open(&bed, 1);
    shards[0].create("/last", &"last ".repeat(2_000));
    handle.close().expect("closes");
    let (path, after) = journal(&bed);
    assert_eq!(after[..before.len()], before);
    (bed, path, after, before.len())
}

fn keys(opened: &Opened<Plain>) -> usize {
    assert_no_gap(&opened.history, 2);
    assert_eq!(opened.history.len(), opened.state.len());
    assert!(opened.state.iter().all(|item| item.value().len() >= 10_000));
    opened.state.len()
}

#[test]
fn a_torn_last_write_is_cut_off_wherever_it_tore() {
    let (bed, path, bytes, last) = written();
    let length = bytes.len();
    let cuts = [last + 1, last + 5, last + 13, last + 14, last + 40, last + 5_000, length - 1];
    for cut in cuts {
        // As long as before, and shorter.
        let mut torn = bytes[..cut].to_vec();
        for _ in 0..2 {
            fs::write(&path, &torn).expect("writes");
            assert_eq!(keys(&try_open(bed.directory.path()).expect("opens")), 20, "{cut}");
            torn.resize(length + 100_000, 0);
        }
    }
}

#[test]
fn a_garbled_last_write_is_cut_off_whatever_is_missing() {
    let (bed, path, bytes, last) = written();
    let mut random = Random(11);
    for round in 0..60 {
        let mut torn = bytes.clone();
        torn.resize(bytes.len() + 50_000, 0);
        // A page that was never written, or bytes of anything; longer than a run of equal bytes.
        let from = last + random.below((bytes.len() - last - 16) as u64) as usize;
        let to = (from + 16 + random.below(6_000) as usize).min(bytes.len());
        let zeros = random.below(2) == 0;
        for byte in &mut torn[from..to] {
            *byte = if zeros { 0 } else { random.below(256) as u8 };
        }
        fs::write(&path, &torn).expect("writes");
        let opened = try_open(bed.directory.path()).expect("opens");
        assert_eq!(keys(&opened), 20, "round {round}: {from}..{to} of {last}..{}", bytes.len());
    }
}

#[test]
fn writes_go_on_after_a_cut() {
    let (bed, path, bytes, last) = written();
    fs::write(&path, &bytes[..last + 3_000]).expect("writes");
    for index in 0..3 {
        let (mut shards, handle) = open(&bed, 1);
        shards[0].create(&format!("/more/{index}"), &"value ".repeat(2_000));
        handle.close().expect("closes");
    }
    assert_eq!(keys(&try_open(bed.directory.path()).expect("opens")), 23);
}

#[test]
fn damage_before_acknowledged_writes_is_refused() {
    let (bed, path, bytes, last) = written();
    for (from, zeros) in [(last - 30_000, true), (last - 30_000, false), (last - 100, true)] {
        let mut broken = bytes.clone();
        let garbage = if zeros { 0 } else { 0xA5 };
        broken[from..from + 64].fill(garbage);
        fs::write(&path, &broken).expect("writes");
        let refused = try_open(bed.directory.path());
        assert!(matches!(refused, Err(OpenError::Corrupt { .. })), "{from}");
        assert_eq!(fs::read(&path).expect("reads"), broken, "nothing is touched");
    }
    fs::write(&path, &bytes).expect("writes");
    assert_eq!(keys(&try_open(bed.directory.path()).expect("opens")), 21);
}

#[test]
fn writes_in_flight_at_the_end_are_whole_or_absent() {
    let bed = Embedded::new();
    let (mut shards, handle) = open(&bed, 2);
    let mut tickets = Vec::new();
    for index in 0..500 {
        tickets.push(shards[0].send(put(&format!("/{index}"), Expected::Absent, "1")));
    }
    handle.close().expect("closes");
    let mut applied = 0;
    for ticket in tickets {
        applied += u64::from(matches!(shards[0].answer(ticket), Ok(Outcome::Applied { .. })));
    }
    let opened = try_open(bed.directory.path()).expect("opens");
    assert_eq!(opened.state.len() as u64, applied);
}
