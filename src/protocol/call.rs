//! Calls: a caller asks, the one server answers, in one cell. A cell belongs to one entry of the
//! participant table, and is two inline slots: that of the question, and that of its answer. With
//! payloads of up to 24 bytes both lie in one cache line, which goes to the server and back once a
//! call.
//!
//! # Steps
//! Question `q` of a cell; its answer is message `q + 1`, and the cell's next question `q + 2`.
//!
//! | caller                                   | server                                         |
//! |------------------------------------------|------------------------------------------------|
//! | 1 question's stamp := `q`, being written | a question's stamp: whole, and not answered?   |
//! | 2 store the question                     | b copy the question; stamp unchanged?          |
//! | 3 question's stamp := `q`, whole         | c `serving` := `q` of this cell, in its entry  |
//! |                                          | d the application computes                     |
//! |                                          | e store the answer                             |
//! | 4 answer's stamp is `q + 1`, whole: copy | f answer's stamp := `q + 1`, whole             |
//!
//! Steps 1, 2, 3 and e, f are those of [`inline_slot`], step b is its read. A word of a cell has
//! one writer: the caller those of the question, the server those of the answer. So neither waits
//! for the other, and no step is a read-modify-write. A second server would have to claim each
//! question by an exchange, which moves the line once more: a ring has one server at a time, and
//! more servers have a ring each.
//!
//! A caller that gives a question up asks the next one in its place. If the server was copying the
//! first one, it sees the stamp of step 1 in step b. If it had taken it, it answers `q`, and the
//! caller, which expects the answer to `q + 2`, does not take that. Step 1 is left out if the
//! previous question was answered: then no server copies it.
//!
//! # Deaths
//! Each question is taken at most once. A server that ends between c and f leaves its question in
//! `serving`. The process that recovers the server's entry *refuses* that question: the answer's
//! stamp becomes `q + 1`, not whole, and the answer the process id of the server. A question that
//! was not taken stays for the next server.
//!
//! | the server died | its question              | the caller learns                  |
//! |-----------------|---------------------------|------------------------------------|
//! | before c        | stays for the next server | that no server is left, if none is |
//! | c to f          | is refused                | that this server died with it      |
//! | after f         | is answered               | the answer                         |
//!
//! A caller that died after step 3 has asked: its question is answered, unless another caller gets
//! its entry before and asks in its place. One that died before step 3 has not asked. The next
//! caller of the entry goes on behind the sequence in the question's stamp, so it takes no answer
//! to a question of its predecessor.
//!
//! # Pairings
//! `Publish` and `Tear`, as in [`inline_slot`], for question and answer alike. `Publish` also
//! orders the other direction: a server that sees question `q + 2` sees that the caller has copied
//! the answer `q + 1`. The lock of the server's entry orders the servers after each other.

use crate::memory::format::WRITER_ENTRY;
use crate::memory::slot_index::SlotIndex;
use crate::memory::stamp::InlineStamp;
use crate::memory::{Memory, RacyBytes};
use crate::protocol::inline_slot::{self, LoadedSlot};
use crate::protocol::reader_entry;
use crate::protocol::seqlock::Refused;
use crate::sync::failpoint::{self, Failpoint};
use crate::sync::{AtomicU64, Pair, Relaxed, compiler_barrier, load_own, release};
use crate::types::config::CELL_SLOTS;
use crate::types::error::Corrupt;
use std::iter;
use std::ops::Range;

/// The entries from here on are the callers'.
pub(crate) const FIRST_CALLER: usize = WRITER_ENTRY + 1;

/// Where a cell lies: the slots of its question and of its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    question: SlotIndex,
    answer: SlotIndex,
}

impl Cell {
    /// The cell of a caller's entry.
    ///
    /// # Cost
    /// Divisions.
    pub(crate) fn of_entry(memory: &Memory, entry: usize) -> Self {
        let first = CELL_SLOTS * (entry - FIRST_CALLER);
        let slot = |index: usize| SlotIndex::new(index as u64, memory.layout().config.slots);
        Cell { question: slot(first), answer: slot(first + 1) }
    }

    /// The entry of the cell's caller.
    pub(crate) fn entry(&self) -> usize {
        FIRST_CALLER + self.question.index() / CELL_SLOTS
    }

