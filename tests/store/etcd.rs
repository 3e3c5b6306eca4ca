//! What only a store on etcd must do: live with what others do to the cluster, and with faults.

use crate::bed::Bed;
use crate::bed::Page;
use crate::bed::Shard;
use crate::bed::event_text;
use crate::bed::open;
use crate::bed::put;
use crate::bed::put_for;
use crate::on_etcd::OnEtcd;
use crate::on_etcd::Way;
use kubering::store::Expected;
use kubering::store::Handle;
use kubering::store::Options;
use kubering::store::Outcome;
use kubering::store::StoreError;
use kubering::store::etcd;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

/// Runs something with a client of its own, as another server would use the cluster.
fn beside<T>(bed: &OnEtcd, run: impl AsyncFnOnce(etcd_client::Client) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async { run(bed.cluster.client().await).await })
}

/// Opens it with keys below a prefix.
fn under(bed: &OnEtcd, prefix: &str) -> (Shard, Handle) {
    let servers = etcd::Servers { prefix: prefix.to_owned(), ..bed.servers() };
    let (opened, handle) = etcd::open(&servers, &Options::new(1), &mut |_| ()).expect("opens");
    (Shard::new(opened.links.into_iter().next().expect("a link")), handle)
}

/// Until it holds.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn keys_and_bytes_are_as_they_were_given_below_the_prefix() {
    let Some(bed) = OnEtcd::new() else { return };
    let (mut shard, _handle) = under(&bed, "/registry");
    let revision = shard.create("/registry/pods/a/b", "value");
    let (mut elsewhere, _other) = under(&bed, "/other/place");
    elsewhere.create("/registry/pods/a/b", "elsewhere");
    beside(&bed, async |mut client| {
        let mut get = async |key: &str| {
            let found = client.get(key, None).await.expect("read");
            found.kvs().first().map(|kv| (kv.value().to_vec(), kv.mod_revision()))
        };
        let here = get("/registry/pods/a/b").await.expect("there");
        assert_eq!(here, (b"value".to_vec(), i64::try_from(revision).expect("small")));
        assert_eq!(get("/other/place/pods/a/b").await.expect("there").0, b"elsewhere");
    });
    // What is beyond the prefix moves the revision and is no event.
    let latest = shard.latest().expect("known");
    eventually("the revision is reached", || {
        shard.drain();
        shard.link.committed.load(Ordering::Acquire) >= latest
    });
    assert_eq!(shard.events.len(), 1);
}

#[test]
fn what_others_write_comes_as_events_and_conflicts() {
    let Some(bed) = OnEtcd::new() else { return };
    let (mut shards, _handle) = open(&bed, 1);
    let shard = &mut shards[0];
    let first = shard.create("/a", "1");
    beside(&bed, async |mut client| {
        client.put("/a", "2", None).await.expect("written");
        client.delete("/a", None).await.expect("removed");
        client.put("/a", "3", None).await.expect("written");
    });
    let outcome = shard.commit(put("/a", Expected::Revision(first), "x"));
    assert!(matches!(outcome, Ok(Outcome::Conflict { current: Some(_) })), "{outcome:?}");
    shard.reach(first + 3);
    let events: Vec<_> = shard.events.iter().map(event_text).collect();
    assert_eq!(events, ["2:-->/a=1", "3:/a=1->/a=2", "4:/a=2->-", "5:-->/a=3"]);
}

#[test]
fn keys_of_one_lease_go_together_in_one_batch() {
    let Some(bed) = OnEtcd::new() else { return };
    let (mut shards, _handle) = open(&bed, 1);
    let shard = &mut shards[0];
    for key in ["/e/1", "/e/2", "/e/3"] {
        shard.apply(put_for(key, Expected::Absent, 60));
    }
    shard.create("/still", "1");
    let leases = beside(&bed, async |mut client| {
        let leases = client.leases().await.expect("leases");
        let ids: Vec<_> = leases.leases().iter().map(etcd_client::LeaseStatus::id).collect();
        for id in &ids {
            client.lease_revoke(*id).await.expect("as its end does");
        }
        ids.len()
    });
    assert_eq!(leases, 1, "one lease for all");
    shard.reach(6);
    let gone: Vec<_> = shard.events.iter().filter(|event| event.current.is_none()).collect();
    assert_eq!(gone.len(), 3, "{gone:?}");
    assert!(gone.iter().all(|event| event.revision == 6 && event.previous.is_some()));
    assert_eq!(shard.texts_at(6), ["/still=1"]);
}

