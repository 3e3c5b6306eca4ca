//! What a write does and what is read back.

use crate::bed::Bed;
use crate::bed::Embedded;
use crate::bed::Memory;
use crate::bed::Page;
use crate::bed::Plain;
use crate::bed::Shard;
use crate::bed::delete;
use crate::bed::event_text;
use crate::bed::open;
use crate::bed::put;
use crate::bed::put_for;
use crate::bed::text;
use crate::on_etcd::OnEtcd;
use kubering::base::limits;
use kubering::store::Expected;
use kubering::store::Options;
use kubering::store::Outcome;
use kubering::store::StoreError;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

/// Every rule as a test of its own, for one backend.
macro_rules! contract {
    (every: $backend:ident, $bed:expr, $($more:ident),*) => {
        mod $backend {
            contract!(
                @ $bed;
                the_first_write_of_a_fresh_store_gets_revision_2,
                a_write_needs_what_it_expects,
                a_conflict_says_what_stands_there,
                events_carry_both_sides_and_reach_every_shard,
                an_old_revision_lists_as_it_was,
                a_page_starts_at_its_key_and_counts_what_remains,
                revisions_outside_the_history_are_refused,
                the_latest_revision_covers_every_write,
                values_and_keys_are_bounded,
                a_hundred_thousand_keys,
                every_old_revision_of_a_random_run_lists_right
                $(, $more)*
            );
        }
    };
    // The history and the clock of the others are etcd's own there.
    (own_history: $backend:ident, $bed:expr) => {
        contract!(
            every: $backend, $bed,
            history_is_bounded_by_events,
            history_is_bounded_by_bytes,
            history_is_bounded_by_age,
            keys_expire_as_writes_of_their_own,
            a_new_put_replaces_the_lifetime
        );
    };
    (@ $bed:expr; $($rule:ident),*) => {
        $(#[test]
        fn $rule() {
            if let Some(bed) = $bed {
                super::$rule(&bed);
            }
        })*
    };
}

contract!(own_history: memory, Some(super::Memory));
contract!(own_history: embedded, Some(super::Embedded::new()));
contract!(every: etcd, super::OnEtcd::new(),);

fn the_first_write_of_a_fresh_store_gets_revision_2(bed: &dyn Bed) {
    let (opened, _handle) = bed.open(&Options::new(1));
    assert_eq!((opened.revision, opened.compacted), (1, 1));
    assert!(opened.state.is_empty() && opened.history.is_empty());
    let mut shard = Shard::new(opened.links.into_iter().next().expect("a link"));
    assert_eq!(shard.create("/a", "1"), 2);
    assert_eq!(shard.create("/b", "1"), 3);
}

fn a_write_needs_what_it_expects(bed: &dyn Bed) {
    let (mut shards, _handle) = open(bed, 1);
    let shard = &mut shards[0];
    let first = shard.create("/a", "1");
    let second = shard.update("/a", first, "2");
    let refused = [
        put("/a", Expected::Absent, "x"),
        put("/a", Expected::Revision(first), "x"),
        put("/a", Expected::Revision(second + 1), "x"),
        put("/b", Expected::Revision(first), "x"),
        delete("/a", Expected::Revision(first)),
        delete("/a", Expected::Absent),
        delete("/b", Expected::Absent),
        delete("/b", Expected::Revision(0)),
    ];
    for txn in refused {
        let outcome = shard.commit(txn.clone());
        assert!(matches!(outcome, Ok(Outcome::Conflict { .. })), "{txn:?}: {outcome:?}");
    }
    assert_eq!(shard.delete("/a", second), second + 1, "refused writes take no revision");
    assert_eq!(shard.create("/a", "3"), second + 2);
    assert_eq!(shard.texts_at(second + 2), ["/a=3"]);
}

