//! How fast bytes can be copied at all: the floors that rings are compared with.
//!
//! - [`one_core_copy`]: `memcpy` from one private buffer to others.
//! - [`two_core_copy`]: the writer copies a private source into slot `i`, the reader copies slot
//!   `i` out to a private buffer. They hand a slot over by one sequence word and nothing else: no
//!   length, no metadata, no registration, no waiting but spinning. A ring that copies in and out
//!   does all of this and more.
//!
//! Both use the `memcpy` of the C library, which picks its instructions by size. The pages are
//! present, and every slot was used twice before the clock starts. A byte that arrives counts once,
//! though `two_core_copy` copied it twice.
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
//! # When a ring is faster
//! The smaller the slot, the more the lines of the hand-over are the limit and not the copy. A ring
//! that hands over in batches, or never waits for its reader, passes fewer of them and can beat
//! this floor at 1 KiB and below. So can one with better instructions than `memcpy` chooses, where
//! the slots exceed the L3.
#![allow(unsafe_code, reason = "with_peer, and the copy that is measured")]

use std::hint::black_box;
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Moment;
use crate::pages::{Kind, Pages};
use crate::peer::{Peer, PeerGone, Peers, spin_until, with_peer};
use crate::pin::CorePair;

const LINE_BYTES: usize = 64;
const PAGE_BYTES: usize = 4096;
const WORDS_PER_LINE: usize = LINE_BYTES / size_of::<AtomicU64>();

/// The clock (22 ns) is read once for this many bytes (20 µs and more), or for one message if that
/// is larger.
const BYTES_BETWEEN_CLOCKS: usize = 1 << 20;

/// And once for this many messages, however small they are: each 10 µs or more.
const MESSAGES_BETWEEN_CLOCKS: usize = 4096;

/// Every slot is written and read this often before the clock starts.
const WARM_UP_LAPS: u64 = 2;

/// The shape of a ring: what a floor must have in common with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// How many slots there are, at least 1.
    pub slots: usize,
    /// How many bytes each message has, at least 1.
    pub slot_bytes: usize,
}

/// How much was copied in how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CopyRate {
    /// Bytes that arrived, each counted once.
    pub bytes: u64,
    /// How long that took.
    pub elapsed: Duration,
}

impl CopyRate {
    /// Bytes a second, each byte counted once.
    pub fn bytes_per_second(&self) -> f64 {
        self.bytes as f64 / self.elapsed.as_secs_f64()
    }
}

/// Copies `bytes` bytes from one private buffer to each of `buffers` others in turn, for
/// `duration`, on the core that the caller is on.
///
/// # Errors
/// What mapping the buffers reports.
pub fn one_core_copy(bytes: usize, buffers: usize, duration: Duration) -> io::Result<CopyRate> {
    let (source, bytes) = (filled_source(bytes)?, bytes.max(1));
    let destinations = (0..buffers.max(1)).map(|_| Pages::new(bytes, Kind::Private));
    let destinations = destinations.collect::<io::Result<Vec<_>>>()?;
    let mut next = destinations.iter().cycle();
    let mut copy_many = |copies: u64| {
        for destination in next.by_ref().take(copies as usize) {
            // SAFETY: two mappings of at least `bytes` bytes, which only this function uses.
            unsafe { copy(source.start(), destination.start(), bytes) };
        }
        Ok(())
    };
    copy_many(buffers as u64)
        .and_then(|()| repeat_for(duration, bytes, copy_many))
        .map_err(|gone: PeerGone| gone.into())
}

