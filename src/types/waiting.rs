//! How an endpoint waits.

/// How an endpoint waits: it spins, then yields, then sleeps.
///
/// A wait that spins sees a change one cache-line transfer (about 0.07 µs) after it; a sleep and its wake take
/// 20–30 µs across cores. Spinning costs a core, and on a machine with fewer cores than spinners it costs the
/// others their progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitStrategy {
    /// Looks before the first yield.
    pub spins: u32,
    /// Pause instructions, about 25 ns each, between two of these looks. With one, a change is seen as soon as its
    /// cache line is here; but each look takes the line from whoever is about to write to it again. In a stream,
    /// many let the other side get ahead by many messages, and all of them are then had at once.
    pub pauses: u32,
    /// Looks with a yield of the processor between them (about 0.5 µs each) before the first sleep.
    pub yields: u32,
}

impl WaitStrategy {
    /// About 3 µs of spinning, then sixteen yields (8 µs, if nobody else wants the core), then sleep. With fewer of them
    /// many writers that share a core go to sleep on a full ring, and are all woken for room for one: eight writers on two
    /// cores, far apart, got half as much done with four.
    pub const BALANCED: WaitStrategy = WaitStrategy { spins: 100, pauses: 1, yields: 16 };
    /// Never sleeps, and sees a change at once: for endpoints that own a core.
    pub const SPINNING: WaitStrategy = WaitStrategy { spins: u32::MAX, pauses: 1, yields: 0 };
    /// Never sleeps, and looks every 1.6 µs: for endpoints that own a core, at both ends of a dense stream.
    pub const STREAMING: WaitStrategy = WaitStrategy { spins: u32::MAX, pauses: 64, yields: 0 };
    /// Sleeps at once: for machines with more waiters than cores.
    pub const SLEEPING: WaitStrategy = WaitStrategy { spins: 0, pauses: 0, yields: 0 };

    pub(crate) fn looks(self) -> u32 {
        self.spins.saturating_add(self.yields)
    }
}

impl Default for WaitStrategy {
    fn default() -> Self {
        WaitStrategy::BALANCED
    }
}
