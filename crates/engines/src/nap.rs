//! How a lock without a condition waits: as the code that uses such locks does.
//!
//! A few looks with PAUSE, some with `sched_yield`, then sleeps of 50 µs, which take about 0.1 ms with the kernel's
//! timer slack. Longer sleeps would cost less and be late; none at all would burn a core for nothing.

use harness::clock::Moment;
use harness::refusal::Refusal;
use std::hint::spin_loop;
use std::thread;
use std::time::Duration;

const PAUSES: u32 = 50;
const YIELDS: u32 = 20;
const SLEEP: Duration = Duration::from_micros(50);

/// One wait on its way.
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

/// Repeats `attempt` until it succeeds, is refused for good, or `timeout` is over.
pub(crate) fn napping<T, R: Refusal>(
    timeout: Duration,
    mut attempt: impl FnMut() -> Result<T, R>,
) -> Result<T, R::Error> {
    let (deadline, mut nap) = (Moment::now() + timeout, Nap::default());
    loop {
        match attempt().map_err(Refusal::lasting) {
            Ok(value) => return Ok(value),
            Err(Some(error)) => return Err(error),
            Err(None) if nap.take(deadline) => {}
            Err(None) => return Err(R::timed_out(timeout)),
        }
    }
}
