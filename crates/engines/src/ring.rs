//! The ring that all locks share: everything is done with the lock held, messages are copied under it.
//!
//! | writer | reader |
//! |---|---|
//! | takes the lock to write | takes the lock to read |
//! | looks at the cursors if it has come to its limit (gated) | compares its cursor with the counter |
//! | copies the message into the slot, moves the counter | copies the message out, moves its cursor |
//! | releases, announces news | releases, announces room (gated) |
//!
//! The counter moves last: a holder that dies in the middle leaves a ring that is whole, if the lock can be had
//! again.
#![allow(unsafe_code, reason = "copies between slots and slices, with the lock held")]

use crate::board::{Board, FREE, Made, Shape};
use crate::endpoints::{Get, Put, Reading, Taken, Writing};
use crate::lock::{Access, Change, Lock, LockFailed, Shared};
use harness::clock::Moment;
use harness::engine::Engine;
use harness::refusal::{EngineError, ReadError, ReadRefused, WriteError, WriteRefused};
use harness::ring_spec::{Capabilities, Delivery, Place, RingSpec, Writers};
use harness::sink::Sink;
use std::slice;
use std::sync::atomic::Ordering::Relaxed; // Of counters and cursors: the lock orders them.
use std::time::Duration;

/// A ring under the lock `L`.
#[derive(Debug)]
pub struct LockedRing<L: Lock> {
    made: Made,
    /// The creator's own: what a lock has in the kernel lasts as long as its handles, and so from the begin on.
    #[expect(dead_code, reason = "dropping it is its use")]
    own: Option<L>,
}

/// The bare lock, of the smallest ring there is: what its ring is compared with.
///
/// # Errors
/// [`EngineError`], as creating the ring.
pub fn primitive<L: Lock>() -> Result<L, EngineError> {
    let spec =
        RingSpec { slots: 1, slot_bytes: 8, delivery: Delivery::Lossy, writers: Writers::One, readers: 1 };
    LockedRing::<L>::create(&spec, &Place::Heap)?.attach()
}

impl<L: Lock> LockedRing<L> {
    fn attach(&self) -> Result<L, EngineError> {
        L::attach(place_of::<L>(&self.made.board))
            .map_err(|error| EngineError::failed("attach to the lock", error))
    }
}

/// The lock of a board, once it was made there.
fn place_of<L: Lock>(board: &Board) -> Shared<L::Shared> {
    // SAFETY: aligned to 128 and inside the memory (`Board::lock_at`); `create` makes the lock there before anybody can
    // open the ring, and `open` refuses the rings of other engines; nobody takes it away.
    unsafe { Shared::new(board.memory().clone(), board.lock_at(0)) }
}

impl<L: Lock> Engine for LockedRing<L> {
    const NAME: &'static str = L::NAME;

    const CAPABILITIES: Capabilities = Capabilities {
        between_processes: L::BETWEEN_PROCESSES,
        lossy: true,
        gated: true,
        many_writers: true,
        many_readers: true,
        writes_in_place: true,
        reads_in_place: true,
        ..Capabilities::NONE
    };

    type Writer = Writing<LockedWriter<L>>;
    type Reader = Reading<LockedReader<L>>;

    fn create(spec: &RingSpec, place: &Place) -> Result<Self, EngineError> {
        spec.check(place, Self::CAPABILITIES)?;
        let shape = Shape::of(spec, size_of::<L::Shared>());
        let mut own = None;
        let made = Board::create(L::NAME, shape, place, |board| {
            L::make(board.lock_at(0))?;
            own = Some(L::attach(place_of::<L>(board))?);
            Ok(())
        });
        made.map(|made| Self { made, own }).map_err(|error| EngineError::failed("create the ring", error))
    }

    fn open(name: &str) -> Result<Self, EngineError> {
        if !L::BETWEEN_PROCESSES {
            return Err(EngineError::Unsupported { what: "use between processes" });
        }
        let made = Board::open(L::NAME, name, |_| size_of::<L::Shared>());
        made.map(|made| Self { made, own: None }).map_err(|error| EngineError::failed("open the ring", error))
    }

