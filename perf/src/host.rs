//! The machine a run was made on.

use serde::{Deserialize, Serialize};
use std::fs;

/// What a reader needs to know to compare figures.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Host {
    /// The processor's name.
    pub(crate) cpu: String,
    /// Cores that this process may use.
    pub(crate) cores: usize,
    /// Memory of the machine, bytes.
    pub(crate) memory_bytes: u64,
    /// Name, release and version of the kernel.
    pub(crate) kernel: String,
    /// Whether a hypervisor is below it.
    pub(crate) virtual_machine: bool,
    /// Load average of the last minute when the run began: other work on the machine.
    pub(crate) load_before: f64,
}

impl Host {
    /// Looks at this machine; what cannot be read stays empty or 0.
    pub(crate) fn look() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let loadavg = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let uname = rustix::system::uname();
        Self {
            cpu: field(&cpuinfo, "model name").unwrap_or("unknown").to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: field(&meminfo, "MemTotal")
                .and_then(|text| text.strip_suffix("kB")?.trim().parse::<u64>().ok())
                .unwrap_or(0)
                * 1024,
            kernel: format!(
                "{} {}",
                uname.sysname().to_string_lossy(),
                uname.release().to_string_lossy()
            ),
            virtual_machine: field(&cpuinfo, "flags")
                .is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            load_before: loadavg.split(' ').next().and_then(|it| it.parse().ok()).unwrap_or(0.0),
        }
    }

    /// A short name for folders: `2-core-vm`.
    pub(crate) fn kind(&self) -> String {
        format!("{}-core-{}", self.cores, if self.virtual_machine { "vm" } else { "metal" })
    }
}

/// The value of the first line `name : value`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then_some(value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "model\t: 1\nmodel name\t: Fast CPU\n";
        assert_eq!(field(text, "model name"), Some("Fast CPU"));
        assert_eq!(field(text, "name"), None);
    }
}
