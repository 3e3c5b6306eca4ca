//! `kubering tune --check`: what this machine is set to, against what helps on a master node
//! (`tuning/README.md` has a row for each of these checks).

use crate::rt;
use crate::server::preflight;
use rustix::process::Resource;
use rustix::process::getrlimit;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

/// What is found of one setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Nothing to do.
    Good,
    /// A change may help; nothing is wrong.
    Could,
    /// A change is called for: under load this costs latency or connections.
    Should,
    /// The server does not start like this.
    Must,
}

impl Grade {
    const fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Could => "could",
            Self::Should => "should",
            Self::Must => "MUST",
        }
    }

    /// The exit code of a report whose worst is this: 0, 1, or 3 as at start.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Good | Self::Could => 0,
            Self::Should => 1,
            Self::Must => 3,
        }
    }
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    /// Its row in `tuning/README.md`.
    name: &'static str,
    grade: Grade,
    /// What it is, and what to do if that is not good.
    text: String,
}

/// Every check, by its row in `tuning/README.md`.
pub const NAMES: [&str; 16] = [
    "kernel",
    "io_uring",
    "memlock",
    "nofile",
    "cores",
    "cpu quota",
    "governor",
    "clock source",
    "interrupts",
    "isolated cores",
    "accept queue",
    "busy polling",
    "idle connections",
    "huge pages",
    "NUMA",
    "swap",
];

const NOFILE_MIN: u64 = 65_536;
const NOFILE_START_MIN: u64 = 1_024;
const ACCEPT_QUEUE_MIN: u64 = 4_096;
/// From here on rings take completions without waking a task (`IORING_SETUP_DEFER_TASKRUN`).
const KERNEL_GOOD: (u32, u32) = (6, 1);

/// A machine as its files and limits tell.
#[derive(Debug)]
struct Machine {
    /// Where `/proc` and `/sys` are looked for.
    root: PathBuf,
    release: String,
    shards: usize,
    cores: usize,
    /// Hard limits; `None` for none.
    nofile: Option<u64>,
    memlock: Option<u64>,
    /// The limit on locked memory does not count.
    locks_freely: bool,
    is_root: bool,
}

/// The report as text, and the worst of what was found. `shards` is how many would run.
#[must_use]
pub fn check(shards: usize) -> (String, Grade) {
    let machine = Machine {
        root: PathBuf::from("/"),
        release: rustix::system::uname().release().to_string_lossy().into_owned(),
        shards,
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        nofile: getrlimit(Resource::Nofile).maximum,
        memlock: getrlimit(Resource::Memlock).maximum,
        locks_freely: preflight::locks_what_it_likes(),
        is_root: rustix::process::geteuid().is_root(),
    };
    machine.report()
}

impl Machine {
    fn report(&self) -> (String, Grade) {
        let findings = self.findings();
        let mut text = String::new();
        let mut worst = Grade::Good;
        for Finding { name, grade, text: found } in &findings {
            worst = worst.max(*grade);
            writeln!(text, "{:<7} {name:<17} {found}", grade.word()).ok();
        }
        let count = |grade| findings.iter().filter(|finding| finding.grade == grade).count();
        let counts = [Grade::Must, Grade::Should, Grade::Could].map(count);
        let [must, should, could] = counts;
        writeln!(text, "\n{must} must, {should} should, {could} could be changed").ok();
        (text, worst)
    }

    fn findings(&self) -> Vec<Finding> {
        let checks = [
            self.kernel(),
            self.io_uring(),
            self.memlock(),
            self.nofile(),
            self.cores(),
            self.quota(),
            self.governor(),
            self.clock_source(),
            self.interrupts(),
            self.isolated(),
            self.accept_queue(),
            self.busy_poll(),
            self.slow_start(),
            self.huge_pages(),
            self.numa(),
            self.swap(),
        ];
        let named = NAMES.into_iter().zip(checks);
        named.map(|(name, (grade, text))| Finding { name, grade, text }).collect()
    }

    /// A file's text without the line end; "" if it cannot be read.
    fn file(&self, path: &str) -> String {
        let text = fs::read_to_string(self.root.join(path)).unwrap_or_default();
        text.trim_end().to_owned()
    }

    fn number(&self, path: &str) -> Option<u64> {
        self.file(path).parse().ok()
    }

    fn kernel(&self) -> (Grade, String) {
        let release = &self.release;
        match preflight::kernel(release) {
            Err(why) => (Grade::Must, why),
            Ok(version) if version < KERNEL_GOOD => {
                let (major, minor) = KERNEL_GOOD;
                let text = format!("{release}: {major}.{minor} and later serve rings cheaper");
                (Grade::Could, text)
            }
            Ok(_) => (Grade::Good, release.clone()),
        }
    }

