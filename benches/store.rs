//! What a durable commit and a start cost: `cargo bench --bench store [-- CASE]`, with a part of a
//! case's name; on the device of TMPDIR. Without `--bench` (as under `cargo test --benches`) every
//! case runs once, small.
//!
//! CPU is the process's without the client's thread: the store's thread, fjall's worker and the
//! kernel's part of their writes and syncs; time spent waiting for the device does not count.

use bytes::Bytes;
use fjall::Database;
use fjall::KeyspaceCreateOptions;
use fjall::PersistMode;
use kubering::store::Expected;
use kubering::store::Handle;
use kubering::store::Item;
use kubering::store::Link;
use kubering::store::Opened;
use kubering::store::Options;
use kubering::store::Outcome;
use kubering::store::Request;
use kubering::store::Txn;
use kubering::store::Write;
use kubering::store::embedded;
use kubering::store::memory;
use rustix::time::ClockId;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use std::time::Instant;

/// As in the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Plain(Bytes, u64, Bytes);

impl Item for Plain {
    fn new(key: Bytes, revision: u64, value: Bytes) -> Self {
        Self(key, revision, value)
    }

    fn key(&self) -> &Bytes {
        &self.0
    }

    fn revision(&self) -> u64 {
        self.1
    }

    fn value(&self) -> &Bytes {
        &self.2
    }
}

