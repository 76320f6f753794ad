//! The intent log: which buffer an entry of the participant table owns, in rings of many writers
//! and in queues, even if its owner died at any step.
//!
//! Each buffer has exactly one owner: a slot, by the slot's word, or an entry, by its *intent*. An
//! exchange ([`crate::protocol::multi_writer`]) swaps the buffers of an entry and a slot.
//!
//! # States
//! | intent                             | the entry owns                                        |
//! |------------------------------------|-------------------------------------------------------|
//! | fresh                              | the buffer that the layout assigns to it              |
//! | idle, `own`                        | `own`                                                 |
//! | publishing `n`, `own`, `displaced` | `displaced` if `own` was published as `n`, else `own` |
//! | taking `n`, `own`, `displaced`     | `displaced` if `own` was left for `n`, else `own`     |
//! | taking `n`, `own` twice            | `own`, with message `n` in it, unacknowledged         |
//!
//! # Steps
//! 1. The owner records the intent ([`record_intent`]).
//! 2. It exchanges the slot's word.
//! 3. It records what it owns now ([`record_idle`], [`record_taken`]).
//! 4. It moves the counter, of messages or of takes, beyond `n`; or another participant does, which
//!    first *confirms* in the buffer's header that it saw the buffer in the slot of `n`
//!    ([`confirm`]).
//!
//! # Recovery
//! Whether the exchange (2) happened is decided by the slot of `n`:
//! - Its word is one from before the exchange: no.
//! - Its word is the one that the exchange stores: yes if it names `own`.
//! - Its word is a later one: the counter moved beyond `n` before. If the owner moved it, it had
//!   recorded step 3. If another participant did, it confirmed `own` for `n`; so the exchange
//!   happened if and only if `own` is confirmed for `n` or a later message. A buffer that was not
//!   exchanged stays with its owner and is in no slot: what was confirmed of it is below `n`.
//!
//! # Pairings
//! None of its own. The kernel's release of a dead owner's lock makes all its stores visible. They
//! were made in program order, as those of a thread that stops between two instructions are.
//!
//! # Costs
//! Recording is two stores to the owner's line; a confirmation is one read-modify-write of the
//! buffer's header, by a helper only.

use crate::memory::Memory;
use crate::memory::slot_index::SlotIndex;
use crate::memory::stamp::{ArenaStamp, SlotState};
use crate::sync::mutation::{Mutation, is_active};
use crate::sync::{Pair, Relaxed, acquire, compiler_barrier};
use crate::types::error::Corrupt;

/// The intent word of an entry: `[kind:2 | own:31 | displaced:31]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    /// The entry never owned a buffer.
    Fresh,
    Idle {
        own: usize,
    },
    Publishing {
        own: usize,
        displaced: usize,
    },
    Taking {
        own: usize,
        displaced: usize,
    },
}

impl Intent {
    const INDEX_BITS: u32 = 31;

    fn from_word(word: u64) -> Self {
        let index = |shift: u32| (word >> shift) as usize & ((1 << Self::INDEX_BITS) - 1);
        let (own, displaced) = (index(Self::INDEX_BITS), index(0));
        match word >> (2 * Self::INDEX_BITS) {
            0 => Intent::Fresh,
            1 => Intent::Idle { own },
            2 => Intent::Publishing { own, displaced },
            _ => Intent::Taking { own, displaced },
        }
    }

    fn word(self) -> u64 {
        let word = |kind: u64, own: usize, displaced: usize| {
            kind << (2 * Self::INDEX_BITS) | (own as u64) << Self::INDEX_BITS | displaced as u64
        };
        match self {
            Intent::Fresh => 0,
            Intent::Idle { own } => word(1, own, 0),
            Intent::Publishing { own, displaced } => word(2, own, displaced),
            Intent::Taking { own, displaced } => word(3, own, displaced),
        }
    }
}

/// Step 1: the owner of entry `index` is about to execute the exchange of `intent`, in the slot of
/// message `sequence`.
#[inline(always)]
pub(crate) fn record_intent(memory: &Memory, index: usize, sequence: u64, intent: Intent) {
    memory.entry(index).intent_sequence.store(sequence, Relaxed); // Relaxed: as in `record`.
    record(memory, index, intent);
}

