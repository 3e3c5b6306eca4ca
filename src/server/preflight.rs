//! What the machine must allow, checked before anything is opened or bound. Each failure is one
//! line that says what is wrong and what to do.

use crate::rt;
use rustix::process::Resource;
use rustix::process::Rlimit;
use rustix::process::getrlimit;
use rustix::process::setrlimit;
use std::fs;

/// The oldest kernel with all that the reactor uses.
const KERNEL_MIN: (u32, u32) = (5, 8);
/// Locked memory that the reactor wants to see allowed.
const MEMLOCK_BYTES_MIN: u64 = 512 * 1024;
/// Open files that the server can live with.
const OPEN_FILES_MIN: u64 = 1_024;
/// Where the system says whether io_uring is switched off.
const IO_URING_DISABLED: &str = "/proc/sys/kernel/io_uring_disabled";

/// Checks everything; raises the soft limits that may be raised.
///
/// # Errors
/// The line for the operator.
pub fn check(shards: usize) -> Result<(), String> {
    kernel(rustix::system::uname().release().to_string_lossy().as_ref())?;
    open_files()?;
    memlock(shards)?;
    io_uring()
}

/// The kernel's version, if it is new enough.
pub(in crate::server) fn kernel(release: &str) -> Result<(u32, u32), String> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        return Err(format!("kernel release {release:?} cannot be understood"));
    };
    if (major, minor) < KERNEL_MIN {
        let (min_major, min_minor) = KERNEL_MIN;
        return Err(format!(
            "kernel {release} is too old: kubering runs on io_uring and needs Linux \
             {min_major}.{min_minor} or newer"
        ));
    }
    Ok((major, minor))
}

/// Raises a soft limit to the hard one and tells what it is now; `None` for no limit.
fn raised(resource: Resource) -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(resource);
    if current != maximum {
        // If it is refused, the current value counts.
        setrlimit(resource, Rlimit { current: maximum, maximum }).ok();
    }
    getrlimit(resource).current
}

fn open_files() -> Result<(), String> {
    match raised(Resource::Nofile) {
        Some(files) if files < OPEN_FILES_MIN => Err(format!(
            "only {files} open files are allowed and at least {OPEN_FILES_MIN} are needed: raise \
             the hard limit (ulimit -Hn 65536, or LimitNOFILE=65536 in a systemd unit)"
        )),
        _ => Ok(()),
    }
}

fn memlock(shards: usize) -> Result<(), String> {
    let mut needed = MEMLOCK_BYTES_MIN;
    // Counted for every process of the user together, so less may be left than is allowed.
    if !locks_what_it_likes() {
        needed = needed.max(rt::LOCKED_BYTES_PER_SHARD.saturating_mul(shards as u64));
    }
    match raised(Resource::Memlock) {
        Some(allowed) if allowed < needed => Err(format!(
            "only {} KiB of locked memory are allowed and the rings of {shards} shards need {} \
             KiB: raise the limit (ulimit -l {1}, LimitMEMLOCK={1}K in a systemd unit, --ulimit \
             memlock={} for a container), or run fewer shards (--shards={})",
            allowed / 1024,
            needed / 1024,
            needed,
            (allowed / rt::LOCKED_BYTES_PER_SHARD).max(1)
        )),
        _ => Ok(()),
    }
}

/// True if the limit on locked memory does not count for this process (CAP_IPC_LOCK).
pub(in crate::server) fn locks_what_it_likes() -> bool {
    let sets = rustix::thread::capabilities(None);
    sets.is_ok_and(|sets| sets.effective.contains(rustix::thread::CapabilitySet::IPC_LOCK))
}

fn io_uring() -> Result<(), String> {
    let switch = fs::read_to_string(IO_URING_DISABLED).unwrap_or_default();
    let is_root = rustix::process::geteuid().is_root();
    match switch.trim() {
        "2" => {
            return Err("io_uring is switched off on this machine: sysctl -w \
                        kernel.io_uring_disabled=0"
                .to_owned());
        }
        "1" if !is_root => {
            return Err("io_uring is switched off for ordinary users on this machine: sysctl -w \
                        kernel.io_uring_disabled=0, or add the user to the group of \
                        kernel.io_uring_group"
                .to_owned());
        }
        _ => {}
    }
    rt::probe().map_err(|message| {
        format!(
            "io_uring cannot be used ({message}): in a container, allow io_uring_setup, \
             io_uring_enter and io_uring_register in its seccomp profile (or run it with \
             --security-opt seccomp=unconfined)"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_kernels_are_refused_by_name() {
        assert_eq!(kernel("6.18.44-fc-v657"), Ok((6, 18)));
        assert_eq!(kernel("5.8.0"), Ok((5, 8)));
        assert!(kernel("5.4.0-42-generic").expect_err("too old").contains("5.4.0-42-generic"));
        assert!(kernel("4.19").is_err());
        assert!(kernel("unknown").is_err());
    }

    #[test]
    fn this_machine_passes() {
        assert_eq!(check(1), Ok(()));
    }
}
