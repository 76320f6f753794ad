//! The state of a ring's stream: whether messages may still come, and how the stream ended.
//!
//! ```text
//! Fresh ──writer registers──▶ Open ──last writer leaves────▶ Ended ──writer registers──▶ Open …
//!                             Open ──last writer found dead─▶ Died ──writer registers──▶ Open …
//!   any state ──close()──▶ Closed, permanently
//!   in a forked child, an inherited ring is Forked: its operations fail and do nothing
//! ```
//!
//! A reader that finds no message checks the state. The end of a stream is stored after its last
//! message is published. So a reader that sees an end checks its slot once more before it reports
//! the end: a message that is not there then will not come.
//!
//! # Deaths
//! One exchange of the state word decides that the last writer died, and names its process, so all
//! participants agree on it. Before a participant replaces that state by the next one, it stores
//! the death in the table of deaths, for readers that did not see the state. Each reader reports
//! each death once, after it has read what was published before: it remembers the last change of
//! state whose deaths it has reported ([`StreamObserver`]). The table keeps the last eight deaths;
//! a reader that missed more reports those eight.
//!
//! # Pairings
//! | name    | releases             | acquires        | without it                          |
//! |---------|----------------------|-----------------|-------------------------------------|
//! | `End`   | the state's exchange | a reader's load | the end is reported, a message lost |
//! | `Leave` | a leaver's fence     | another's fence | two leavers see each other; no end  |
//!
//! # Costs
//! A write loads the state once. A read loads it only if it finds no message.

#[cfg(all(test, not(seqring_model)))]
mod tests;

use crate::memory::Memory;
use crate::memory::format::{Control, DEATHS_KEPT};
use crate::sync::failpoint::{self, Failpoint};
use crate::sync::mutation::{Mutation, is_active};
use crate::sync::{End, Pair, Relaxed, acq_rel, acquire, full_fence, load_to_exchange};

/// The state of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// No writer has registered yet.
    Fresh,
    /// A writer is registered.
    Open,
    /// The last writer left; another may register.
    Ended,
    /// The last writer died; another may register.
    Died,
    /// Closed permanently.
    Closed,
    /// This memory is a forked child's copy.
    Forked,
}

impl Phase {
    /// Whether a writer may be about to publish.
    pub(crate) fn is_live(self) -> bool {
        matches!(self, Phase::Fresh | Phase::Open)
    }

    /// The order of the variants is part of the segment format.
    const fn code(self) -> u64 {
        self as u64
    }
}

/// The state word: `[changes:31 | deaths:3 | pid:22 | phase:8]`. The count of changes makes the
/// words of two states differ. Deaths are counted modulo the size of their table. The process is
/// that of the writer that died; Linux numbers processes below 2²².
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StateWord(u64);

const PID_BITS: u32 = 22;
const PHASE_BITS: u32 = 8;
const DEATHS_SHIFT: u32 = PHASE_BITS + PID_BITS;
const CHANGES_SHIFT: u32 = DEATHS_SHIFT + 3;

impl StateWord {
    fn phase(self) -> Phase {
        match self.0 & 0xff {
            0 => Phase::Fresh,
            1 => Phase::Open,
            2 => Phase::Ended,
            3 => Phase::Died,
            5 => Phase::Forked,
            // Also for a damaged segment: no call must wait for a stream without a defined state.
            _ => Phase::Closed,
        }
    }

    /// Whether no writer has joined yet.
    #[cfg(not(any(seqring_model, seqring_fuzz)))]
    pub(crate) fn is_fresh(self) -> bool {
        self.phase() == Phase::Fresh
    }

    fn changes(self) -> u32 {
        (self.0 >> CHANGES_SHIFT) as u32
    }

    /// The death that this state reports.
    fn death(self) -> Option<Death> {
        let pid = (self.0 >> PHASE_BITS) as u32 & ((1 << PID_BITS) - 1);
        (self.phase() == Phase::Died).then_some(Death { change: self.changes(), pid })
    }

    fn deaths(self) -> usize {
        (self.0 >> DEATHS_SHIFT) as usize % DEATHS_KEPT
    }

    fn after(self, transition: Transition) -> Self {
        let changes = u64::from(self.changes().wrapping_add(1)) << CHANGES_SHIFT;
        let (phase, died, pid) = match transition {
            Transition::Died { pid } => (Phase::Died, 1, u64::from(pid) & ((1 << PID_BITS) - 1)),
            Transition::To(phase) => (phase, 0, 0),
        };
        let deaths = (self.deaths() + died) % DEATHS_KEPT;
        StateWord(changes | (deaths as u64) << DEATHS_SHIFT | pid << PHASE_BITS | phase.code())
    }
}

