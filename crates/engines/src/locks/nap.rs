//! How a lock without a condition waits: as code that uses such locks does.
//!
//! A few polls with PAUSE, some with `sched_yield`, then sleeps of 50 µs, which take about 0.1 ms
//! with the kernel's timer slack. Longer sleeps would cost less CPU and be late; no sleep would
//! keep a core busy.

use harness::clock::Moment;
use harness::refusal::Refusal;
use std::hint::spin_loop;
use std::thread;
use std::time::Duration;

const PAUSES: u32 = 50;
const YIELDS: u32 = 20;
const SLEEP: Duration = Duration::from_micros(50);

/// A wait in progress.
#[derive(Debug, Default)]
pub(crate) struct Nap {
    turns: u32,
}

impl Nap {
    /// Waits a little; `false` once `deadline` is over.
    pub(crate) fn take(&mut self, deadline: Moment) -> bool {
        self.turns = self.turns.saturating_add(1);
        if self.turns <= PAUSES {
            spin_loop();
            return true;
        }
        if Moment::now() >= deadline {
            return false;
        }
        if self.turns <= PAUSES + YIELDS {
            thread::yield_now();
        } else {
            thread::sleep(SLEEP);
        }
        true
    }
}

/// As [`wait_for`](harness::wait::wait_for), with naps between the attempts.
#[inline]
pub(crate) fn napping<T>(
    timeout: Option<Duration>,
    mut attempt: impl FnMut() -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let Some(after) = timeout else { return attempt() };
    let (deadline, mut nap) = (Moment::now() + after, Nap::default());
    loop {
        match attempt() {
            Err(Refusal::Full | Refusal::Empty) if nap.take(deadline) => {}
            Err(Refusal::Full | Refusal::Empty) => return Err(Refusal::TimedOut { after }),
            done => return done,
        }
    }
}
