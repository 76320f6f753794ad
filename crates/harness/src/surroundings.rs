//! The surroundings of a repetition: the distance of its cores, and the CPU time that others took.
//!
//! Two spinning ends need two cores at the same moment. If another process runs on one of them for
//! a third of the time, the pair does not lose a third: each end waits for the turn of the other,
//! and the line round trip, taken between two disturbances, stays normal. On the project's machine
//! such a neighbour turned 45 GB/s into 14 while every line reading was "near". So a repetition
//! also carries the CPU time that others used meanwhile, and the time that the hypervisor withheld
//! ("steal").
//!
//! Others = the busy time of all CPUs (`/proc/stat`, in ticks of 10 ms) less the time of this
//! process and its reaped children (`getrusage`). A child that is still alive counts as another.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::param::clock_ticks_per_second;

use crate::class::pause_nanos;
use crate::line::LineProbe;
use crate::usage::{Usage, Who};

/// A repetition is disturbed if others took more than this share of one core. Less changed no
/// median by more than the spread of the runs.
const DISTURBED_SHARE: f64 = 0.05;

/// Less is not distinguishable from nothing: `/proc/stat` counts in ticks of 10 ms, and may be one
/// off for each of our two cores. So a repetition should last 0.4 s or more; in a shorter one a
/// larger share than [`DISTURBED_SHARE`] is not detected.
const UNSEEN: Duration = Duration::from_millis(20);

/// The machine around a repetition; a test replaces it.
pub trait Surroundings {
    /// The round trip of a cache line now, in ns.
    ///
    /// # Errors
    /// What the probe reports.
    fn line_nanos(&mut self) -> io::Result<f64>;

    /// How long a PAUSE takes, in ns: the unit of [`Bounds`](crate::class::Bounds).
    fn pause_nanos(&mut self) -> f64;

    /// A repetition is about to begin.
    ///
    /// # Errors
    /// What reading the counters reports.
    fn begin(&mut self) -> io::Result<()>;

    /// CPU time that others took since [`begin`](Self::begin).
    ///
    /// # Errors
    /// What reading the counters reports.
    fn others(&mut self) -> io::Result<Duration>;
}

/// This machine.
#[derive(Debug)]
pub struct ThisMachine {
    probe: LineProbe,
    before: OthersCpu,
}

impl ThisMachine {
    /// Probes with `probe`, whose cores should be those of the contestants.
    pub const fn new(probe: LineProbe) -> Self {
        Self { probe, before: OthersCpu { busy: Duration::ZERO, own: Duration::ZERO } }
    }
}

impl Surroundings for ThisMachine {
    fn line_nanos(&mut self) -> io::Result<f64> {
        self.probe.measure()
    }

    fn pause_nanos(&mut self) -> f64 {
        pause_nanos()
    }

    fn begin(&mut self) -> io::Result<()> {
        self.before = OthersCpu::now()?;
        Ok(())
    }

    fn others(&mut self) -> io::Result<Duration> {
        let (now, before) = (OthersCpu::now()?, self.before);
        let busy = now.busy.saturating_sub(before.busy);
        Ok(busy.saturating_sub(now.own.saturating_sub(before.own)))
    }
}

/// Whether `others` in a repetition of `elapsed` is too much for it to be comparable.
pub fn is_disturbed(others: Duration, elapsed: Duration) -> bool {
    others > UNSEEN && others.as_secs_f64() > DISTURBED_SHARE * elapsed.as_secs_f64()
}

/// CPU time since boot: of all, and of this process with its children.
#[derive(Clone, Copy, Debug)]
struct OthersCpu {
    busy: Duration,
    own: Duration,
}

impl OthersCpu {
    fn now() -> io::Result<Self> {
        let stat = fs::read_to_string("/proc/stat")?;
        let ticks =
            busy_ticks(&stat).ok_or_else(|| io::Error::other("/proc/stat has no line of all CPUs"))?;
        let busy = Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second() as f64);
        Ok(Self { busy, own: Usage::of(Who::Process).cpu + Usage::of(Who::Children).cpu })
    }
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
        while Usage::of(Who::Thread).since(&start).cpu < work {}
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