/// How much of everything.
struct Size {
    keys: u64,
    patience: Duration,
    groups_max: u64,
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let full = arguments.iter().any(|argument| argument == "--bench");
    let case = arguments.iter().find(|argument| !argument.starts_with('-'));
    let wanted = |name: &str| case.is_none_or(|case| name.contains(case.as_str()));
    let size = if full {
        Size { keys: 100_000, patience: Duration::from_secs(4), groups_max: u64::MAX }
    } else {
        Size { keys: 1_000, patience: Duration::from_secs(4), groups_max: 3 }
    };
    // With a short history every commit also removes a record from the log, as in the long run.
    let mut short = Options::new(1);
    short.retention.events_max = 20_000;
    for bytes in [600, 2_000] {
        for in_flight in [1, 32, 256] {
            for (backend, options) in
                [("memory", &short), ("fresh", &Options::new(1)), ("steady", &short)]
            {
                let name = format!("{backend}/{bytes}/{in_flight}");
                if !wanted(&name) {
                    continue;
                }
                let place = directory();
                let (opened, handle) = match backend {
                    "memory" => memory::open(options),
                    _ => embedded::open(place.path(), options, &mut |_| ()),
                }
                .expect("opens");
                commits(&name, bytes, in_flight, &size, opened, &handle);
            }
        }
    }
    if wanted("load") {
        load(&size, directory().path());
    }
    for group in [1, 32, 256] {
        for mode in [PersistMode::Buffer, PersistMode::SyncData, PersistMode::SyncAll] {
            let name = format!("fjall-{mode:?}/2000/{group}");
            if wanted(&name) {
                fjall(&name, mode, group, &size, directory().path());
            }
        }
        let name = format!("file/2000/{group}");
        if wanted(&name) {
            file(&name, group, &size, directory().path());
        }
    }
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

fn cpu(clock: ClockId) -> Duration {
    let time = rustix::time::clock_gettime(clock);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

fn key(index: u64) -> Bytes {
    Bytes::from(format!("/registry/leases/kube-node-lease/node-{index:08}"))
}

/// Bytes this process has had written to devices.
fn device_bytes() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// A shard with so many writes waiting.
struct Client {
    link: Link<Plain>,
    revisions: Vec<u64>,
    waiting: u64,
    sent: u64,
}

impl Client {
    fn send(&mut self, index: u64, value: &Bytes) {
        let expected = match self.revisions[index as usize] {
            0 => Expected::Absent,
            revision => Expected::Revision(revision),
        };
        let write = Write::Put { value: value.clone(), ttl_seconds: None };
        let txn = Txn { key: key(index), expected, write };
        let request = Request::Commit { ticket: index, txn };
        self.link.requests.send_blocking((0, request)).expect("open");
        self.waiting += 1;
        self.sent += 1;
    }

    fn receive(&mut self) {
        let batch = self.link.batches.recv_blocking().expect("open");
        for (ticket, answer) in batch.answers {
            let Ok(Outcome::Applied { revision, .. }) = answer else { panic!("not applied") };
            self.revisions[ticket as usize] = revision;
            self.waiting -= 1;
        }
    }

    fn fill(&mut self, keys: u64, value: &Bytes) {
        for index in 0..keys {
            self.send(index, value);
            while self.waiting > 1_000 {
                self.receive();
            }
        }
        while self.waiting > 0 {
            self.receive();
        }
    }
}

/// Updates of keys in turn, `in_flight` at a time.
fn commits(
    name: &str,
    bytes: usize,
    in_flight: u64,
    size: &Size,
    opened: Opened<Plain>,
    handle: &Handle,
) {
    let link = opened.links.into_iter().next().expect("a link");
    let revisions = vec![0; usize::try_from(size.keys).expect("fits")];
    let mut client = Client { link, revisions, waiting: 0, sent: 0 };
    let value = Bytes::from(vec![b'v'; bytes]);
    client.fill(size.keys, &value);
    let health = handle.health();
    let figures = || {
        let groups = health.group_sizes.count();
        (groups, health.write_micros.sum(), health.sync_micros.sum(), health.commits.load(Relaxed))
    };
    let before = figures();
    let cpu_now = || cpu(ClockId::ProcessCPUTime).saturating_sub(cpu(ClockId::ThreadCPUTime));
    let (device_before, cpu_before, started) = (device_bytes(), cpu_now(), Instant::now());
    let mut rounds = 0;
    let mut next = 0;
    while started.elapsed() < size.patience && rounds < size.groups_max {
        for _ in 0..in_flight {
            client.send(next, &value);
            next = (next + 1) % size.keys;
        }
        while client.waiting > 0 {
            client.receive();
        }
        rounds += 1;
    }
    let (elapsed, cpu) = (started.elapsed(), cpu_now().saturating_sub(cpu_before));
    let after = figures();
    let (groups, commits) = (after.0 - before.0, after.3 - before.3);
    let each = |micros: u64| micros as f64 / groups as f64;
    println!(
        "{name:16} {:7.0} commits/s, {:6.2} us CPU/commit, {:5} B/commit, \
         group {:5.1}, write {:6.1} us/group, sync {:6.1} us/group",
        commits as f64 / elapsed.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / commits as f64,
        (device_bytes() - device_before) / commits,
        commits as f64 / groups as f64,
        each(after.1 - before.1),
        each(after.2 - before.2),
    );
}

/// Start of a store that was written in passing, and again from what fjall has made of it.
fn load(size: &Size, path: &Path) {
    let value = Bytes::from(vec![b'v'; 2_000]);
    let started = Instant::now();
    let (opened, handle) = embedded::open(path, &Options::new(1), &mut |_| ()).expect("opens");
    println!("made in {:.2?}", started.elapsed());
    let link = opened.links.into_iter().next().expect("a link");
    let revisions = vec![0; usize::try_from(size.keys).expect("fits")];
    let mut client = Client { link, revisions, waiting: 0, sent: 0 };
    let started = Instant::now();
    client.fill(size.keys, &value);
    println!("filled {} keys of 2,000 B in {:.2?}", size.keys, started.elapsed());
    handle.close().expect("closes");
    for _ in 0..3 {
        let (started, before) = (Instant::now(), cpu(ClockId::ProcessCPUTime));
        let (opened, handle) =
            embedded::open::<Plain>(path, &Options::new(1), &mut |_| ()).expect("opens");
        println!(
            "load {} keys of 2,000 B: {:.3?}, {:.3?} CPU",
            opened.state.len(),
            started.elapsed(),
            cpu(ClockId::ProcessCPUTime).saturating_sub(before)
        );
        drop(opened);
        handle.close().expect("closes");
    }
}

/// fjall alone: batches of fresh records.
fn fjall(name: &str, mode: PersistMode, group: u64, size: &Size, path: &Path) {
    let database = Database::builder(path).manual_journal_persist(true).worker_threads(1).open();
    let database = database.expect("opens");
    let keyspace = database.keyspace("log", KeyspaceCreateOptions::default).expect("opens");
    let mut revision = 0_u64;
    report(name, group, size, || {
        let mut batch = database.batch().durability(Some(mode));
        for _ in 0..group {
            revision += 1;
            batch.insert(&keyspace, revision.to_be_bytes(), vec![b'v'; 2_000]);
        }
        batch.commit().expect("writes");
    });
}

/// The floor: the same bytes appended to a file.
fn file(name: &str, group: u64, size: &Size, path: &Path) {
    let mut file = File::create(path.join("file")).expect("creates");
    file.set_len(64 * 1024 * 1024).expect("grows");
    let mut buffer = Vec::new();
    report(name, group, size, || {
        buffer.clear();
        for _ in 0..group {
            buffer.extend_from_slice(&vec![b'v'; 2_000]);
        }
        file.write_all(&buffer).expect("writes");
        file.sync_data().expect("syncs");
    });
}

fn report(name: &str, group: u64, size: &Size, mut write: impl FnMut()) {
    let (started, before) = (Instant::now(), cpu(ClockId::ProcessCPUTime));
    let mut rounds = 0;
    while started.elapsed() < size.patience / 2 && rounds < size.groups_max {
        write();
        rounds += 1;
    }
    let cpu = cpu(ClockId::ProcessCPUTime).saturating_sub(before);
    println!(
        "{name:24} {:7.1} us/group, {:6.2} us CPU/record",
        started.elapsed().as_secs_f64() * 1e6 / rounds as f64,
        cpu.as_secs_f64() * 1e6 / (rounds * group) as f64,
    );
}
