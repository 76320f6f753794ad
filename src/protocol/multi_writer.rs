//! Many writers: each fills a buffer of its own and publishes it by exchanging it for the one in
//! the slot.
//!
//! Before that exchange nothing of a write is visible. A writer that is slow, suspended or killed
//! while it fills its buffer delays no other writer and leaves no gap. The order of messages is the
//! order of their exchanges.
//!
//! # Steps
//! A publication; the own buffer is filled before 1, or between 2 and 3:
//!
//! | step |                                                                                     |
//! |------|-------------------------------------------------------------------------------------|
//! | 1    | `n` := the writer's [lower bound](crate::protocol::lazy_counter); gated: below this |
//! |      | writer's limit?                                                                     |
//! | 2    | `w` := the slot's word                                                              |
//! |      | if message `n` was published: catch up; back to 1                                   |
//! | 3    | record the intent ([`crate::protocol::intent_log`])                                 |
//! | 4    | the slot's word: `w` → holds `n`, our buffer                                        |
//! |      | if another writer was first: the intent is idle again; back to 1                    |
//! | 5    | record that the displaced buffer is ours: in the buffer, then in the intent         |
//! | 6    | pass `n`; one time in 16, raise the counter                                         |
//!
//! Words never repeat, because they count laps: a successful exchange replaced the word that step 2
//! loaded. No writer needs another one's steps 5 and 6: it passes message `n` by its slot.
//!
//! # Assigned sequences
//! In a queue a writer may publish under an assigned sequence `n`, and skip steps 1 and 6: it does
//! not know whether the messages below are published. Takers go in order, so their counter is a
//! lower bound for writers, too. If two writers publish the same `n`, one succeeds in step 4. The
//! other finds in step 2 or 4 that `n` is published, and keeps its buffer.
//!
//! # Pairings
//! | name      | releases       | acquires      | without it                                     |
//! |-----------|----------------|---------------|------------------------------------------------|
//! | `Publish` | 4              | reader's load | it sees the word but not yet the payload       |
//! | `Publish` | 4              | 2             | a buffer's next owner stores into it too early |
//! | `Tear`    | before filling | after a copy  | a reader accepts later bytes                   |
//!
//! # Progress
//! Lock-free: a writer returns to step 1 only because another writer's message was published.
//!
//! # Costs
//! A publication is one exchange, of the slot's word, and stores to the writer's own entry and to
//! the header of the buffer that it gets; one time in 16, a second read-modify-write.

use crate::memory::slot_index::{Lap, SlotIndex};
use crate::memory::stamp::ArenaStamp;
use crate::memory::{Memory, OwnEntry};
use crate::protocol::intent_log::{self, Intent};
use crate::protocol::lazy_counter::{self, LazyCounter};
use crate::protocol::registry::Registration;
use crate::sync::failpoint::{self, Failpoint};
use crate::sync::{Pair, Relaxed, acquire, load_to_exchange, release};
use crate::types::config::Delivery;
use crate::types::error::{Corrupt, RegisterError};

/// One of many writers: its entry and its buffer.
#[derive(Debug)]
pub(crate) struct SharedPublisher {
    stamps: ArenaStamp,
    index: usize,
    entry: OwnEntry,
    /// The buffer that this writer owns.
    own: usize,
    /// The lap of the last slot that was checked.
    lap: Lap,
    /// The message that this writer publishes next.
    next: LazyCounter,
    /// The least [distance](ArenaStamp::distance) of a free slot's word: in a queue, the message
    /// before must be taken.
    free_from: i64,
    /// How far ahead an assigned number may be: so many laps the words of slots can distinguish.
    reach: u64,
    /// For how many more messages this writer checks for room before it fills its buffer.
    check_first_for: u32,
}

/// For how many messages after a refusal a writer checks for room first. Where the ring is often
/// full, most copies would be made for messages that are then refused.
const CHECK_FIRST_FOR: u32 = 64;

/// Where a message goes: its slot, and the word to be exchanged there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    slot_index: SlotIndex,
    word: u64,
}

impl Target {
    /// The message's sequence.
    pub(crate) fn sequence(&self) -> u64 {
        self.slot_index.sequence
    }
}

/// Whether a message's slot accepts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vacancy {
    Free(Target),
    /// Queue: the slot's previous message is not taken yet.
    Full,
    /// Another writer published this message.
    Published,
}

/// The buffer that the entry of `registration` owns, backed with pages.
pub(crate) fn own_buffer(registration: &Registration, stamps: ArenaStamp) -> Result<usize, RegisterError> {
    let (memory, entry) = (&registration.attachment().memory, registration.index());
    let slots = memory.layout().config.slots;
    let own = if let Some(recovered) = intent_log::recover(memory, stamps, entry)? {
        recovered.buffer
    } else {
        registration.attachment().back_with_pages(memory.layout().buffer_pages(slots + entry))?;
        slots + entry
    };
    memory.make_buffer_resident(own);
    intent_log::record_owner(memory.buffer(own)?.0, entry);
    intent_log::record_idle(memory.entry(entry), own);
    Ok(own)
}

