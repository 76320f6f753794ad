//! How much CPU time others took while we measured.
//!
//! Two spinning ends need two cores at the same moment. If another process runs on one of them for
//! a third of the time, the pair does not lose a third: each end waits for the other's turn, and
//! the line round trip, taken between two disturbances, looks as good as ever. On the project's
//! machine such a neighbour made 45 GB/s into 14 while every line reading said "near". So a
//! repetition also carries the CPU time that others used meanwhile, and the time that the
//! hypervisor withheld ("steal").
//!
//! Others = what all CPUs were busy with (`/proc/stat`, in ticks of 10 ms) less what this process
//! and its reaped children used (`getrusage`). A child that is still alive counts as one of the
//! others.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::param::clock_ticks_per_second;

use crate::usage::{Usage, Who};

/// A repetition is disturbed if others took more than this share of one core. Less than that
/// changed no median by more than the runs spread anyway.
pub const DISTURBED_SHARE: f64 = 0.05;

/// Less is not distinguishable from nothing: `/proc/stat` counts in ticks of 10 ms, and may be one
/// off for each of our two cores. So a repetition should last 0.4 s or more; in a shorter one a
/// larger share than [`DISTURBED_SHARE`] goes unseen.
pub const UNSEEN: Duration = Duration::from_millis(20);

/// CPU time used by others since boot; only the difference of two readings means anything.
#[derive(Clone, Copy, Debug)]
pub struct OthersCpu {
    busy: Duration,
    own: Duration,
}

impl OthersCpu {
    /// Reads both counters.
    ///
    /// # Errors
    /// What reading `/proc/stat` reports; `InvalidData` if it has another form.
    ///
    /// # Cost
    /// Five system calls and a parse: outside what is timed.
    pub fn now() -> io::Result<Self> {
        let stat = fs::read_to_string("/proc/stat")?;
        let ticks = busy_ticks(&stat).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "/proc/stat has no line of all CPUs")
        })?;
        let busy = Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second() as f64);
        let own = Usage::of(Who::Process).cpu() + Usage::of(Who::Children).cpu();
        Ok(Self { busy, own })
    }

    /// The CPU time of others between `earlier` and this reading; zero if rounding makes it
    /// negative.
    pub fn since(&self, earlier: &Self) -> Duration {
        let busy = self.busy.saturating_sub(earlier.busy);
        busy.saturating_sub(self.own.saturating_sub(earlier.own))
    }
}

/// Whether `others` in a repetition of `elapsed` is too much for it to be compared.
pub fn is_disturbed(others: Duration, elapsed: Duration) -> bool {
    others > UNSEEN && others.as_secs_f64() > DISTURBED_SHARE * elapsed.as_secs_f64()
}

/// user, nice, system, irq, softirq and steal of all CPUs; idle and iowait are not busy, and guest
/// time is already in user.
fn busy_ticks(stat: &str) -> Option<u64> {
    let counts = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let counts: Vec<u64> = counts.split_ascii_whitespace().map_while(|count| count.parse().ok()).collect();
    let &[user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = counts.as_slice() else {
        return None;
    };
    Some(user + nice + system + irq + softirq + steal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_iowait_and_guest_are_not_busy() {
        let stat =
            "cpu  1 20 300 999999 888888 4000 50000 600000 7777777 8888888\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        assert_eq!(busy_ticks(stat), Some(654_321));
        assert_eq!(busy_ticks("cpu  1 2 3\n"), None);
        assert_eq!(busy_ticks("intr 1\n"), None);
    }

    #[test]
    fn our_own_work_is_not_the_others() {
        let work = Duration::from_millis(100);
        let (before, start) = (OthersCpu::now().unwrap(), Usage::of(Who::Thread));
        while Usage::of(Who::Thread).since(&start).cpu() < work {}
        let after = OthersCpu::now().unwrap();
        assert!(after.own.saturating_sub(before.own) >= work);
    }

    #[test]
    fn a_neighbour_disturbs_and_a_tick_does_not() {
        let second = Duration::from_secs(1);
        assert!(is_disturbed(Duration::from_millis(300), second));
        assert!(!is_disturbed(Duration::from_millis(10), second));
        assert!(!is_disturbed(UNSEEN, Duration::from_millis(50)), "one tick a core is rounding");
        assert!(!is_disturbed(Duration::from_millis(300), 10 * second));
    }
}