fn a_conflict_says_what_stands_there(bed: &dyn Bed) {
    let (mut shards, _handle) = open(bed, 1);
    let shard = &mut shards[0];
    let revision = shard.create("/a", "1");
    let current = |outcome| match outcome {
        Ok(Outcome::Conflict { current }) => current,
        other => panic!("no conflict: {other:?}"),
    };
    let found: Arc<Plain> =
        current(shard.commit(put("/a", Expected::Absent, "2"))).expect("there is one");
    assert_eq!((text(&found), revision), ("/a=1".to_owned(), 2));
    assert!(current(shard.commit(put("/b", Expected::Revision(2), "2"))).is_none());
    match shard.commit(delete("/a", Expected::Revision(revision))) {
        Ok(Outcome::Applied { revision, item }) => {
            assert_eq!((revision, text(&item)), (3, "/a=1".to_owned()));
        }
        other => panic!("not applied: {other:?}"),
    }
}

fn events_carry_both_sides_and_reach_every_shard(bed: &dyn Bed) {
    let (mut shards, _handle) = open(bed, 3);
    let first = shards[0].create("/a", "1");
    let second = shards[1].update("/a", first, "2");
    let last = shards[2].delete("/a", second);
    for shard in &mut shards {
        shard.reach(last);
        let events: Vec<_> = shard.events.iter().map(event_text).collect();
        assert_eq!(events, ["2:-->/a=1", "3:/a=1->/a=2", "4:/a=2->-"]);
        assert_eq!(shard.link.committed.load(Ordering::Acquire), last);
    }
}

fn an_old_revision_lists_as_it_was(bed: &dyn Bed) {
    let (mut shards, _handle) = open(bed, 1);
    let shard = &mut shards[0];
    let a = shard.create("/a", "1");
    let b = shard.create("/b", "1");
    let a2 = shard.update("/a", a, "2");
    let gone = shard.delete("/b", b);
    let b2 = shard.create("/b", "2");
    assert!(shard.texts_at(1).is_empty());
    assert_eq!(shard.texts_at(a), ["/a=1"]);
    assert_eq!(shard.texts_at(b), ["/a=1", "/b=1"]);
    assert_eq!(shard.texts_at(a2), ["/a=2", "/b=1"]);
    assert_eq!(shard.texts_at(gone), ["/a=2"]);
    assert_eq!(shard.texts_at(b2), ["/a=2", "/b=2"]);
}

fn a_page_starts_at_its_key_and_counts_what_remains(bed: &dyn Bed) {
    let (mut shards, _handle) = open(bed, 1);
    let shard = &mut shards[0];
    for key in ["/pods/b", "/pods/d", "/pods/a", "/podsx", "/nodes/a", "/zoo", "/pods/c"] {
        shard.create(key, "1");
    }
    let revision = shard.create("/pods/e", "1");
    shard.create("/pods/bb", "later");
    let all = |page| {
        let old = shard.list_at(page).expect("known");
        let keys: Vec<_> = old.items.iter().map(|item| text(item)).collect();
        (keys.join(" "), old.remaining)
    };
    let page = Page { prefix: "/pods/", start: "", revision, limit: 2 };
    assert_eq!(all(page), ("/pods/a=1 /pods/b=1".to_owned(), 3));
    let page = Page { start: "/pods/b\0", ..page };
    assert_eq!(all(page), ("/pods/c=1 /pods/d=1".to_owned(), 1));
    assert_eq!(all(Page { start: "/pods/e", ..page }), ("/pods/e=1".to_owned(), 0));
    assert_eq!(all(Page { start: "/q", ..page }), (String::new(), 0));
    let page = Page { start: "/pods/d", limit: 0, ..page };
    assert_eq!(all(page), ("/pods/d=1 /pods/e=1".to_owned(), 0));
}

fn revisions_outside_the_history_are_refused(bed: &dyn Bed) {
    let (mut shards, _handle) = open(bed, 1);
    let shard = &mut shards[0];
    let last = shard.create("/a", "1");
    let page = Page { prefix: "/", start: "", revision: last + 1, limit: 0 };
    assert_eq!(shard.list_at(page).err(), Some(StoreError::Future(last)));
    let page = Page { revision: 0, ..page };
    assert_eq!(shard.list_at(page).err(), Some(StoreError::Compacted(1)));
}

