//! One lock a slot: separates the gain of a finer lock from the gain of reading without a lock.
//!
//! Each slot has a process-shared `pthread_rwlock`; a stamp in the slot, under it, identifies the
//! message. Sequences are handed out by an atomic counter that moves while its slot's lock
//! is held, so writers of different slots never meet, and a writer of the slot that is next waits
//! for the one before it.
//!
//! | writer | reader at c |
//! |---|---|
//! | n = counter; is there room for n? | locks slot c mod N for reading |
//! | locks slot n mod N for writing | stamp below c + 1: empty; above: lagged; else copies |
//! | counter no longer n: releases, begins again | releases, moves its cursor |
//! | copies, stamps with n + 1, moves the counter, releases |  |
//!
//! A killed holder stops every participant that reaches that slot: all of them, within one lap.
#![allow(unsafe_code, reason = "copies between slots and slices, with the slot's lock held")]

use crate::locks::board::{Board, Made, Seat};
use crate::locks::lock::Access;
use crate::locks::nap::napping;
use crate::locks::primitives::RawRwLock;
use harness::engine::{Engine, EngineReader, EngineWriter, Sink};
use harness::refusal::{EngineError, Refusal};
use harness::ring_spec::{Capabilities, Place, RingSpec};
use std::io;
use std::slice;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::time::Duration;

/// A ring with a lock for each slot.
#[derive(Debug)]
pub struct SlotLocks {
    made: Made,
}

fn lock_of(board: &Board, sequence: u64) -> &RawRwLock {
    let index = (sequence % board.shape.slots as u64) as usize;
    // SAFETY: aligned and inside the memory (`Board::lock_at`); `create` made a lock there; it
    // lives as the board.
    unsafe { board.lock_at::<RawRwLock>(index).as_ref() }
}

fn lock_bytes(slots: usize) -> usize {
    slots.saturating_mul(size_of::<RawRwLock>())
}

impl Engine for SlotLocks {
    const NAME: &'static str = "slot-locks";

    const CAPABILITIES: Capabilities = Capabilities {
        between_processes: true,
        lossy: true,
        gated: true,
        many_writers: true,
        many_readers: true,
        writes_in_place: true,
        reads_in_place: true,
        ..Capabilities::NONE
    };

    type Writer = SlotWriter;
    type Reader = SlotReader;

    fn create(spec: &RingSpec, place: &Place) -> Result<Self, EngineError> {
        let make = |board: &Board| (0..spec.slots).try_for_each(|slot| RawRwLock::make(board.lock_at(slot)));
        Ok(Self { made: Board::create::<Self>(spec, place, lock_bytes(spec.slots), make)? })
    }

    fn open(name: &str) -> Result<Self, EngineError> {
        Ok(Self { made: Board::open::<Self>(name, lock_bytes)? })
    }

    fn writer(&self) -> Result<Self::Writer, EngineError> {
        self.made.board.join_writer();
        Ok(SlotWriter { board: self.made.board.clone(), limit: 0 })
    }

    fn reader(&self) -> Result<Self::Reader, EngineError> {
        Ok(SlotReader { seat: self.made.board.join_reader()? })
    }
}

fn failed(attempt: &'static str, error: io::Error) -> Refusal {
    Refusal::Failed(EngineError::failed(attempt, error).into())
}

/// The writing end of a [`SlotLocks`] ring.
#[derive(Debug)]
pub struct SlotWriter {
    board: Board,
    limit: u64,
}

impl EngineWriter for SlotWriter {
    fn put_with(
        &mut self,
        bytes: usize,
        timeout: Option<Duration>,
        fill: impl FnOnce(&mut dyn Sink),
    ) -> Result<(), Refusal> {
        let Self { board, limit } = self;
        board.fits(bytes)?;
        let mut fill = Some(fill);
        napping(timeout, || {
            while fill.is_some() {
                let sequence = board.next();
                if !board.has_room(sequence, limit) {
                    return Err(Refusal::Full);
                }
                let put = lock_of(board, sequence).with(Access::Write, || {
                    // Relaxed: the counter leaves this sequence under the lock of its slot only,
                    // which we hold.
                    let is_next = board.counters().next.load(Relaxed) == sequence;
                    if let Some(fill) = fill.take_if(|_| is_next) {
                        put(board, sequence, bytes, fill);
                    }
                });
                put.map_err(|error| failed("write", error))?;
            }
            Ok(())
        })
    }
}

/// Writes the message `sequence`. The lock of its slot is held for writing.
fn put(board: &Board, sequence: u64, bytes: usize, fill: impl FnOnce(&mut dyn Sink)) {
    let slot = board.slot(sequence);
    // SAFETY:
    // - valid: the payload has `slot_bytes` bytes, and the caller has checked that `bytes` are no
    //   more;
    // - exclusive: every access to the payload holds the slot's lock, and here it is held for
    //   writing.
    let mut payload = unsafe { slice::from_raw_parts_mut(slot.payload.as_ptr(), bytes) };
    fill(&mut payload);
    slot.length().store(bytes as u64, Relaxed); // Relaxed, both: the slot's lock orders them.
    slot.stamp().store(sequence + 1, Relaxed);
    // Release: a reader that sees the counter moved sees the message.
    board.counters().next.store(sequence + 1, Release);
}

impl Drop for SlotWriter {
    fn drop(&mut self) {
        self.board.leave_writer();
    }
}

/// The reading end of a [`SlotLocks`] ring.
#[derive(Debug)]
pub struct SlotReader {
    seat: Seat,
}

impl EngineReader for SlotReader {
    fn get_with<T>(
        &mut self,
        timeout: Option<Duration>,
        view: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, Refusal> {
        let (seat, mut view) = (&mut self.seat, Some(view));
        napping(timeout, || {
            let Seat { board, cursor, .. } = seat;
            if *cursor >= board.next() {
                return Err(seat.nothing_yet());
            }
            let shown = lock_of(board, *cursor).with(Access::Read, || show(board, *cursor, &mut view));
            let value = shown.map_err(|error| failed("read", error))?.ok_or_else(|| seat.lagged())?;
            seat.advance();
            Ok(value)
        })
    }
}

/// Shows the message `sequence`, if its slot has it. The lock of the slot is held for reading.
fn show<T>(board: &Board, sequence: u64, view: &mut Option<impl FnOnce(&[u8]) -> T>) -> Option<T> {
    let slot = board.slot(sequence);
    // Relaxed: the slot's lock orders stamp and length.
    if slot.stamp().load(Relaxed) != sequence + 1 {
        return None; // The message of another lap is there.
    }
    // SAFETY:
    // - valid: the payload has `slot_bytes` bytes, and `Slot::bytes` are no more;
    // - not written meanwhile: a writer holds the slot's lock for writing, and we hold it for
    //   reading.
    let message = unsafe { slice::from_raw_parts(slot.payload.as_ptr(), slot.bytes(board)) };
    view.take().map(|view| view(message))
}

impl Drop for SlotReader {
    fn drop(&mut self) {
        self.seat.leave();
    }
}
