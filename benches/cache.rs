//! What the cache costs: making entries, applying events, fan-out, reads, lists, memory.
//!
//! `cargo bench --bench cache`; without `--bench` (as under `cargo test`) a small run.

use async_channel::Sender;
use bytes::Bytes;
use kubering::base::ticks::Ticks;
use kubering::cache::{
    Cache, Entry, FrameEncoder, FrameKind, ListQuery, ReadAt, WatchFrom, WatchQuery, Watcher,
};
use kubering::catalog::{Storage, catalog};
use kubering::codec;
use kubering::object::selector::FieldSelector;
use kubering::rt;
use kubering::store::{Batch, Event, Item, Link, Opened};
use std::cell::Cell;
use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sizes of a run.
#[derive(Clone, Copy)]
struct Scale {
    objects: usize,
    events: usize,
    watchers: usize,
    reads: usize,
}

fn main() {
    let full = std::env::args().any(|arg| arg == "--bench");
    let scale = match full {
        true => Scale { objects: 100_000, events: 400_000, watchers: 1_000, reads: 400_000 },
        false => Scale { objects: 500, events: 1_000, watchers: 10, reads: 1_000 },
    };
    entries(scale);
    rt::block_on(one_shard(scale));
    two_shards(scale);
}

/// CPU time of this thread: other work on the machine does not count.
struct Cpu(Duration);

impl Cpu {
    fn now() -> Self {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        let nanos = text.split(' ').next().and_then(|n| n.parse().ok());
        Self(Duration::from_nanos(nanos.unwrap_or(0)))
    }

    fn elapsed(&self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}

fn report(what: &str, count: usize, took: Duration) {
    let each = took.as_nanos() as f64 / count.max(1) as f64;
    println!("{what:<44} {each:>10.1} ns each {:>12.0}/s", 1e9 / each.max(0.001));
}

fn pods() -> &'static Storage {
    catalog().storage("pods").expect("pods")
}

/// A pod as a Deployment's, scheduled and running.
fn stored(name: &str, node: usize) -> Bytes {
    let json = POD.replace("NAME", name).replace("NODE", &format!("node-{node}"));
    let arena = bumpalo::Bump::new();
    let strictness = codec::json::Strictness::Ignore;
    let pod = codec::json::decode(json.as_bytes(), pods().ty, &arena, strictness).expect("a pod");
    let (mut message, mut out) = (Vec::new(), Vec::new());
    codec::proto::encode(&pod.value, pods().ty, &mut message);
    codec::proto::envelope::wrap("v1", "Pod", &message, &mut out);
    out.shrink_to_fit();
    Bytes::from(out)
}

fn key(number: usize) -> Bytes {
    let (namespace, number) = (number % 50, number / 50);
    pods().key(&format!("namespace-{namespace:02}"), &format!("web-6d4cf56db6-{number:05}"))
}

fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|n| n.parse::<usize>().ok()).unwrap_or(0);
    pages * 4_096
}

fn entries(scale: Scale) {
    let value = stored("web-6d4cf56db6-00000", 7);
    let key = key(0);
    let start = Cpu::now();
    for revision in 0..scale.reads as u64 {
        black_box(Entry::new(key.clone(), revision, value.clone()));
    }
    report("entry: header of a stored pod", scale.reads, start.elapsed());
    let json = Entry::new(key.clone(), 1, value.clone()).json().expect("json").bytes.len();
    let count = scale.reads / 10;
    let start = Cpu::now();
    for revision in 0..count as u64 {
        black_box(Entry::new(key.clone(), revision, value.clone()).json().expect("json"));
    }
    report("entry: header and JSON", count, start.elapsed());
    println!("a pod is {} bytes stored, {json} bytes of JSON", value.len());
    let before = resident();
    let make = |number: usize| {
        let name = format!("web-6d4cf56db6-{:05}", number / 50);
        Arc::new(Entry::new(self::key(number), 1, stored(&name, number % 1_000)))
    };
    let made: Vec<_> = (0..scale.objects).map(make).collect();
    let bytes: usize = made.iter().map(|entry| entry.value().len()).sum();
    let rest = resident().saturating_sub(before).saturating_sub(bytes) / scale.objects;
    let overhead = made.first().map_or(0, |entry| entry.overhead_bytes() + entry.key().len());
    println!("an entry is {overhead} bytes beside its value, {rest} by resident memory");
}

struct Store {
    batches: Vec<Sender<Batch<Entry>>>,
    committed: Arc<AtomicU64>,
    current: Vec<Arc<Entry>>,
    revision: u64,
}

