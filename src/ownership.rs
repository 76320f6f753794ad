//! Which buffer belongs to an entry of the table, in rings of many writers; also after its owner died at any step.
//!
//! Every buffer has exactly one owner: a slot, by the slot's word, or an entry, by its *intent*. An exchange
//! ([`crate::many`]) swaps the two. What the intent says:
//!
//! | intent              | the entry owns                                                            |
//! |---------------------|---------------------------------------------------------------------------|
//! | nothing yet         | the buffer that the layout has for it                                     |
//! | idle, `mine`        | `mine`                                                                    |
//! | armed, `mine`, `theirs`, and `aim` = `n` | `theirs` if `mine` was published as message `n`, else `mine` |
//!
//! Whether an armed owner's exchange happened, the slot of `n` says: before round of `n`, no; in it, if the slot names
//! `mine`. Later rounds have forgotten; but then the counter went beyond `n`, and not by the owner, who is idle
//! before it moves the counter. Whoever moved it wrote down before, with the buffer, that it was published as `n`
//! (*witnessed*). A buffer that was not exchanged stays with its owner and is witnessed for nothing from `n` on.
//!
//! # Pairings
//! None of its own. A dead owner's stores are all visible to whoever got its lock from the kernel; they have been made
//! in the order of the program, as those of a thread that stops between two instructions are.

use crate::error::Corrupt;
use crate::memory::Memory;
use crate::place::Place;
use crate::stamp::{At, Words};
use crate::sync::{Pair, Relaxed, acquire, compiler_keeps_order};

/// The intent word of an entry: `[kind:2 | mine:31 | theirs:31]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    /// The entry never owned a buffer.
    Fresh,
    Idle {
        mine: usize,
    },
    Armed {
        mine: usize,
        theirs: usize,
    },
}

impl Intent {
    const INDEX_BITS: u32 = 31;

    fn from_word(word: u64) -> Option<Self> {
        let index = |shift: u32| (word >> shift) as usize & ((1 << Self::INDEX_BITS) - 1);
        let (mine, theirs) = (index(Self::INDEX_BITS), index(0));
        match word >> (2 * Self::INDEX_BITS) {
            0 => Some(Intent::Fresh),
            1 => Some(Intent::Idle { mine }),
            2 => Some(Intent::Armed { mine, theirs }),
            _ => None,
        }
    }

    fn word(self) -> u64 {
        let word = |kind: u64, mine: usize, theirs: usize| {
            kind << (2 * Self::INDEX_BITS) | (mine as u64) << Self::INDEX_BITS | theirs as u64
        };
        match self {
            Intent::Fresh => 0,
            Intent::Idle { mine } => word(1, mine, 0),
            Intent::Armed { mine, theirs } => word(2, mine, theirs),
        }
    }
}

/// Says that the owner of entry `index` is about to exchange `mine` for `theirs` in the slot of message `aim`.
#[inline(always)]
pub(crate) fn arm(memory: &Memory, index: usize, aim: u64, mine: usize, theirs: usize) {
    let entry = memory.entry(index);
    entry.aim.store(aim, Relaxed); // Relaxed, here and below: read by a survivor only; see the module's pairings.
    compiler_keeps_order();
    entry.intent.store(Intent::Armed { mine, theirs }.word(), Relaxed);
    compiler_keeps_order();
}

/// Says that the owner of entry `index` has `mine`, and nothing under way.
#[inline(always)]
pub(crate) fn rest(memory: &Memory, index: usize, mine: usize) {
    compiler_keeps_order();
    memory.entry(index).intent.store(Intent::Idle { mine }.word(), Relaxed);
    compiler_keeps_order();
}

/// Writes down that `buffer` was seen published as message `sequence`. Before the counter goes beyond that message.
#[inline(always)]
pub(crate) fn witness(memory: &Memory, buffer: usize, sequence: u64) -> Result<(), Corrupt> {
    let (header, _) = memory.buffer(buffer)?;
    // Relaxed: the counter, which is moved after it, releases it.
    header.witnessed.fetch_max(sequence + 1, Relaxed);
    Ok(())
}

/// What an entry owned when its last owner left or died; `None` if nobody had it yet. For whoever holds the entry.
pub(crate) fn settle(memory: &Memory, words: Words, index: usize) -> Result<Option<usize>, Corrupt> {
    let entry = memory.entry(index);
    let intent = Intent::from_word(entry.intent.load(Relaxed));
    let owned = match intent.ok_or(Corrupt { what: "an entry's intent is of no known kind" })? {
        Intent::Fresh => return Ok(None),
        Intent::Idle { mine } => mine,
        Intent::Armed { mine, theirs } => {
            let aim = Place::of(entry.aim.load(Relaxed), memory.layout().config.slots);
            // PAIRS(Publish): if the word is of a later round, we see what was witnessed before.
            let word = memory.slot_word(&aim).load(acquire(Pair::Publish));
            let published = match words.at(word, aim.round()) {
                At::Before => false,
                At::There => words.any_buffer(word) == mine,
                At::Beyond => memory.buffer(mine)?.0.witnessed.load(Relaxed) > aim.sequence,
            };
            if published { theirs } else { mine }
        }
    };
    memory.buffer(owned)?;
    Ok(Some(owned))
}

#[cfg(test)]
mod tests {
    use super::Intent;

    #[test]
    fn intents_survive_their_words() {
        for (mine, theirs) in [(0, 0), (1, 2), ((1 << 31) - 1, 0), (0, (1 << 31) - 1), (123_456, 7_654_321)] {
            for intent in [Intent::Fresh, Intent::Idle { mine }, Intent::Armed { mine, theirs }] {
                assert_eq!(Intent::from_word(intent.word()), Some(intent));
            }
        }
        assert_eq!(Intent::from_word(u64::MAX), None);
    }
}
