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

use crate::locks::board::{Board, FREE, Made, Shape};
use crate::locks::endpoints::{Get, Put, Reading, Taken, Writing};
use crate::locks::lock::Access;
use crate::locks::nap::napping;
use crate::locks::primitives::RawRwLock;
use harness::engine::Engine;
use harness::refusal::{EngineError, Refusal};
use harness::ring_spec::{Capabilities, Place, RingSpec};
use harness::sink::Sink;
use std::io;
use std::slice;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;

const NAME: &str = "slot-locks";

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
    const NAME: &'static str = NAME;

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

    type Writer = Writing<SlotWriter>;
    type Reader = Reading<SlotReader>;

    fn create(spec: &RingSpec, place: &Place) -> Result<Self, EngineError> {
        spec.check(place, Self::CAPABILITIES)?;
        let make = |board: &Board| (0..spec.slots).try_for_each(|slot| RawRwLock::make(board.lock_at(slot)));
        let made = Board::create(NAME, Shape::of(spec, lock_bytes(spec.slots)), place, make);
        made.map(|made| Self { made }).map_err(|error| EngineError::failed("create the ring", error))
    }

    fn open(name: &str) -> Result<Self, EngineError> {
        let made = Board::open(NAME, name, lock_bytes);
        made.map(|made| Self { made }).map_err(|error| EngineError::failed("open the ring", error))
    }

    fn writer(&self) -> Result<Self::Writer, EngineError> {
        self.made.board.join_writer();
        Ok(Writing(SlotWriter { board: self.made.board.clone(), limit: 0 }))
    }

    fn reader(&self) -> Result<Self::Reader, EngineError> {
        let board = self.made.board.clone();
        let taken = || EngineError::failed("join as a reader", "all places are taken");
        let number = board.join_reader().ok_or_else(taken)?;
        let cursor = board.cursor(number).load(Relaxed); // Relaxed: we stored it.
        Ok(Reading(SlotReader { board, number, cursor }))
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

impl SlotWriter {
    /// The sequence that comes next, if it has room.
    fn room(&mut self) -> Option<u64> {
        let next = self.board.counters().next.load(Acquire);
        let has_room = !self.board.shape.is_gated || self.board.is_below_limit(next, &mut self.limit);
        has_room.then_some(next)
    }

    /// Writes a message if there is room. `fill` is taken then.
    fn attempt(
        &mut self,
        bytes: usize,
        fill: &mut Option<impl FnOnce(&mut dyn Sink)>,
    ) -> Result<(), Refusal> {
        loop {
            let sequence = self.room().ok_or(Refusal::Full)?;
            let board = &self.board;
            let put = lock_of(board, sequence).with(Access::Write, || {
                // Relaxed: the counter leaves this sequence under the lock of its slot only, which
                // we hold.
                let is_next = board.counters().next.load(Relaxed) == sequence;
                fill.take_if(|_| is_next).map(|fill| put(board, sequence, bytes, fill)).is_some()
            });
            if put.map_err(|error| failed("write", error))? {
                return Ok(());
            }
        }
    }
}

impl Put for SlotWriter {
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
        let mut fill = Some(fill);
        napping(timeout, || self.attempt(bytes, &mut fill))
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
    board: Board,
    number: usize,
    cursor: u64,
}

impl Get for SlotReader {
    fn get<T>(
        &mut self,
        timeout: Option<Duration>,
        view: impl FnOnce(&[u8]) -> (T, Taken),
    ) -> Result<T, Refusal> {
        let mut view = Some(view);
        napping(timeout, || self.attempt(&mut view))
    }
}

impl SlotReader {
    /// Shows the next message, if there is one. `view` is taken then.
    fn attempt<T>(&mut self, view: &mut Option<impl FnOnce(&[u8]) -> (T, Taken)>) -> Result<T, Refusal> {
        let Self { board, number, cursor } = self;
        let next = board.counters().next.load(Acquire);
        if *cursor >= next {
            // The end first: every message before it is then visible.
            let has_ended = board.has_ended();
            if board.counters().next.load(Acquire) == *cursor {
                return Err(if has_ended { Refusal::Closed } else { Refusal::Empty });
            }
        }
        let shown = lock_of(board, *cursor).with(Access::Read, || show(board, *cursor, view));
        let Some((value, taken)) = shown.map_err(|error| failed("read", error))? else {
            // The message of another lap is there: by the counter, all but the last `slots` are
            // gone.
            let oldest = board.counters().next.load(Acquire).saturating_sub(board.shape.slots as u64);
            let missed = oldest.saturating_sub(*cursor).max(1);
            *cursor += missed;
            return Err(Refusal::Lagged { missed });
        };
        if taken == Taken::Yes {
            *cursor += 1;
            board.cursor(*number).store(*cursor, Release);
        }
        Ok(value)
    }
}

/// Shows the message `sequence`, if its slot has it. The lock of the slot is held for reading.
fn show<T>(board: &Board, sequence: u64, view: &mut Option<impl FnOnce(&[u8]) -> T>) -> Option<T> {
    let slot = board.slot(sequence);
    // Relaxed: the slot's lock orders stamp and length.
    if slot.stamp().load(Relaxed) != sequence + 1 {
        return None;
    }
    let bytes = (slot.length().load(Relaxed) as usize).min(board.shape.slot_bytes);
    // SAFETY:
    // - valid: the payload has `slot_bytes` bytes, and `bytes` are no more;
    // - not written meanwhile: a writer holds the slot's lock for writing, and we hold it for
    //   reading.
    let message = unsafe { slice::from_raw_parts(slot.payload.as_ptr(), bytes) };
    view.take().map(|view| view(message))
}

impl Drop for SlotReader {
    fn drop(&mut self) {
        self.board.cursor(self.number).store(FREE, Release);
    }
}