/// Copies messages through slots from one core to another for `duration` (see the module).
///
/// Between threads the slots are in private memory, between processes in shared memory, as a ring's
/// are. The reader takes the time. The writer is ahead by up to all slots when it starts and when
/// it ends, so what was filled before is made up by what is filled and not counted.
///
/// # Errors
/// What mapping, forking or pinning reports; `BrokenPipe` if the child is killed meanwhile.
///
/// # Cost
/// One thread and one peer are started and joined, and all slots mapped; both cores are busy
/// meanwhile.
pub fn two_core_copy(
    geometry: Geometry,
    peers: Peers,
    cores: CorePair,
    duration: Duration,
) -> io::Result<CopyRate> {
    let kind = match peers {
        Peers::Threads => Kind::Private,
        Peers::Processes => Kind::Shared,
    };
    let slots = Slots::new(geometry, kind)?;
    let (source, destination) = (filled_source(slots.bytes)?, Pages::new(slots.bytes, Kind::Private)?);
    let stop = Pages::new(size_of::<AtomicU64>(), kind)?;
    let stop = &stop.words()[0];
    let theirs = || slots.write_until(stop, &source);
    let ours = |peer: &Peer<'_>| {
        let mut turn = Turn::FIRST;
        let mut read = |messages| slots.read(peer, &mut turn, &destination, messages);
        let warm = read(WARM_UP_LAPS * slots.count as u64);
        let rate = warm.and_then(|()| repeat_for(duration, slots.bytes, read));
        // Relaxed: a request, orders nothing.
        stop.store(1, Ordering::Relaxed);
        Ok(rate?)
    };
    // SAFETY: `theirs` copies between mappings that exist already, and loads and stores words; it
    // ends when it sees `stop`. `ours` has nothing that panics.
    unsafe { with_peer(peers, cores, theirs, ours) }
}

/// Copies batches until `duration` is over, and counts what the clock saw.
fn repeat_for(
    duration: Duration,
    message_bytes: usize,
    mut copy_many: impl FnMut(u64) -> Result<(), PeerGone>,
) -> Result<CopyRate, PeerGone> {
    let batch = (BYTES_BETWEEN_CLOCKS / message_bytes).clamp(1, MESSAGES_BETWEEN_CLOCKS) as u64;
    let begin = Moment::now();
    let mut messages = 0;
    loop {
        copy_many(batch)?;
        messages += batch;
        let elapsed = begin.elapsed();
        if elapsed >= duration {
            return Ok(CopyRate { bytes: messages * message_bytes as u64, elapsed });
        }
    }
}

/// A private buffer that is not all zeros: pages that were never written are all one page of the
/// kernel's.
fn filled_source(bytes: usize) -> io::Result<Pages> {
    let source = Pages::new(bytes, Kind::Private)?;
    // SAFETY: the mapping has at least `bytes` bytes, and nothing else refers to it yet.
    unsafe { ptr::write_bytes(source.start(), 0x5a, bytes) };
    Ok(source)
}

/// The `memcpy` of the C library, also where the copy is never looked at.
///
/// # Safety
/// `bytes` bytes at both places, which do not overlap, and nothing else accesses `to` or writes
/// `from` meanwhile.
#[inline]
unsafe fn copy(from: *const u8, to: *mut u8, bytes: usize) {
    // SAFETY: the caller's promise; black_box changes no pointer.
    unsafe { ptr::copy_nonoverlapping(black_box(from), black_box(to), bytes) };
}

/// Sequence words, each on a line of its own, and slots behind them, from a page on.
#[derive(Debug)]
struct Slots {
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
}

