//! A `fetch_add` ticket ring: no lock, and every writer waits for the one before it.
//!
//! The usual ring for many writers. A writer draws a ticket, which is its sequence, and owns its
//! slot as soon as the message of the lap before is there, and read if the ring is gated. The stamp
//! is the state of the slot: `4 (n + 1)` message n; `+ 1` it is being written; `+ 2` nothing,
//! because its writer gave up.
//!
//! # Steps
//! | writer | reader at c |
//! |---|---|
//! | 1 n = the counter, which goes up by one | a stamp, Acquire: below c's: empty; above: lagged |
//! | 2 wait for the stamp of n - slots, Acquire; gated: until n is below the limit | b copy |
//! | 3 stamp "being written", fence(Release) | c fence(Acquire) |
//! | 4 copy | d stamp as before, else lagged |
//! | 5 stamp of n, Release | e gated: cursor, Release |
//!
//! A writer stopped between 1 and 5 stops the readers at its message, and within a lap all writers:
//! a ticket cannot be given back. So a write that has drawn one and times out for want of room
//! keeps it for its next call, and leaves "nothing" in the slot when it is dropped.
#![allow(unsafe_code, reason = "copies between slots and slices")]

use crate::locks::board::{Board, FREE, Made, Shape, Slot};
use crate::locks::copy_kernel::Kernel;
use crate::locks::endpoints::{Put, Writing};
use crate::locks::nap::{Nap, napping};
use harness::clock::Moment;
use harness::engine::{Engine, EngineReader};
use harness::refusal::{EngineError, Refusal};
use harness::ring_spec::{Capabilities, Place, RingSpec};
use harness::sink::Sink;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::fence;
use std::time::Duration;

const NAME: &str = "ticket";

/// How long a dropped writer waits for its slot, to leave "nothing" in it.
const LAST_PATIENCE: Duration = Duration::from_secs(1);

const fn holds(sequence: u64) -> u64 {
    4 * (sequence + 1)
}

const fn writing(sequence: u64) -> u64 {
    holds(sequence) + 1
}

const fn nothing(sequence: u64) -> u64 {
    holds(sequence) + 2
}

/// A ring of tickets.
#[derive(Debug)]
pub struct Ticket {
    made: Made,
}

impl Engine for Ticket {
    const NAME: &'static str = NAME;

    const CAPABILITIES: Capabilities = Capabilities {
        between_processes: true,
        lossy: true,
        gated: true,
        many_writers: true,
        many_readers: true,
        writes_in_place: true,
        ..Capabilities::NONE
    };

    type Writer = Writing<TicketWriter>;
    type Reader = TicketReader;

    fn create(spec: &RingSpec, place: &Place) -> Result<Self, EngineError> {
        spec.check(place, Self::CAPABILITIES)?;
        let made = Board::create(NAME, Shape::of(spec, 0), place, |_| Ok(()));
        made.map(|made| Self { made }).map_err(|error| EngineError::failed("create the ring", error))
    }

    fn open(name: &str) -> Result<Self, EngineError> {
        let made = Board::open(NAME, name, |_| 0);
        made.map(|made| Self { made }).map_err(|error| EngineError::failed("open the ring", error))
    }

    fn writer(&self) -> Result<Self::Writer, EngineError> {
        self.made.board.join_writer();
        let board = self.made.board.clone();
        let kernel = Kernel::for_slot_bytes(board.shape.slot_bytes);
        Ok(Writing(TicketWriter { board, kernel, limit: 0, ticket: None }))
    }

    fn reader(&self) -> Result<TicketReader, EngineError> {
        let board = self.made.board.clone();
        let taken = || EngineError::failed("join as a reader", "all places are taken");
        let number = board.join_reader().ok_or_else(taken)?;
        let cursor = board.cursor(number).load(Relaxed); // Relaxed: we stored it.
        let kernel = Kernel::for_slot_bytes(board.shape.slot_bytes);
        Ok(TicketReader { board, kernel, number, cursor })
    }
}

/// The writing end of a [`Ticket`] ring.
#[derive(Debug)]
pub struct TicketWriter {
    board: Board,
    kernel: Kernel,
    limit: u64,
    /// Drawn, and not yet used.
    ticket: Option<u64>,
}

impl TicketWriter {
    /// A ticket whose slot is ours, if there is one. Waits for the writer of one lap before.
    fn draw(&mut self, deadline: Option<Moment>) -> Option<u64> {
        if self.ticket.is_none() && !self.has_room(next_of(&self.board)) {
            return None;
        }
        // Other writers may draw between the check and this: then the ticket may have no room yet,
        // and is kept.
        let Self { board, ticket, .. } = self;
        let ticket = *ticket.get_or_insert_with(|| board.counters().next.fetch_add(1, AcqRel));
        if !self.has_room(ticket) || !is_free(&self.board, ticket, deadline) {
            return None;
        }
        self.ticket = None;
        Some(ticket)
    }

    fn has_room(&mut self, sequence: u64) -> bool {
        !self.board.shape.is_gated || self.board.is_below_limit(sequence, &mut self.limit)
    }
}

fn next_of(board: &Board) -> u64 {
    board.counters().next.load(Acquire)
}

/// Waits until the message of one lap before `sequence` is in its slot, for ever without a
/// `deadline`.
fn is_free(board: &Board, sequence: u64, deadline: Option<Moment>) -> bool {
    let (stamp, slots) = (board.slot(sequence), board.shape.slots as u64);
    let Some(before) = sequence.checked_sub(slots) else { return true };
    let mut nap = Nap::default();
    loop {
        let found = stamp.stamp().load(Acquire);
        if found == holds(before) || found == nothing(before) {
            return true;
        }
        if !nap.take(deadline.unwrap_or(Moment::from_nanos(u64::MAX))) {
            return false;
        }
    }
}

