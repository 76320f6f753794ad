//! Whether the stream of a ring goes on.
//!
//! ```text
//! Fresh ──writer joins──▶ Open ──last writer leaves──▶ Ended ──writer joins──▶ Open …
//!   any state ──close()──▶ Closed, for good
//! ```
//!
//! A reader that finds nothing looks here. `Ended` and `Closed` are stored after the last message is published,
//! so the reader that sees one of them looks at its slot once more before it reports the end: what is not
//! there then will not come.
//!
//! # Pairings
//! | name  | releases             | acquires                | without it                                 |
//! |-------|----------------------|-------------------------|--------------------------------------------|
//! | `End` | the state's exchange | the reader's load of it | the end is reported, the last message lost |

use crate::memory::Memory;
use crate::sync::{End, Pair, Relaxed, acq_rel, acquire, full_fence, load_to_exchange};

/// The state of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No writer has come yet.
    Fresh,
    /// A writer is registered.
    Open,
    /// The last writer left; another may come.
    Ended,
    /// Closed for good.
    Closed,
}

/// The word: `[epoch:56 | phase:8]`. The epoch counts changes, so that no two states are the same word.
#[derive(Clone, Copy)]
struct Life(u64);

impl Life {
    fn phase(self) -> Phase {
        match self.0 & 0xff {
            0 => Phase::Fresh,
            1 => Phase::Open,
            2 => Phase::Ended,
            // Also what only a damaged segment holds: nobody waits for a stream that has no defined state.
            _ => Phase::Closed,
        }
    }

    fn turn(self, phase: Phase) -> Self {
        let code = match phase {
            Phase::Fresh => 0,
            Phase::Open => 1,
            Phase::Ended => 2,
            Phase::Closed => 3,
        };
        Life(((self.0 >> 8).wrapping_add(1) << 8) | code)
    }
}

/// The phase as a writer looks at it before each message.
#[inline(always)]
pub(crate) fn is_closed(memory: &Memory) -> bool {
    // Relaxed: decides nothing about other memory. A message that races `close` may still get in.
    Life(memory.control().table.life.load(Relaxed)).phase() == Phase::Closed
}

/// The phase as a reader that found nothing looks at it.
pub(crate) fn phase(memory: &Memory) -> Phase {
    // PAIRS(End): if the stream has ended, we see its last message from here on.
    Life(memory.control().table.life.load(acquire(Pair::End))).phase()
}

/// A writer has come. False if the ring is closed for good.
pub(crate) fn open(memory: &Memory) -> bool {
    turn(memory, |phase| (phase != Phase::Closed).then_some(Phase::Open))
}

/// A writer has left, and said so where `others` looks; if there are no others, the stream has ended.
pub(crate) fn end(memory: &Memory, others: impl Fn() -> bool) {
    turn(memory, |phase| {
        // PAIRS(Leave): of two that leave at once, at least one sees that the other has left.
        full_fence(Pair::Leave, End::Release);
        (phase == Phase::Open && !others()).then_some(Phase::Ended)
    });
}

/// Closed for good.
pub(crate) fn close(memory: &Memory) {
    turn(memory, |phase| (phase != Phase::Closed).then_some(Phase::Closed));
}

/// So often others may join or leave first; a stream that changes more often is a hostile peer's, and stays as it is.
const TRIES: usize = 1 << 16;

/// Changes the phase to what `next` says of the present one; false if it says that nothing changes.
fn turn(memory: &Memory, next: impl Fn(Phase) -> Option<Phase>) -> bool {
    let word = &memory.control().table.life;
    // PAIRS(End): whoever opened the stream that we may end has said before that it is there.
    let mut seen = load_to_exchange(word, acquire(Pair::End));
    for _ in 0..TRIES {
        let Some(phase) = next(Life(seen).phase()) else {
            return false;
        };
        // PAIRS(End): releases every message that we, or whoever's end we continue, published before.
        match word.compare_exchange(seen, Life(seen).turn(phase).0, acq_rel(Pair::End, Pair::End), Relaxed) {
            Ok(_) => return true,
            Err(_) => seen = word.load(acquire(Pair::End)),
        }
    }
    false
}