    fn writer(&self) -> Result<Self::Writer, EngineError> {
        let (lock, board) = (self.attach()?, self.made.board.clone());
        lock.with(Access::Write, || board.join_writer())
            .map_err(|error| failed("join as a writer", error))?;
        Ok(Writing(LockedWriter { board, lock, limit: 0 }))
    }

    fn reader(&self) -> Result<Self::Reader, EngineError> {
        let (lock, board) = (self.attach()?, self.made.board.clone());
        let joined = lock.with(Access::Write, || board.join_reader());
        let joined = joined.map_err(|error| failed("join as a reader", error))?;
        let number = joined.ok_or_else(|| EngineError::failed("join as a reader", "all places are taken"))?;
        let cursor = board.cursor(number).load(Relaxed);
        Ok(Reading(LockedReader { board, lock, number, cursor }))
    }
}

fn failed(attempt: &'static str, error: LockFailed) -> EngineError {
    EngineError::failed(attempt, error)
}

/// The writing end of a [`LockedRing`].
#[derive(Debug)]
pub struct LockedWriter<L: Lock> {
    board: Board,
    lock: L,
    /// Messages below it have room, whatever the readers do.
    limit: u64,
}

impl<L: Lock> Put for LockedWriter<L> {
    #[inline]
    fn put(&mut self, bytes: usize, fill: impl FnOnce(&mut dyn Sink)) -> Result<(), WriteRefused> {
        let Self { board, lock, limit } = self;
        let slot_bytes = board.shape.slot_bytes;
        if bytes > slot_bytes {
            return Err(WriteRefused::TooLarge { bytes, slot_bytes });
        }
        match lock.with(Access::Write, || has_room(board, limit).then(|| put(board, bytes, fill))) {
            Ok(Some(())) => lock.announce(Change::News),
            Ok(None) => return Err(WriteRefused::Full),
            Err(error) => return Err(WriteRefused::Failed(failed("write", error).into())),
        }
        Ok(())
    }

    fn put_within(
        &mut self,
        bytes: usize,
        timeout: Duration,
        fill: impl FnOnce(&mut dyn Sink),
    ) -> Result<(), WriteError> {
        let Self { board, lock, limit } = self;
        let slot_bytes = board.shape.slot_bytes;
        if bytes > slot_bytes {
            return Err(WriteError::TooLarge { bytes, slot_bytes });
        }
        let mut fill = Some(fill);
        let put = lock.when(Access::Write, Change::Room, Moment::now() + timeout, || {
            has_room(board, limit).then(|| put(board, bytes, fill.take().expect("then the wait is over")))
        });
        match put {
            Ok(Some(())) => lock.announce(Change::News),
            Ok(None) => return Err(WriteError::TimedOut { after: timeout }),
            Err(error) => return Err(WriteError::Failed(failed("write", error).into())),
        }
        Ok(())
    }
}

/// Whether the next message has room. The lock is held.
fn has_room(board: &Board, limit: &mut u64) -> bool {
    // Relaxed: the lock orders it.
    !board.shape.is_gated || board.is_below_limit(board.counters().next.load(Relaxed), limit)
}

/// Writes the next message. The lock is held for writing.
fn put(board: &Board, bytes: usize, fill: impl FnOnce(&mut dyn Sink)) {
    let next = board.counters().next.load(Relaxed);
    let slot = board.slot(next);
    // SAFETY:
    // - valid: the payload of a slot has `slot_bytes` bytes, and the caller has checked that `bytes` are no more;
    // - exclusive: everybody who comes here or to `get` holds the lock, and it is held for writing.
    let mut payload = unsafe { slice::from_raw_parts_mut(slot.payload.as_ptr(), bytes) };
    fill(&mut payload);
    slot.length().store(bytes as u64, Relaxed);
    board.counters().next.store(next + 1, Relaxed);
}

