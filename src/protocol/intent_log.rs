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
//! A buffer's header names its *owner*: the entry that got the buffer last. Only that entry stores
//! it.
//!
//! # Steps
//! 1. The owner records the intent ([`record_intent`]).
//! 2. It exchanges the slot's word. If that fails, it records that it is idle again.
//! 3. It stores itself as owner of the buffer that it got ([`record_owner`]).
//! 4. It records what it owns now ([`record_idle`], [`record_taken`]).
//!
//! # Recovery
//! Whether the exchange (2) of dead participant Y, which leaves `own` in the slot of `n`, happened
//! is decided by that slot:
//! - Its word is one from before the exchange: no.
//! - Its word is the one that the exchange stores: yes if it names `own`.
//! - Its word is a later one. If the exchange happened, one participant T displaced `own` from the
//!   slot, and is Y's witness:
//!
//! | step | T did                                | `own` names Y | T's intent names `own` |
//! |------|--------------------------------------|---------------|------------------------|
//! | a    | record its intent, exchange the word | yes           | yes, with its aim      |
//! | b    | store itself as owner                | no            | yes                    |
//! | c    | record what it owns now              | no            | perhaps not            |
//!
//! So the survivor asks three times ([`was_displaced`]): does `own` name another owner than Y? Does
//! an intent name `own` as displaced, by the aim that displaces what Y left? Does `own` name
//! another owner now? If T was in step a or b at the second question, the survivor sees T's intent:
//! T recorded it before the word that the survivor loaded. If T went on meanwhile, the survivor
//! sees what T stored before, and the third question finds the owner.
//!
//! If the exchange did not happen, Y owns `own` since before it recorded its intent, and no answer
//! is yes. An intent may name `own` as displaced from an earlier time, when `own` was in a slot,
//! but not by that aim: that would be the slot and the round in which Y itself left `own`.
//!
//! The witness need not be T. Participant P may have loaded the slot's word before T's exchange,
//! and record that aim after it, even while the survivor asks; P's exchange then fails. P is a true
//! witness, too: words never repeat, so the word that P loaded is the one that Y's exchange leaves,
//! and it names `own` only if that exchange happened.
//!
//! An intent is two words. The aim is stored first, while the intent is idle, and loaded before and
//! after the intent. If both loads find the aim, the intent between them is that of the aim, or
//! idle. An earlier intent was replaced by idle before the aim was stored, and the first load
//! acquires that. A later intent follows a later aim, and the second load finds that one, because
//! an owner of an entry records an aim once: after its exchange, failed or not, the slot never has
//! that word again. The entry's next owner may record the aim again, from the same word. If it
//! recorded others before (numbers are assigned), it loaded that word after those and before T's
//! exchange, which the survivor saw first: so both loads come after those.
//!
//! # Forgotten messages
//! A taker's intent is not idle at its next take if its message was never finished
//! (`std::mem::forget` of a `Taken`). From the new aim to the new intent, the entry then says that
//! it owns the buffer of the old message, with the number of the next. It is no false witness: the
//! buffer's header names this taker since it took the old message, and the first question finds
//! that. If the taker dies there, the old message is redelivered under the wrong number.
//!
//! # Pairings
//! | name    | releases      | acquires            | without it                        |
//! |---------|---------------|---------------------|-----------------------------------|
//! | `Owner` | steps 1 and 4 | the second question | neither intent nor owner is found |
//!
//! The kernel's release of a dead owner's lock makes all its stores visible. They were made in
//! program order, as those of a thread that stops between two instructions are.
//!
//! # Costs
//! Recording is three stores to the owner's line, and one to the header of the buffer that it gets.
//! A recovery may load two lines of each entry that was ever used.

