//! kill -9 in a loop, also of the members of an etcd, under concurrent writers over the API.
//! Afterwards every acknowledged write is there, and watchers that resumed after each kill have
//! missed nothing and seen nothing twice.
//!
//! `KUBERING_CRASH_ROUNDS` sets how many kills there are, `KUBERING_CRASH_SEED` the random choices.
#![cfg(test)]

#[path = "harness/etcd.rs"]
#[expect(dead_code, reason = "written for the store's tests, of which this needs a part")]
mod etcd;
mod harness;

#[path = "crash/watching.rs"]
mod watching;
#[path = "crash/writing.rs"]
mod writing;

use crate::etcd::Etcd;
use crate::harness::Server;
use crate::harness::client;
use crate::harness::pause;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::ResourceExt;
use kube::api::ListParams;
use kube::api::PostParams;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use watching::Change;
use watching::Seen;
use writing::Written;

const ROUNDS: u64 = 10;
/// On etcd.
const ETCD_ROUNDS: u64 = 12;
const WRITERS: u64 = 6;
const WATCHERS: usize = 3;
/// How long all watchers may take to reach the last write.
const CATCH_UP: Duration = Duration::from_secs(30);
/// The last write of all.
const END: &str = "the-end";

/// A small generator (splitmix64): the same seed makes the same choices.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// A number below `sides`.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}

fn number(variable: &str, otherwise: u64) -> u64 {
    let text = std::env::var(variable).ok();
    text.map_or(otherwise, |text| text.parse().expect("a number in the environment"))
}

async fn maps(kubeconfig: &Path) -> Api<ConfigMap> {
    Api::namespaced(client(kubeconfig).await.expect("a client"), "default")
}

fn value(map: &ConfigMap) -> Option<String> {
    map.data.as_ref()?.get("value").cloned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_and_no_event_missed_or_repeated() {
    let server = tokio::task::block_in_place(|| Server::start(&[]));
    let rounds = number("KUBERING_CRASH_ROUNDS", ROUNDS);
    endure(server, rounds, |server, _| {
        server.kill();
        server.start_again();
    })
    .await;
}

/// Three members with TLS. One that is killed may have been the leader; one that stands still is
/// noticed only by its silence.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_holds_on_etcd_whose_members_are_killed_as_well() {
    if !etcd::is_there() {
        return;
    }
    let mut cluster = tokio::task::block_in_place(|| Etcd::start(3, true));
    let flags = cluster.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let server = tokio::task::block_in_place(|| Server::start(&flags));
    let rounds = number("KUBERING_CRASH_ROUNDS", ETCD_ROUNDS);
    endure(server, rounds, |server, dice| {
        let member = usize::try_from(dice.roll(3)).expect("small");
        match dice.roll(3) {
            0 => {
                server.kill();
                server.start_again();
            }
            1 => {
                cluster.kill_member(member);
                pause(Duration::from_millis(dice.roll(1_500)));
                cluster.start_member(member);
            }
            _ => {
                cluster.signal_member(member, rustix::process::Signal::STOP);
                pause(Duration::from_millis(dice.roll(2_500)));
                cluster.signal_member(member, rustix::process::Signal::CONT);
            }
        }
    })
    .await;
}

