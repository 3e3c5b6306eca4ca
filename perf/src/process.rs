//! What a process has cost so far, from /proc.

use crate::Fault;
use serde::{Deserialize, Serialize};
use std::fs;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// How often memory is looked at while a load runs.
const SAMPLE_EVERY: Duration = Duration::from_millis(100);

/// CPU time (user and system) that a process has used since its start, all threads, dead ones too.
///
/// Source: proc_pid_stat(5), fields 14 and 15.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64, Fault> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))
        .map_err(|e| format!("process {pid}: {e}"))?;
    let ticks = cpu_ticks(&stat).ok_or_else(|| format!("process {pid}: unreadable stat"))?;
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// User and system ticks of a stat line; the name before them may hold anything but `)`.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// Resident memory of a process now, bytes.
pub(crate) fn resident_bytes(pid: u32) -> Result<u64, Fault> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .map_err(|e| format!("process {pid}: {e}"))?;
    resident(&status).ok_or_else(|| format!("process {pid}: no VmRSS").into())
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// What a load cost the processes that served it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// CPU seconds of the API server.
    pub(crate) server_cpu_seconds: f64,
    /// CPU seconds of the store beside it; none for a store inside the server.
    pub(crate) store_cpu_seconds: f64,
    /// The server's resident memory before the load, bytes.
    pub(crate) resident_before_bytes: u64,
    /// Its highest seen while the load ran, bytes.
    pub(crate) resident_peak_bytes: u64,
    /// Its resident memory at the end, bytes.
    pub(crate) resident_after_bytes: u64,
    /// Seconds since the start, and resident bytes then.
    pub(crate) resident_over_time: Vec<(f64, u64)>,
}

/// Measures processes from its start to its end; without processes it says nothing.
#[derive(Debug)]
pub(crate) struct Meter {
    server: Option<u32>,
    store: Option<u32>,
    server_before: f64,
    store_before: f64,
    resident_before: u64,
    sampler: Option<JoinHandle<()>>,
    samples: tokio::sync::watch::Receiver<Vec<(f64, u64)>>,
}

impl Meter {
    /// Begins. Fails if a process is gone.
    pub(crate) fn start(server: Option<u32>, store: Option<u32>) -> Result<Self, Fault> {
        let (sender, samples) = tokio::sync::watch::channel(Vec::new());
        let sampler = server.map(|pid| {
            tokio::spawn(async move {
                let start = Instant::now();
                while let Ok(bytes) = resident_bytes(pid) {
                    sender.send_modify(|all| all.push((start.elapsed().as_secs_f64(), bytes)));
                    tokio::time::sleep(SAMPLE_EVERY).await;
                }
            })
        });
        Ok(Self {
            server,
            store,
            server_before: server.map(cpu_seconds).transpose()?.unwrap_or(0.0),
            store_before: store.map(cpu_seconds).transpose()?.unwrap_or(0.0),
            resident_before: server.map(resident_bytes).transpose()?.unwrap_or(0),
            sampler,
            samples,
        })
    }

    /// Ends; `None` if no process is known. Fails if one is gone.
    pub(crate) fn stop(self) -> Result<Option<Usage>, Fault> {
        let Some(pid) = self.server else { return Ok(None) };
        if let Some(sampler) = &self.sampler {
            sampler.abort();
        }
        let server = cpu_seconds(pid)? - self.server_before;
        let store = self.store.map(cpu_seconds).transpose()?.unwrap_or(0.0) - self.store_before;
        let after = resident_bytes(pid)?;
        let over_time = self.samples.borrow().clone();
        let peak = over_time.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0);
        Ok(Some(Usage {
            server_cpu_seconds: server,
            store_cpu_seconds: store,
            resident_before_bytes: self.resident_before,
            resident_peak_bytes: peak.max(after),
            resident_after_bytes: after,
            resident_over_time: over_time,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_read_behind_a_name_with_spaces_and_brackets() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194304 1 0 0 0 30 12 0 0 20 0 1 0 5 0 0";
        assert_eq!(cpu_ticks(stat), Some(42));
        assert_eq!(cpu_ticks("7 (x) S 1"), None);
    }

    #[test]
    fn resident_memory_is_kibibytes() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t   2048 kB\n"), Some(2 << 20));
    }

    #[test]
    fn this_process_has_used_time_and_memory() {
        let pid = std::process::id();
        assert!(cpu_seconds(pid).is_ok_and(|seconds| seconds >= 0.0));
        assert!(resident_bytes(pid).is_ok_and(|bytes| bytes > 1 << 20));
    }
}