    /// The next cell; after the last one the first.
    #[inline(always)]
    pub(crate) fn next(mut self) -> Self {
        for _ in 0..CELL_SLOTS {
            self.question.advance();
            self.answer.advance();
        }
        self
    }
}

/// The number of a question in its cell.
pub(crate) type Sequence = u64;

/// What became of a question.
#[derive(Debug)]
pub(crate) enum Reply<'a> {
    /// Nothing yet.
    Awaited,
    Answer(RacyBytes<'a>),
    /// There will be no answer. `pid` is the process of the server that died with the question, or
    /// 0 if a server refused it.
    Unanswered {
        pid: u32,
    },
}

/// The cells of a ring for calls.
#[derive(Clone, Debug)]
pub(crate) struct CallCells {
    pub(crate) memory: Memory,
    stamps: InlineStamp,
    pub(crate) first: Cell,
}

impl CallCells {
    pub(crate) fn new(memory: Memory) -> Self {
        let stamps = InlineStamp::new(memory.layout().config.slot_bytes);
        let first = Cell::of_entry(&memory, FIRST_CALLER);
        CallCells { memory, stamps, first }
    }

    /// The entries of the callers that were ever registered.
    #[inline(always)]
    pub(crate) fn callers(&self) -> Range<usize> {
        FIRST_CALLER..reader_entry::entries(&self.memory).end
    }

    /// Their cells.
    #[inline(always)]
    fn used(&self) -> impl Iterator<Item = Cell> {
        iter::successors(Some(self.first), |cell| Some(cell.next())).take(self.callers().len())
    }

    /// The sequence of the last question in the cell. For participants other than its caller it may
    /// be out of date.
    pub(crate) fn last(&self, cell: &Cell) -> Sequence {
        // Relaxed: the caller's own store, or that of its predecessor, which the entry's lock
        // orders. A process that recovers a server's entry sees at least what that server saw.
        self.stamps.sequence_in(self.memory.inline_slot(&cell.question).stamp.load(Relaxed))
    }

    /// Steps 1 to 3. Without `mark` step 1 is left out.
    #[inline(always)]
    pub(crate) fn ask(&self, cell: &Cell, sequence: Sequence, question: &[u8], mark: bool) {
        let slot = self.memory.inline_slot(&cell.question);
        inline_slot::publish(&slot, self.stamps.of(sequence), question, mark, |_| ());
    }

    /// Whether there is an answer, or will be none. For the caller.
    #[inline(always)]
    pub(crate) fn is_settled(&self, cell: &Cell, sequence: Sequence) -> bool {
        self.names_reply(self.answer_stamp(cell).load(Relaxed), sequence) // Relaxed: `reply` loads it again.
    }

    /// The same for the server, or for the process that recovers its entry: only the holder of that
    /// entry's lock stores the stamp.
    #[inline(always)]
    fn has_settled(&self, cell: &Cell, sequence: Sequence) -> bool {
        self.names_reply(load_own(self.answer_stamp(cell)), sequence)
    }

    #[inline(always)]
    fn answer_stamp(&self, cell: &Cell) -> &AtomicU64 {
        self.memory.inline_slot(&cell.answer).stamp
    }

    #[inline(always)]
    fn names_reply(&self, stamp: u64, sequence: Sequence) -> bool {
        self.stamps.of(sequence.wrapping_add(1)).is_named_in(stamp)
    }

