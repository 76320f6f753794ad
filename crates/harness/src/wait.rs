//! The wait of engines that have none of their own: PAUSE for a while, then yield.

use std::hint::spin_loop;
use std::thread::yield_now;
use std::time::Duration;

use crate::clock::Moment;
use crate::refusal::Refusal;

/// Attempts before the first yield: 2.5 µs of PAUSE, longer than a hand-over between two spinning
/// ends takes.
const SPINS: u32 = 100;

/// Repeats `attempt` until it succeeds, is refused for good, or `timeout` is over. The clock is
/// read only once spinning has not helped.
///
/// # Errors
/// The last refusal, or that the time is over.
pub fn wait_for<T>(timeout: Duration, mut attempt: impl FnMut() -> Result<T, Refusal>) -> Result<T, Refusal> {
    let mut checked = || match attempt() {
        Ok(value) => Some(Ok(value)),
        Err(refused) => refused.lasting().map(Err),
    };
    for _ in 0..SPINS {
        if let Some(end) = checked() {
            return end;
        }
        spin_loop();
    }
    let begin = Moment::now();
    loop {
        if let Some(end) = checked() {
            return end;
        }
        if begin.elapsed() >= timeout {
            return Err(Refusal::TimedOut { after: timeout });
        }
        yield_now();
    }
}
