//! Queue delivery: each message goes to exactly one taker, and its buffer with it.
//!
//! Publishing is [`crate::protocol::multi_writer`]'s. Taking is the same exchange the other way round: the taker's empty buffer for the
//! full one in the slot, whose word then says *taken*. A writer may use a slot again when its last message is taken;
//! while it is not, the queue is full.
//!
//! # Steps of a take
//! | step |                                                                                                 |
//! |------|-------------------------------------------------------------------------------------------------|
//! | 1    | `h` := the counter of takes                                                                     |
//! | 2    | `w` := the slot's word; message `h` not there: the queue is empty; taken: help: 2a witness whose buffer lies there, 2b the counter := `h + 1`; back to 1 |
//! | 3    | if the counter of messages is not beyond `h`: witness that it was published, and move that counter |
//! | 4    | say what is about to be exchanged for what ([`crate::protocol::intent_log`])                                |
//! | 5    | the slot's word: `w` → taken, our buffer; back to 1 if somebody else was first                   |
//! | 6    | say that the full buffer is ours, and not yet done with                                         |
//! | 7    | the counter of takes: `h` → `h + 1`, unless somebody helped                                     |
//!
//! A writer that is about to use a slot again helps first, as in 2, if the counter of takes is not beyond its last message:
//! else a taker that stops after 5 would hold up all others for good, because the slot would say neither *there* nor
//! *taken* any more.
//!
//! `Empty` and `Full` are what the slot said at the moment when it was looked at in 2: as long as it says so, the
//! counter cannot have gone further.
//!
//! # Pairings
//! All of [`crate::protocol::multi_writer`]; and `Publish` orders a taker's exchange before the writer that gets the empty buffer.
//!
//! # Progress
//! Lock-free on both sides: whoever goes back to 1 does so because somebody else's message was taken.

use crate::memory::Memory;
use crate::memory::layout::SEQUENCE_LIMIT;
use crate::memory::slot_index::{Lap, SlotIndex};
use crate::memory::stamp::{ArenaStamp, SlotState};
use crate::protocol::intent_log;
use crate::protocol::multi_writer;
use crate::sync::failpoint::{self, Failpoint};
use crate::sync::{AtomicU64, Pair, Relaxed, acquire, load_to_exchange, release};
use crate::types::error::Corrupt;

/// What became of an attempt to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TakeOutcome {
    /// The message of this number; its buffer is the own one now.
    Taken(u64),
    Empty,
    /// Somebody else was first.
    Late,
}

/// The takes' side of a participant: its entry, its buffer.
#[derive(Debug)]
pub(crate) struct TakeCursor {
    words: ArenaStamp,
    entry: usize,
    own: usize,
    lap: Lap,
    /// The counter of messages when it was last looked at: below, all are published and witnessed, or their writers said so.
    published: u64,
}

impl TakeCursor {
    pub(crate) fn new(memory: &Memory, words: ArenaStamp, entry: usize, own: usize) -> Self {
        let lap = Lap::of(next(memory), memory.layout().config.slots);
        TakeCursor { words, entry, own, lap, published: 0 }
    }

    /// The buffer that is this taker's.
    pub(crate) fn own(&self) -> usize {
        self.own
    }

    pub(crate) fn try_take(&mut self, memory: &Memory) -> Result<TakeOutcome, Corrupt> {
        let h = next(memory);
        let place = self.lap.seek(h);
        let slot = memory.slot_word(&place);
        // PAIRS(Publish): what the writer stored into the buffer is visible.
        let word = load_to_exchange(slot, acquire(Pair::Publish));
        let theirs = self.words.any_buffer(word);
        match self.words.at(word, place.round()) {
            SlotState::There => {}
            SlotState::Before => return Ok(TakeOutcome::Empty),
            SlotState::Taken => {
                help(memory, theirs, h)?;
                return Ok(TakeOutcome::Late);
            }
            SlotState::Beyond => return Ok(TakeOutcome::Late),
        }
        memory.buffer(theirs)?;
        if self.published <= h {
            // Now and then only: writers are busy with that line.
            self.published = multi_writer::next(memory);
            if self.published <= h {
                multi_writer::help(memory, theirs, h)?;
            }
        }
        intent_log::arm_to_take(memory, self.entry, h, self.own, theirs);
        failpoint::at(Failpoint::TakeArmed);
        // PAIRS(Publish): we are done with the buffer that we leave.
        let taken = self.words.taken(place.round(), self.own);
        if slot.compare_exchange(word, taken, release(Pair::Publish), Relaxed).is_err() {
            return Ok(TakeOutcome::Late);
        }
        failpoint::at(Failpoint::TakeDone);
        intent_log::hold(memory, self.entry, theirs);
        failpoint::at(Failpoint::TakeOwned);
        self.own = theirs;
        advance(memory, h);
        Ok(TakeOutcome::Taken(h))
    }

    /// The message last taken is done with.
    pub(crate) fn acknowledge(&self, memory: &Memory) {
        intent_log::rest(memory, self.entry, self.own);
    }

    /// Whether there is something to take, or somebody to help.
    pub(crate) fn is_ready(&mut self, memory: &Memory) -> bool {
        let place = self.lap.seek(next(memory));
        // Relaxed: the attempt that follows looks again.
        self.words.at(memory.slot_word(&place).load(Relaxed), place.round()) != SlotState::Before
    }
}

/// Before a writer uses the slot of `place` again, whose `word` says that its last message was taken: that take must not
/// need the slot to be known. `taken` is what the counter of takes was when this writer last looked.
pub(crate) fn finish_take(
    memory: &Memory,
    words: ArenaStamp,
    place: &SlotIndex,
    word: u64,
    taken: &mut u64,
) -> Result<(), Corrupt> {
    let before = place.sequence.wrapping_sub(memory.layout().config.slots as u64);
    if *taken <= before {
        // Now and then only: takers are busy with that line.
        *taken = next(memory);
        if *taken == before {
            help(memory, words.any_buffer(word), before)?;
        }
    }
    Ok(())
}

/// Witnesses that a taker left `buffer` in the slot of message `h`, and moves the counter of takes beyond it.
fn help(memory: &Memory, buffer: usize, h: u64) -> Result<(), Corrupt> {
    intent_log::witness(memory, buffer, h)?;
    failpoint::at(Failpoint::HelpTakeWitnessed);
    advance(memory, h);
    Ok(())
}

fn counter(memory: &Memory) -> &AtomicU64 {
    &memory.control().taken
}

/// The sequence that is taken next.
pub(crate) fn next(memory: &Memory) -> u64 {
    // PAIRS(Next): what was witnessed of the takes below is visible. Bounded: a peer may have stored anything.
    load_to_exchange(counter(memory), acquire(Pair::Next)).min(SEQUENCE_LIMIT)
}

fn advance(memory: &Memory, h: u64) {
    // PAIRS(Next): message `h` is taken, and that is witnessed if we are not its taker.
    let _ = counter(memory).compare_exchange(h, h + 1, release(Pair::Next), Relaxed);
}
