//! The views out of the checker's atomics, for the models.
//!
//! Payloads are words of the checker's atomics where several may touch them at once (lossy rings), or its
//! `UnsafeCell`s where the protocol says that nobody does (`exclusive`): then it reports any access that is
//! not ordered with a store to the same bytes, which is a stronger check than finding a torn message.
#![allow(unsafe_code, reason = "loom's cells hand out raw pointers")]

use super::InlineSlot;
use crate::memory::copy::Kernel;
use crate::memory::format::{BufferHeader, Control, Entry};
use crate::memory::layout::Layout;
use crate::memory::mapping::Mapping;
use crate::memory::slot_index::{Lap, SlotIndex};
use crate::sync::cell::UnsafeCell;
use crate::sync::{AtomicU64, Pair, load_own, release};
use crate::types::error::Corrupt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

static EXCLUSIVE: AtomicBool = AtomicBool::new(false);

/// Whether rings made from now on have payloads that nobody may touch unordered.
pub fn exclusive_payloads(on: bool) {
    EXCLUSIVE.store(on, Ordering::Relaxed);
}

#[derive(Clone, Debug)]
pub(crate) struct Memory {
    layout: Arc<Layout>,
    parts: Arc<Parts>,
}

#[derive(Debug)]
struct Parts {
    control: Control,
    entries: Vec<Entry>,
    slots: Vec<Slot>,
    words: Vec<AtomicU64>,
    buffers: Vec<Buffer>,
}

#[derive(Debug)]
struct Slot {
    stamp: AtomicU64,
    extras: Vec<AtomicU64>,
    payload: Cells,
}

#[derive(Debug)]
struct Buffer {
    header: BufferHeader,
    extras: Vec<AtomicU64>,
    payload: Cells,
}

#[derive(Debug)]
enum Cells {
    Shared(Vec<AtomicU64>),
    Exclusive(Vec<UnsafeCell<u64>>),
}

fn made<T>(count: usize, make: impl Fn() -> T) -> Vec<T> {
    (0..count).map(|_| make()).collect()
}

impl Memory {
    pub(crate) fn heap(layout: Arc<Layout>) -> Result<Self, String> {
        let config = &layout.config;
        let extras = || made(layout.extras_words(), || AtomicU64::new(0));
        let payload = || match EXCLUSIVE.load(Ordering::Relaxed) {
            false => Cells::Shared(made(layout.payload_bytes.min(16) / 8, || AtomicU64::new(0))),
            true => Cells::Exclusive(made(layout.payload_bytes.min(16) / 8, || UnsafeCell::new(0))),
        };
        let (inline, arena) = if layout.is_arena() { (0, config.slots) } else { (config.slots, 0) };
        let slot = || Slot { stamp: AtomicU64::new(0), extras: extras(), payload: payload() };
        let buffer = || Buffer { header: BufferHeader::default(), extras: extras(), payload: payload() };
        let parts = Parts {
            control: Control::default(),
            entries: made(config.participants, Entry::default),
            slots: made(inline, slot),
            words: made(arena, || AtomicU64::new(0)),
            buffers: made(layout.buffers, buffer),
        };
        Ok(Memory { parts: Arc::new(parts), layout })
    }

    /// Segments are files of raw bytes: models live on the heap.
    pub(crate) fn new(_: Arc<Mapping>, _: Arc<Layout>) -> Self {
        unreachable!("no model creates or opens a named ring")
    }

    pub(crate) fn become_private(&self, _: &std::os::fd::OwnedFd) -> bool {
        false
    }

    pub(crate) fn has_room(&self, _: std::ops::Range<usize>) -> bool {
        true
    }

    pub(crate) fn make_buffer_resident(&self, _: usize) {}

    pub(crate) fn copies_words(&self) -> bool {
        true
    }

    pub(crate) fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    pub(crate) fn control(&self) -> &Control {
        &self.parts.control
    }

    pub(crate) fn entry(&self, index: usize) -> &Entry {
        &self.parts.entries[index]
    }

    pub(crate) fn own_entry(&self, index: usize) -> OwnEntry {
        OwnEntry { memory: self.clone(), index }
    }

    pub(crate) fn inline_slot(&self, place: &SlotIndex) -> InlineSlot<'_> {
        let slot = &self.parts.slots[place.index()];
        InlineSlot { stamp: &slot.stamp, extras: &slot.extras, payload: Payload { cells: &slot.payload } }
    }

    pub(crate) fn slot_word(&self, place: &SlotIndex) -> &AtomicU64 {
        &self.parts.words[place.index()]
    }

    pub(crate) fn buffer(&self, index: usize) -> Result<(&BufferHeader, Payload<'_>), Corrupt> {
        let buffer = self.parts.buffers.get(index);
        let buffer = buffer.ok_or(Corrupt { what: "a slot names a buffer that the ring does not have" })?;
        Ok((&buffer.header, Payload { cells: &buffer.payload }))
    }

    pub(crate) fn buffer_extras(&self, buffer: usize) -> &[AtomicU64] {
        &self.parts.buffers[buffer].extras
    }
}

/// See `views::LapSlots`.
#[derive(Debug)]
pub(crate) struct LapSlots {
    memory: Memory,
    lap: Lap,
}

impl LapSlots {
    pub(crate) fn new(memory: &Memory, lap: &Lap) -> Self {
        LapSlots { memory: memory.clone(), lap: *lap }
    }

