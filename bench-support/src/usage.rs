//! CPU time, context switches and page faults: what a measurement costs besides its wall time.
//!
//! A voluntary switch is a sleep (a futex wait, a timer); an involuntary one is a preemption. A reader that
//! spins shows the latter, one that waits well shows the former and next to no CPU time.
#![allow(unsafe_code, reason = "getrusage has no safe wrapper in rustix")]

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

/// Whose usage is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// All threads of this process, also those that have ended.
    Process,
    /// The calling thread.
    Thread,
    /// The children of this process that have ended *and* were waited for, with their own such children.
    Children,
}

/// What the kernel has counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time in user code.
    pub user: Duration,
    /// CPU time in the kernel.
    pub system: Duration,
    /// Context switches by going to sleep, or by yielding.
    pub voluntary_switches: u64,
    /// Context switches by being preempted.
    pub involuntary_switches: u64,
    /// Page faults served without a disk: fresh pages, copies on write.
    pub minor_faults: u64,
    /// Page faults that waited for a disk.
    pub major_faults: u64,
}

impl Usage {
    /// Reads what `who` has used so far.
    ///
    /// # Cost
    /// One system call.
    pub fn of(who: Who) -> Self {
        let who = match who {
            Who::Process => libc::RUSAGE_SELF,
            Who::Thread => libc::RUSAGE_THREAD,
            Who::Children => libc::RUSAGE_CHILDREN,
        };
        let mut usage = MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY:
        // - the pointer is valid for one `rusage`, which the kernel fills;
        // - an all-zero `rusage` is a value of its type (integers only), so reading it is sound in any case.
        let (answer, usage) = unsafe { (libc::getrusage(who, usage.as_mut_ptr()), usage.assume_init()) };
        assert_eq!(answer, 0, "getrusage refuses only an unknown `who`");
        Self {
            user: duration(usage.ru_utime),
            system: duration(usage.ru_stime),
            voluntary_switches: usage.ru_nvcsw.unsigned_abs(),
            involuntary_switches: usage.ru_nivcsw.unsigned_abs(),
            minor_faults: usage.ru_minflt.unsigned_abs(),
            major_faults: usage.ru_majflt.unsigned_abs(),
        }
    }

    /// User and system time together.
    pub fn cpu(&self) -> Duration {
        self.user + self.system
    }

    /// What was used between `earlier` and this reading of the same [`Who`].
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            // The kernel scales both times to their exact sum, so one alone may step back by a tick.
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
            voluntary_switches: self.voluntary_switches.saturating_sub(earlier.voluntary_switches),
            involuntary_switches: self.involuntary_switches.saturating_sub(earlier.involuntary_switches),
            minor_faults: self.minor_faults.saturating_sub(earlier.minor_faults),
            major_faults: self.major_faults.saturating_sub(earlier.major_faults),
        }
    }
}

fn duration(time: libc::timeval) -> Duration {
    Duration::new(time.tv_sec.unsigned_abs(), 1000 * time.tv_usec.unsigned_abs() as u32)
}

/// The context switches of one thread, of this or of another process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadSwitches {
    /// The kernel's number of the thread.
    pub thread: u32,
    /// Its name: the program's, unless the thread was given one.
    pub name: String,
    /// Context switches by going to sleep, or by yielding.
    pub voluntary: u64,
    /// Context switches by being preempted.
    pub involuntary: u64,
}

