//! The memory of every lock-based ring: header, counters, lock, cursors, slots.
//!
//! ```text
//! 0        header: which engine, and its shape          written once
//! 128      counters: next sequence, writers             written by writers
//! 256      the lock, or the locks of all slots          by the engine
//! …        a cursor for each reader, a line each        written by its reader
//! …        slots: stamp, length, payload                on cache lines
//! ```
//! A payload of up to 240 bytes follows its stamp and length at once; a longer one starts on the
//! next line. So a small message costs as few lines as it can, and a large one is copied from an
//! aligned start.
#![allow(unsafe_code, reason = "typed views of mapped memory")]

use crate::locks::memory::{Memory, Name};
use harness::engine::Engine;
use harness::refusal::{EngineError, Refusal};
use harness::ring_spec::{Delivery, Place, RingSpec};
use std::io;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU32, AtomicU64, fence};

const LINE_BYTES: usize = 64;
const APART_BYTES: usize = 128;
const LOCK_OFFSET: usize = 2 * APART_BYTES;
const SLOT_HEADER_BYTES: usize = 16;
const LONGEST_BESIDE_HEADER: usize = 240;

/// A cursor without a reader.
const FREE: u64 = u64::MAX;

const MAGIC: u64 = u64::from_le_bytes(*b"baseline");

/// Magic, engine, slots, slot bytes, whether it is gated, readers: the magic is written last.
type Header = [AtomicU64; 6];

/// What writers change. Where a lock protects it, it is read and written under that lock.
#[repr(C)]
pub(crate) struct Counters {
    /// The sequence of the next message.
    pub(crate) next: AtomicU64,
    /// Registered writers.
    pub(crate) writers: AtomicU32,
    /// Whether there ever was one: a ring that had writers and has none now has ended.
    pub(crate) had_writers: AtomicU32,
}

/// The shape of a ring, copied out of its header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) slots: usize,
    pub(crate) slot_bytes: usize,
    pub(crate) is_gated: bool,
    pub(crate) readers: usize,
    lock_bytes: usize,
}

/// A slot.
pub(crate) struct Slot {
    pub(crate) stamp: NonNull<AtomicU64>,
    pub(crate) payload: NonNull<u8>,
}

/// A ring's memory with its shape: what endpoints share.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    memory: Arc<Memory>,
    pub(crate) shape: Shape,
    first_slot: usize,
    stride: usize,
}

/// A board, and its name if it was given one here: what an engine holds.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) board: Board,
    /// Goes when the engine does.
    #[expect(dead_code, reason = "dropping it is its use")]
    name: Option<Name>,
}

impl Shape {
    /// First slot, stride and total bytes; `None` if no machine has so much.
    fn places(&self) -> Option<(usize, usize, usize)> {
        let cursors = LOCK_OFFSET.checked_add(self.lock_bytes)?.checked_next_multiple_of(APART_BYTES)?;
        let first_slot = self.readers.checked_mul(APART_BYTES)?.checked_add(cursors)?;
        let payload = self.slot_bytes.checked_next_multiple_of(8)?;
        let stride = payload_offset(self.slot_bytes).checked_add(payload)?;
        let stride = stride.checked_next_multiple_of(LINE_BYTES)?;
        let bytes = self.slots.checked_mul(stride)?.checked_add(first_slot)?;
        isize::try_from(bytes).is_ok().then_some((first_slot, stride, bytes))
    }
}

impl Board {
    /// Makes the ring that `spec` asks for, with `lock_bytes` bytes of lock, which `prepare` makes.
    ///
    /// # Errors
    /// What the engine `E` does not support, or what making the memory or `prepare` reports.
    pub(crate) fn create<E: Engine>(
        spec: &RingSpec,
        place: &Place,
        lock_bytes: usize,
        prepare: impl FnOnce(&Self) -> io::Result<()>,
    ) -> Result<Made, EngineError> {
        spec.check(place, E::CAPABILITIES)?;
        let RingSpec { slots, slot_bytes, readers, .. } = *spec;
        let shape =
            Shape { slots, slot_bytes, is_gated: spec.delivery == Delivery::Gated, readers, lock_bytes };
        Self::make(shape, place, code(E::NAME), prepare)
            .map_err(|error| EngineError::failed("create the ring", error))
    }