impl Slots {
    fn new(geometry: Geometry, kind: Kind) -> io::Result<Self> {
        let too_large = || io::Error::from(io::ErrorKind::OutOfMemory);
        let (count, bytes) = (geometry.slots.max(1), geometry.slot_bytes.max(1));
        let words = count.checked_mul(LINE_BYTES).ok_or_else(too_large)?;
        let first_slot = words.checked_next_multiple_of(PAGE_BYTES).ok_or_else(too_large)?;
        let stride = bytes.checked_next_multiple_of(LINE_BYTES).ok_or_else(too_large)?;
        let slots = count.checked_mul(stride).ok_or_else(too_large)?;
        let pages = Pages::new(first_slot.checked_add(slots).ok_or_else(too_large)?, kind)?;
        Ok(Self { pages, count, bytes, first_slot, stride })
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
    fn write_until(&self, stop: &AtomicU64, source: &Pages) {
        // Relaxed: a request, orders nothing.
        let stopped = || stop.load(Ordering::Relaxed) != 0;
        let mut turn = Turn::FIRST;
        loop {
            let word = self.word(turn.slot);
            // PAIRS(free): from here on the reader has its copy of this slot's last message.
            spin_until(|| word.load(Ordering::Acquire) == 2 * turn.lap || stopped());
            if stopped() {
                return;
            }
            // SAFETY:
            // - valid: a message's bytes in `source` and in every slot (`new` mapped them); they do
            //   not overlap;
            // - exclusive: by its word the reader is done with this slot until step 3, and there is
            //   one writer; `source` is only read.
            unsafe { copy(source.start(), self.payload(turn.slot), self.bytes) };
            // PAIRS(full)
            word.store(2 * turn.lap + 1, Ordering::Release);
            turn = turn.next(self.count);
        }
    }

    /// Steps a to c for the next `messages` messages, from `turn` on.
    fn read(
        &self,
        peer: &Peer<'_>,
        turn: &mut Turn,
        destination: &Pages,
        messages: u64,
    ) -> Result<(), PeerGone> {
        for _ in 0..messages {
            let word = self.word(turn.slot);
            // PAIRS(full): from here on the writer has its bytes in this slot.
            peer.spin_until(|| word.load(Ordering::Acquire) == 2 * turn.lap + 1)?;
            // SAFETY:
            // - valid: a message's bytes in every slot and in the destination; they do not overlap;
            // - exclusive: by its word the writer is done with this slot until step c, and there is
            //   one reader; the destination is this reader's.
            unsafe { copy(self.payload(turn.slot), destination.start(), self.bytes) };
            // PAIRS(free)
            word.store(2 * turn.lap + 2, Ordering::Release);
            *turn = turn.next(self.count);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    const SHORT: Duration = Duration::from_millis(5);

    #[test]
    fn any_geometry_copies_whole_messages_between_threads_and_processes() {
        let cores = CorePair::first_allowed().unwrap();
        for (slots, slot_bytes) in [(1, 1), (3, 64), (2, 4097), (7, 1 << 20)] {
            for peers in [Peers::Threads, Peers::Processes] {
                let rate = two_core_copy(Geometry { slots, slot_bytes }, peers, cores, SHORT).unwrap();
                assert!(rate.bytes > 0 && rate.bytes.is_multiple_of(slot_bytes as u64));
                assert!(rate.elapsed >= SHORT, "{slots} x {slot_bytes} {peers:?}");
            }
        }
    }

    #[test]
    fn one_core_copies_whole_messages() {
        let rate = one_core_copy(1000, 2, SHORT).unwrap();
        assert!(rate.bytes.is_multiple_of(1000) && rate.bytes_per_second() > 0.0);
    }

    #[test]
    fn turns_go_round() {
        let mut turn = Turn::FIRST;
        for n in 0..12 {
            assert_eq!((turn.slot, turn.lap), (n % 3, n as u64 / 3));
            turn = turn.next(3);
        }
    }

    #[test]
    fn a_geometry_that_no_memory_holds_is_an_error() {
        for (slots, slot_bytes) in [(usize::MAX, 8), (1, usize::MAX), (1 << 40, 1 << 40)] {
            assert!(
                Slots::new(Geometry { slots, slot_bytes }, Kind::Private).is_err(),
                "{slots} x {slot_bytes}"
            );
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
            let peer = Peer::Thread { ended: &ended };
            slots.read(&peer, &mut Turn::FIRST.clone(), &destination, 7).unwrap();
            stop.store(1, Ordering::Relaxed);
        });
        let copied: Vec<u64> = destination.words().iter().map(|word| word.load(Ordering::Relaxed)).collect();
        assert_eq!(copied, (1..=13).collect::<Vec<_>>());
    }
}