/// Step 3: the owner of entry `index` owns `own`, with the message in it that it took and has not
/// acknowledged.
#[inline(always)]
pub(crate) fn record_taken(memory: &Memory, index: usize, own: usize) {
    record(memory, index, Intent::Taking { own, displaced: own });
}

/// Step 3: the owner of entry `index` owns `own`, without an exchange or a message.
#[inline(always)]
pub(crate) fn record_idle(memory: &Memory, index: usize, own: usize) {
    record(memory, index, Intent::Idle { own });
}

#[inline(always)]
fn record(memory: &Memory, index: usize, intent: Intent) {
    compiler_barrier();
    // Relaxed: loaded only by the process that recovers the entry; see the module's pairings.
    memory.entry(index).intent.store(intent.word(), Relaxed);
    compiler_barrier();
}

/// Stores that `buffer` was seen in the slot of message `sequence`, before a counter moves beyond
/// that message.
#[inline(always)]
pub(crate) fn confirm(memory: &Memory, buffer: usize, sequence: u64) -> Result<(), Corrupt> {
    let (header, _) = memory.buffer(buffer)?;
    if is_active(Mutation::ConfirmFirst) {
        return Ok(());
    }
    // Relaxed: the counter, which moves afterwards, releases it.
    header.confirmed.fetch_max(sequence + 1, Relaxed);
    Ok(())
}

/// What an entry owned when its last owner left or died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Recovered {
    pub(crate) buffer: usize,
    /// The message in the buffer, if it was taken and not acknowledged.
    pub(crate) redelivery: Option<u64>,
}

/// Finds out what an entry owned when its last owner left or died; `None` if it never had an owner.
/// The caller holds the entry.
pub(crate) fn recover(
    memory: &Memory,
    stamps: ArenaStamp,
    index: usize,
) -> Result<Option<Recovered>, Corrupt> {
    let entry = memory.entry(index);
    let intent = Intent::from_word(entry.intent.load(Relaxed));
    let (own, displaced) = match intent {
        Intent::Fresh => return Ok(None),
        Intent::Idle { own } => (own, own),
        Intent::Publishing { own, displaced } | Intent::Taking { own, displaced } => (own, displaced),
    };
    let sequence = entry.intent_sequence.load(Relaxed);
    let exchanged = own != displaced
        && !is_active(Mutation::SettleExchange)
        && was_exchanged(memory, stamps, intent, own, sequence)?;
    let buffer = if exchanged { displaced } else { own };
    memory.buffer(buffer)?;
    let took = matches!(intent, Intent::Taking { .. }) && (exchanged || own == displaced);
    Ok(Some(Recovered { buffer, redelivery: took.then_some(sequence) }))
}

/// Whether the exchange of an intent happened, which leaves `own` in the slot of message
/// `sequence`.
fn was_exchanged(
    memory: &Memory,
    stamps: ArenaStamp,
    intent: Intent,
    own: usize,
    sequence: u64,
) -> Result<bool, Corrupt> {
    let slot_index = SlotIndex::new(sequence, memory.layout().config.slots);
    // PAIRS(Publish): if the word is a later one, what was confirmed before it is visible.
    let word = memory.slot_word(&slot_index).load(acquire(Pair::Publish));
    Ok(match (stamps.state(word, slot_index.lap()), intent) {
        (SlotState::Published, Intent::Publishing { .. }) | (SlotState::Taken, Intent::Taking { .. }) => {
            stamps.any_buffer(word) == own
        }
        (SlotState::Awaited | SlotState::Published, _) => false,
        (SlotState::Taken | SlotState::Lapped, _) => memory.buffer(own)?.0.confirmed.load(Relaxed) > sequence,
    })
}

#[cfg(test)]
mod tests {
    use super::Intent;

    #[test]
    fn intents_survive_their_words() {
        for (own, displaced) in [(0, 0), (1, 2), ((1 << 31) - 1, 0), (0, (1 << 31) - 1), (123_456, 7_654_321)]
        {
            let exchanges = [Intent::Publishing { own, displaced }, Intent::Taking { own, displaced }];
            for intent in [Intent::Fresh, Intent::Idle { own }].into_iter().chain(exchanges) {
                assert_eq!(Intent::from_word(intent.word()), intent);
            }
        }
    }
}
