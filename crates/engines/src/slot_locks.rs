//! One lock a slot: what a finer lock gains, to be told apart from what reading without one gains.
//!
//! Each slot has a process-shared `pthread_rwlock`; a stamp in the slot, under it, says which message is there.
//! Sequences are handed out by an atomic counter that moves while its slot's lock is held, so writers of different
//! slots never meet, and a writer of the slot that is next waits for the one before it.
//!
//! | writer | reader at c |
//! |---|---|
//! | n = counter; is there room for n? | takes the lock of slot c mod N for reading |
//! | takes the lock of slot n mod N for writing | stamp below c + 1: empty; above: lagged; else copies |
//! | counter no longer n: releases, begins again | releases, moves its cursor |
//! | copies, stamps with n + 1, moves the counter, releases | |
//!
//! A killed holder stops whoever comes to that slot: everybody, within one lap.
#![allow(unsafe_code, reason = "copies between slots and slices, with the slot's lock held")]

use crate::board::{Board, FREE, Made, Shape};
use crate::endpoints::{Get, Put, Reading, Taken, Writing};
use crate::lock::Access;
use crate::locks::RawRwLock;
use crate::nap::napping;
use harness::engine::Engine;
use harness::refusal::{EngineError, ReadError, ReadRefused, WriteError, WriteRefused};
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
    // SAFETY: aligned and inside the memory (`Board::lock_at`); `create` made a lock there; it lives as the board.
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

fn failed(attempt: &'static str, error: io::Error) -> EngineError {
    EngineError::failed(attempt, error)
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
}

impl Put for SlotWriter {
    fn put(&mut self, bytes: usize, fill: impl FnOnce(&mut dyn Sink)) -> Result<(), WriteRefused> {
        let slot_bytes = self.board.shape.slot_bytes;
        if bytes > slot_bytes {
            return Err(WriteRefused::TooLarge { bytes, slot_bytes });
        }
        let mut fill = Some(fill);
        loop {
            let sequence = self.room().ok_or(WriteRefused::Full)?;
            let board = &self.board;
            let put = lock_of(board, sequence).with(Access::Write, || {
                // Relaxed: the counter leaves this sequence under the lock of its slot only, which we hold.
                let is_next = board.counters().next.load(Relaxed) == sequence;
                fill.take_if(|_| is_next).map(|fill| put(board, sequence, bytes, fill)).is_some()
            });
            match put {
                Ok(true) => return Ok(()),
                Ok(false) => {} // Another writer was first.
                Err(error) => return Err(WriteRefused::Failed(failed("write", error).into())),
            }
        }
    }

    fn put_within(
        &mut self,
        bytes: usize,
        timeout: Duration,
        fill: impl FnOnce(&mut dyn Sink),
    ) -> Result<(), WriteError> {
        let mut fill = Some(fill);
        // Once it was filled it is written, and there is no other attempt.
        napping(timeout, || self.put(bytes, |slot| (fill.take().expect("the last attempt"))(slot)))
    }
}

/// Writes the message `sequence`. The lock of its slot is held for writing.
fn put(board: &Board, sequence: u64, bytes: usize, fill: impl FnOnce(&mut dyn Sink)) {
    let slot = board.slot(sequence);
    // SAFETY:
    // - valid: the payload has `slot_bytes` bytes, and the caller has checked that `bytes` are no more;
    // - exclusive: whoever accesses the payload holds the slot's lock, and it is held for writing.
    let mut payload = unsafe { slice::from_raw_parts_mut(slot.payload.as_ptr(), bytes) };
    fill(&mut payload);
    slot.length().store(bytes as u64, Relaxed); // Relaxed, both: the slot's lock orders them.
    slot.stamp().store(sequence + 1, Relaxed);
    // Release: who finds the counter moved finds the message.
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
    fn get<T>(&mut self, view: impl FnOnce(&[u8]) -> (T, Taken)) -> Result<T, ReadRefused> {
        let Self { board, number, cursor } = self;
        let next = board.counters().next.load(Acquire);
        if *cursor >= next {
            // The end first: what was written before it is then visible.
            let has_ended = board.has_ended();
            if board.counters().next.load(Acquire) == *cursor {
                return Err(if has_ended { ReadRefused::Closed } else { ReadRefused::Empty });
            }
        }
        let shown = lock_of(board, *cursor).with(Access::Read, || show(board, *cursor, view));
        let shown = shown.map_err(|error| ReadRefused::Failed(failed("read", error).into()))?;
        let Some((value, taken)) = shown else {
            // Another lap's message is there: as far as the counter says, all but the last `slots` are gone.
            let oldest = board.counters().next.load(Acquire).saturating_sub(board.shape.slots as u64);
            let missed = oldest.saturating_sub(*cursor).max(1);
            *cursor += missed;
            return Err(ReadRefused::Lagged { missed });
        };
        if taken == Taken::Yes {
            *cursor += 1;
            board.cursor(*number).store(*cursor, Release);
        }
        Ok(value)
    }

    fn get_within<T>(
        &mut self,
        timeout: Duration,
        view: impl FnOnce(&[u8]) -> (T, Taken),
    ) -> Result<T, ReadError> {
        let mut view = Some(view);
        // Once it was shown a message was there, and there is no other attempt.
        napping(timeout, || self.get(|message| (view.take().expect("the last attempt"))(message)))
    }
}

/// Shows the message `sequence`, if its slot has it. The lock of the slot is held for reading.
fn show<T>(board: &Board, sequence: u64, view: impl FnOnce(&[u8]) -> T) -> Option<T> {
    let slot = board.slot(sequence);
    // Relaxed: the slot's lock orders stamp and length.
    if slot.stamp().load(Relaxed) != sequence + 1 {
        return None;
    }
    let bytes = (slot.length().load(Relaxed) as usize).min(board.shape.slot_bytes);
    // SAFETY:
    // - valid: the payload has `slot_bytes` bytes, and `bytes` are no more;
    // - not written meanwhile: who writes holds the slot's lock for writing, and we hold it for reading.
    Some(view(unsafe { slice::from_raw_parts(slot.payload.as_ptr(), bytes) }))
}

impl Drop for SlotReader {
    fn drop(&mut self) {
        self.board.cursor(self.number).store(FREE, Release);
    }
}