use crate::memory::Memory;
use crate::memory::format::{BufferHeader, Entry};
use crate::memory::slot_index::SlotIndex;
use crate::memory::stamp::{ArenaStamp, SlotState};
use crate::protocol::reader_entry::entries;
use crate::sync::mutation::{Mutation, is_active};
use crate::sync::{Pair, Relaxed, acquire, compiler_barrier, release};
use crate::types::config::Delivery;
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
    /// The position of the kind, in the intent and in its aim.
    const KIND: u32 = 2 * Self::INDEX_BITS;

    fn from_word(word: u64) -> Self {
        let index = |shift: u32| (word >> shift) as usize & ((1 << Self::INDEX_BITS) - 1);
        let (own, displaced) = (index(Self::INDEX_BITS), index(0));
        match word >> Self::KIND {
            0 => Intent::Fresh,
            1 => Intent::Idle { own },
            2 => Intent::Publishing { own, displaced },
            _ => Intent::Taking { own, displaced },
        }
    }

    #[inline(always)]
    fn word(self) -> u64 {
        let (own, displaced) = match self {
            Intent::Fresh => (0, 0),
            Intent::Idle { own } => (own, 0),
            Intent::Publishing { own, displaced } | Intent::Taking { own, displaced } => (own, displaced),
        };
        self.kind() << Self::KIND | (own as u64) << Self::INDEX_BITS | displaced as u64
    }

    #[inline(always)]
    fn kind(self) -> u64 {
        match self {
            Intent::Fresh => 0,
            Intent::Idle { .. } => 1,
            Intent::Publishing { .. } => 2,
            Intent::Taking { .. } => 3,
        }
    }

    /// The word for the aim of this intent: its kind, and the message in whose slot it exchanges.
    #[inline(always)]
    fn aim(self, sequence: u64) -> u64 {
        self.kind() << Self::KIND | sequence
    }

    /// The buffer that an exchange under way, or one of an unacknowledged message, displaces.
    fn displaced_by(word: u64) -> Option<usize> {
        match Intent::from_word(word) {
            Intent::Publishing { displaced, .. } | Intent::Taking { displaced, .. } => Some(displaced),
            Intent::Fresh | Intent::Idle { .. } => None,
        }
    }

    /// The message of an aim.
    fn sequence(aim: u64) -> u64 {
        aim & ((1 << Self::KIND) - 1)
    }
}

/// Step 1: the owner of `entry`, which is idle, is about to execute the exchange of `intent`, in
/// the slot of message `sequence`.
#[inline(always)]
pub(crate) fn record_intent(entry: &Entry, sequence: u64, intent: Intent) {
    // PAIRS(Owner): as in `record`, for a survivor that sees this aim.
    entry.intent_sequence.store(intent.aim(sequence), release(Pair::Owner));
    record(entry, intent);
}

/// After step 2 failed.
#[inline(always)]
pub(crate) fn record_loss(entry: &Entry, own: usize) {
    if !is_active(Mutation::RecordLoss) {
        record_idle(entry, own);
    }
}

/// Step 3: entry `index` got the buffer of `header`.
#[inline(always)]
pub(crate) fn record_owner(header: &BufferHeader, index: usize) {
    if !is_active(Mutation::RecordOwner) {
        header.owner.store(index as u64, Relaxed); // Relaxed: `record`, which follows, releases it.
    }
}

/// Step 4: the owner of `entry` owns `own`, with the message in it that it took and has not
/// acknowledged.
#[inline(always)]
pub(crate) fn record_taken(entry: &Entry, own: usize) {
    record(entry, Intent::Taking { own, displaced: own });
}

/// Step 4: the owner of `entry` owns `own`, without an exchange or a message.
#[inline(always)]
pub(crate) fn record_idle(entry: &Entry, own: usize) {
    record(entry, Intent::Idle { own });
}

#[inline(always)]
fn record(entry: &Entry, intent: Intent) {
    compiler_barrier();
    // PAIRS(Owner): a survivor that sees this intent sees the owner that was stored before.
    entry.intent.store(intent.word(), release(Pair::Owner));
    compiler_barrier();
}

