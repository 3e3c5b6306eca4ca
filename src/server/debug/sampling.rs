//! Samples of where the process spends its CPU, taken while somebody asks for them and at no other
//! time.
//!
//! A timer of the kernel counts the CPU time of all threads and interrupts the one that runs; the
//! handler of that signal walks its stack (`pprof`). Nothing in it allocates or takes a lock, as
//! long as the unwinder does not, which [`can_walk`] looks for. System calls that wait are begun
//! again: a shard takes an interrupted ring for an empty one.

use super::profile::Form;
use super::stacks::{Frame, Profile, Stack, folded};
use crate::base::hash::HashMap;
use pprof::ProfilerGuardBuilder;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Samples in each second of CPU time; prime, so that nothing periodic keeps in step with it.
const SAMPLES_A_SECOND: i32 = 199;
/// What the unwinder finds its tables by from GCC 12 on with glibc 2.35 and later, without a lock.
const LOCK_FREE: &[u8] = b"_dl_find_object";
/// The handler of the signal.
const HANDLER: &str = "perf_signal_handler";
/// Why none was taken when another is being taken, as Go says it.
const IN_USE: &str = "Could not enable CPU profiling: cpu profiling already in use\n";

/// Why no profile was taken.
#[derive(Debug)]
pub(super) enum Refused {
    /// It failed this time.
    Failed(String),
    /// It cannot be done on this machine.
    Unsafe(String),
}

/// Samples for a while, on a thread of its own, and answers the profile in its form.
pub(super) async fn take(time: Duration, form: Form) -> Result<Vec<u8>, Refused> {
    let (done, taken) = async_channel::bounded(1);
    let failed = |error: &dyn std::error::Error| Refused::Failed(format!("{error}\n"));
    std::thread::Builder::new()
        .name("profile".to_owned())
        .spawn(move || {
            // Whoever asked may have gone.
            drop(done.send_blocking(sample(time).and_then(|profile| encode(&profile, form))));
        })
        .map_err(|error| failed(&error))?;
    taken.recv().await.map_err(|error| failed(&error))?
}

fn sample(time: Duration) -> Result<Profile, Refused> {
    can_walk()?;
    let builder = ProfilerGuardBuilder::default().frequency(SAMPLES_A_SECOND);
    let guard = builder.build().map_err(|error| match error {
        pprof::Error::Running => Refused::Failed(IN_USE.to_owned()),
        other => Refused::Failed(format!("Could not enable CPU profiling: {other}\n")),
    })?;
    let (began, deadline) = (SystemTime::now(), Instant::now() + time);
    while let Some(left) = deadline.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
    let report = guard.report().build_unresolved();
    // Names take their time, and nobody is interrupted meanwhile.
    drop(guard);
    let report = report.map_err(|error| Refused::Failed(format!("{error}\n")))?;
    let mut names = Names::default();
    let stacks = report.data.iter().map(|(sample, count)| {
        let thread = sample.thread_name.get(..sample.thread_name_length).unwrap_or_default();
        Stack {
            thread: String::from_utf8_lossy(thread).into_owned(),
            frames: names.of(&sample.frames),
            count: i64::try_from(*count).unwrap_or(0),
        }
    });
    let stacks = stacks.collect();
    backtrace::clear_symbol_cache();
    let nanos = began.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    Ok(Profile {
        stacks,
        began_nanos: i64::try_from(nanos).unwrap_or(i64::MAX),
        lasted: time,
        period: Duration::from_secs(1) / SAMPLES_A_SECOND.unsigned_abs(),
    })
}

/// The functions at addresses, each looked up once.
#[derive(Debug, Default)]
struct Names(HashMap<usize, Rc<[Frame]>>);

impl Names {
    /// The functions of a stack, the innermost first, without those of the signal's handler.
    fn of(&mut self, stack: &[backtrace::Frame]) -> Vec<Frame> {
        let named: Vec<_> = stack.iter().map(|frame| self.at(frame)).collect();
        let is_handler = |frames: &Rc<[Frame]>| frames.iter().any(|frame| frame.name == HANDLER);
        // Behind the handler comes what the kernel has put between it and who was interrupted.
        let skipped = named.iter().position(is_handler).map_or(0, |at| at + 2);
        named.iter().skip(skipped).flat_map(|frames| frames.iter().cloned()).collect()
    }

    /// Several where functions are inlined.
    fn at(&mut self, frame: &backtrace::Frame) -> Rc<[Frame]> {
        let address = frame.ip() as usize;
        let named = self.0.entry(address).or_insert_with(|| {
            let mut found = Vec::new();
            backtrace::resolve_frame(frame, |symbol| {
                let name = symbol.name().map(|name| format!("{name:#}"));
                let file = symbol.filename().map(|path| path.display().to_string());
                found.push(Frame {
                    name: name.unwrap_or_else(|| format!("{address:#x}")),
                    file: file.unwrap_or_default(),
                    line: symbol.lineno().map_or(0, i64::from),
                });
            });
            if found.is_empty() {
                let name = format!("{address:#x}");
                found.push(Frame { name, file: String::new(), line: 0 });
            }
            found.into()
        });
        Rc::clone(named)
    }
}

fn encode(profile: &Profile, form: Form) -> Result<Vec<u8>, Refused> {
    let failed = |error: std::io::Error| Refused::Failed(format!("{error}\n"));
    match form {
        Form::Pprof => profile.encode().map_err(failed),
        Form::Flamegraph => {
            let lines = folded(&profile.stacks);
            if lines.is_empty() {
                let text = "no sample was taken: the process did nothing meanwhile\n";
                return Err(Refused::Failed(text.to_owned()));
            }
            let mut options = inferno::flamegraph::Options::default();
            options.title = "kubering".to_owned();
            let mut svg = Vec::new();
            let drawn = inferno::flamegraph::from_lines(
                &mut options,
                lines.iter().map(String::as_str),
                &mut svg,
            );
            drawn.map_err(failed)?;
            Ok(svg)
        }
    }
}

/// Whether stacks can be walked inside of a signal handler. Unwinders of old find their tables
/// under a lock of the loader: a thread that was interrupted with it would stand still for ever.
fn can_walk() -> Result<(), Refused> {
    let unwinder = unwinder().map_err(|error| Refused::Unsafe(format!("{error}\n")))?;
    let Some(path) = unwinder else {
        return Err(Refused::Unsafe("the unwinder, libgcc_s.so, is not loaded\n".to_owned()));
    };
    let library = std::fs::read(&path)
        .map_err(|error| Refused::Unsafe(format!("{}: {error}\n", path.display())))?;
    if library.windows(LOCK_FREE.len()).any(|part| part == LOCK_FREE) {
        return Ok(());
    }
    let path = path.display();
    Err(Refused::Unsafe(format!("{path} walks stacks under a lock; GCC 12's and later do not\n")))
}

/// The library that walks stacks, as it is loaded.
fn unwinder() -> std::io::Result<Option<PathBuf>> {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let mut paths = maps.lines().filter_map(|line| line.split_ascii_whitespace().nth(5));
    Ok(paths.find(|path| path.contains("/libgcc_s.so")).map(PathBuf::from))
}