    pub(crate) fn turn(&mut self, lap: &Lap) {
        self.lap = *lap;
    }

    /// # Safety
    /// None needed; the product's has.
    pub(crate) unsafe fn slot(&self, sequence: u64) -> InlineSlot<'_> {
        self.memory.inline_slot(&self.lap.place(sequence))
    }

    /// # Safety
    /// None needed; the product's has.
    pub(crate) unsafe fn stretch(&self, first: u64, count: usize) -> impl Iterator<Item = InlineSlot<'_>> {
        (first..first + count as u64).map(|sequence| self.memory.inline_slot(&self.lap.place(sequence)))
    }

    /// # Safety
    /// As for `mapped`; of each slot the stamp stands for all its lines.
    pub(crate) unsafe fn store_again(&self, first: u64, end: u64) {
        for sequence in first..end {
            let stamp = self.memory.inline_slot(&self.lap.place(sequence)).stamp;
            // PAIRS(Publish): as in `mapped`.
            stamp.store(load_own(stamp), release(Pair::Publish));
        }
    }
}

/// See `views::OwnEntry`.
#[derive(Debug)]
pub(crate) struct OwnEntry {
    memory: Memory,
    index: usize,
}

impl std::ops::Deref for OwnEntry {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        self.memory.entry(self.index)
    }
}

/// The bytes of one message: at most 16 of them, so that models stay small.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Payload<'a> {
    cells: &'a Cells,
}

impl<'a> Payload<'a> {
    pub(crate) fn bytes(self) -> usize {
        self.cells.len() * 8
    }

    pub(crate) fn message(self, len: usize) -> Option<RacyBytes<'a>> {
        (len <= self.bytes()).then_some(RacyBytes { cells: self.cells, len })
    }

    pub(crate) fn store(self, bytes: &[u8]) {
        self.store_at(0, bytes);
    }

    pub(crate) fn store_at(self, offset: usize, bytes: &[u8]) {
        assert!(offset.is_multiple_of(8) && bytes.len().is_multiple_of(8), "models store whole words");
        match self.cells {
            // SAFETY: the words lie in one vector, whose bounds the slice below checks.
            Cells::Shared(cells) => unsafe {
                Kernel::Words.store(cells[offset / 8..][..bytes.len() / 8].as_ptr(), bytes);
            },
            Cells::Exclusive(cells) => {
                for (cell, word) in cells[offset / 8..].iter().zip(bytes.chunks_exact(8)) {
                    let word = u64::from_ne_bytes(word.try_into().expect("eight bytes"));
                    // SAFETY: loom checks that nobody else has the cell.
                    cell.with_mut(|cell| unsafe { *cell = word });
                }
            }
        }
    }

    /// Identifies the payload to [`frozen_bytes`].
    pub(crate) fn as_ptr(self) -> *mut u8 {
        std::ptr::from_ref(self.cells).cast_mut().cast()
    }
}

impl Cells {
    fn len(&self) -> usize {
        match self {
            Cells::Shared(cells) => cells.len(),
            Cells::Exclusive(cells) => cells.len(),
        }
    }

    fn load(&self, out: &mut [u8]) {
        assert!(out.len().is_multiple_of(8), "models load whole words");
        match self {
            // SAFETY: the words lie in one vector, whose bounds the slice checks.
            Cells::Shared(cells) => unsafe {
                Kernel::Words.load(out.as_mut_ptr(), cells[..out.len() / 8].as_ptr(), out.len());
            },
            Cells::Exclusive(cells) => {
                for (cell, out) in cells.iter().zip(out.chunks_exact_mut(8)) {
                    // SAFETY: loom checks that nobody stores to the cell meanwhile.
                    out.copy_from_slice(&cell.with(|cell| unsafe { *cell }).to_ne_bytes());
                }
            }
        }
    }
}

/// See `views::RacyBytes`.
#[derive(Clone, Copy, Debug)]
pub struct RacyBytes<'a> {
    cells: &'a Cells,
    len: usize,
}

impl RacyBytes<'_> {
    /// Bytes of the message.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the message has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies the first `out.len()` bytes.
    pub fn copy_to_slice(&self, out: &mut [u8]) {
        assert!(out.len() <= self.len);
        self.cells.load(out);
    }

    /// Eight bytes from `8 * index` on.
    pub fn word(&self, index: usize) -> [u8; 8] {
        let mut bytes = vec![0; 8 * (index + 1)];
        self.copy_to_slice(&mut bytes);
        bytes[8 * index..].try_into().expect("eight bytes")
    }

    pub(crate) fn as_ptr(self) -> *const u8 {
        std::ptr::from_ref(self.cells).cast()
    }
}

/// The bytes that a view shows, as they are now. Each look is an access that loom checks.
///
/// # Safety
/// As for `views::frozen_bytes`.
pub(crate) unsafe fn frozen_bytes<'a>(start: *const u8, len: usize) -> &'a [u8] {
    // SAFETY: `as_ptr` made it from a reference to cells, which the caller keeps alive.
    let cells = unsafe { &*start.cast::<Cells>() };
    let mut bytes = vec![0; len];
    cells.load(&mut bytes);
    bytes.leak()
}

/// Loom's cells are no slice: models fill claims by copying in.
///
/// # Safety
/// None needed; the product's has.
pub(crate) unsafe fn exclusive_bytes<'a>(_: *mut u8, _: usize) -> Option<&'a mut [u8]> {
    None
}
