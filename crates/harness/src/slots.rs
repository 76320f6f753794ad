//! Slots that one writer hands to one reader: what [`crate::floor`] times.
//!
//! # Steps
//! | writer of message n = lap · slots + i | reader of message n |
//! |---|---|
//! | 1 wait until word `i` is `2 lap` (Acquire) | a wait until word `i` is `2 lap + 1` (Acquire) |
//! | 2 copy source to slot `i` | b copy slot `i` to destination |
//! | 3 word `i` = `2 lap + 1` (Release) | c word `i` = `2 lap + 2` (Release) |
//!
//! # Pairings
//! | name | releases | acquires | without it |
//! |---|---|---|---|
//! | `full` | step 3 | step a | the reader copies a slot that is not written yet |
//! | `free` | step c | step 1 | the writer overwrites a slot that is still being read |
//!
//! # Layout
//! The words come first, each on a cache line of its own; slots of whole pages start on a page. Words 8 or 128
//! bytes apart, words beside their slot, and a reader that acknowledges 64 slots by one store were tried: none
//! was faster by more than the runs spread, from 8 bytes to 1 MiB a slot.
#![allow(unsafe_code, reason = "copies raw memory with memcpy, which is what is measured")]

use std::hint::black_box;
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::pages::{Kind, Pages};
use crate::peer::{Peer, PeerGone, spin_until};

const LINE_BYTES: usize = 64;
const PAGE_BYTES: usize = 4096;
const WORDS_PER_LINE: usize = LINE_BYTES / size_of::<AtomicU64>();

/// The shape of a ring: what a floor must have in common with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// How many slots there are; 0 is taken for 1.
    pub slots: usize,
    /// How many bytes each message has; 0 is taken for 1.
    pub slot_bytes: usize,
}

/// Sequence words, each on a line of its own, and slots behind them.
#[derive(Debug)]
pub(crate) struct Slots {
    pages: Pages,
    count: usize,
    bytes: usize,
    first_slot: usize,
    stride: usize,
}

/// One message's turn at its slot.
#[derive(Clone, Copy)]
struct Turn {
    slot: usize,
    lap: u64,
}

impl Turn {
    const FIRST: Self = Self { slot: 0, lap: 0 };

    /// The next message's turn; a division would cost more than an 8-byte copy.
    fn next(self, slots: usize) -> Self {
        let slot = self.slot + 1;
        if slot == slots { Self { slot: 0, lap: self.lap + 1 } } else { Self { slot, ..self } }
    }

    const fn free(self) -> u64 {
        2 * self.lap
    }

    const fn full(self) -> u64 {
        2 * self.lap + 1
    }

    const fn read(self) -> u64 {
        2 * self.lap + 2
    }
}

impl Slots {
    /// Maps the words and the slots.
    pub(crate) fn new(geometry: Geometry, kind: Kind) -> io::Result<Self> {
        let too_large = || io::Error::from(io::ErrorKind::OutOfMemory);
        let (count, bytes) = (geometry.slots.max(1), geometry.slot_bytes.max(1));
        let words = count.checked_mul(LINE_BYTES).ok_or_else(too_large)?;
        let first_slot = words.checked_next_multiple_of(PAGE_BYTES).ok_or_else(too_large)?;
        let stride = bytes.checked_next_multiple_of(LINE_BYTES).ok_or_else(too_large)?;
        let slots = count.checked_mul(stride).ok_or_else(too_large)?;
        let pages = Pages::new(first_slot.checked_add(slots).ok_or_else(too_large)?, kind)?;
        Ok(Self { pages, count, bytes, first_slot, stride })
    }

