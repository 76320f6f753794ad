//! Gaps: numbers that the one writer of a ring skips.
//!
//! A mirror of another ring skips the numbers of messages that it never got.
//!
//! # Steps
//! | writer that continues at `n`             | reader that finds no message                     |
//! |------------------------------------------|--------------------------------------------------|
//! | 1 the end of the gap := `n`; released    | a load the state of the stream: changed?         |
//! | 2 the shared counter := `n`              | b load the end of the gap; acquires              |
//! | 3 the state of the stream: open to open  | c below it: check the slot once more             |
//! | 4 notify the readers                     | d no message there: continue at the first that   |
//! |                                          | is in its slot below the end, or at the end      |
//!
//! A reader below a gap never takes the state for the one that it saw last
//! ([`StreamObserver::expect_news`]), so it always comes to step b. If step b comes before step 1,
//! step 3 is news to the reader later. A writer that dies between the steps leaves the end of the
//! gap: its successor continues there. Of several gaps only the last has a word; the slots
//! show what lies between them.
//!
//! # Pairings
//! | name  | releases | acquires | without it                                       |
//! |-------|----------|----------|--------------------------------------------------|
//! | `Gap` | step 1   | step b   | step c misses a message that precedes the gap    |
//!
//! # Costs
//! A reader that finds no message loads one word more. At a gap it checks a slot for each number
//! that was skipped, at most all slots.
//!
//! [`StreamObserver::expect_news`]: crate::protocol::stream_state::StreamObserver::expect_news

use crate::memory::Memory;
use crate::memory::layout::SEQUENCE_LIMIT;
use crate::protocol::stream_state;
use crate::sync::failpoint::{self, Failpoint};
use crate::sync::{Pair, Relaxed, acquire, release};

/// Steps 1 to 3: no writer publishes a number below `end` from now on. Only the ring's one writer
/// calls it.
pub(crate) fn skip(memory: &Memory, end: u64) {
    // PAIRS(Gap): a reader that sees this number sees every message published before the gap.
    memory.control().table.skipped_to.store(end, release(Pair::Gap));
    memory.control().next.store(end, Relaxed); // Relaxed: a hint, see `SequenceHint`.
    failpoint::hit(Failpoint::GapStored);
    stream_state::open(memory); // A ring that was closed meanwhile stays closed.
}

/// Step b: the number at which the stream continued after its last gap; 0 if it has none.
pub(crate) fn end(memory: &Memory) -> u64 {
    // PAIRS(Gap): the messages before the gap are visible from here on. Bounded: a peer may have
    // stored any value.
    memory.control().table.skipped_to.load(acquire(Pair::Gap)).min(SEQUENCE_LIMIT)
}