    fn make(
        shape: Shape,
        place: &Place,
        engine: u64,
        prepare: impl FnOnce(&Self) -> io::Result<()>,
    ) -> io::Result<Made> {
        let (first_slot, stride, bytes) = shape.places().ok_or(io::ErrorKind::OutOfMemory)?;
        let (memory, name) = match place {
            Place::Heap => (Memory::heap(bytes)?, None),
            Place::Named(name) => Memory::create(name, bytes).map(|(memory, name)| (memory, Some(name)))?,
        };
        let board = Self { memory: Arc::new(memory), shape, first_slot, stride };
        for reader in 0..shape.readers {
            board.cursor(reader).store(FREE, Relaxed); // Relaxed, here and below: the magic comes last.
        }
        prepare(&board)?;
        let Shape { slots, slot_bytes, is_gated, readers, .. } = shape;
        let [magic, words @ ..]: &Header = view(&board.memory, 0);
        let values = [engine, slots as u64, slot_bytes as u64, is_gated.into(), readers as u64];
        words.iter().zip(values).for_each(|(word, value)| word.store(value, Relaxed));
        magic.store(MAGIC, Release);
        Ok(Made { board, name })
    }

    /// Opens the ring that another process created under `name` by the engine `E`, whose locks have
    /// `lock_bytes(slots)` bytes.
    ///
    /// # Errors
    /// What opening reports; `InvalidData` for anything but a ring of this engine.
    pub(crate) fn open<E: Engine>(
        name: &str,
        lock_bytes: impl FnOnce(usize) -> usize,
    ) -> Result<Made, EngineError> {
        let refuse = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("{name} {what}"));
        let open = || {
            let memory = Arc::new(Memory::open(name)?);
            if memory.bytes() < LOCK_OFFSET {
                return Err(refuse("is too short for a ring"));
            }
            let [magic, engine, words @ ..]: &Header = view(&memory, 0);
            if magic.load(Acquire) != MAGIC || engine.load(Relaxed) != code(E::NAME) {
                return Err(refuse("is not a ring of this engine"));
            }
            let field = |word: &AtomicU64| usize::try_from(word.load(Relaxed)).unwrap_or(usize::MAX);
            let [slots, slot_bytes, is_gated, readers] = words.each_ref().map(field);
            let lock_bytes = lock_bytes(slots);
            let shape = Shape { slots, slot_bytes, is_gated: is_gated != 0, readers, lock_bytes };
            match shape.places() {
                Some((first_slot, stride, bytes)) if bytes <= memory.bytes() && slots > 0 => {
                    Ok(Made { board: Self { memory, shape, first_slot, stride }, name: None })
                }
                _ => Err(refuse("has not the length that its header calls for")),
            }
        };
        open().map_err(|error| EngineError::failed("open the ring", error))
    }

    /// The memory itself.
    pub(crate) fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    /// What writers count.
    pub(crate) fn counters(&self) -> &Counters {
        view(&self.memory, APART_BYTES)
    }

    /// The sequence of the next message.
    #[inline]
    pub(crate) fn next(&self) -> u64 {
        self.counters().next.load(Acquire)
    }

    /// Where the lock of number `index` lies, if each has the size of a `T`.
    pub(crate) fn lock_at<T>(&self, index: usize) -> NonNull<T> {
        self.memory.at(LOCK_OFFSET + index * size_of::<T>(), size_of::<T>()).cast()
    }

    /// The cursor of a reader: the sequence that it reads next, or [`FREE`].
    pub(crate) fn cursor(&self, reader: usize) -> &AtomicU64 {
        let cursors = self.first_slot - self.shape.readers * APART_BYTES;
        view(&self.memory, cursors + reader * APART_BYTES)
    }

    /// The slot of a sequence.
    #[inline]
    pub(crate) fn slot(&self, sequence: u64) -> Slot {
        let index = (sequence % self.shape.slots as u64) as usize;
        let start = self.memory.at(self.first_slot + index * self.stride, self.stride);
        // SAFETY: header and payload are inside the stride (`Shape::places`), which is inside the
        // mapping.
        let payload = unsafe { start.add(payload_offset(self.shape.slot_bytes)) };
        Slot { stamp: start.cast(), payload }
    }

    /// The lowest cursor of a registered reader, but not above `next`.
    fn slowest(&self, next: u64) -> u64 {
        let cursors = (0..self.shape.readers).map(|reader| self.cursor(reader).load(Acquire));
        cursors.fold(next, u64::min) // FREE is above every sequence.
    }

    /// Whether the message `next` of a gated ring has room. `limit` is the caller's cached bound;
    /// it is computed anew when it is reached.
    fn is_below_limit(&self, next: u64, limit: &mut u64) -> bool {
        if next >= *limit {
            // With `join_reader`: either we see the cursor that it stored, or it sees what was
            // written before.
            fence(SeqCst);
            *limit = self.slowest(next) + self.shape.slots as u64;
        }
        next < *limit
    }

    /// Whether a message of so many bytes fits into a slot.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`].
    #[inline]
    pub(crate) fn fits(&self, bytes: usize) -> Result<(), Refusal> {
        let slot_bytes = self.shape.slot_bytes;
        if bytes > slot_bytes { Err(Refusal::TooLarge { bytes, slot_bytes }) } else { Ok(()) }
    }

    /// Whether the message `next` has room, as [`is_below_limit`](Self::is_below_limit); a lossy
    /// ring always has.
    #[inline]
    pub(crate) fn has_room(&self, next: u64, limit: &mut u64) -> bool {
        !self.shape.is_gated || self.is_below_limit(next, limit)
    }

    /// A place for a reader that starts behind what is written.
    ///
    /// # Errors
    /// All places are taken.
    pub(crate) fn join_reader(&self) -> Result<Seat, EngineError> {
        let next = &self.counters().next;
        let start = next.load(Acquire);
        let take =
            |reader: &usize| self.cursor(*reader).compare_exchange(FREE, start, SeqCst, Relaxed).is_ok();
        let reader = (0..self.shape.readers).find(take);
        let reader = reader.ok_or_else(|| EngineError::failed("join as a reader", "all places are taken"))?;
        // A writer that has not seen the cursor may have gone on up to `slots` beyond `start`;
        // every message after this load it writes with the cursor in view: both fence between their
        // store and their load.
        fence(SeqCst);
        let cursor = next.load(Acquire);
        self.cursor(reader).store(cursor, Release);
        Ok(Seat { board: self.clone(), reader, cursor })
    }

    /// Counts a writer in.
    pub(crate) fn join_writer(&self) {
        self.counters().writers.fetch_add(1, SeqCst);
        self.counters().had_writers.store(1, Release);
    }

    /// Counts a writer out.
    pub(crate) fn leave_writer(&self) {
        self.counters().writers.fetch_sub(1, SeqCst);
    }

    /// Whether there were writers and there are none now. What they wrote is visible from here on.
    pub(crate) fn has_ended(&self) -> bool {
        let counters = self.counters();
        counters.had_writers.load(Acquire) != 0 && counters.writers.load(Acquire) == 0
    }
}

