//! Which cores this thread may run on, and tying it to one of them.
//!
//! Two threads of a measurement that share a core measure the scheduler. A thread is tied to a core
//! for the whole of a repetition, by [`pin_to`], and the cores come from the set that the kernel
//! allows us: on a machine with a CPU quota that set is smaller than the machine.

use std::fmt;
use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// A logical CPU, by the number that the kernel gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Core(usize);

impl fmt::Display for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "core {}", self.0)
    }
}

/// The cores that the calling thread may run on, in ascending order.
///
/// # Errors
/// What `sched_getaffinity` reports; a machine with more than 1024 CPUs is refused by the kernel
/// (`EINVAL`).
///
/// # Cost
/// One system call.
pub fn allowed_cores() -> io::Result<Vec<Core>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|&number| set.is_set(number)).map(Core).collect())
}

/// Ties the calling thread, and the threads it starts from now on, to `core`.
///
/// It does not allocate, so a forked child may call it.
///
/// # Errors
/// What `sched_setaffinity` reports: `EINVAL` for a core that is offline or not allowed.
///
/// # Cost
/// One system call, and a migration if the thread runs elsewhere.
pub fn pin_to(core: Core) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(core.0);
    Ok(sched_setaffinity(None, &set)?)
}

/// Two different cores: one for each end of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CorePair {
    ours: Core,
    theirs: Core,
}

impl CorePair {
    /// The first two cores that the calling thread may run on.
    ///
    /// # Errors
    /// An [`io::Error`] that says so if fewer are allowed, or what `sched_getaffinity` reports.
    pub fn first_allowed() -> io::Result<Self> {
        match allowed_cores()?.as_slice() {
            &[ours, theirs, ..] => Ok(Self { ours, theirs }),
            few => Err(io::Error::other(format!(
                "two cores are needed and this thread may run on {}: give the process more (taskset, cpuset)",
                few.len()
            ))),
        }
    }

    /// The core of the end that takes the time.
    pub const fn ours(self) -> Core {
        self.ours
    }

    /// The core of the other end.
    pub const fn theirs(self) -> Core {
        self.theirs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_thread_may_run_on_its_core_only() {
        let last = *allowed_cores().unwrap().last().unwrap();
        let seen = std::thread::spawn(move || {
            pin_to(last).unwrap();
            allowed_cores().unwrap()
        })
        .join()
        .unwrap();
        assert_eq!(seen, [last]);
    }
}
