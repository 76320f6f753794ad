//! What rings are compared with: the least that has to be done.
//!
//! - [`one_core_copy`]: `memcpy` from one private buffer to others.
//! - [`Bare`]: one writer copies each message into slot `i`, one reader copies it out. They hand a
//!   slot over by one word and nothing else: no length, no metadata, no registration, no end. A
//!   ring that copies in and out does all of this and more.
//!
//! # Steps
//! | writer of message n = lap · slots + i | reader of message n |
//! |---|---|
//! | 1 wait until word `i` is `2 lap` (Acquire) | a wait until word `i` is `2 lap + 1` (Acquire) |
//! | 2 copy the message to slot `i` | b copy slot `i` out |
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
#![allow(unsafe_code, reason = "the copy that is measured")]

use crate::content::Aligned;
use crate::engine::{Engine, EngineReader, EngineWriter, Sink};
use crate::refusal::{EngineError, Refusal};
use crate::ring_spec::{Capabilities, Place, RingSpec};
use crate::shared_words::SharedWords;
use crate::wait::wait_for;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::{Duration, Instant};

const LINE_WORDS: usize = 8;
const PAGE_WORDS: usize = 512;

/// Bytes a second that are copied from one private buffer to each of `buffers` others (at least 1)
/// in turn, for `duration`, on the core that the caller is on.
pub fn one_core_copy(bytes: usize, buffers: usize, duration: Duration) -> f64 {
    let source = Aligned::new(bytes);
    let mut destinations: Vec<_> = (0..buffers).map(|_| Aligned::new(bytes)).collect();
    let (begin, mut copied) = (Instant::now(), 0);
    while begin.elapsed() < duration {
        for destination in &mut destinations {
            black_box(destination.bytes_mut()).copy_from_slice(black_box(source.bytes()));
            copied += bytes;
        }
    }
    copied as f64 / begin.elapsed().as_secs_f64()
}

/// The ring of the module. Its messages have all the length of a slot.
#[derive(Debug)]
pub struct Bare {
    memory: Arc<SharedWords>,
    /// Its file, if this process made one.
    file: Option<PathBuf>,
}

/// The first line has the number of slots and their bytes; then comes a line for each slot's word,
/// and from a page on the slots.
fn first_slot(slots: usize) -> usize {
    (LINE_WORDS * (slots + 1)).next_multiple_of(PAGE_WORDS)
}

fn stride(slot_bytes: usize) -> usize {
    slot_bytes.div_ceil(8).next_multiple_of(LINE_WORDS)
}

fn path(name: &str) -> PathBuf {
    Path::new("/dev/shm").join(format!("{name}.bare"))
}

impl Engine for Bare {
    const NAME: &'static str = "bare";
    const CAPABILITIES: Capabilities =
        Capabilities { between_processes: true, gated: true, ..Capabilities::NONE };
    type Writer = Turn;
    type Reader = Turn;

    fn create(spec: &RingSpec, place: &Place) -> Result<Self, EngineError> {
        spec.check(place, Self::CAPABILITIES)?;
        let words = first_slot(spec.slots) + spec.slots * stride(spec.slot_bytes);
        let (memory, file) = match place {
            Place::Heap => (SharedWords::private(words), None),
            Place::Named(name) => (SharedWords::create(&path(name), words), Some(path(name))),
        };
        let memory = memory.map_err(|error| EngineError::failed("create the floor", error))?;
        let [slots, slot_bytes, ..] = memory.words() else { unreachable!("it has a page and more") };
        slots.store(spec.slots as u64, Relaxed); // Relaxed, both: the other end is started later.
        slot_bytes.store(spec.slot_bytes as u64, Relaxed);
        Ok(Self { memory: Arc::new(memory), file })
    }

    fn open(name: &str) -> Result<Self, EngineError> {
        let memory = SharedWords::open(&path(name));
        let memory = memory.map_err(|error| EngineError::failed("open the floor", error))?;
        Ok(Self { memory: Arc::new(memory), file: None })
    }

    fn writer(&self) -> Result<Turn, EngineError> {
        let shape = |index: usize| self.memory.words()[index].load(Relaxed) as usize; // Relaxed: as above.
        Ok(Turn { memory: Arc::clone(&self.memory), slots: shape(0), slot_bytes: shape(1), slot: 0, lap: 0 })
    }

    fn reader(&self) -> Result<Turn, EngineError> {
        self.writer()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            let _ = fs::remove_file(file);
        }
    }
}