/// Writers and watchers at work while the server is disturbed; then everything is compared.
async fn endure(
    mut server: Server,
    rounds: u64,
    mut disturb: impl FnMut(&mut Server, &mut Dice) + Send,
) {
    let seed = number("KUBERING_CRASH_SEED", 1);
    println!("KUBERING_CRASH_SEED={seed} KUBERING_CRASH_ROUNDS={rounds}");
    let mut dice = Dice(seed);
    let api = maps(&server.kubeconfig()).await;
    let start = api.list(&ListParams::default()).await.expect("a list");
    let start = start.metadata.resource_version.expect("its revision");

    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let api = maps(&server.kubeconfig()).await;
        writers.push(tokio::spawn(writing::write(api, writer, seed, Arc::clone(&stop))));
    }
    let mut watchers = Vec::new();
    for _ in 0..WATCHERS {
        let api = maps(&server.kubeconfig()).await;
        watchers.push(tokio::spawn(watching::watch(api, start.clone())));
    }

    for _ in 0..rounds {
        tokio::time::sleep(Duration::from_millis(200 + dice.roll(800))).await;
        tokio::task::block_in_place(|| disturb(&mut server, &mut dice));
    }
    stop.store(true, Relaxed);
    let mut written = Written::default();
    for writer in writers {
        written.add(writer.await.expect("a writer that found what it wrote"));
    }
    let api = maps(&server.kubeconfig()).await;
    let mut end = ConfigMap::default();
    end.metadata.name = Some(END.to_owned());
    api.create(&PostParams::default(), &end).await.expect("the last write");

    let mut seen = Vec::new();
    for watcher in watchers {
        let events = tokio::time::timeout(CATCH_UP, watcher).await;
        seen.push(events.expect("the last write reaches it").expect("a watcher that resumed"));
    }
    let left = api.list(&ListParams::default()).await.expect("a list").items;
    println!("{} acknowledged writes, {} events", written.acked.len(), seen[0].len());
    let expected = rounds * 20;
    assert!(written.acked.len() as u64 >= expected, "too few writes to prove anything");
    for events in &seen {
        assert_eq!(events, &seen[0], "watchers saw different histories");
    }
    check_history(&seen[0], &written);
    check_end(&seen[0], &left);
    assert!(server.stop().success(), "SIGTERM is a clean end");
}

/// Ordered, unique, well-formed, and holding every acknowledged write and none that nobody made.
fn check_history(events: &[Seen], written: &Written) {
    for pair in events.windows(2) {
        let (earlier, later) = (&pair[0], &pair[1]);
        assert!(earlier.revision < later.revision, "out of order: {earlier:?} {later:?}");
    }
    let mut alive: BTreeMap<&str, &str> = BTreeMap::new();
    for event in events {
        let before = match event.change {
            Change::Added => alive.insert(&event.name, &event.uid),
            Change::Modified => alive.get(event.name.as_str()).copied(),
            Change::Deleted => alive.remove(event.name.as_str()),
        };
        match event.change {
            Change::Added => assert_eq!(before, None, "added twice: {event:?}"),
            _ => assert_eq!(before, Some(event.uid.as_str()), "of no object: {event:?}"),
        }
        let tried = event.value.as_ref().is_none_or(|value| written.tried.contains(value));
        assert!(tried, "nobody wrote {event:?}");
    }
    let kept: BTreeSet<(&str, Option<&str>)> = events
        .iter()
        .map(|event| match event.change {
            Change::Deleted => (event.uid.as_str(), None),
            _ => (event.uid.as_str(), event.value.as_deref()),
        })
        .collect();
    for acked in &written.acked {
        let found = kept.contains(&(acked.uid.as_str(), acked.value.as_deref()));
        assert!(found, "acknowledged, but no event tells of it: {acked:?}");
    }
    let revisions: BTreeMap<u64, &Seen> =
        events.iter().map(|event| (event.revision, event)).collect();
    for acked in written.acked.iter().filter(|acked| acked.revision != 0) {
        let event = revisions.get(&acked.revision);
        let same = event.is_some_and(|event| event.uid == acked.uid && event.value == acked.value);
        assert!(same, "acknowledged {acked:?}, but its revision is {event:?}");
    }
}

/// What is there is what the events add up to.
fn check_end(events: &[Seen], left: &[ConfigMap]) {
    let mut replayed = BTreeMap::new();
    for event in events {
        match event.change {
            Change::Deleted => replayed.remove(&event.name),
            _ => replayed.insert(event.name.clone(), (event.uid.clone(), event.value.clone())),
        };
    }
    let ours = left.iter().filter(|map| map.name_any() == END || map.name_any().starts_with("w-"));
    let listed: BTreeMap<_, _> =
        ours.map(|map| (map.name_any(), (map.uid().unwrap_or_default(), value(map)))).collect();
    replayed.retain(|name, _| name == END || name.starts_with("w-"));
    assert_eq!(replayed, listed);
}