    /// Step 4. An answer stays until the caller asks again.
    #[inline(always)]
    pub(crate) fn reply(&self, cell: &Cell, sequence: Sequence) -> Result<Reply<'_>, Corrupt> {
        if !self.is_settled(cell, sequence) {
            return Ok(Reply::Awaited);
        }
        let slot = || self.memory.inline_slot(&cell.answer);
        match LoadedSlot::load(slot(), self.stamps.of(sequence.wrapping_add(1))).message() {
            Ok(read) => Ok(Reply::Answer(read.message)),
            Err(Refused::Corrupt(corrupt)) => Err(corrupt),
            Err(Refused::Mismatch(_) | Refused::Torn) => {
                // The load above acquired it.
                let mut pid = [0; size_of::<u64>()];
                if let Some(message) = slot().payload.message(pid.len()) {
                    message.copy_to_slice(&mut pid);
                }
                Ok(Reply::Unanswered { pid: u64::from_ne_bytes(pid) as u32 })
            }
        }
    }

    /// Whether a cell has a question that was not answered.
    #[inline(always)]
    pub(crate) fn is_any_asked(&self) -> bool {
        self.used().any(|cell| {
            let stamp = self.memory.inline_slot(&cell.question).stamp.load(Relaxed); // Relaxed: as in `take`.
            let sequence = self.stamps.sequence_in(stamp);
            self.stamps.of(sequence).len_in(stamp).is_some() && !self.has_settled(&cell, sequence)
        })
    }

    /// Steps a to c: copies the question of a cell to the front of `out`, which has room for any,
    /// and returns its sequence and its length.
    pub(crate) fn take(&self, cell: &Cell, out: &mut [u8]) -> Result<Option<(Sequence, usize)>, Corrupt> {
        let slot = self.memory.inline_slot(&cell.question);
        // Relaxed: it only says what to expect of the load that acquires.
        let sequence = self.stamps.sequence_in(slot.stamp.load(Relaxed));
        if self.has_settled(cell, sequence) {
            return Ok(None);
        }
        let read = match LoadedSlot::load(slot, self.stamps.of(sequence)).message() {
            Ok(read) => read,
            Err(Refused::Corrupt(corrupt)) => return Err(corrupt),
            Err(Refused::Mismatch(_) | Refused::Torn) => return Ok(None),
        };
        let len = read.message.len();
        read.message.copy_to_slice(&mut out[..len]);
        if !read.validate() {
            return Ok(None); // The caller gave it up. The next look finds its next question.
        }
        // Relaxed: the lock of the entry orders it. Before the application gets the question, so
        // that a process that finds this server dead knows which question it had.
        serving(&self.memory).store(serving_word(cell, sequence), Relaxed);
        compiler_barrier();
        failpoint::hit(Failpoint::QuestionTaken);
        Ok(Some((sequence, len)))
    }

    /// Steps e and f.
    #[inline(always)]
    pub(crate) fn answer(&self, cell: &Cell, sequence: Sequence, answer: &[u8]) {
        let slot = self.memory.inline_slot(&cell.answer);
        inline_slot::publish(&slot, self.stamps.of(sequence.wrapping_add(1)), answer, false, |_| ());
    }

    /// Settles a question without an answer: [`Reply::Unanswered`].
    pub(crate) fn refuse(&self, cell: &Cell, sequence: Sequence, pid: u32) {
        let (slot, stamp) = (self.memory.inline_slot(&cell.answer), self.stamps.of(sequence.wrapping_add(1)));
        slot.payload.store(&u64::from(pid).to_ne_bytes());
        // PAIRS(Publish): a caller that sees this stamp sees the process above.
        slot.stamp.store(stamp.writing(), release(Pair::Publish));
    }

    /// How many questions were asked so far, by all callers.
    pub(crate) fn asked(&self) -> u64 {
        // A cell's first stamp is the index of its slot. Wrapping: a peer may store anything.
        let in_cell = |cell: Cell| self.last(&cell).wrapping_sub(cell.question.index() as u64);
        self.used().fold(0, |all, cell| in_cell(cell).wrapping_add(all)) / CELL_SLOTS as u64
    }
}

/// The word of the server's entry for the question that it took last.
fn serving(memory: &Memory) -> &AtomicU64 {
    &memory.entry(WRITER_ENTRY).intent
}

/// A question in [`serving`]; never 0, which is none.
fn serving_word(cell: &Cell, sequence: Sequence) -> u64 {
    const ENTRY_BITS: u32 = 17;
    sequence << ENTRY_BITS | cell.entry() as u64
}

/// Refuses the question that the server took and did not answer before it left, or died as process
/// `pid`. The caller holds the lock of the server's entry.
pub(crate) fn settle(memory: &Memory, pid: u32) {
    let cells = CallCells::new(memory.clone());
    let word = serving(memory).load(Relaxed); // Relaxed, as the store below: the entry's lock orders it.
    for cell in cells.used() {
        let sequence = cells.last(&cell);
        if serving_word(&cell, sequence) == word && !cells.has_settled(&cell, sequence) {
            cells.refuse(&cell, sequence, pid);
            failpoint::hit(Failpoint::QuestionRefused);
        }
    }
    serving(memory).store(0, Relaxed);
}