impl Store {
    fn open(shards: usize, objects: usize) -> (Opened<Entry>, Self) {
        let value = stored("web-6d4cf56db6-00000", 7);
        let mut current: Vec<_> = (0..objects)
            .map(|number| Arc::new(Entry::new(key(number), number as u64 + 1, value.clone())))
            .collect();
        let revision = objects as u64;
        let committed = Arc::new(AtomicU64::new(revision));
        let (batches, feeds): (Vec<_>, Vec<_>) =
            (0..shards).map(|_| async_channel::bounded(1_024)).unzip();
        let links = feeds.into_iter().enumerate().map(|(shard, batches)| Link {
            requests: async_channel::bounded(1).0,
            batches,
            shard,
            committed: Arc::clone(&committed),
            compacted: Arc::new(AtomicU64::new(revision)),
            is_shared: false,
        });
        let links = links.collect();
        current.sort_by(|a, b| a.key().cmp(b.key()));
        let state = current.clone();
        let opened = Opened { state, history: Vec::new(), revision, compacted: revision, links };
        (opened, Self { batches, committed, current, revision })
    }

    /// Updates of objects in an order that jumps about, in batches.
    fn updates(&mut self, count: usize, batch: usize) -> Vec<Arc<[Event<Entry>]>> {
        let value = stored("web-6d4cf56db6-00000", 7);
        let mut batches = Vec::new();
        let mut events = Vec::with_capacity(batch);
        for _ in 0..count {
            self.revision += 1;
            let at = (self.revision as usize).wrapping_mul(7_919) % self.current.len();
            let previous = Arc::clone(&self.current[at]);
            let key = previous.key().clone();
            let entry = Arc::new(Entry::new(key, self.revision, value.clone()));
            self.current[at] = Arc::clone(&entry);
            let (current, previous) = (Some(entry), Some(previous));
            events.push(Event { revision: self.revision, current, previous });
            if events.len() == batch {
                batches.push(std::mem::take(&mut events).into());
            }
        }
        batches.push(events.into());
        batches
    }

    async fn publish(&self, events: Arc<[Event<Entry>]>) {
        let Some(last) = events.last().map(|event| event.revision) else { return };
        self.committed.store(last, Ordering::Release);
        for batches in &self.batches {
            let events = Arc::clone(&events);
            let (answers, committed) = (Vec::new(), Ticks::now());
            let batch = Batch { events, answers, lost: false, revision: last, committed };
            batches.send(batch).await.expect("the shard runs");
        }
    }
}

struct Plain;

impl FrameEncoder for Plain {
    fn id(&self) -> u64 {
        1
    }

    fn frame(&self, _: FrameKind, entry: &Entry, _: u64) -> Bytes {
        entry.value().clone()
    }

    fn bookmark(&self, _: u64, _: bool) -> Bytes {
        Bytes::new()
    }
}

/// Watches that are live.
async fn watch(cache: &Cache, count: usize, node: Option<&str>) -> Vec<Watcher> {
    let mut watchers = Vec::new();
    for number in 0..count {
        let from = WatchFrom::After(cache.applied());
        let mut query = WatchQuery::all(pods(), from, Rc::new(Plain));
        if let Some(node) = node {
            query.fields = FieldSelector::equals("spec.nodeName", &format!("{node}-{number}"));
        }
        let mut watcher = cache.watch(query).await.expect("watch");
        drain(std::slice::from_mut(&mut watcher)).await;
        watchers.push(watcher);
    }
    watchers
}

async fn drain(watchers: &mut [Watcher]) -> usize {
    let (mut frames, mut count) = (Vec::new(), 0);
    for watcher in watchers {
        let next = watcher.next_batch(&mut frames, usize::MAX);
        futures_lite::future::poll_once(next).await;
        count += frames.len();
        frames.clear();
    }
    count
}

async fn apply(cache: &Cache, store: &mut Store, count: usize) -> Duration {
    let batches = store.updates(count, 256);
    let mut took = Duration::ZERO;
    // A part at a time, as the feed's queue is bounded.
    for part in batches.chunks(512) {
        let start = Cpu::now();
        for batch in part {
            store.publish(Arc::clone(batch)).await;
        }
        let last = part.iter().rev().find_map(|batch| batch.last()).map_or(0, |e| e.revision);
        while cache.applied() < last {
            rt::yield_now().await;
        }
        took += start.elapsed();
    }
    took
}

async fn one_shard(scale: Scale) {
    let (opened, mut store) = Store::open(1, scale.objects);
    let start = Cpu::now();
    let seed = Cache::open(opened).pop().expect("a seed");
    let cache = seed.start();
    report("open: objects into tables", scale.objects, start.elapsed());

    let before = resident();
    let idle = watch(&cache, scale.watchers * 20, Some("idle")).await;
    let grown = resident().saturating_sub(before);
    println!("an idle watch of its own node is {} bytes", grown / idle.len());
    drop(idle);
    let took = apply(&cache, &mut store, scale.events).await;
    report("apply: updates, nobody watches", scale.events, took);
    let kubelets = watch(&cache, scale.watchers, Some("node")).await;
    let took = apply(&cache, &mut store, scale.events / 4).await;
    report("apply: updates, a watch on every node", scale.events / 4, took);
    drop(kubelets);

    let mut watchers = watch(&cache, scale.watchers, None).await;
    let (mut took, mut frames) = (Duration::ZERO, 0);
    for _ in 0..20 {
        let batches = store.updates(200, 50);
        let start = Cpu::now();
        for batch in batches {
            store.publish(batch).await;
        }
        while cache.applied() < store.revision {
            rt::yield_now().await;
        }
        took += start.elapsed();
        frames += drain(&mut watchers).await;
    }
    report("fan-out: one event to one watcher", frames, took);
    drop(watchers);
    deliver(&cache, &mut store, scale).await;
    reads(&cache, scale).await;
}

