//! The wait of engines that have none of their own: PAUSE for a while, then yield.

use std::hint::spin_loop;
use std::thread::yield_now;
use std::time::Duration;

use crate::clock::Moment;
use crate::refusal::Refusal;

/// Attempts before the first yield: 2.5 µs of PAUSE, longer than a hand-over between two spinning
/// ends takes.
const SPINS: u32 = 100;

/// Repeats `attempt` until it succeeds, is refused for good, or `timeout` is over; without a
/// `timeout` it is tried once. The clock is read only once spinning has not helped.
///
/// # Errors
/// The last refusal, or that the time is over.
#[inline]
pub fn wait_for<T>(
    timeout: Option<Duration>,
    mut attempt: impl FnMut() -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let Some(after) = timeout else { return attempt() };
    let mut begin = None;
    for polls in 0_u32.. {
        match attempt() {
            Err(Refusal::Full | Refusal::Empty) if polls < SPINS => spin_loop(),
            Err(Refusal::Full | Refusal::Empty) => {
                if begin.get_or_insert_with(Moment::now).elapsed() >= after {
                    break;
                }
                yield_now();
            }
            done => return done,
        }
    }
    Err(Refusal::TimedOut { after })
}
