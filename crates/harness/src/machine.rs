//! The facts about a machine that explain a measurement.
#![allow(unsafe_code, reason = "the version of the C library")]

use std::collections::{BTreeMap, BTreeSet};
#[cfg(target_env = "gnu")]
use std::ffi::CStr;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::system::uname;
use serde::{Deserialize, Serialize};

use crate::pin::allowed_cores;

/// The commit from which the calling crate was compiled, marked if a file differed from it.
/// `unknown` outside a repository.
#[macro_export]
macro_rules! commit {
    () => {
        $crate::git_version::git_version!(
            args = ["--always", "--abbrev=12", "--exclude=*", "--dirty=, with changes"],
            fallback = "unknown"
        )
    };
}

/// A machine, as far as it explains a measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name for itself.
    pub cpu_model: String,
    /// Its family, model and stepping, which a name like `AMD EPYC` leaves open.
    #[serde(default)]
    pub cpu_family_model_stepping: [String; 3],
    /// The caches of the first core, as `L1d 32K`.
    #[serde(default)]
    pub caches: Vec<String>,
    /// What governs the clock rate; `unknown` in most virtual machines.
    #[serde(default)]
    pub governor: String,
    /// What the kernel does against flaws of the processor, by flaw; without those that it does not
    /// have.
    #[serde(default)]
    pub mitigations: BTreeMap<String, String>,
    /// The C library, and its version.
    #[serde(default)]
    pub libc: String,
    /// The compiler that built this program, its target, profile and flags.
    #[serde(default)]
    pub built: String,
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
        let named = |name| field(&cpuinfo, name).unwrap_or("unknown").to_owned();
        let (name, release) = (system.sysname().to_string_lossy(), system.release().to_string_lossy());
        Ok(Self {
            cpu_model: named("model name"),
            cpu_family_model_stepping: ["cpu family", "model", "stepping"].map(named),
            caches: caches(),
            governor: read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            mitigations: mitigations(),
            libc: libc_version(),
            built: env!("HARNESS_BUILT").into(),
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
            "{} (family, model, stepping {}), {} cores ({} allowed), {}, {gibibytes:.1} GiB, {host}, {}, {}, huge pages \
             {} (shared {}), governor {}; {}",
            self.cpu_model,
            self.cpu_family_model_stepping.join(", "),
            self.cores,
            self.allowed_cores,
            self.caches.join(", "),
            self.kernel,
            self.libc,
            self.huge_pages,
            self.shared_huge_pages,
            self.governor,
            self.built
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

/// The only line of a file; `unknown` without one.
fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).map_or_else(|_| "unknown".into(), |text| text.trim().to_owned())
}

/// The files of a directory, in the order of their names.
fn files(directory: &str) -> BTreeSet<PathBuf> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn caches() -> Vec<String> {
    let caches = files("/sys/devices/system/cpu/cpu0/cache").into_iter();
    let caches = caches.filter(|path| path.join("level").exists()).map(|path| {
        let of = |name| read(path.join(name));
        let kind = match &*of("type") {
            "Data" => "d",
            "Instruction" => "i",
            _ => "",
        };
        format!("L{}{kind} {}", of("level"), of("size"))
    });
    caches.collect()
}

fn mitigations() -> BTreeMap<String, String> {
    let flaws = files("/sys/devices/system/cpu/vulnerabilities").into_iter();
    let flaws =
        flaws.filter_map(|path| Some((path.file_name()?.to_string_lossy().into_owned(), read(&path))));
    flaws.filter(|(_, state)| state != "Not affected").collect()
}

fn libc_version() -> String {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: the function takes nothing and returns a string of the library, which stays.
        let version = unsafe { CStr::from_ptr(libc::gnu_get_libc_version()) };
        format!("glibc {}", version.to_string_lossy())
    }
    #[cfg(not(target_env = "gnu"))]
    {
        "unknown".into()
    }
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
        assert!(machine.built.starts_with("rustc 1.") && machine.built.contains("profile"), "{machine}");
        assert!(machine.mitigations.values().all(|state| state != "Not affected"));
    }

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "model\t\t: 17\nmodel name\t: A B: C\nMemTotal:       1024 kB\n";
        assert_eq!(field(text, "model name"), Some("A B: C"));
        assert_eq!(field(text, "MemTotal").and_then(kibibytes), Some(1 << 20));
        assert_eq!(field(text, "name"), None);
    }
}