/// A change of state.
#[derive(Clone, Copy)]
enum Transition {
    To(Phase),
    Died { pid: u32 },
}

/// The death of a last writer: its process, and the number of the change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Death {
    change: u32,
    pub(crate) pid: u32,
}

impl Death {
    fn from_word(word: u64) -> Option<Self> {
        let pid = word as u32 & ((1 << PID_BITS) - 1);
        (word != 0).then_some(Death { change: (word >> PID_BITS) as u32, pid })
    }

    /// As the table of deaths stores it: `[change:31 | pid:22]`; 0 for none.
    fn word(self) -> u64 {
        u64::from(self.change) << PID_BITS | u64::from(self.pid)
    }
}

/// How many changes `later` is after `earlier`; negative if before. Changes are counted modulo 2³¹.
fn changes_between(earlier: u32, later: u32) -> i32 {
    (later.wrapping_sub(earlier) << 1).cast_signed() >> 1
}

/// How a participant ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Left,
    Died { pid: u32 },
}

/// Whether no message may be published: the ring is closed, or a forked child's. Checked before
/// each message.
#[inline(always)]
pub(crate) fn is_closed(control: &Control) -> bool {
    // Relaxed: orders nothing. A message that races `close` may still be published.
    matches!(StateWord(control.table.stream_state.load(Relaxed)).phase(), Phase::Closed | Phase::Forked)
}

/// The state, for a call that cannot proceed.
#[cold]
pub(crate) fn phase(memory: &Memory) -> Phase {
    current_phase(memory)
}

/// The state, for a call that returns it each time.
#[inline(always)]
pub(crate) fn current_phase(memory: &Memory) -> Phase {
    // PAIRS(End): if the stream has ended, its last message is visible from here on.
    StateWord(memory.control().table.stream_state.load(acquire(Pair::End))).phase()
}

/// The state, to be compared with a later one: if they are equal, it has not changed.
#[cfg(not(any(seqring_model, seqring_fuzz)))]
pub(crate) fn word(memory: &Memory) -> StateWord {
    StateWord(memory.control().table.stream_state.load(Relaxed)) // Relaxed: a call that read acquired it.
}

/// The process of the last writer, if the stream ended by its death.
#[cold]
pub(crate) fn dead_writer(memory: &Memory) -> Option<u32> {
    let state = StateWord(memory.control().table.stream_state.load(Relaxed)); // Relaxed: for an error text.
    state.death().map(|death| death.pid)
}

/// Opens the stream for a writer that registered. False if the ring is closed permanently.
pub(crate) fn open(memory: &Memory) -> bool {
    transition(memory, |phase| (phase != Phase::Closed).then_some(Transition::To(Phase::Open)))
}

/// Ends the stream if the writer that left or died, whose entry says so already, was the last:
/// `others` returns whether other writers are registered.
pub(crate) fn end_if_last(memory: &Memory, exit: Exit, others: impl Fn() -> bool) {
    let end = match exit {
        Exit::Left => Transition::To(Phase::Ended),
        Exit::Died { pid } => Transition::Died { pid },
    };
    transition(memory, |phase| {
        // PAIRS(Leave): of two writers that leave at once, at least one sees that the other has
        // left.
        full_fence(Pair::Leave, End::Release);
        (phase == Phase::Open && !others()).then_some(end)
    });
}

/// Closes the ring permanently.
pub(crate) fn close(memory: &Memory) {
    transition(memory, |phase| (phase != Phase::Closed).then_some(Transition::To(Phase::Closed)));
}

/// How often other participants may change the state first. Only a hostile peer changes it more
/// often; then it stays as it is.
const MAX_TRIES: usize = 1 << 16;

/// Makes the transition that `choose` returns for the present state; false if it returns none.
fn transition(memory: &Memory, choose: impl Fn(Phase) -> Option<Transition>) -> bool {
    let word = &memory.control().table.stream_state;
    // PAIRS(End): the writer that opened the stream registered before; we see its entry.
    let mut seen = StateWord(load_to_exchange(word, acquire(Pair::End)));
    for _ in 0..MAX_TRIES {
        let Some(chosen) = choose(seen.phase()) else {
            return false;
        };
        if let Some(death) = seen.death()
            && !is_active(Mutation::RecordDeath)
        {
            keep_death(memory, seen.deaths(), death);
            failpoint::hit(Failpoint::DeathRecorded);
        }
        // PAIRS(End): releases every message published before by us or by the writer whose entry we
        // recover, and the death stored above.
        match word.compare_exchange(seen.0, seen.after(chosen).0, acq_rel(Pair::End, Pair::End), Relaxed) {
            Ok(_) => return true,
            Err(_) => seen = StateWord(word.load(acquire(Pair::End))),
        }
    }
    false
}