/// Events one at a time to watchers that each wait in a task of their own.
async fn deliver(cache: &Cache, store: &mut Store, scale: Scale) {
    let seen = Rc::new(Cell::new(0));
    for mut watcher in watch(cache, scale.watchers, None).await {
        let seen = Rc::clone(&seen);
        rt::spawn(async move {
            let mut frames = Vec::new();
            while watcher.next_batch(&mut frames, usize::MAX).await.is_ok() {
                seen.set(seen.get() + frames.len());
                frames.clear();
            }
        });
    }
    rt::yield_now().await;
    let events = 200;
    let batches = store.updates(events, 1);
    let start = Cpu::now();
    for (round, batch) in batches.into_iter().take(events).enumerate() {
        store.publish(batch).await;
        while seen.get() < (round + 1) * scale.watchers {
            rt::yield_now().await;
        }
    }
    report("delivery: one event to one waiting task", events * scale.watchers, start.elapsed());
    cache.end_watches();
}

async fn reads(cache: &Cache, scale: Scale) {
    let names: Vec<_> = (0..scale.reads)
        .map(|n| {
            let number = n.wrapping_mul(7_919) % scale.objects;
            (format!("namespace-{:02}", number % 50), format!("web-6d4cf56db6-{:05}", number / 50))
        })
        .collect();
    let start = Cpu::now();
    for (namespace, name) in &names {
        let entry = cache.get(pods(), namespace, name, ReadAt::Latest).await;
        assert!(black_box(entry).expect("read").is_some());
    }
    report("get: one of all pods", names.len(), start.elapsed());
    let rounds = (scale.reads / 10_000).max(1);
    let mut shown = 0;
    let start = Cpu::now();
    for _ in 0..rounds {
        let query = ListQuery { limit: 10_000, ..ListQuery::all(pods()) };
        shown += cache.list(query).await.expect("list").entries.len();
    }
    report("list: one of 10,000 pods", shown, start.elapsed());
    let fields = FieldSelector::equals("spec.nodeName", "node-1");
    let start = Cpu::now();
    for _ in 0..rounds {
        let query = ListQuery { fields: fields.clone(), ..ListQuery::all(pods()) };
        black_box(cache.list(query).await.expect("list"));
    }
    report("list: one pod looked at by a selector", rounds * scale.objects, start.elapsed());
}

fn two_shards(scale: Scale) {
    let (opened, _store) = Store::open(2, scale.objects);
    let seeds = Cache::open(opened);
    let (done, wait) = async_channel::bounded::<()>(1);
    let context: Vec<_> =
        seeds.into_iter().map(|seed| (seed, done.clone(), wait.clone())).collect();
    let shards =
        rt::run_shards(rt::Placement::Unpinned, context, move |number, context| async move {
            let (seed, done, wait) = context;
            let cache = seed.start();
            if number > 0 {
                let _closed = wait.recv().await;
                return;
            }
            let reads = scale.reads / 4;
            for (what, tasks) in
                [("get: on two shards, one at a time", 1), ("get: on two shards, 64 at once", 64)]
            {
                let (sent, ended) = async_channel::bounded(tasks);
                let start = Instant::now();
                for task in 0..tasks {
                    let (cache, sent) = (cache.clone(), sent.clone());
                    rt::spawn(async move {
                        for n in 0..reads / tasks {
                            let number = (n * tasks + task).wrapping_mul(7_919) % scale.objects;
                            let namespace = format!("namespace-{:02}", number % 50);
                            let name = format!("web-6d4cf56db6-{:05}", number / 50);
                            let entry = cache.get(pods(), &namespace, &name, ReadAt::Latest).await;
                            assert!(entry.expect("read").is_some());
                        }
                        sent.send(()).await.expect("waited for");
                    });
                }
                for _ in 0..tasks {
                    ended.recv().await.expect("a task ends");
                }
                report(what, reads / tasks * tasks, start.elapsed());
            }
            let start = Instant::now();
            let rounds = (scale.reads / 40_000).max(1);
            for _ in 0..rounds {
                let page = cache.list(ListQuery::all(pods())).await.expect("list");
                assert_eq!(page.entries.len(), scale.objects);
            }
            report(
                "list: one of all pods, from two shards",
                rounds * scale.objects,
                start.elapsed(),
            );
            done.send(()).await.expect("the other shard waits");
        })
        .expect("shards start");
    assert!(shards.join().iter().all(Option::is_some), "a shard panicked");
}

const POD: &str = include_str!("data/deployment-pod.json");