impl Put for TicketWriter {
    #[inline]
    fn put(
        &mut self,
        bytes: usize,
        timeout: Option<Duration>,
        fill: impl FnOnce(&mut dyn Sink),
    ) -> Result<(), Refusal> {
        let slot_bytes = self.board.shape.slot_bytes;
        if bytes > slot_bytes {
            return Err(Refusal::TooLarge { bytes, slot_bytes });
        }
        let deadline = timeout.map(|timeout| Moment::now() + timeout);
        let sequence = napping(timeout, || self.draw(deadline).ok_or(Refusal::Full))?;
        write(&self.board, self.kernel, sequence, bytes, fill);
        Ok(())
    }
}

/// Steps 3 to 5.
fn write(board: &Board, kernel: Kernel, sequence: u64, bytes: usize, fill: impl FnOnce(&mut dyn Sink)) {
    let slot = board.slot(sequence);
    slot.stamp().store(writing(sequence), Relaxed);
    // As in seqring: a reader that sees a byte of this message sees, behind its own fence, that the
    // stamp moved.
    fence(Release);
    slot.length().store(bytes as u64, Relaxed);
    fill(&mut Payload { slot: &slot, kernel, bytes });
    slot.stamp().store(holds(sequence), Release);
}

impl Drop for TicketWriter {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket
            && is_free(&self.board, ticket, Some(Moment::now() + LAST_PATIENCE))
        {
            self.board.slot(ticket).stamp().store(nothing(ticket), Release);
        }
        self.board.leave_writer();
    }
}

/// A slot to be filled, while readers of the previous message may still read it.
struct Payload<'s> {
    slot: &'s Slot,
    kernel: Kernel,
    bytes: usize,
}

impl Sink for Payload<'_> {
    fn message_bytes(&self) -> usize {
        self.bytes
    }

    #[inline]
    fn put(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset.checked_add(bytes.len());
        assert!(end.is_some_and(|end| end <= self.bytes), "{offset} + {} is beyond the message", bytes.len());
        let words = self.slot.payload.as_ptr().cast();
        // SAFETY:
        // - valid: the payload has whole words for `slot_bytes` bytes, and the message ends before
        //   (line above);
        // - readers load through the same kernel, and no other writer stores: the slot is ours
        //   until it is stamped.
        unsafe {
            match offset {
                0 if bytes.len() == self.bytes => self.kernel.store(words, bytes),
                _ => self.kernel.store_at(words, offset, bytes),
            }
        }
    }
}

/// The reading end of a [`Ticket`] ring.
#[derive(Debug)]
pub struct TicketReader {
    board: Board,
    kernel: Kernel,
    number: usize,
    cursor: u64,
}

impl TicketReader {
    /// Nothing is there at the cursor.
    #[cold]
    fn nothing_yet(&self) -> Refusal {
        // The end first: every message before it is then visible.
        if self.board.has_ended() && next_of(&self.board) <= self.cursor {
            return Refusal::Closed;
        }
        Refusal::Empty
    }

    /// The slot has a later message.
    #[cold]
    fn lagged(&mut self) -> Refusal {
        let oldest = next_of(&self.board).saturating_sub(self.board.shape.slots as u64);
        let missed = oldest.saturating_sub(self.cursor).max(1);
        self.cursor += missed;
        Refusal::Lagged { missed }
    }

    fn advance(&mut self) {
        self.cursor += 1;
        if self.board.shape.is_gated {
            self.board.cursor(self.number).store(self.cursor, Release);
        }
    }
}

impl EngineReader for TicketReader {
    #[inline]
    fn try_read(&mut self, buffer: &mut [u8]) -> Result<usize, Refusal> {
        loop {
            let slot = self.board.slot(self.cursor);
            let stamp = slot.stamp().load(Acquire);
            if stamp == nothing(self.cursor) {
                self.advance();
                continue;
            }
            if stamp != holds(self.cursor) {
                return Err(if stamp > holds(self.cursor) && stamp != writing(self.cursor) {
                    self.lagged()
                } else {
                    self.nothing_yet()
                });
            }
            let bytes = (slot.length().load(Relaxed) as usize).min(self.board.shape.slot_bytes);
            if let Some(front) = buffer.get_mut(..bytes) {
                // SAFETY:
                // - valid: `bytes` are no more than a slot's, in whole words; `front` has them and
                //   is ours;
                // - a writer that stores here meanwhile does so through the same kernel.
                unsafe { self.kernel.load(front.as_mut_ptr(), slot.payload.as_ptr().cast(), bytes) };
            }
            fence(Acquire); // If a byte was of a later message, the load below sees that the stamp has moved.
            if slot.stamp().load(Relaxed) != stamp {
                return Err(self.lagged());
            }
            if bytes > buffer.len() {
                return Err(Refusal::OtherLength { bytes, expected: buffer.len() });
            }
            self.advance();
            return Ok(bytes);
        }
    }

    fn read(&mut self, buffer: &mut [u8], timeout: Duration) -> Result<usize, Refusal> {
        napping(Some(timeout), || self.try_read(buffer))
    }
}

impl Drop for TicketReader {
    fn drop(&mut self) {
        self.board.cursor(self.number).store(FREE, Release);
    }
}
