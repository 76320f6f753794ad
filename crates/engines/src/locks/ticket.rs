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

use crate::locks::board::{Board, Made, Seat};
use crate::locks::copy_kernel::Kernel;
use crate::locks::nap::{Nap, napping};
use harness::clock::Moment;
use harness::engine::{Engine, EngineReader, EngineWriter, Sink};
use harness::refusal::{EngineError, Refusal};
use harness::ring_spec::{Capabilities, Place, RingSpec};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::fence;
use std::time::Duration;

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
    const NAME: &'static str = "ticket";

    const CAPABILITIES: Capabilities = Capabilities {
        between_processes: true,
        lossy: true,
        gated: true,
        many_writers: true,
        many_readers: true,
        ..Capabilities::NONE
    };

    type Writer = TicketWriter;
    type Reader = TicketReader;

    fn create(spec: &RingSpec, place: &Place) -> Result<Self, EngineError> {
        Ok(Self { made: Board::create::<Self>(spec, place, 0, |_| Ok(()))? })
    }

    fn open(name: &str) -> Result<Self, EngineError> {
        Ok(Self { made: Board::open::<Self>(name, |_| 0)? })
    }

    fn writer(&self) -> Result<TicketWriter, EngineError> {
        self.made.board.join_writer();
        let board = self.made.board.clone();
        let kernel = Kernel::for_slot_bytes(board.shape.slot_bytes);
        Ok(TicketWriter { board, kernel, limit: 0, ticket: None, message: Vec::new() })
    }

    fn reader(&self) -> Result<TicketReader, EngineError> {
        let seat = self.made.board.join_reader()?;
        let kernel = Kernel::for_slot_bytes(seat.board.shape.slot_bytes);
        Ok(TicketReader { seat, kernel, buffer: Vec::new() })
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
    /// A message that a caller builds.
    message: Vec<u8>,
}

impl TicketWriter {
    fn reserve(&mut self, bytes: usize, timeout: Option<Duration>) -> Result<u64, Refusal> {
        self.board.fits(bytes)?;
        let deadline = timeout.map(|timeout| Moment::now() + timeout);
        napping(timeout, || self.draw(deadline).ok_or(Refusal::Full))
    }

    /// A ticket whose slot is ours, if there is one. Waits for the writer of one lap before.
    fn draw(&mut self, deadline: Option<Moment>) -> Option<u64> {
        let Self { board, ticket, limit, .. } = self;
        if ticket.is_none() && !board.has_room(board.next(), limit) {
            return None;
        }
        // Other writers may draw between the check and this: then the ticket may have no room yet,
        // and is kept.
        let drawn = *ticket.get_or_insert_with(|| board.counters().next.fetch_add(1, AcqRel));
        if !board.has_room(drawn, limit) || !is_free(board, drawn, deadline) {
            return None;
        }
        ticket.take()
    }
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

impl EngineWriter for TicketWriter {
    /// The caller builds the message while its slot is taken, as it would in place.
    #[inline]
    fn put_with(
        &mut self,
        bytes: usize,
        timeout: Option<Duration>,
        fill: impl FnOnce(&mut dyn Sink),
    ) -> Result<(), Refusal> {
        let sequence = self.reserve(bytes, timeout)?;
        let mut message = std::mem::take(&mut self.message);
        message.resize(bytes, 0);
        begin(&self.board, sequence);
        fill(&mut &mut message[..]);
        end(&self.board, self.kernel, sequence, &message);
        self.message = message;
        Ok(())
    }

    #[inline]
    fn put(&mut self, message: &[u8], timeout: Option<Duration>) -> Result<(), Refusal> {
        let sequence = self.reserve(message.len(), timeout)?;
        begin(&self.board, sequence);
        end(&self.board, self.kernel, sequence, message);
        Ok(())
    }
}

/// Step 3.
fn begin(board: &Board, sequence: u64) {
    board.slot(sequence).stamp().store(writing(sequence), Relaxed);
    // As in seqring: a reader that sees a byte of this message sees, behind its own fence, that the
    // stamp moved.
    fence(Release);
}

/// Steps 4 and 5.
fn end(board: &Board, kernel: Kernel, sequence: u64, message: &[u8]) {
    let slot = board.slot(sequence);
    slot.length().store(message.len() as u64, Relaxed);
    // SAFETY:
    // - valid: the payload has whole words for `slot_bytes` bytes, and the message fits;
    // - readers load through the same kernel, and no other writer stores: the slot is ours until it
    //   is stamped.
    unsafe { kernel.store(slot.payload.as_ptr().cast(), message) };
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

/// The reading end of a [`Ticket`] ring.
#[derive(Debug)]
pub struct TicketReader {
    seat: Seat,
    kernel: Kernel,
    /// Where messages are copied to that are to be shown.
    buffer: Vec<u8>,
}

impl TicketReader {
    fn try_get(&mut self, buffer: &mut [u8]) -> Result<usize, Refusal> {
        let Self { seat, kernel, .. } = self;
        loop {
            let (slot, cursor) = (seat.board.slot(seat.cursor), seat.cursor);
            let stamp = slot.stamp().load(Acquire);
            if stamp == nothing(cursor) {
                seat.advance();
                continue;
            }
            if stamp != holds(cursor) {
                let is_later = stamp > holds(cursor) && stamp != writing(cursor);
                return Err(if is_later { seat.lagged() } else { seat.nothing_yet() });
            }
            let bytes = slot.bytes(&seat.board);
            if let Some(front) = buffer.get_mut(..bytes) {
                // SAFETY:
                // - valid: `bytes` are no more than a slot's, in whole words; `front` has them and
                //   is ours;
                // - a writer that stores here meanwhile does so through the same kernel.
                unsafe { kernel.load(front.as_mut_ptr(), slot.payload.as_ptr().cast(), bytes) };
            }
            fence(Acquire); // If a byte was of a later message, the load below sees that the stamp has moved.
            if slot.stamp().load(Relaxed) != stamp {
                return Err(seat.lagged());
            }
            if bytes > buffer.len() {
                return Err(Refusal::OtherLength { bytes, expected: buffer.len() });
            }
            seat.advance();
            return Ok(bytes);
        }
    }
}

impl EngineReader for TicketReader {
    #[inline]
    fn get(&mut self, buffer: &mut [u8], timeout: Option<Duration>) -> Result<usize, Refusal> {
        napping(timeout, || self.try_get(buffer))
    }

    fn get_with<T>(
        &mut self,
        timeout: Option<Duration>,
        view: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, Refusal> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(self.seat.board.shape.slot_bytes, 0);
        let shown = self.get(&mut buffer, timeout).map(|bytes| view(&buffer[..bytes]));
        self.buffer = buffer;
        shown
    }
}

impl Drop for TicketReader {
    fn drop(&mut self) {
        self.seat.leave();
    }
}
