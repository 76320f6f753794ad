//! The views of the models, made of the checker's atomics.
#![allow(unsafe_code, reason = "the signatures of the product")]

use super::payload::Cells;
use super::{InlineSlot, Payload};
use crate::memory::format::{BufferHeader, Control, Entry};
use crate::memory::layout::Layout;
use crate::memory::mapping::Mapping;
use crate::memory::slot_index::{Lap, SlotIndex};
use crate::sync::{AtomicU64, Pair, load_own, release};
use crate::types::error::Corrupt;
use std::sync::Arc;

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
    header: Vec<AtomicU64>,
    payload: Cells,
}

#[derive(Debug)]
struct Buffer {
    header: BufferHeader,
    message_header: Vec<AtomicU64>,
    payload: Cells,
}

fn made<T>(count: usize, make: impl Fn() -> T) -> Vec<T> {
    (0..count).map(|_| make()).collect()
}

impl Memory {
    pub(crate) fn heap(layout: Arc<Layout>, _core_dump: bool) -> Result<Self, String> {
        let config = &layout.config;
        let header = || made(layout.message_header_words(), || AtomicU64::new(0));
        let payload = || Cells::new(layout.payload_bytes.min(16) / 8);
        let (inline, arena) = if layout.is_arena() { (0, config.slots) } else { (config.slots, 0) };
        let slot = || Slot { stamp: AtomicU64::new(0), header: header(), payload: payload() };
        let buffer =
            || Buffer { header: BufferHeader::default(), message_header: header(), payload: payload() };
        let parts = Parts {
            control: Control::default(),
            entries: made(config.participants, Entry::default),
            slots: made(inline, slot),
            words: made(arena, || AtomicU64::new(0)),
            buffers: made(layout.buffers, buffer),
        };
        Ok(Memory { parts: Arc::new(parts), layout })
    }

    /// Segments are files of raw bytes; models live on the heap.
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

    pub(crate) fn inline_slot(&self, slot: &SlotIndex) -> InlineSlot<'_> {
        let slot = &self.parts.slots[slot.index()];
        InlineSlot { stamp: &slot.stamp, header: &slot.header, payload: Payload { cells: &slot.payload } }
    }

    pub(crate) fn slot_word(&self, slot: &SlotIndex) -> &AtomicU64 {
        &self.parts.words[slot.index()]
    }

    pub(crate) fn buffer(&self, index: usize) -> Result<(&BufferHeader, Payload<'_>), Corrupt> {
        let buffer = self.parts.buffers.get(index);
        let buffer = buffer.ok_or(Corrupt { what: "a slot names a buffer that the ring does not have" })?;
        Ok((&buffer.header, Payload { cells: &buffer.payload }))
    }

    pub(crate) fn message_header(&self, buffer: usize) -> &[AtomicU64] {
        &self.parts.buffers[buffer].message_header
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

    pub(crate) fn set_lap(&mut self, lap: &Lap) {
        self.lap = *lap;
    }

    /// # Safety
    /// None needed; the product's has.
    pub(crate) unsafe fn slot(&self, sequence: u64) -> InlineSlot<'_> {
        self.memory.inline_slot(&self.lap.slot_index(sequence))
    }

    /// # Safety
    /// None needed; the product's has.
    pub(crate) unsafe fn slots(&self, first: u64, count: usize) -> impl Iterator<Item = InlineSlot<'_>> {
        (first..first + count as u64).map(|sequence| self.memory.inline_slot(&self.lap.slot_index(sequence)))
    }

    /// # Safety
    /// As in `views`; of each slot the stamp stands for all its lines.
    pub(crate) unsafe fn rewrite_lines(&self, first: u64, end: u64) {
        for sequence in first..end {
            let stamp = self.memory.inline_slot(&self.lap.slot_index(sequence)).stamp;
            // PAIRS(Publish): as in `views`.
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