fn the_latest_revision_covers_every_write(bed: &dyn Bed) {
    let (mut shards, _handle) = open(bed, 2);
    for round in 0..20 {
        let revision = shards[0].create(&format!("/{round}"), "1");
        let latest = shards[1].latest().expect("known");
        assert!(latest >= revision, "{latest} of {revision}");
    }
}

/// Writes one key many times with small retention; the history must start late and be right.
fn bounded(bed: &dyn Bed, options: &Options, kept_max: u64) {
    let (opened, _handle) = bed.open(options);
    let mut shard = Shard::new(opened.links.into_iter().next().expect("a link"));
    shard.create("/still", "1");
    let mut revision = shard.create("/a", "0");
    for round in 1..200 {
        revision = shard.update("/a", revision, &round.to_string());
    }
    // Compaction comes after a group's answers; a list comes after it.
    assert_eq!(shard.texts_at(revision), ["/a=199", "/still=1"]);
    let compacted = shard.link.compacted.load(Ordering::Acquire);
    assert!(compacted >= revision - kept_max, "{compacted} of {revision}");
    let page = Page { prefix: "/", start: "", revision: compacted - 1, limit: 0 };
    assert_eq!(shard.list_at(page).err(), Some(StoreError::Compacted(compacted)));
    for old in compacted..=revision {
        assert_eq!(shard.texts_at(old), [format!("/a={}", old - 3), "/still=1".to_owned()]);
    }
}

fn history_is_bounded_by_events(bed: &dyn Bed) {
    let mut options = Options::new(1);
    options.retention.events_max = 50;
    bounded(bed, &options, 51);
}

fn history_is_bounded_by_bytes(bed: &dyn Bed) {
    let mut options = Options::new(1);
    options.retention.bytes_max = 60;
    bounded(bed, &options, 21);
}

fn history_is_bounded_by_age(bed: &dyn Bed) {
    let mut options = Options::new(1);
    options.retention.age = Duration::ZERO;
    bounded(bed, &options, 1);
}

/// Options whose wall clock stands until it is set.
fn standing_clock() -> (Options, Arc<AtomicU64>) {
    let clock = Arc::new(AtomicU64::new(1_000));
    let mut options = Options::new(2);
    let hands = clock.clone();
    options.unix_seconds = Arc::new(move || hands.load(Ordering::SeqCst));
    (options, clock)
}

fn keys_expire_as_writes_of_their_own(bed: &dyn Bed) {
    let (options, clock) = standing_clock();
    let (opened, handle) = bed.open(&options);
    let mut shards: Vec<_> = opened.links.into_iter().map(Shard::new).collect();
    let first = shards[0].apply(put_for("/e/1", Expected::Absent, 60));
    let second = shards[0].apply(put_for("/e/2", Expected::Absent, 61));
    shards[0].create("/still", "1");
    clock.store(1_059, Ordering::SeqCst);
    assert_eq!(shards[0].texts_at(4).len(), 3);
    clock.store(1_060, Ordering::SeqCst);
    for shard in &mut shards {
        // Nobody asks for anything: the store looks at the clock by itself.
        shard.reach(5);
        let event = shard.events.last().expect("an event");
        assert_eq!(event_text(event), "5:/e/1=short->-");
    }
    let late = shards[0].commit(delete("/e/1", Expected::Revision(first)));
    assert!(matches!(late, Ok(Outcome::Conflict { current: None })));
    shards[0].delete("/e/2", second);
    clock.store(5_000, Ordering::SeqCst);
    assert_eq!(shards[0].create("/next", "1"), 7, "a deleted key does not expire as well");
    assert_eq!(handle.health().expired.load(Ordering::Relaxed), 1);
}

fn a_new_put_replaces_the_lifetime(bed: &dyn Bed) {
    let (options, clock) = standing_clock();
    let (opened, _handle) = bed.open(&options);
    let mut shard = Shard::new(opened.links.into_iter().next().expect("a link"));
    let longer = shard.apply(put_for("/longer", Expected::Absent, 10));
    let kept = shard.apply(put_for("/kept", Expected::Absent, 10));
    shard.apply(put_for("/longer", Expected::Revision(longer), 1_000));
    let kept = shard.update("/kept", kept, "for ever");
    clock.store(1_500, Ordering::SeqCst);
    assert_eq!(shard.texts_at(kept), ["/kept=for ever", "/longer=short"]);
    clock.store(2_000, Ordering::SeqCst);
    shard.reach(kept + 1);
    assert_eq!(shard.texts_at(kept + 1), ["/kept=for ever"]);
}

