//! CPU time and context switches: what a measurement costs besides its wall time.
//!
//! A voluntary switch is a sleep (a futex wait, a timer); an involuntary one is a preemption. A
//! reader that spins shows the latter, one that waits well shows the former and next to no CPU
//! time.
#![allow(unsafe_code, reason = "getrusage and clock_getcpuclockid have no safe wrapper in rustix")]

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
    /// The children of this process that have ended *and* were waited for, with their own such
    /// children.
    Children,
}

/// What the kernel has counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time, in user code and in the kernel.
    pub cpu: Duration,
    /// Context switches by going to sleep, or by yielding.
    pub voluntary_switches: u64,
    /// Context switches by being preempted.
    pub involuntary_switches: u64,
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
        // - an all-zero `rusage` is a value of its type (integers only), so reading it is sound in
        //   any case.
        let (answer, usage) = unsafe { (libc::getrusage(who, usage.as_mut_ptr()), usage.assume_init()) };
        assert_eq!(answer, 0, "getrusage refuses only an unknown `who`");
        Self {
            cpu: duration(usage.ru_utime) + duration(usage.ru_stime),
            voluntary_switches: usage.ru_nvcsw.unsigned_abs(),
            involuntary_switches: usage.ru_nivcsw.unsigned_abs(),
        }
    }

    /// What was used between `earlier` and this reading, of the same subject.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            voluntary_switches: self.voluntary_switches - earlier.voluntary_switches,
            involuntary_switches: self.involuntary_switches - earlier.involuntary_switches,
        }
    }
}

fn duration(time: libc::timeval) -> Duration {
    Duration::new(time.tv_sec.unsigned_abs(), 1000 * time.tv_usec.unsigned_abs() as u32)
}

/// The CPU time of all threads of a process so far, also of those that ended: in ns where [`Usage`]
/// has ticks, and of any process.
///
/// # Errors
/// `ESRCH` if there is no such process.
///
/// # Cost
/// A system call.
pub fn cpu_time_of(pid: u32) -> io::Result<Duration> {
    // The number of a clock has the pid's bits but for the upper three, and would be another's
    // without them.
    let pid = pid.try_into().ok().filter(|pid| *pid <= libc::pid_t::MAX >> 3);
    let pid = pid.ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))?;
    let mut clock = 0;
    // SAFETY: writes the one `clockid_t` it is given a pointer to, a live local; any number is a
    // valid pid to ask for.
    let error = unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error));
    }
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes the one `timespec` it is given a pointer to, a live local; an unknown clock is
    // an error.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Duration::from_secs(time.tv_sec.unsigned_abs()) + Duration::from_nanos(time.tv_nsec.unsigned_abs()))
}

/// The processes that this one started and that are there, zombies too.
///
/// # Errors
/// What reading `/proc` reports.
pub fn children() -> io::Result<Vec<u32>> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc/self/task")? {
        let thread = entry?.path();
        match fs::read_to_string(thread.join("children")) {
            Ok(listed) => {
                children.extend(listed.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
            }
            Err(error) if thread.exists() => return Err(error),
            Err(_) => {} // It ended meanwhile; its children are another thread's now.
        }
    }
    Ok(children)
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::thread;

    use super::*;

    #[test]
    fn the_time_of_a_process_counts_threads_that_ended() {
        let pid = std::process::id();
        let before = cpu_time_of(pid).unwrap();
        let worked = thread::spawn(|| {
            while Usage::of(Who::Thread).cpu < Duration::from_millis(20) {
                black_box((0..10_000_u64).sum::<u64>());
            }
        });
        worked.join().unwrap();
        assert!(cpu_time_of(pid).unwrap() >= before + Duration::from_millis(16));
    }

    #[test]
    fn no_process_has_no_time() {
        for pid in [i32::MAX.unsigned_abs(), u32::MAX] {
            assert_eq!(cpu_time_of(pid).unwrap_err().raw_os_error(), Some(libc::ESRCH));
        }
    }

    #[test]
    fn a_child_is_listed_until_it_is_waited_for() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        assert!(children().unwrap().contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!children().unwrap().contains(&child.id()));
    }
}