impl ThreadSwitches {
    /// The switches of every living thread of the process `pid`, from `/proc/<pid>/task`.
    ///
    /// # Errors
    /// `NotFound` if there is no such process, and whatever else reading `/proc` reports. A thread that ends
    /// meanwhile is left out.
    ///
    /// # Cost
    /// Four system calls a thread and a parse: between repetitions, not within one.
    pub fn of_process(pid: u32) -> io::Result<Vec<Self>> {
        let mut threads = Vec::new();
        for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
            let entry = entry?;
            let thread = entry.file_name().to_str().and_then(|name| name.parse().ok());
            let status = fs::read_to_string(entry.path().join("status"));
            if let (Some(thread), Ok(status)) = (thread, status) {
                threads.extend(Self::parse(thread, &status));
            }
        }
        threads.sort_by_key(|switches| switches.thread);
        Ok(threads)
    }

    fn parse(thread: u32, status: &str) -> Option<Self> {
        let field = |name: &str| {
            let rest = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            Some(rest.trim())
        };
        Some(Self {
            thread,
            name: field("Name")?.to_owned(),
            voluntary: field("voluntary_ctxt_switches")?.parse().ok()?,
            involuntary: field("nonvoluntary_ctxt_switches")?.parse().ok()?,
        })
    }
}

/// The time for which the threads of a process that live were on a processor so far, in ns where [`Usage`] has ticks.
///
/// # Errors
/// As [`ThreadSwitches::of_process`], and on a kernel without that account (`CONFIG_SCHED_INFO`).
///
/// # Cost
/// Four system calls a thread and a parse.
pub fn scheduled(pid: u32) -> io::Result<Duration> {
    let mut sum = Duration::ZERO;
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        let account = fs::read_to_string(entry?.path().join("schedstat"))?;
        let nanos = account.split_ascii_whitespace().next().and_then(|nanos| nanos.parse().ok());
        sum += Duration::from_nanos(nanos.ok_or(io::ErrorKind::InvalidData)?);
    }
    Ok(sum)
}

/// The processes that this one started and that are there, zombies too.
///
/// # Errors
/// What reading `/proc` reports.
pub fn children() -> io::Result<Vec<u32>> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc/self/task")? {
        let of_thread = fs::read_to_string(entry?.path().join("children"))?;
        children.extend(of_thread.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    }
    Ok(children)
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::thread;

    use super::*;

    #[test]
    fn work_shows_as_cpu_time_of_the_thread_and_of_the_process() {
        let (thread, process) = (Usage::of(Who::Thread), Usage::of(Who::Process));
        while Usage::of(Who::Thread).since(&thread).cpu() < Duration::from_millis(20) {
            black_box((0..10_000_u64).sum::<u64>());
        }
        assert!(Usage::of(Who::Process).since(&process).cpu() >= Duration::from_millis(20));
    }

    #[test]
    fn time_on_a_processor_is_counted_in_nanoseconds() {
        let pid = std::process::id();
        let (usage, before) = (Usage::of(Who::Process), scheduled(pid).unwrap());
        while Usage::of(Who::Process).since(&usage).cpu() < Duration::from_millis(20) {
            black_box((0..10_000_u64).sum::<u64>());
        }
        assert!(scheduled(pid).unwrap() > before);
        assert!(scheduled(u32::MAX).is_err());
    }

    #[test]
    fn a_child_is_listed_until_it_is_waited_for() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        assert!(children().unwrap().contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!children().unwrap().contains(&child.id()));
    }

    #[test]
    fn a_sleep_shows_as_a_voluntary_switch() {
        let before = Usage::of(Who::Thread);
        thread::sleep(Duration::from_millis(1)); // The subject of the test, not a way to wait for something.
        assert!(Usage::of(Who::Thread).since(&before).voluntary_switches >= 1);
    }

    #[test]
    fn every_thread_of_a_process_is_listed_with_its_switches() {
        let listed = ThreadSwitches::of_process(std::process::id()).unwrap();
        assert!(listed.iter().any(|switches| switches.thread == std::process::id()));
        assert!(ThreadSwitches::of_process(u32::MAX).is_err());
    }

    #[test]
    fn a_status_without_switches_is_not_a_thread() {
        assert_eq!(ThreadSwitches::parse(1, "Name:\tx\n"), None);
        let status = "Name:\tx y\nvoluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t7\n";
        let parsed = ThreadSwitches::parse(1, status).unwrap();
        assert_eq!((parsed.name.as_str(), parsed.voluntary, parsed.involuntary), ("x y", 5, 7));
    }
}
