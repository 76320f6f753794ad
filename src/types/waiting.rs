//! How an endpoint waits.

/// How an endpoint waits: it spins, then yields, then sleeps.
///
/// A spinning wait sees a change one cache-line transfer (about 0.07 µs) after it; a sleep and its
/// wake take 20–30 µs across cores. Spinning costs a core. On a machine with fewer cores than
/// spinners it also delays the other threads.
///
/// ```
/// use seqring::{Config, Ring, Start, WaitStrategy};
/// let mut reader = Ring::heap(&Config::slots(4).of_bytes(8))?.reader(Start::Next)?;
/// reader.set_wait_strategy(WaitStrategy::SLEEPING);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitStrategy {
    /// Polls before the first yield.
    pub spins: u32,
    /// Pause instructions, about 25 ns each, between two of these polls. With one pause a change is
    /// seen as soon as its cache line arrives, but each poll takes the line from the core that is
    /// about to write to it again. With many, in a stream, the other side gets ahead by many
    /// messages, which then arrive together.
    pub pauses: u32,
    /// Polls with a yield of the processor between them (about 0.5 µs each) before the first sleep.
    pub yields: u32,
}

impl WaitStrategy {
    /// About 3 µs of spinning, then sixteen yields (8 µs, if no other thread wants the core), then
    /// sleep. With fewer yields, many writers that share a core fall asleep on a full ring, and all
    /// are woken when there is room for one message. Eight writers on two distant cores had half
    /// the throughput with four yields.
    pub const BALANCED: WaitStrategy = WaitStrategy { spins: 100, pauses: 1, yields: 16 };
    /// Never sleeps, and polls all the time: for endpoints that own a core.
    pub const SPINNING: WaitStrategy = WaitStrategy { spins: u32::MAX, pauses: 1, yields: 0 };
    /// Never sleeps, and polls every 1.6 µs: for endpoints that own a core, at both ends of a dense
    /// stream.
    pub const STREAMING: WaitStrategy = WaitStrategy { spins: u32::MAX, pauses: 64, yields: 0 };
    /// Sleeps at once: for machines with more waiters than cores.
    pub const SLEEPING: WaitStrategy = WaitStrategy { spins: 0, pauses: 0, yields: 0 };

    /// Polls before the first sleep.
    pub(crate) fn polls(self) -> u32 {
        self.spins.saturating_add(self.yields)
    }
}

impl Default for WaitStrategy {
    fn default() -> Self {
        WaitStrategy::BALANCED
    }
}
