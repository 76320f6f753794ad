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

use crate::locks::board::{Board, Made, Seat};
use crate::locks::lock::{Access, Change, Lock, Shared};
use harness::clock::Moment;
use harness::engine::{Engine, EngineReader, EngineWriter, Sink};
use harness::refusal::{EngineError, Refusal};
use harness::ring_spec::{Capabilities, Place, RingSpec};
use std::io;
use std::slice;
use std::sync::atomic::Ordering::Relaxed; // Of counters: the lock orders them.
use std::time::Duration;

/// A ring under the lock `L`.
#[derive(Debug)]
pub struct LockedRing<L: Lock> {
    made: Made,
    /// The handle of the creator: kernel objects of a lock live as long as its handles.
    #[expect(dead_code, reason = "dropping it is its use")]
    own: Option<L>,
}

/// An endpoint's handle of the lock of a board, once it was made there.
fn attach<L: Lock>(board: &Board) -> io::Result<L> {
    // SAFETY: aligned to 128 and inside the memory (`Board::lock_at`); `create` makes the lock
    // there before another process can open the ring, and `open` refuses the rings of other
    // engines; it is never removed.
    L::attach(unsafe { Shared::new(board.memory().clone(), board.lock_at(0)) })
}

impl<L: Lock> LockedRing<L> {
    /// A handle of the lock, and what `job` returns with the lock held for writing.
    fn join<T>(&self, job: impl FnOnce(&Board) -> T) -> Result<(L, T), EngineError> {
        let board = &self.made.board;
        let joined = attach::<L>(board).and_then(|lock| {
            let joined = lock.with(Access::Write, || job(board))?;
            Ok((lock, joined))
        });
        joined.map_err(|error| EngineError::failed("join", error))
    }
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

    type Writer = LockedWriter<L>;
    type Reader = LockedReader<L>;

    fn create(spec: &RingSpec, place: &Place) -> Result<Self, EngineError> {
        let mut own = None;
        let made = Board::create::<Self>(spec, place, size_of::<L::Shared>(), |board| {
            L::make(board.lock_at(0))?;
            own = Some(attach(board)?);
            Ok(())
        })?;
        Ok(Self { made, own })
    }

    fn open(name: &str) -> Result<Self, EngineError> {
        if !L::BETWEEN_PROCESSES {
            return Err(EngineError::Unsupported { what: "use between processes" });
        }
        Ok(Self { made: Board::open::<Self>(name, |_| size_of::<L::Shared>())?, own: None })
    }

    fn writer(&self) -> Result<Self::Writer, EngineError> {
        let (lock, ()) = self.join(Board::join_writer)?;
        Ok(LockedWriter { board: self.made.board.clone(), lock, limit: 0 })
    }

    fn reader(&self) -> Result<Self::Reader, EngineError> {
        let (lock, seat) = self.join(Board::join_reader)?;
        Ok(LockedReader { seat: seat?, lock })
    }
}

fn failed(attempt: &'static str, error: io::Error) -> Refusal {
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

impl<L: Lock> EngineWriter for LockedWriter<L> {
    #[inline]
    fn put_with(
        &mut self,
        bytes: usize,
        timeout: Option<Duration>,
        fill: impl FnOnce(&mut dyn Sink),
    ) -> Result<(), Refusal> {
        let Self { board, lock, limit } = self;
        board.fits(bytes)?;
        let mut fill = Some(fill);
        let mut attempt = || {
            let next = board.counters().next.load(Relaxed);
            board
                .has_room(next, limit)
                .then(|| put(board, next, bytes, fill.take().expect("no attempt follows this one")))
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

/// Writes the message `next`. The lock is held for writing.
fn put(board: &Board, next: u64, bytes: usize, fill: impl FnOnce(&mut dyn Sink)) {
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
    seat: Seat,
    lock: L,
}

impl<L: Lock> LockedReader<L> {
    fn announce(&self) {
        if self.seat.board.shape.is_gated {
            self.lock.announce(Change::Room);
        }
    }
}

impl<L: Lock> EngineReader for LockedReader<L> {
    #[inline]
    fn get_with<T>(
        &mut self,
        timeout: Option<Duration>,
        view: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, Refusal> {
        let Self { seat, lock } = self;
        let mut view = Some(view);
        let mut attempt = || match get(seat, &mut view) {
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

/// Shows the message at the cursor. The lock is held for reading.
fn get<T>(seat: &mut Seat, view: &mut Option<impl FnOnce(&[u8]) -> T>) -> Result<T, Refusal> {
    let Seat { board, cursor, .. } = seat;
    let next = board.counters().next.load(Relaxed);
    if *cursor >= next {
        return Err(seat.nothing_yet());
    }
    if next - *cursor > board.shape.slots as u64 {
        return Err(seat.lagged());
    }
    let slot = board.slot(*cursor);
    // SAFETY:
    // - valid: the payload of a slot has `slot_bytes` bytes, and `Slot::bytes` are no more;
    // - not written meanwhile: a writer holds the lock for writing, and we hold it for reading.
    let message = unsafe { slice::from_raw_parts(slot.payload.as_ptr(), slot.bytes(board)) };
    let value = (view.take().expect("no attempt follows this one"))(message);
    seat.advance();
    Ok(value)
}

impl<L: Lock> Drop for LockedReader<L> {
    fn drop(&mut self) {
        let _ = self.lock.with(Access::Read, || self.seat.leave());
        self.announce();
    }
}