    /// How many slots there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Bytes of each message.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn word(&self, slot: usize) -> &AtomicU64 {
        &self.pages.words()[slot * WORDS_PER_LINE]
    }

    fn payload(&self, slot: usize) -> *mut u8 {
        let offset = self.first_slot + slot * self.stride;
        debug_assert!(offset + self.bytes <= self.pages.bytes(), "slot {slot} is inside the mapping");
        self.pages.start().wrapping_add(offset)
    }

    /// Steps 1 to 3, again and again, until `stop` is not 0. `source` has a message's bytes.
    pub(crate) fn write_until(&self, stop: &AtomicU64, source: &Pages) {
        // Relaxed: a request, orders nothing.
        let stopped = || stop.load(Ordering::Relaxed) != 0;
        let mut turn = Turn::FIRST;
        loop {
            let word = self.word(turn.slot);
            // PAIRS(free): from here on the reader has its bytes out of this slot.
            let is_free = || word.load(Ordering::Acquire) == turn.free();
            spin_until(|| is_free() || stopped());
            if stopped() {
                return;
            }
            // SAFETY:
            // - valid: a message's bytes in `source` and in every slot (`new` mapped them); they do not overlap;
            // - exclusive: the word says that the reader is done with this slot until step 3, and there is one
            //   writer; `source` is only read.
            unsafe { copy(source.start(), self.payload(turn.slot), self.bytes) };
            // PAIRS(full)
            word.store(turn.full(), Ordering::Release);
            turn = turn.next(self.count);
        }
    }

    /// A reader at the first message, that copies to `destination`.
    pub(crate) fn reader<'a>(&'a self, destination: &'a Pages, peer: &'a Peer<'a>) -> SlotReader<'a> {
        SlotReader { slots: self, destination, peer, turn: Turn::FIRST }
    }
}

/// The reading end: where it is, and where it copies to.
pub(crate) struct SlotReader<'a> {
    slots: &'a Slots,
    destination: &'a Pages,
    peer: &'a Peer<'a>,
    turn: Turn,
}

impl SlotReader<'_> {
    /// Steps a to c for the next `messages` messages.
    pub(crate) fn read(&mut self, messages: u64) -> Result<(), PeerGone> {
        let Self { slots, destination, peer, turn } = self;
        for _ in 0..messages {
            let word = slots.word(turn.slot);
            // PAIRS(full): from here on the writer has its bytes in this slot.
            peer.spin_until(|| word.load(Ordering::Acquire) == turn.full())?;
            // SAFETY:
            // - valid: a message's bytes in every slot and in the destination; they do not overlap;
            // - exclusive: the word says that the writer is done with this slot until step c, and there is one
            //   reader; the destination is this reader's.
            unsafe { copy(slots.payload(turn.slot), destination.start(), slots.bytes) };
            // PAIRS(free)
            word.store(turn.read(), Ordering::Release);
            *turn = turn.next(slots.count);
        }
        Ok(())
    }
}

/// The `memcpy` of the C library, also where nobody looks at the copy.
///
/// # Safety
/// `bytes` bytes at both places, which do not overlap, and nobody else accesses `to` or writes `from` meanwhile.
#[inline]
pub(crate) unsafe fn copy(from: *const u8, to: *mut u8, bytes: usize) {
    // SAFETY: the caller's promise; black_box changes no pointer.
    unsafe { ptr::copy_nonoverlapping(black_box(from), black_box(to), bytes) };
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn turns_go_round_and_no_lap_looks_like_another() {
        let mut turn = Turn::FIRST;
        for n in 0..12 {
            assert_eq!((turn.slot, turn.lap), (n % 3, n as u64 / 3));
            assert_eq!(turn.read(), Turn { lap: turn.lap + 1, ..turn }.free());
            turn = turn.next(3);
        }
    }

    #[test]
    fn a_geometry_that_no_memory_holds_is_an_error() {
        for geometry in [
            Geometry { slots: usize::MAX, slot_bytes: 8 },
            Geometry { slots: 1, slot_bytes: usize::MAX },
            Geometry { slots: 1 << 40, slot_bytes: 1 << 40 },
        ] {
            assert!(Slots::new(geometry, Kind::Private).is_err(), "{geometry:?}");
        }
    }

    #[test]
    fn the_reader_gets_what_the_writer_copied() {
        let slots = Slots::new(Geometry { slots: 2, slot_bytes: 104 }, Kind::Private).unwrap();
        let (source, destination) = (Pages::new(104, Kind::Private), Pages::new(104, Kind::Private));
        let (source, destination) = (source.unwrap(), destination.unwrap());
        for (at, word) in source.words().iter().enumerate() {
            word.store(at as u64 + 1, Ordering::Relaxed);
        }
        let (stop, ended) = (AtomicU64::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| slots.write_until(&stop, &source));
            slots.reader(&destination, &Peer::Thread { ended: &ended }).read(7).unwrap();
            stop.store(1, Ordering::Relaxed);
        });
        let copied: Vec<u64> = destination.words().iter().map(|word| word.load(Ordering::Relaxed)).collect();
        assert_eq!(copied, (1..=13).collect::<Vec<_>>());
    }
}
