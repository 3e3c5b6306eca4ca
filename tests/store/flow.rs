//! Several shards at once, full queues, shutdown.

use crate::bed::Bed;
use crate::bed::Embedded;
use crate::bed::Memory;
use crate::bed::Shard;
use crate::bed::open;
use crate::bed::put;
use crate::on_etcd::OnEtcd;
use kubering::base::limits;
use kubering::store::Event;
use kubering::store::Expected;
use kubering::store::Outcome;
use kubering::store::StoreError;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

/// Increments a counter until it succeeds; as many shards do at once.
fn increment(shard: &mut Shard, key: &str, times: u64) -> u64 {
    let mut conflicts = 0;
    let mut expected = Expected::Absent;
    let mut value = 0_u64;
    for _ in 0..times {
        loop {
            match shard.commit(put(key, expected, &(value + 1).to_string())) {
                Ok(Outcome::Applied { revision, .. }) => {
                    let committed = shard.link.committed.load(Ordering::Acquire);
                    assert!(committed >= revision, "an answer is covered by `committed`");
                    expected = Expected::Revision(revision);
                    value += 1;
                    break;
                }
                Ok(Outcome::Conflict { current: Some(item) }) => {
                    use kubering::store::Item;
                    conflicts += 1;
                    expected = Expected::Revision(item.revision());
                    value = String::from_utf8_lossy(item.value()).parse().expect("a number");
                }
                other => panic!("{other:?}"),
            }
        }
    }
    conflicts
}

pub(crate) fn assert_no_gap<I>(events: &[Event<I>], first: u64) {
    for (event, revision) in events.iter().zip(first..) {
        assert_eq!(event.revision, revision);
    }
}

fn shards_write_one_counter_without_a_lost_update(bed: &dyn Bed) {
    const TIMES: u64 = 300;
    let (shards, handle) = open(bed, 4);
    let threads: Vec<_> = shards
        .into_iter()
        .map(|mut shard| {
            std::thread::spawn(move || {
                increment(&mut shard, "/counter", TIMES);
                shard
            })
        })
        .collect();
    let mut shards: Vec<_> =
        threads.into_iter().map(|thread| thread.join().expect("joins")).collect();
    let last = shards[0].link.committed.load(Ordering::Acquire);
    assert_eq!(last, 1 + 4 * TIMES);
    assert_eq!(shards[0].texts_at(last), [format!("/counter={}", 4 * TIMES)]);
    for shard in &mut shards {
        shard.reach(last);
        assert_no_gap(&shard.events, 2);
        assert_eq!(shard.events.len() as u64, 4 * TIMES);
    }
    handle.close().expect("closes");
}

#[test]
fn memory_shards_write_one_counter_without_a_lost_update() {
    shards_write_one_counter_without_a_lost_update(&Memory);
}

#[test]
fn embedded_shards_write_one_counter_without_a_lost_update() {
    shards_write_one_counter_without_a_lost_update(&Embedded::new());
}

#[test]
fn etcd_shards_write_one_counter_without_a_lost_update() {
    if let Some(bed) = OnEtcd::new() {
        shards_write_one_counter_without_a_lost_update(&bed);
    }
}

#[test]
fn closing_serves_what_waits() {
    let (mut shards, handle) = open(&Memory, 1);
    let shard = &mut shards[0];
    let tickets: Vec<_> = (0..2_000)
        .map(|index| shard.send(put(&format!("/{index}"), Expected::Absent, "1")))
        .collect();
    handle.close().expect("closes");
    for ticket in tickets {
        assert!(matches!(shard.answer(ticket), Ok(Outcome::Applied { .. })));
    }
    let request = put("/late", Expected::Absent, "1");
    let ticket = u64::MAX;
    let request = kubering::store::Request::Commit { ticket, txn: request };
    assert!(shard.link.requests.send_blocking((0, request)).is_err());
    assert!(matches!(shard.answer(ticket), Err(StoreError::Unavailable(_))));
}

/// Fills the second shard's batch queue, which nobody reads, until the store waits for it.
fn stall(shards: &mut [Shard], handle: &kubering::store::Handle) {
    let waits = || handle.health().shard_waits.load(Ordering::Relaxed);
    let mut revision = shards[0].create("/a", "0");
    for _ in 1..limits::STORE_BATCH_QUEUE_MAX {
        revision = shards[0].update("/a", revision, "1");
    }
    assert_eq!(waits(), 0);
    shards[0].send(put("/b", Expected::Absent, "1"));
    let started = Instant::now();
    while waits() == 0 {
        assert!(started.elapsed() < Duration::from_secs(10), "the store does not wait");
        std::thread::yield_now();
    }
}

#[test]
fn a_shard_that_takes_nothing_is_waited_for_and_loses_nothing() {
    let (mut shards, handle) = open(&Memory, 2);
    stall(&mut shards, &handle);
    let last = shards[0].link.committed.load(Ordering::Acquire);
    for shard in &mut shards {
        shard.reach(last);
        assert_no_gap(&shard.events, 2);
    }
    handle.close().expect("closes");
}

#[test]
fn a_shard_that_goes_away_holds_nobody_up() {
    let (mut shards, handle) = open(&Memory, 2);
    stall(&mut shards, &handle);
    drop(shards.pop());
    shards[0].create("/c", "1");
    handle.close().expect("closes");
}

#[test]
fn closing_does_not_wait_for_ever_for_a_stuck_shard() {
    let (mut shards, handle) = open(&Memory, 2);
    stall(&mut shards, &handle);
    let started = Instant::now();
    handle.close().expect("closes");
    assert!(started.elapsed() < Duration::from_secs(5));
    shards[1].drain();
    assert_eq!(shards[1].events.len(), limits::STORE_BATCH_QUEUE_MAX);
    assert!(shards[1].link.batches.is_closed(), "the shard can tell that something is missing");
}

#[test]
fn an_idle_store_beats() {
    let (_shards, handle) = open(&Memory, 1);
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(2_500) {
        assert!(handle.health().silent_for() < Duration::from_millis(2_000));
        std::thread::park_timeout(Duration::from_millis(100));
    }
    assert!(handle.health().alive());
}