fn values_and_keys_are_bounded(bed: &dyn Bed) {
    let (mut shards, _handle) = open(bed, 1);
    let shard = &mut shards[0];
    let largest = "x".repeat(limits::STORED_VALUE_BYTES_MAX);
    let mut revision = shard.create("/large", &largest);
    for _ in 0..4 {
        revision = shard.update("/large", revision, &largest);
    }
    let larger = format!("{largest}x");
    let outcome = shard.commit(put("/larger", Expected::Absent, &larger));
    assert!(matches!(outcome, Err(StoreError::TooLarge)));
    let key = format!("/{}", "k".repeat(limits::STORED_KEY_BYTES_MAX));
    assert!(matches!(shard.commit(put(&key, Expected::Absent, "1")), Err(StoreError::TooLarge)));
    assert_eq!(shard.create(&key[1..], "1"), revision + 1);
    let page = Page { prefix: "/large", start: "", revision, limit: 0 };
    let old = shard.list_at(page).expect("known");
    assert_eq!(old.items.len(), 1);
    assert!(text(&old.items[0]).ends_with(&largest));
}

fn a_hundred_thousand_keys(bed: &dyn Bed) {
    const KEYS: usize = 100_000;
    let (mut shards, handle) = open(bed, 1);
    let shard = &mut shards[0];
    let mut tickets = std::collections::VecDeque::new();
    for index in 0..KEYS {
        let key = format!("/registry/pods/default/web-{index:06}");
        tickets.push_back(shard.send(put(&key, Expected::Absent, "value")));
        if tickets.len() > 1_000 {
            let ticket = tickets.pop_front().expect("one");
            assert!(matches!(shard.answer(ticket), Ok(Outcome::Applied { .. })));
        }
    }
    for ticket in tickets {
        assert!(matches!(shard.answer(ticket), Ok(Outcome::Applied { .. })));
    }
    let page = Page { prefix: "/registry/pods/", start: "", revision: 2 + 49_999, limit: 10 };
    let old = shard.list_at(page).expect("known");
    assert_eq!((old.items.len(), old.remaining), (10, 49_990));
    let health = handle.health();
    // The figure of a store that others write to follows its feed, not the answers.
    let deadline = Instant::now() + Duration::from_secs(20);
    while health.keys.load(Ordering::Relaxed) < KEYS as u64 && Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert_eq!(health.keys.load(Ordering::Relaxed), KEYS as u64);
    assert_eq!(health.commits.load(Ordering::Relaxed), KEYS as u64);
    if health.etcd.is_none() {
        assert!(health.group_sizes.count() < KEYS as u64, "writes that wait together go together");
    }
}

/// A small generator, so that a failure can be repeated.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn every_old_revision_of_a_random_run_lists_right(bed: &dyn Bed) {
    let (mut shards, handle) = open(bed, 1);
    let mut model = std::collections::BTreeMap::<String, (u64, String)>::new();
    let mut states = vec![Vec::new(), Vec::new()];
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for round in 0..600_u64 {
        let key = format!("/k/{}", random.below(20));
        let value = round.to_string();
        let shard = &mut shards[0];
        match model.get(&key).cloned() {
            None => {
                let revision = shard.create(&key, &value);
                model.insert(key, (revision, value));
            }
            Some((revision, _)) if random.below(3) == 0 => {
                shard.delete(&key, revision);
                model.remove(&key);
            }
            Some((revision, _)) => {
                let revision = shard.update(&key, revision, &value);
                model.insert(key, (revision, value));
            }
        }
        let state: Vec<_> =
            model.iter().map(|(key, (_, value))| format!("{key}={value}")).collect();
        states.push(state);
    }
    for (revision, state) in states.iter().enumerate().skip(1) {
        assert_eq!(&shards[0].texts_at(revision as u64), state, "at {revision}");
    }
    handle.close().expect("closes");
}