/// The message that the owner of `entry` takes, or has taken and not acknowledged.
pub(crate) fn taking(entry: &Entry) -> Option<u64> {
    // Relaxed, both: for a message that its taker keeps while this runs, the words stay as they
    // are, and the slot's word ordered them before the caller.
    let intent = Intent::from_word(entry.intent.load(Relaxed));
    let sequence = Intent::sequence(entry.intent_sequence.load(Relaxed));
    matches!(intent, Intent::Taking { .. }).then_some(sequence)
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
    let sequence = Intent::sequence(entry.intent_sequence.load(Relaxed));
    let exchanged = own != displaced
        && !is_active(Mutation::SettleExchange)
        && was_exchanged(memory, stamps, index, intent, own, sequence)?;
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
    index: usize,
    intent: Intent,
    own: usize,
    sequence: u64,
) -> Result<bool, Corrupt> {
    let slot_index = SlotIndex::new(sequence, memory.layout().config.slots);
    // PAIRS(Publish): if the word is a later one, the intent of the displacer is visible.
    let word = memory.slot_word(&slot_index).load(acquire(Pair::Publish));
    match (stamps.state(word, slot_index.lap()), intent) {
        (SlotState::Published, Intent::Publishing { .. }) | (SlotState::Taken, Intent::Taking { .. }) => {
            Ok(stamps.any_buffer(word) == own)
        }
        (SlotState::Awaited | SlotState::Published, _) => Ok(false),
        (SlotState::Taken | SlotState::Lapped, _) => was_displaced(memory, index, intent, own, sequence),
    }
}

/// Whether `own`, which entry `index` was about to leave in the slot of message `sequence`, was
/// displaced from there.
///
/// # Cost
/// A line of each entry that was ever used.
fn was_displaced(
    memory: &Memory,
    index: usize,
    intent: Intent,
    own: usize,
    sequence: u64,
) -> Result<bool, Corrupt> {
    let (header, _) = memory.buffer(own)?;
    // Relaxed: while entry `index` owns it, only its dead owner stored it.
    let has_other_owner = || header.owner.load(Relaxed) != index as u64;
    let config = &memory.layout().config;
    let witness = Intent::Taking { own: 0, displaced: own };
    let (witness, sequence) = match intent {
        Intent::Publishing { .. } if config.delivery == Delivery::Queue => (witness, sequence),
        _ => (Intent::Publishing { own: 0, displaced: own }, sequence.wrapping_add(config.slots as u64)),
    };
    let aim = witness.aim(sequence);
    let is_witness = |other: usize| {
        let entry = memory.entry(other);
        // PAIRS(Owner): what this participant stored before it recorded this is visible.
        let aim_of = || entry.intent_sequence.load(acquire(Pair::Owner));
        // PAIRS(Owner): the same.
        let displaced = || Intent::displaced_by(entry.intent.load(acquire(Pair::Owner))) == Some(own);
        let is_aim = || aim_of() == aim || is_active(Mutation::CompareAim);
        is_aim() && displaced() && is_aim()
    };
    let found = || !is_active(Mutation::FindDisplacer) && entries(memory).any(is_witness);
    Ok(has_other_owner() || found() || has_other_owner())
}

#[cfg(all(test, not(any(seqring_model, seqring_fuzz))))]
mod tests {
    use super::{Intent, Recovered, recover};
    use crate::api::ring::Ring;
    use crate::memory::stamp::ArenaStamp;
    use crate::sync::Relaxed;
    use crate::types::config::{Config, Delivery};

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

    /// A death between the two stores of `record_intent`, beside an intent that is not idle.
    #[test]
    fn a_forgotten_message_is_redelivered_if_the_next_take_dies_at_its_start() {
        let ring = Ring::heap(&Config::slots(4).of_bytes(8).delivery(Delivery::Queue)).unwrap();
        let (mut writer, mut taker) = (ring.writer().unwrap(), ring.taker().unwrap());
        writer.write_each(&["first", "second", "third"]).unwrap();
        drop(taker.try_take().unwrap());
        std::mem::forget(taker.try_take().unwrap());
        let memory = &ring.attachment.memory;
        let index = ring.participants().last().unwrap().entry;
        let (entry, stamps) = (memory.entry(index), ArenaStamp::new(memory.layout().buffers));
        let of_second = recover(memory, stamps, index).unwrap().unwrap();
        assert_eq!(of_second.redelivery, Some(1));

        let next = Intent::Taking { own: of_second.buffer, displaced: 0 };
        entry.intent_sequence.store(next.aim(2), Relaxed);
        let recovered = recover(memory, stamps, index).unwrap().unwrap();
        assert_eq!(
            recovered,
            Recovered { redelivery: Some(2), ..of_second },
            "the second message is not lost"
        );
    }
}