    fn io_uring(&self) -> (Grade, String) {
        match self.file("proc/sys/kernel/io_uring_disabled").as_str() {
            "2" => (Grade::Must, "switched off: sysctl -w kernel.io_uring_disabled=0".to_owned()),
            "1" if !self.is_root => {
                let text = "switched off for this user: sysctl -w kernel.io_uring_disabled=0";
                (Grade::Must, text.to_owned())
            }
            _ => (Grade::Good, "allowed".to_owned()),
        }
    }

    fn memlock(&self) -> (Grade, String) {
        let needed = rt::LOCKED_BYTES_PER_SHARD.saturating_mul(self.shards as u64);
        match self.memlock {
            None => (Grade::Good, "unlimited".to_owned()),
            Some(_) if self.locks_freely => {
                (Grade::Good, "does not count for this user (CAP_IPC_LOCK)".to_owned())
            }
            Some(bytes) if bytes < needed => {
                let (kib, shards) = (needed / 1024, self.shards);
                let text = format!(
                    "{} KiB, the rings of {shards} shards need {kib}: LimitMEMLOCK=infinity",
                    bytes / 1024
                );
                (Grade::Must, text)
            }
            Some(bytes) => (Grade::Good, format!("{} KiB", bytes / 1024)),
        }
    }

    fn nofile(&self) -> (Grade, String) {
        match self.nofile {
            None => (Grade::Good, "unlimited".to_owned()),
            Some(files) if files >= NOFILE_MIN => (Grade::Good, files.to_string()),
            Some(files) => {
                let grade = if files < NOFILE_START_MIN { Grade::Must } else { Grade::Should };
                let text = format!(
                    "{files}: each connection takes one and each node has several; \
                     LimitNOFILE=1048576"
                );
                (grade, text)
            }
        }
    }

    fn cores(&self) -> (Grade, String) {
        let Self { shards, cores, .. } = self;
        if shards > cores {
            let text = format!("{shards} shards on {cores} cores wait for each other: --shards");
            return (Grade::Should, text);
        }
        (Grade::Good, format!("{cores}, for {shards} shards"))
    }

    /// A quota stops all threads until its period is over.
    fn quota(&self) -> (Grade, String) {
        let text = self.file("sys/fs/cgroup/cpu.max");
        match text.split_once(' ') {
            Some((quota, period)) if quota != "max" => {
                let text = format!(
                    "{quota} of each {period} µs: when it is used up every shard stands still; \
                     give cores instead (cpuset)"
                );
                (Grade::Should, text)
            }
            _ => (Grade::Good, "none".to_owned()),
        }
    }

