//! Which buffer belongs to an entry of the table, in rings of many writers and in queues; also after its owner died at
//! any step.
//!
//! Every buffer has exactly one owner: a slot, by the slot's word, or an entry, by its *intent*. An exchange
//! ([`crate::protocol::multi_writer`]) swaps the two. What the intent says:
//!
//! | intent              | the entry owns                                                            |
//! |---------------------|---------------------------------------------------------------------------|
//! | nothing yet         | the buffer that the layout has for it                                     |
//! | idle, `mine`        | `mine`                                                                    |
//! | armed, `mine`, `theirs`, and `aim` = `n` | `theirs` if `mine` was published as message `n`, else `mine` |
//! | taking, `mine`, `theirs`, and `aim` = `n` | `theirs` if `mine` was left for message `n`, else `mine`; if they are the same, that one, with a message in it that is not done with |
//!
//! Whether the exchange happened, the slot of `n` says: before it, no; right after it, if the slot names `mine`. When
//! something else happened to the slot, it has forgotten; but then the counter, of messages or of takes, went beyond `n`,
//! and not by the owner, who says what it owns before it moves the counter. Whoever moved it wrote down before, with
//! the buffer, that it was seen in the slot of `n` (*witnessed*). A buffer that was not exchanged stays with its owner,
//! and is witnessed for nothing from `n` on: whatever it was in a slot for before, was before `n`.
//!
//! # Pairings
//! None of its own. A dead owner's stores are all visible to whoever got its lock from the kernel; they have been made
//! in the order of the program, as those of a thread that stops between two instructions are.

use crate::memory::Memory;
use crate::memory::slot_index::SlotIndex;
use crate::memory::stamp::{ArenaStamp, SlotState};
use crate::sync::mutation::{Mutation, is_active};
use crate::sync::{Pair, Relaxed, acquire, compiler_keeps_order};
use crate::types::error::Corrupt;

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
    Taking {
        mine: usize,
        theirs: usize,
    },
}

impl Intent {
    const INDEX_BITS: u32 = 31;

    fn from_word(word: u64) -> Self {
        let index = |shift: u32| (word >> shift) as usize & ((1 << Self::INDEX_BITS) - 1);
        let (mine, theirs) = (index(Self::INDEX_BITS), index(0));
        match word >> (2 * Self::INDEX_BITS) {
            0 => Intent::Fresh,
            1 => Intent::Idle { mine },
            2 => Intent::Armed { mine, theirs },
            _ => Intent::Taking { mine, theirs },
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
            Intent::Taking { mine, theirs } => word(3, mine, theirs),
        }
    }
}

/// Says that the owner of entry `index` is about to exchange `mine` for `theirs` in the slot of message `aim`.
#[inline(always)]
pub(crate) fn arm(memory: &Memory, index: usize, aim: u64, mine: usize, theirs: usize) {
    say(memory, index, aim, Intent::Armed { mine, theirs });
}

/// As [`arm`], to take message `aim`.
#[inline(always)]
pub(crate) fn arm_to_take(memory: &Memory, index: usize, aim: u64, mine: usize, theirs: usize) {
    say(memory, index, aim, Intent::Taking { mine, theirs });
}

/// Says that the owner of entry `index` has `mine`, with a message in it that it took and is not done with.
#[inline(always)]
pub(crate) fn hold(memory: &Memory, index: usize, mine: usize) {
    compiler_keeps_order();
    memory.entry(index).intent.store(Intent::Taking { mine, theirs: mine }.word(), Relaxed);
    compiler_keeps_order();
}

#[inline(always)]
fn say(memory: &Memory, index: usize, aim: u64, intent: Intent) {
    let entry = memory.entry(index);
    entry.aim.store(aim, Relaxed); // Relaxed, here and elsewhere: read by a survivor only; see the module's pairings.
    compiler_keeps_order();
    entry.intent.store(intent.word(), Relaxed);
    compiler_keeps_order();
}

/// Says that the owner of entry `index` has `mine`, and nothing under way.
#[inline(always)]
pub(crate) fn rest(memory: &Memory, index: usize, mine: usize) {
    compiler_keeps_order();
    memory.entry(index).intent.store(Intent::Idle { mine }.word(), Relaxed);
    compiler_keeps_order();
}

/// Writes down that `buffer` was seen in the slot of message `sequence`. Before a counter goes beyond that message.
#[inline(always)]
pub(crate) fn witness(memory: &Memory, buffer: usize, sequence: u64) -> Result<(), Corrupt> {
    let (header, _) = memory.buffer(buffer)?;
    if is_active(Mutation::Witness) {
        return Ok(());
    }
    // Relaxed: the counter, which is moved after it, releases it.
    header.witnessed.fetch_max(sequence + 1, Relaxed);
    Ok(())
}

/// What an entry owned when its last owner left or died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) buffer: usize,
    /// The number of the message in it that was taken and is not done with, if there is one.
    pub(crate) redelivery: Option<u64>,
}

/// What an entry owned when its last owner left or died; `None` if nobody had it yet. For whoever holds the entry.
pub(crate) fn settle(memory: &Memory, words: ArenaStamp, index: usize) -> Result<Option<Settled>, Corrupt> {
    let entry = memory.entry(index);
    let intent = Intent::from_word(entry.intent.load(Relaxed));
    let (mine, theirs) = match intent {
        Intent::Fresh => return Ok(None),
        Intent::Idle { mine } => (mine, mine),
        Intent::Armed { mine, theirs } | Intent::Taking { mine, theirs } => (mine, theirs),
    };
    let aim = entry.aim.load(Relaxed);
    let exchanged = mine != theirs
        && !is_active(Mutation::SettleExchange)
        && was_exchanged(memory, words, intent, mine, aim)?;
    let buffer = if exchanged { theirs } else { mine };
    memory.buffer(buffer)?;
    let took = matches!(intent, Intent::Taking { .. }) && (exchanged || mine == theirs);
    Ok(Some(Settled { buffer, redelivery: took.then_some(aim) }))
}

/// Whether the exchange happened that an intent says was about to, of `mine`, in the slot of message `aim`.
fn was_exchanged(
    memory: &Memory,
    words: ArenaStamp,
    intent: Intent,
    mine: usize,
    aim: u64,
) -> Result<bool, Corrupt> {
    let aim = SlotIndex::of(aim, memory.layout().config.slots);
    // PAIRS(Publish): if the slot has forgotten, we see what was witnessed before.
    let word = memory.slot_word(&aim).load(acquire(Pair::Publish));
    Ok(match (words.at(word, aim.round()), intent) {
        (SlotState::There, Intent::Armed { .. }) | (SlotState::Taken, Intent::Taking { .. }) => {
            words.any_buffer(word) == mine
        }
        (SlotState::Before | SlotState::There, _) => false,
        (SlotState::Taken | SlotState::Beyond, _) => {
            memory.buffer(mine)?.0.witnessed.load(Relaxed) > aim.sequence
        }
    })
}

#[cfg(test)]
mod tests {
    use super::Intent;

    #[test]
    fn intents_survive_their_words() {
        for (mine, theirs) in [(0, 0), (1, 2), ((1 << 31) - 1, 0), (0, (1 << 31) - 1), (123_456, 7_654_321)] {
            let exchanges = [Intent::Armed { mine, theirs }, Intent::Taking { mine, theirs }];
            for intent in [Intent::Fresh, Intent::Idle { mine }].into_iter().chain(exchanges) {
                assert_eq!(Intent::from_word(intent.word()), intent);
            }
        }
    }
}