impl SharedPublisher {
    /// For the writer in the entry of `registration`, with the buffer that the entry owns.
    pub(crate) fn new(registration: &Registration, stamps: ArenaStamp) -> Result<Self, RegisterError> {
        let own = own_buffer(registration, stamps)?;
        let memory = &registration.attachment().memory;
        let config = &memory.layout().config;
        Ok(SharedPublisher {
            stamps,
            index: registration.index(),
            entry: memory.own_entry(registration.index()),
            own,
            lap: Lap::new(lazy_counter::published(memory), config.slots),
            next: LazyCounter::new(lazy_counter::published(memory)),
            reach: (config.slots as u64).saturating_mul(stamps.laps_apart()),
            free_from: if config.delivery == Delivery::Queue { stamps.distance_of(-2) } else { i64::MIN },
            check_first_for: 0,
        })
    }

    /// The buffer to be filled.
    pub(crate) fn own(&self) -> usize {
        self.own
    }

    /// Notes that a message was refused because the ring was full.
    pub(crate) fn note_full(&mut self) {
        self.check_first_for = CHECK_FIRST_FOR;
    }

    /// Whether the ring was not full lately.
    #[inline(always)]
    pub(crate) fn copies_first(&self) -> bool {
        self.check_first_for == 0
    }

    /// Whether to check for room before the next message is filled in, because the ring was full
    /// lately.
    pub(crate) fn checks_first(&mut self) -> bool {
        let check = self.check_first_for > 0;
        self.check_first_for = self.check_first_for.saturating_sub(1);
        check
    }

    /// The message that this writer publishes next: never above the one that is published next.
    #[inline(always)]
    pub(crate) fn next(&self) -> u64 {
        self.next.next()
    }

    /// Passes messages that other writers published.
    pub(crate) fn catch_up(&mut self, memory: &Memory) {
        let SharedPublisher { next, lap, stamps, .. } = self;
        let slots = memory.layout().config.slots;
        next.catch_up(lazy_counter::published(memory), slots, |n| {
            let slot_index = lap.locate(n);
            // PAIRS(Publish): this writer's messages come after those that it passed.
            let word = memory.slot_word(&slot_index).load(acquire(Pair::Publish));
            stamps.ahead(word, slot_index.lap()) > 0
        });
    }

    /// Step 2, for the assigned number `n`.
    pub(crate) fn find_assigned(&mut self, memory: &Memory, n: u64) -> Vacancy {
        if n.saturating_sub(self.next.next()) > self.reach {
            return Vacancy::Full;
        }
        self.find_target(memory, n)
    }

    /// Step 2, for message `n`: an assigned one within reach, or the [next](Self::next).
    #[inline(always)]
    pub(crate) fn find_target(&mut self, memory: &Memory, n: u64) -> Vacancy {
        let slot_index = self.lap.locate(n);
        // PAIRS(Publish): the previous owner of the buffer that we get has finished with it.
        let word = load_to_exchange(memory.slot_word(&slot_index), acquire(Pair::Publish));
        let distance = self.stamps.distance(word, slot_index.lap());
        if distance >= self.stamps.distance_of(1) {
            return Vacancy::Published;
        }
        if distance < self.free_from {
            return Vacancy::Full;
        }
        Vacancy::Free(Target { slot_index, word })
    }

    /// Steps 3 to 6 for the [next](Self::next) message.
    #[inline(always)]
    pub(crate) fn exchange_next(&mut self, memory: &Memory, target: &Target) -> Result<bool, Corrupt> {
        let published = self.exchange(memory, target)?;
        if published {
            self.next.advance(&memory.control().next);
        }
        Ok(published)
    }

    /// Steps 3 to 5: publishes the own buffer at `target` and takes over the buffer from the slot.
    /// False if another writer published that message meanwhile.
    #[inline(always)]
    pub(crate) fn exchange(&mut self, memory: &Memory, target: &Target) -> Result<bool, Corrupt> {
        failpoint::hit(Failpoint::ExchangeLoaded);
        let Target { slot_index, word } = target;
        let displaced = self.stamps.any_buffer(*word);
        let (header, _) = memory.buffer(displaced)?;
        memory.fetch_buffer(displaced);
        // Once: after a store that others see, a field would be loaded again.
        let (entry, own) = (&*self.entry, self.own);
        intent_log::record_intent(entry, slot_index.sequence, Intent::Publishing { own, displaced });
        failpoint::hit(Failpoint::ExchangeIntended);
        // PAIRS(Publish): a reader that sees this word sees what we stored into the buffer.
        let (slot, holds) = (memory.slot_word(slot_index), self.stamps.published(slot_index.lap(), own));
        if slot.compare_exchange(*word, holds, release(Pair::Publish), Relaxed).is_err() {
            intent_log::record_loss(entry, own);
            return Ok(false);
        }
        failpoint::hit(Failpoint::ExchangeDone);
        intent_log::record_owner(header, self.index);
        failpoint::hit(Failpoint::ExchangeOwned);
        intent_log::record_idle(entry, displaced);
        failpoint::hit(Failpoint::ExchangeSettled);
        self.own = displaced;
        Ok(true)
    }
}