#[test]
fn a_start_reaches_back_and_misses_nothing() {
    let Some(bed) = OnEtcd::new() else { return };
    let (mut shards, handle) = open(&bed, 1);
    let mut revision = shards[0].create("/a", "0");
    shards[0].create("/b", "0");
    for round in 1..50 {
        revision = shards[0].update("/a", revision, &round.to_string());
    }
    handle.close().expect("closes");
    let (opened, handle) = bed.open(&Options::new(1));
    assert_eq!((opened.revision, opened.compacted), (revision, 1));
    assert_eq!(opened.history.len(), 51);
    assert_eq!(opened.state.len(), 2);
    handle.close().expect("closes");
    // What is compacted cannot be reached.
    beside(&bed, async |mut client| {
        client.compact(20, None).await.expect("compacted");
    });
    let (opened, _handle) = bed.open(&Options::new(1));
    assert_eq!((opened.revision, opened.compacted), (revision, 20));
    assert_eq!(opened.history.first().map(|event| event.revision), Some(21));
    let shard = Shard::new(opened.links.into_iter().next().expect("a link"));
    let page = Page { prefix: "/", start: "", revision: 19, limit: 0 };
    assert_eq!(shard.list_at(page).err(), Some(StoreError::Compacted(20)));
    assert_eq!(shard.texts_at(20).len(), 2);
}

#[test]
fn servers_share_the_work_of_compaction() {
    let Some(bed) = OnEtcd::new() else { return };
    let servers = etcd::Servers { compaction_interval: Duration::from_secs(1), ..bed.servers() };
    let open = || {
        let (opened, handle) = etcd::open(&servers, &Options::new(1), &mut |_| ()).expect("opens");
        (Shard::new(opened.links.into_iter().next().expect("a link")), handle)
    };
    let ((mut one, _one), (mut other, _other)) = (open(), open());
    let mut revision = one.create("/a", "0");
    let old = revision;
    let started = Instant::now();
    while other.link.compacted.load(Ordering::Acquire) <= old {
        assert!(started.elapsed() < Duration::from_secs(20), "nobody compacts");
        revision = one.update("/a", revision, "1");
        other.drain();
        std::thread::park_timeout(Duration::from_millis(100));
    }
    let rounds = beside(&bed, async |mut client| {
        client.get("compact_rev_key", None).await.expect("read").kvs()[0].version()
    });
    let most = i64::try_from(started.elapsed().as_secs()).expect("small") + 2;
    assert!(rounds <= most, "{rounds} rounds: each server compacts for itself");
    let page = Page { prefix: "/", start: "", revision: old, limit: 0 };
    eventually("what is old is gone", || {
        matches!(other.list_at(page), Err(StoreError::Compacted(_)))
    });
}

#[test]
fn an_outage_ends_by_itself_and_no_event_is_missed() {
    let Some(mut bed) = OnEtcd::new() else { return };
    let (mut shards, handle) = open(&bed, 1);
    let shard = &mut shards[0];
    let first = shard.create("/a", "1");
    bed.cluster.kill_member(0);
    let fault = shard.latest().expect_err("nobody there");
    assert!(matches!(fault, StoreError::Remote(_) | StoreError::Timeout), "{fault:?}");
    let ticket = shard.send(put("/b", Expected::Absent, "1"));
    bed.cluster.start_member(0);
    let outcome = shard.answer(ticket);
    assert!(matches!(outcome, Ok(Outcome::Applied { .. })), "it could wait: {outcome:?}");
    // The watch may not be there yet when others write.
    beside(&bed, async |mut client| {
        client.put("/a", "2", None).await.expect("written");
    });
    shard.reach(first + 2);
    assert_eq!(shard.events.len(), 3);
    assert_eq!(shard.losses, 0);
    let figures = handle.health().etcd.clone().expect("figures");
    assert!(figures.watch_restarts.load(Ordering::Relaxed) > 0);
}