/// Stores a death in the table before its state is replaced, unless a later one is there already.
fn keep_death(memory: &Memory, place: usize, death: Death) {
    let kept = &memory.control().table.deaths[place];
    let mut seen = load_to_exchange(kept, Relaxed);
    for _ in 0..MAX_TRIES {
        if Death::from_word(seen).is_some_and(|other| changes_between(other.change, death.change) <= 0) {
            return;
        }
        // Relaxed, all of them: the exchange of the state orders it.
        match kept.compare_exchange(seen, death.word(), Relaxed, Relaxed) {
            Ok(_) => return,
            Err(other) => seen = other,
        }
    }
}

/// The part of the stream's history that one reader or taker has seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamObserver {
    /// The deaths up to this change are reported.
    reported: u32,
    /// The last state seen in which there was nothing to report, or [`NEWS`].
    last_seen: StateWord,
}

/// No state of a correct ring, and no memory filled with one byte: the present state is news.
const NEWS: StateWord = StateWord(0xff);

/// What a reader that found no message has to report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamStatus {
    /// Messages may still come.
    Live,
    /// A last writer died, which this reader has not reported yet.
    Died(Death),
    Ended,
    Closed,
    Forked,
}

impl StreamObserver {
    /// For a reader that registers now. It does not report earlier deaths, except one that is the
    /// present state.
    pub(crate) fn new(memory: &Memory) -> Self {
        let last_seen = StateWord(memory.control().table.stream_state.load(Relaxed)); // Relaxed: reloaded before it is used.
        let reported = last_seen.changes().wrapping_sub(u32::from(last_seen.phase() == Phase::Died));
        let mut new = StreamObserver { reported, last_seen };
        new.expect_news(); // The reader may start below a gap.
        new
    }

    /// The present state is news, until [`Self::status`] returns it.
    pub(crate) fn expect_news(&mut self) {
        self.last_seen = NEWS;
    }

    /// For a reader that resumes a parked one, which left `word`.
    pub(crate) fn resume(memory: &Memory, word: u64) -> Self {
        let new = Self::new(memory);
        match word.checked_sub(1) {
            Some(change) => StreamObserver { reported: change as u32, ..new },
            None => new,
        }
    }

    /// The word that [`Self::resume`] needs.
    pub(crate) fn word(&self) -> u64 {
        u64::from(self.reported) + 1
    }

    /// Whether [`Self::status`] may return anything but [`StreamStatus::Live`].
    pub(crate) fn has_news(&self, memory: &Memory) -> bool {
        // Relaxed: `status`, which follows, loads it again.
        StateWord(memory.control().table.stream_state.load(Relaxed)) != self.last_seen
    }

    /// Whether [`Self::status`] returns anything but [`StreamStatus::Live`].
    pub(crate) fn must_report(&mut self, memory: &Memory) -> bool {
        self.has_news(memory) && self.status(memory) != StreamStatus::Live
    }

    /// What a reader that found no message has to report, unless it finds one when it checks once
    /// more.
    pub(crate) fn status(&mut self, memory: &Memory) -> StreamStatus {
        // PAIRS(End): the messages before an end, and the deaths before it, are visible from here
        // on.
        let state = StateWord(memory.control().table.stream_state.load(acquire(Pair::End)));
        if let Some(death) = self.next_death(memory, state) {
            return StreamStatus::Died(death);
        }
        match state.phase() {
            Phase::Fresh | Phase::Open => {
                (self.last_seen, self.reported) = (state, state.changes());
                StreamStatus::Live
            }
            Phase::Ended | Phase::Died => StreamStatus::Ended,
            Phase::Closed => StreamStatus::Closed,
            Phase::Forked => StreamStatus::Forked,
        }
    }

    /// Notes that the reader reports `death`.
    pub(crate) fn set_reported(&mut self, death: Death) {
        self.reported = death.change;
    }

    /// The earliest unreported death up to `state`.
    fn next_death(&self, memory: &Memory, state: StateWord) -> Option<Death> {
        if state.changes() == self.reported {
            return None;
        }
        // Relaxed: the load of `state` orders the deaths before it; later ones wait for the next
        // call.
        let kept = memory.control().table.deaths.iter().map(|word| word.load(Relaxed));
        let since = |death: &Death| changes_between(self.reported, death.change);
        kept.filter_map(Death::from_word)
            .filter(|death| changes_between(death.change, state.changes()) >= 0)
            .chain(state.death())
            .filter(|death| since(death) > 0)
            .min_by_key(since)
    }
}

/// The state word of a forked child's copy of a ring.
pub(crate) const FORKED_WORD: u64 = Phase::Forked.code();
