//! The ring of all locks: every operation holds the lock, and messages are copied under it.
//!
//! | writer | reader |
//! |---|---|
//! | takes the lock to write | takes the lock to read |
//! | reads the cursors if it has reached its limit (gated) | compares its cursor with the counter |
//! | copies the message in, moves the counter | copies the message out, moves its cursor |
//! | releases, announces news | releases, announces room (gated) |
//!
//! The counter moves last: a holder that dies in the middle leaves a complete ring, if the lock can
//! be acquired again.
#![allow(unsafe_code, reason = "copies between slots and slices, with the lock held")]

use crate::locks::board::{Board, FREE, Made, Shape};
use crate::locks::endpoints::{Get, Put, Reading, Taken, Writing};
use crate::locks::lock::{Access, Change, Lock, LockFailed, Shared};
use harness::clock::Moment;
use harness::engine::Engine;
use harness::refusal::{EngineError, Refusal};
use harness::ring_spec::{Capabilities, Delivery, Place, RingSpec, Writers};
use harness::sink::Sink;
use std::slice;
use std::sync::atomic::Ordering::Relaxed; // Of counters and cursors: the lock orders them.
use std::time::Duration;

/// A ring under the lock `L`.
#[derive(Debug)]
pub struct LockedRing<L: Lock> {
    made: Made,
    /// The handle of the creator: kernel objects of a lock live as long as its handles.
    #[expect(dead_code, reason = "dropping it is its use")]
    own: Option<L>,
}

/// The bare lock, of the smallest possible ring, to be compared with its ring.
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
    // SAFETY: aligned to 128 and inside the memory (`Board::lock_at`); `create` makes the lock
    // there before another process can open the ring, and `open` refuses the rings of other
    // engines; it is never removed.
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
            .map_err(|error| EngineError::failed("join as a writer", error))?;
        Ok(Writing(LockedWriter { board, lock, limit: 0 }))
    }

    fn reader(&self) -> Result<Self::Reader, EngineError> {
        let (lock, board) = (self.attach()?, self.made.board.clone());
        let joined = lock.with(Access::Write, || board.join_reader());
        let joined = joined.map_err(|error| EngineError::failed("join as a reader", error))?;
        let number = joined.ok_or_else(|| EngineError::failed("join as a reader", "all places are taken"))?;
        let cursor = board.cursor(number).load(Relaxed);
        Ok(Reading(LockedReader { board, lock, number, cursor }))
    }
}

fn failed(attempt: &'static str, error: LockFailed) -> Refusal {
    Refusal::Failed(EngineError::failed(attempt, error).into())
}

/// The writing end of a [`LockedRing`].
#[derive(Debug)]
pub struct LockedWriter<L: Lock> {
    board: Board,
    lock: L,
    /// Messages below it have room.
    limit: u64,
}

impl<L: Lock> Put for LockedWriter<L> {
    #[inline]
    fn put(
        &mut self,
        bytes: usize,
        timeout: Option<Duration>,
        fill: impl FnOnce(&mut dyn Sink),
    ) -> Result<(), Refusal> {
        let Self { board, lock, limit } = self;
        let slot_bytes = board.shape.slot_bytes;
        if bytes > slot_bytes {
            return Err(Refusal::TooLarge { bytes, slot_bytes });
        }
        let mut fill = Some(fill);
        let mut attempt = || {
            has_room(board, limit)
                .then(|| put(board, bytes, fill.take().expect("no attempt follows this one")))
        };
        let written = match timeout {
            None => lock.with(Access::Write, attempt),
            Some(timeout) => lock.when(Access::Write, Change::Room, Moment::now() + timeout, &mut attempt),
        };
        match written.map_err(|error| failed("write", error))? {
            Some(()) => lock.announce(Change::News),
            None => return Err(timeout.map_or(Refusal::Full, |after| Refusal::TimedOut { after })),
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
    // - valid: the payload of a slot has `slot_bytes` bytes, and the caller has checked that
    //   `bytes` are no more;
    // - exclusive: every caller of this and of `get` holds the lock, and here it is held for
    //   writing.
    let mut payload = unsafe { slice::from_raw_parts_mut(slot.payload.as_ptr(), bytes) };
    fill(&mut payload);
    slot.length().store(bytes as u64, Relaxed);
    board.counters().next.store(next + 1, Relaxed);
}

impl<L: Lock> Drop for LockedWriter<L> {
    fn drop(&mut self) {
        // If the lock fails, the count stays as it is.
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

impl<L: Lock> LockedReader<L> {
    fn announce(&self) {
        if self.board.shape.is_gated {
            self.lock.announce(Change::Room);
        }
    }
}

impl<L: Lock> Get for LockedReader<L> {
    #[inline]
    fn get<T>(
        &mut self,
        timeout: Option<Duration>,
        view: impl FnOnce(&[u8]) -> (T, Taken),
    ) -> Result<T, Refusal> {
        let Self { board, lock, number, cursor } = self;
        let mut view = Some(view);
        let mut attempt = || match get(board, *number, cursor, &mut view) {
            Err(Refusal::Empty) => None,
            found => Some(found),
        };
        let found = match timeout {
            None => lock.with(Access::Read, attempt),
            Some(timeout) => lock.when(Access::Read, Change::News, Moment::now() + timeout, &mut attempt),
        };
        let empty = || Err(timeout.map_or(Refusal::Empty, |after| Refusal::TimedOut { after }));
        let value = found.map_err(|error| failed("read", error))?.unwrap_or_else(empty)?;
        self.announce();
        Ok(value)
    }
}

/// Shows the message at `cursor`. The lock is held for reading.
fn get<T>(
    board: &Board,
    number: usize,
    cursor: &mut u64,
    view: &mut Option<impl FnOnce(&[u8]) -> (T, Taken)>,
) -> Result<T, Refusal> {
    let (next, slots) = (board.counters().next.load(Relaxed), board.shape.slots as u64);
    if *cursor >= next {
        return Err(if board.has_ended() { Refusal::Closed } else { Refusal::Empty });
    }
    if next - *cursor > slots {
        let missed = next - slots - *cursor;
        *cursor += missed;
        return Err(Refusal::Lagged { missed });
    }
    let slot = board.slot(*cursor);
    let bytes = (slot.length().load(Relaxed) as usize).min(board.shape.slot_bytes);
    // SAFETY:
    // - valid: the payload of a slot has `slot_bytes` bytes, and `bytes` are no more;
    // - not written meanwhile: a writer holds the lock for writing, and we hold it for reading.
    let message = unsafe { slice::from_raw_parts(slot.payload.as_ptr(), bytes) };
    let (value, taken) = (view.take().expect("no attempt follows this one"))(message);
    if taken == Taken::Yes {
        *cursor += 1;
        if board.shape.is_gated {
            board.cursor(number).store(*cursor, Relaxed);
        }
    }
    Ok(value)
}

impl<L: Lock> Drop for LockedReader<L> {
    fn drop(&mut self) {
        let _ = self.lock.with(Access::Read, || self.board.cursor(self.number).store(FREE, Relaxed));
        self.announce();
    }
}