#[test]
fn compaction_under_a_broken_watch_is_told_and_the_state_is_right() {
    let Some(bed) = OnEtcd::new() else { return };
    let way = Way::to(&bed.cluster.urls());
    let servers = etcd::Servers { endpoints: vec![way.url()], ..bed.servers() };
    let (opened, handle) = etcd::open(&servers, &Options::new(1), &mut |_| ()).expect("opens");
    let mut shard = Shard::new(opened.links.into_iter().next().expect("a link"));
    shard.create("/gone", "1");
    shard.create("/kept", "1");
    let before = shard.create("/same", "1");
    way.cut();
    let last = beside(&bed, async |mut client| {
        client.delete("/gone", None).await.expect("removed");
        let mut last = 0;
        for round in 0..5 {
            let done = client.put("/kept", round.to_string(), None).await.expect("written");
            last = done.header().expect("a header").revision();
        }
        client.compact(last, None).await.expect("compacted");
        u64::try_from(last).expect("small")
    });
    way.mend();
    shard.reach(last);
    assert_eq!(shard.losses, 1);
    let told: Vec<_> = shard.events.iter().filter(|event| event.revision > before).collect();
    let told: Vec<_> = told.into_iter().map(event_text).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.contains(&format!("{last}:/kept=1->/kept=4")), "{told:?}");
    assert!(told.contains(&format!("{last}:/gone=1->-")), "{told:?}");
    assert_eq!(shard.texts_at(last), ["/kept=4", "/same=1"]);
    let figures = handle.health().etcd.clone().expect("figures");
    assert_eq!(figures.resyncs.load(Ordering::Relaxed), 1);
    // And it goes on.
    shard.create("/next", "1");
}

#[test]
fn a_write_on_a_connection_that_breaks_is_told_to_be_unknown_or_done() {
    let Some(bed) = OnEtcd::new() else { return };
    let way = Way::to(&bed.cluster.urls());
    let servers = etcd::Servers { endpoints: vec![way.url()], ..bed.servers() };
    let (opened, _handle) = etcd::open(&servers, &Options::new(1), &mut |_| ()).expect("opens");
    let mut shard = Shard::new(opened.links.into_iter().next().expect("a link"));
    let mut done = Vec::new();
    for round in 0..10 {
        let tickets: Vec<_> = (0..50)
            .map(|number| {
                let key = format!("/{round}/{number}");
                (shard.send(put(&key, Expected::Absent, "1")), key)
            })
            .collect();
        way.cut();
        way.mend();
        for (ticket, key) in tickets {
            match shard.answer(ticket) {
                Ok(Outcome::Applied { .. }) => done.push(key),
                // Nothing is ever made twice: no create can find itself.
                Ok(Outcome::Conflict { .. }) => panic!("{key} was made twice"),
                Err(error) => assert!(matches!(error, StoreError::Remote(_)), "{error:?}"),
            }
        }
    }
    let latest = shard.latest().expect("known");
    let texts = shard.texts_at(latest);
    for key in &done {
        assert!(texts.contains(&format!("{key}=1")), "{key} was acknowledged");
    }
    eventually("all events come", || {
        shard.drain();
        shard.events.len() == texts.len()
    });
}

#[test]
fn a_key_expires_by_its_lease() {
    let Some(bed) = OnEtcd::new() else { return };
    let (mut shards, _handle) = open(&bed, 1);
    let started = Instant::now();
    shards[0].apply(put_for("/e", Expected::Absent, 3));
    shards[0].reach(3);
    assert!(started.elapsed() >= Duration::from_secs(3));
    let event = shards[0].events.last().map(event_text);
    assert_eq!(event.as_deref(), Some("3:/e=short->-"));
}
