//! Starting executors: one thread for each shard, pinned to a core.

use super::executor::Shard;
use glommio::LocalExecutor;
use glommio::LocalExecutorBuilder;
use std::fmt;
use std::future::Future;
use std::thread::JoinHandle;

/// Bytes of glommio's registered I/O memory: its smallest. It is only used for direct disk access,
/// which shards do not do, and it counts (three times) against RLIMIT_MEMLOCK.
const IO_MEMORY_BYTES: usize = 64 * 1024;
/// Entries of each of glommio's three rings, which are not used either.
const RING_DEPTH: usize = 8;
/// Locked memory that one shard's rings and their registered memory count for at most, where the
/// kernel counts them (not with CAP_IPC_LOCK): measured, 34 shards start within 8 MiB and the 35th
/// does not.
pub const LOCKED_BYTES_PER_SHARD: u64 = 241 * 1024;
/// Bytes of a shard's stack. Only what was once used takes memory.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// Where shard threads run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// Shard n on the n-th core this process may use, going round.
    Pinned,
    /// Wherever the kernel puts them.
    Unpinned,
}

/// Why shards could not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartError {
    /// Which shard.
    pub shard: usize,
    /// What the system said.
    pub message: String,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard {} cannot start: {}", self.shard, self.message)
    }
}

impl std::error::Error for StartError {}

/// The cores this process may use (`sched_getaffinity`); at least one.
#[must_use]
pub fn cores() -> Vec<usize> {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    if cores.is_empty() { vec![0] } else { cores.into_iter().map(|core| core.id).collect() }
}

/// Running shards.
#[derive(Debug)]
pub struct Shards<T> {
    threads: Vec<JoinHandle<Option<T>>>,
}

impl<T> Shards<T> {
    /// Waits for all of them; `None` for one that panicked.
    #[must_use]
    pub fn join(self) -> Vec<Option<T>> {
        self.threads.into_iter().map(|thread| thread.join().ok().flatten()).collect()
    }
}

/// Starts one executor for each seed and runs `main(shard, seed)` on it. Returns once every
/// executor exists, so a failure (memory, kernel) is known before anything is served.
///
/// # Errors
/// The first executor that could not be made; the others end without having run.
pub fn run_shards<S, F, Fut, T>(
    placement: Placement,
    seeds: Vec<S>,
    main: F,
) -> Result<Shards<T>, StartError>
where
    S: Send + 'static,
    F: Fn(usize, S) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = T> + 'static,
    T: Send + 'static,
{
    let cores = cores();
    let mut threads = Vec::with_capacity(seeds.len());
    let mut starts = Vec::with_capacity(seeds.len());
    for (shard, seed) in seeds.into_iter().enumerate() {
        let core = match placement {
            Placement::Pinned => cores.get(shard % cores.len()).copied(),
            Placement::Unpinned => None,
        };
        let (made_tx, made_rx) = async_channel::bounded(1);
        let (go_tx, go_rx) = async_channel::bounded::<()>(1);
        let main = main.clone();
        let thread = std::thread::Builder::new().name(format!("shard-{shard}"));
        let thread = thread.stack_size(STACK_BYTES).spawn(move || {
            if let Some(core) = core {
                core_affinity::set_for_current(core_affinity::CoreId { id: core });
            }
            match Host::new() {
                Ok(host) => {
                    made_tx.send_blocking(Ok(())).ok()?;
                    go_rx.recv_blocking().ok()?;
                    Some(host.run(main(shard, seed)))
                }
                Err(message) => {
                    made_tx.send_blocking(Err(message)).ok()?;
                    None
                }
            }
        });
        threads.push(thread.map_err(|e| StartError { shard, message: e.to_string() })?);
        match made_rx.recv_blocking() {
            Ok(Ok(())) => starts.push(go_tx),
            Ok(Err(message)) => return Err(StartError { shard, message }),
            Err(_) => return Err(StartError { shard, message: "it panicked".to_owned() }),
        }
    }
    for go in starts {
        go.send_blocking(()).ok();
    }
    Ok(Shards { threads })
}

/// Runs a future on an executor of its own on this thread; for tests and tools.
///
/// # Panics
/// When no executor can be made.
#[expect(clippy::expect_used, reason = "stated in the contract")]
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    Host::new().expect("an executor").run(future)
}

/// Tries whether an executor can be made at all; for use before anything else runs.
///
/// # Errors
/// What the system said.
pub fn probe() -> Result<(), String> {
    // The library below panics where the kernel refuses a ring; that is an answer here, not a bug,
    // so nothing of it is printed.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let tried = std::thread::Builder::new()
        .name("probe".to_owned())
        .spawn(|| Host::new().map(drop))
        .map(JoinHandle::join);
    std::panic::set_hook(hook);
    match tried {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err("the kernel refuses it".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// A shard in glommio's executor.
struct Host {
    // Dropped first: its tasks may use it.
    shard: Shard,
    executor: LocalExecutor,
}

impl Host {
    fn new() -> Result<Self, String> {
        let executor = LocalExecutorBuilder::new(glommio::Placement::Unbound)
            .io_memory(IO_MEMORY_BYTES)
            .ring_depth(RING_DEPTH)
            .make()
            .map_err(|e| e.to_string())?;
        Ok(Self { shard: Shard::new().map_err(|e| e.to_string())?, executor })
    }

    fn run<T>(self, future: impl Future<Output = T>) -> T {
        let Self { shard, executor } = self;
        // Never gives glommio its turn: what would need it does not exist on a shard.
        executor.run(async move { shard.run(future) })
    }
}
