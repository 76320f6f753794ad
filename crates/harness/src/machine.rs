//! The facts about a machine that explain a measurement.

use std::fmt;
use std::fs;
use std::io;

use rustix::system::uname;
use serde::{Deserialize, Serialize};

use crate::pin::allowed_cores;

/// A machine, as far as it explains a measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name for itself.
    pub cpu_model: String,
    /// Logical CPUs that are online.
    pub cores: usize,
    /// Logical CPUs that this thread may run on.
    pub allowed_cores: usize,
    /// Kernel name and release.
    pub kernel: String,
    /// Installed memory, in bytes.
    pub memory_bytes: u64,
    /// Whether a hypervisor runs below: cores may move, and time may be stolen.
    pub virtual_machine: bool,
    /// When anonymous memory gets huge pages: `always`, `madvise`, `never` or `unknown`.
    pub huge_pages: String,
    /// The same for shared memory.
    pub shared_huge_pages: String,
}

impl Machine {
    /// Describes this machine. Facts that `/proc` and `/sys` lack are `unknown` or 0.
    ///
    /// # Errors
    /// What `sched_getaffinity` reports.
    pub fn this() -> io::Result<Self> {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let system = uname();
        let (name, release) = (system.sysname().to_string_lossy(), system.release().to_string_lossy());
        Ok(Self {
            cpu_model: field(&cpuinfo, "model name").unwrap_or("unknown").to_owned(),
            cores: cpuinfo.lines().filter(|line| line.starts_with("processor")).count(),
            allowed_cores: allowed_cores()?.len(),
            kernel: format!("{name} {release}"),
            memory_bytes: field(&meminfo, "MemTotal").and_then(kibibytes).unwrap_or(0),
            virtual_machine: field(&cpuinfo, "flags")
                .is_some_and(|flags| flags.split_ascii_whitespace().any(|flag| flag == "hypervisor")),
            huge_pages: chosen("/sys/kernel/mm/transparent_hugepage/enabled"),
            shared_huge_pages: chosen("/sys/kernel/mm/transparent_hugepage/shmem_enabled"),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gibibytes = self.memory_bytes as f64 / f64::from(1 << 30);
        let host = if self.virtual_machine { "virtual machine" } else { "no hypervisor" };
        write!(
            f,
            "{}, {} cores ({} allowed), {gibibytes:.1} GiB, {host}, {}, huge pages {} (shared {})",
            self.cpu_model,
            self.cores,
            self.allowed_cores,
            self.kernel,
            self.huge_pages,
            self.shared_huge_pages
        )
    }
}

/// The value of the first line `name : value`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.map(|(key, value)| (key.trim(), value.trim())).find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn kibibytes(value: &str) -> Option<u64> {
    value.strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The word in brackets: `always [madvise] never` is set to `madvise`.
fn chosen(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let bracketed = || Some(text.split_once('[')?.1.split_once(']')?.0);
    bracketed().unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_cores_memory_and_a_kernel() {
        let machine = Machine::this().unwrap();
        assert!(machine.cores >= machine.allowed_cores && machine.allowed_cores >= 1);
        assert!(machine.memory_bytes > 0);
        assert!(machine.to_string().contains(&machine.kernel));
    }

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "model\t\t: 17\nmodel name\t: A B: C\nMemTotal:       1024 kB\n";
        assert_eq!(field(text, "model name"), Some("A B: C"));
        assert_eq!(field(text, "MemTotal").and_then(kibibytes), Some(1 << 20));
        assert_eq!(field(text, "name"), None);
    }
}