    fn governor(&self) -> (Grade, String) {
        let name = self.file("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
        match name.as_str() {
            "" => (Grade::Good, "none, the machine does not scale its clock".to_owned()),
            "performance" => (Grade::Good, name),
            _ => {
                let text = format!("{name}: cpupower frequency-set -g performance");
                (Grade::Could, text)
            }
        }
    }

    /// Each request reads the clock several times.
    fn clock_source(&self) -> (Grade, String) {
        let path = "sys/devices/system/clocksource/clocksource0/current_clocksource";
        let name = self.file(path);
        match name.as_str() {
            "tsc" | "kvm-clock" | "arch_sys_counter" | "" => (Grade::Good, name),
            "hyperv_clocksource_tsc_page" => (Grade::Good, name),
            _ => {
                let text =
                    format!("{name}: reading it is a system call; choose tsc if it is there");
                (Grade::Should, text)
            }
        }
    }

    fn interrupts(&self) -> (Grade, String) {
        if self.runs("irqbalance") {
            let text = "irqbalance moves them: stop it and set /proc/irq/*/smp_affinity_list to \
                        the shards' cores";
            return (Grade::Could, text.to_owned());
        }
        (Grade::Good, "no irqbalance".to_owned())
    }

    /// Whether a process of this name runs.
    fn runs(&self, name: &str) -> bool {
        let processes = fs::read_dir(self.root.join("proc")).into_iter().flatten().flatten();
        let is = |entry: fs::DirEntry| {
            let comm = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            comm.trim_end() == name
        };
        processes.into_iter().any(is)
    }

    fn isolated(&self) -> (Grade, String) {
        match self.file("sys/devices/system/cpu/isolated").as_str() {
            "" => {
                let text = "none: whatever else runs here delays shards; isolcpus= or a cpuset";
                (Grade::Could, text.to_owned())
            }
            cores => (Grade::Good, cores.to_owned()),
        }
    }

    fn accept_queue(&self) -> (Grade, String) {
        match self.number("proc/sys/net/core/somaxconn") {
            Some(queue) if queue < ACCEPT_QUEUE_MIN => {
                let text = format!(
                    "{queue}: clients that all come back at once are dropped; sysctl -w \
                     net.core.somaxconn={ACCEPT_QUEUE_MIN}"
                );
                (Grade::Should, text)
            }
            Some(queue) => (Grade::Good, queue.to_string()),
            None => (Grade::Good, "not shown".to_owned()),
        }
    }

    fn busy_poll(&self) -> (Grade, String) {
        match self.number("proc/sys/net/core/busy_poll").unwrap_or(0) {
            0 => {
                let text = "off: sysctl -w net.core.busy_poll=50 trades idle CPU for latency";
                (Grade::Could, text.to_owned())
            }
            micros => (Grade::Good, format!("{micros} µs")),
        }
    }

    /// Watches send after long silence.
    fn slow_start(&self) -> (Grade, String) {
        match self.number("proc/sys/net/ipv4/tcp_slow_start_after_idle") {
            Some(0) | None => (Grade::Good, "keep their window".to_owned()),
            Some(_) => {
                let text = "start slowly again: sysctl -w net.ipv4.tcp_slow_start_after_idle=0 \
                            helps watches to distant nodes";
                (Grade::Could, text.to_owned())
            }
        }
    }

    fn huge_pages(&self) -> (Grade, String) {
        let text = self.file("sys/kernel/mm/transparent_hugepage/enabled");
        let chosen = text.split('[').nth(1).and_then(|rest| rest.split(']').next());
        match chosen {
            Some("always") => {
                let text = "always: memory grows in 2 MiB steps; madvise leaves it to programs";
                (Grade::Could, text.to_owned())
            }
            Some(other) => (Grade::Good, other.to_owned()),
            None => (Grade::Good, "not there".to_owned()),
        }
    }

    fn numa(&self) -> (Grade, String) {
        match self.file("sys/devices/system/node/online").as_str() {
            "" | "0" => (Grade::Good, "one node".to_owned()),
            nodes => {
                let text = format!(
                    "nodes {nodes}: shards of one node share memory faster; numactl \
                     --cpunodebind=0 --membind=0"
                );
                (Grade::Could, text)
            }
        }
    }

    fn swap(&self) -> (Grade, String) {
        // One line is the heading.
        if self.file("proc/swaps").lines().count() > 1 {
            let text = "on: a page of the cache that is swapped out stops its shard; swapoff -a";
            return (Grade::Should, text.to_owned());
        }
        (Grade::Good, "off".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Machine) {
        let directory = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let machine = Machine {
            root: directory.path().to_owned(),
            release: "6.12.0".to_owned(),
            shards: 2,
            cores: 2,
            nofile: Some(1_048_576),
            memlock: None,
            locks_freely: false,
            is_root: false,
        };
        (directory, machine)
    }

    fn graded(machine: &Machine, grade: Grade) -> Vec<&'static str> {
        let findings = machine.findings().into_iter();
        findings.filter(|finding| finding.grade == grade).map(|finding| finding.name).collect()
    }

    #[test]
    fn a_tuned_machine_has_nothing_to_change() {
        let (_files, machine) = machine(&[
            ("proc/sys/net/core/somaxconn", "4096\n"),
            ("proc/sys/net/core/busy_poll", "50\n"),
            ("proc/sys/net/ipv4/tcp_slow_start_after_idle", "0\n"),
            ("proc/swaps", "Filename Type Size Used Priority\n"),
            ("sys/devices/system/cpu/isolated", "1-3\n"),
            ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n"),
            ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
            ("sys/fs/cgroup/cpu.max", "max 100000\n"),
        ]);
        let (text, worst) = machine.report();
        assert_eq!(worst, Grade::Good, "{text}");
        assert!(text.ends_with("0 must, 0 should, 0 could be changed\n"), "{text}");
    }

    #[test]
    fn what_costs_under_load_is_told_with_its_remedy() {
        let (_files, machine) = machine(&[
            ("proc/sys/net/core/somaxconn", "128\n"),
            ("proc/swaps", "Filename Type Size Used Priority\nswapfile file 1 0 -2\n"),
            ("proc/7/comm", "irqbalance\n"),
            ("sys/fs/cgroup/cpu.max", "50000 100000\n"),
            ("sys/devices/system/node/online", "0-1\n"),
        ]);
        assert_eq!(graded(&machine, Grade::Should), ["cpu quota", "accept queue", "swap"]);
        let could = graded(&machine, Grade::Could);
        assert_eq!(could, ["interrupts", "isolated cores", "busy polling", "NUMA"]);
        let (text, worst) = machine.report();
        assert!(text.contains("sysctl -w net.core.somaxconn=4096"), "{text}");
        assert_eq!(worst.exit_code(), 1);
    }

    #[test]
    fn what_keeps_the_server_from_starting_is_a_must() {
        let (_files, mut machine) = machine(&[("proc/sys/kernel/io_uring_disabled", "1\n")]);
        machine.release = "5.4.0".to_owned();
        (machine.memlock, machine.nofile, machine.shards) = (Some(64 * 1024), Some(512), 4);
        assert_eq!(graded(&machine, Grade::Must), ["kernel", "io_uring", "memlock", "nofile"]);
        assert_eq!(graded(&machine, Grade::Should), ["cores"]);
        assert_eq!(machine.report().1.exit_code(), 3);
        (machine.is_root, machine.locks_freely) = (true, true);
        assert_eq!(graded(&machine, Grade::Must), ["kernel", "nofile"]);
    }
}