impl<L: Lock> Drop for LockedWriter<L> {
    fn drop(&mut self) {
        // A lock that failed leaves the count as it is, and the others where they are.
        let _ = self.lock.with(Access::Write, || self.board.leave_writer());
        self.lock.announce(Change::News);
    }
}

/// The reading end of a [`LockedRing`].
#[derive(Debug)]
pub struct LockedReader<L: Lock> {
    board: Board,
    lock: L,
    number: usize,
    /// The sequence that it reads next; the shared one is for gated writers.
    cursor: u64,
}

/// What a look at the ring found.
enum Found<T> {
    Message(T),
    Empty,
    Closed,
    Lagged(u64),
}

impl<L: Lock> LockedReader<L> {
    fn announce(&self) {
        if self.board.shape.is_gated {
            self.lock.announce(Change::Room);
        }
    }
}

impl<L: Lock> Get for LockedReader<L> {
    #[inline]
    fn get<T>(&mut self, view: impl FnOnce(&[u8]) -> (T, Taken)) -> Result<T, ReadRefused> {
        let Self { board, lock, number, cursor } = self;
        let found = lock.with(Access::Read, || get(board, *number, cursor, view));
        match found.map_err(|error| ReadRefused::Failed(failed("read", error).into()))? {
            Found::Message(value) => {
                self.announce();
                Ok(value)
            }
            Found::Empty => Err(ReadRefused::Empty),
            Found::Closed => Err(ReadRefused::Closed),
            Found::Lagged(missed) => Err(ReadRefused::Lagged { missed }),
        }
    }

    fn get_within<T>(
        &mut self,
        timeout: Duration,
        view: impl FnOnce(&[u8]) -> (T, Taken),
    ) -> Result<T, ReadError> {
        let Self { board, lock, number, cursor } = self;
        let mut view = Some(view);
        let found = lock.when(Access::Read, Change::News, Moment::now() + timeout, || {
            let view = |message: &[u8]| (view.take().expect("then the wait is over"))(message);
            Some(get(board, *number, cursor, view)).filter(|found| !matches!(found, Found::Empty))
        });
        match found.map_err(|error| ReadError::Failed(failed("read", error).into()))? {
            Some(Found::Message(value)) => {
                self.announce();
                Ok(value)
            }
            Some(Found::Closed) => Err(ReadError::Closed),
            Some(Found::Lagged(missed)) => Err(ReadError::Lagged { missed }),
            Some(Found::Empty) | None => Err(ReadError::TimedOut { after: timeout }),
        }
    }
}

/// Looks for the message at `cursor`. The lock is held for reading.
fn get<T>(
    board: &Board,
    number: usize,
    cursor: &mut u64,
    view: impl FnOnce(&[u8]) -> (T, Taken),
) -> Found<T> {
    let (next, slots) = (board.counters().next.load(Relaxed), board.shape.slots as u64);
    if *cursor >= next {
        return if board.has_ended() { Found::Closed } else { Found::Empty };
    }
    if next - *cursor > slots {
        let missed = next - slots - *cursor;
        *cursor += missed;
        return Found::Lagged(missed);
    }
    let slot = board.slot(*cursor);
    let bytes = (slot.length().load(Relaxed) as usize).min(board.shape.slot_bytes);
    // SAFETY:
    // - valid: the payload of a slot has `slot_bytes` bytes, and `bytes` are no more;
    // - not written meanwhile: who writes holds the lock for writing, and we hold it for reading.
    let (value, taken) = view(unsafe { slice::from_raw_parts(slot.payload.as_ptr(), bytes) });
    if taken == Taken::Yes {
        *cursor += 1;
        if board.shape.is_gated {
            board.cursor(number).store(*cursor, Relaxed);
        }
    }
    Found::Message(value)
}

impl<L: Lock> Drop for LockedReader<L> {
    fn drop(&mut self) {
        let _ = self.lock.with(Access::Read, || self.board.cursor(self.number).store(FREE, Relaxed));
        self.announce();
    }
}