/// An end of a [`Bare`]: whose turn it is at which slot.
#[derive(Debug)]
pub struct Turn {
    memory: Arc<SharedWords>,
    slots: usize,
    slot_bytes: usize,
    slot: usize,
    lap: u64,
}

impl Turn {
    /// Hands the next slot over by `copy`, which gets its first byte, if its word is `2 lap + due`.
    #[inline(always)]
    fn take(&mut self, due: u64, refused: Refusal, copy: impl FnOnce(*mut u8)) -> Result<(), Refusal> {
        let words = self.memory.words();
        let word = &words[LINE_WORDS * (self.slot + 1)];
        // PAIRS(free), PAIRS(full): from here on the other end is done with this slot.
        if word.load(Acquire) != 2 * self.lap + due {
            return Err(refused);
        }
        let slot = &words[first_slot(self.slots) + self.slot * stride(self.slot_bytes)..];
        copy(slot.as_ptr().cast::<u8>().cast_mut());
        // PAIRS(full), PAIRS(free)
        word.store(2 * self.lap + due + 1, Release);
        // A division would cost more than an 8-byte copy.
        (self.slot, self.lap) =
            if self.slot + 1 == self.slots { (0, self.lap + 1) } else { (self.slot + 1, self.lap) };
        Ok(())
    }

    fn length(&self, bytes: usize) -> Result<(), Refusal> {
        let expected = self.slot_bytes;
        if bytes == expected { Ok(()) } else { Err(Refusal::OtherLength { bytes, expected }) }
    }
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

impl EngineWriter for Turn {
    #[inline]
    fn put(&mut self, message: &[u8], timeout: Option<Duration>) -> Result<(), Refusal> {
        self.length(message.len())?;
        wait_for(timeout, || {
            // SAFETY: a slot of as many bytes as the message, which is this end's by its word.
            self.take(0, Refusal::Full, |slot| unsafe { copy(message.as_ptr(), slot, message.len()) })
        })
    }

    fn put_with(
        &mut self,
        bytes: usize,
        timeout: Option<Duration>,
        fill: impl FnOnce(&mut dyn Sink),
    ) -> Result<(), Refusal> {
        let mut message = vec![0; bytes];
        fill(&mut message.as_mut_slice());
        self.put(&message, timeout)
    }
}

impl EngineReader for Turn {
    #[inline]
    fn get(&mut self, buffer: &mut [u8], timeout: Option<Duration>) -> Result<usize, Refusal> {
        self.length(buffer.len())?;
        wait_for(timeout, || {
            // SAFETY: a slot of as many bytes as the buffer, which is this end's by its word.
            self.take(1, Refusal::Empty, |slot| unsafe { copy(slot, buffer.as_mut_ptr(), buffer.len()) })
        })?;
        Ok(self.slot_bytes)
    }

    fn get_with<T>(
        &mut self,
        timeout: Option<Duration>,
        view: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, Refusal> {
        let mut message = vec![0; self.slot_bytes];
        self.get(&mut message, timeout)?;
        Ok(view(&message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring_spec::Delivery;

    #[test]
    fn every_message_arrives_once_and_a_full_floor_refuses() {
        for (slots, slot_bytes) in [(1, 1), (3, 64), (2, 4097)] {
            let spec = RingSpec { slots, slot_bytes, delivery: Delivery::Gated, writers: 1, readers: 1 };
            let place = Place::Named(format!("floor-{}-{slots}", std::process::id()));
            let (made, forever) = (Bare::create(&spec, &place).unwrap(), Some(Duration::MAX));
            let Place::Named(name) = place else { unreachable!() };
            let (mut reader, mut writer) =
                (made.reader().unwrap(), Bare::open(&name).unwrap().writer().unwrap());
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    (0..100).for_each(|n| writer.put(&vec![n; slot_bytes], forever).unwrap());
                    (0..slots).for_each(|_| writer.put(&vec![100; slot_bytes], forever).unwrap());
                    assert!(matches!(writer.put(&vec![0; slot_bytes], None), Err(Refusal::Full)));
                });
                for n in 0..100 {
                    let shown = reader.get_with(forever, <[u8]>::to_vec).unwrap();
                    assert_eq!(shown, vec![n; slot_bytes]);
                }
            });
        }
    }

    #[test]
    fn one_core_copies() {
        assert!(one_core_copy(1000, 2, Duration::from_millis(5)) > 0.0);
    }
}