/// The place of a reader.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) board: Board,
    reader: usize,
    /// The sequence that it reads next; the shared one is for gated writers.
    pub(crate) cursor: u64,
}

impl Seat {
    /// The message at the cursor is read.
    #[inline]
    pub(crate) fn advance(&mut self) {
        self.cursor += 1;
        if self.board.shape.is_gated {
            self.board.cursor(self.reader).store(self.cursor, Release);
        }
    }

    /// The slot has a later message: by the counter, all but the last `slots` are gone.
    #[cold]
    pub(crate) fn lagged(&mut self) -> Refusal {
        let oldest = self.board.next().saturating_sub(self.board.shape.slots as u64);
        let missed = oldest.saturating_sub(self.cursor).max(1);
        self.cursor += missed;
        Refusal::Lagged { missed }
    }

    /// Nothing is at the cursor.
    #[cold]
    pub(crate) fn nothing_yet(&self) -> Refusal {
        // The end first: every message before it is then visible.
        let is_over = self.board.has_ended() && self.board.next() <= self.cursor;
        if is_over { Refusal::Closed } else { Refusal::Empty }
    }

    /// Writers wait for this reader no longer.
    pub(crate) fn leave(&self) {
        self.board.cursor(self.reader).store(FREE, Release);
    }
}

impl Slot {
    /// The word with the number of the message in the slot, for rings without a lock over it.
    pub(crate) fn stamp(&self) -> &AtomicU64 {
        // SAFETY: in the mapping and aligned to a line (`Board::slot`); only ever accessed as an
        // atomic.
        unsafe { self.stamp.as_ref() }
    }

    /// How long the message is that the slot says it has, and no longer than a slot of `board`.
    #[inline]
    pub(crate) fn bytes(&self, board: &Board) -> usize {
        // Relaxed: the stamp or a lock orders it.
        (self.length().load(Relaxed) as usize).min(board.shape.slot_bytes)
    }

    /// The word that holds the length of the message.
    pub(crate) fn length(&self) -> &AtomicU64 {
        // SAFETY: the second word of the slot's header; as above.
        unsafe { self.stamp.add(1).as_ref() }
    }
}

const fn payload_offset(slot_bytes: usize) -> usize {
    if slot_bytes <= LONGEST_BESIDE_HEADER { SLOT_HEADER_BYTES } else { LINE_BYTES }
}

/// A number for the name of an engine, so that no engine opens the ring of another one.
fn code(engine: &str) -> u64 {
    let mix = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    engine.bytes().fold(0xcbf2_9ce4_8422_2325, mix)
}

/// A structure of atomics at `offset`.
fn view<T: Sync>(memory: &Memory, offset: usize) -> &T {
    let place = memory.at(offset, size_of::<T>()).cast::<T>();
    assert!(place.is_aligned(), "{offset} is no place for atomics");
    // SAFETY:
    // - valid: inside the mapping (`Memory::at`), which is zeroed; every `T` here is made of atomic
    //   integers;
    // - aligned: by the line above;
    // - shared: other processes may store here at any time; all of us go through atomics;
    // - alive: the reference borrows the memory.
    unsafe { place.as_ref() }
}
