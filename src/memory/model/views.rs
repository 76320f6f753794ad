//! The views of the models, made of the checker's atomics.
#![allow(unsafe_code, reason = "the signatures of the product")]

use super::payload::Cells;
use super::{InlineSlot, Payload};
use crate::memory::format::{BufferHeader, Control, Entry};
use crate::memory::layout::Layout;
use crate::memory::mapping::Mapping;
use crate::memory::slot_index::SlotIndex;
use crate::memory::stamp::ExpectedStamp;
use crate::sync::AtomicU64;
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

/// So few that models stay small.
fn payload_bytes(layout: &Layout) -> usize {
    layout.payload_bytes.min(16)
}

impl Memory {
    pub(crate) fn heap(layout: Arc<Layout>, _core_dump: bool) -> Result<Self, String> {
        let config = &layout.config;
        let header = || made(layout.message_header_words(), || AtomicU64::new(0));
        let payload = || Cells::new(payload_bytes(&layout) / 8);
        let (inline, arena) = if layout.is_arena() { (0, config.slots) } else { (layout.inline_slots(), 0) };
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

    pub(crate) fn slot_bytes(&self) -> usize {
        payload_bytes(&self.layout)
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
        self.inline_slot_at(slot.index())
    }

    fn inline_slot_at(&self, index: usize) -> InlineSlot<'_> {
        let slot = &self.parts.slots[index];
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

    pub(crate) fn fetch_buffer(&self, _: usize) {}

    pub(crate) fn message_header(&self, buffer: usize) -> &[AtomicU64] {
        &self.parts.buffers[buffer].message_header
    }
}

/// See `views::RunSlots`.
#[derive(Debug)]
pub(crate) struct RunSlots {
    memory: Memory,
    first: u64,
}

impl RunSlots {
    pub(crate) fn new(memory: &Memory, first: u64) -> Self {
        RunSlots { memory: memory.clone(), first }
    }

    pub(crate) fn enter(&mut self, first: u64) {
        self.first = first;
    }

    /// # Safety
    /// None needed; the product's has.
    pub(crate) unsafe fn of(&self, sequence: u64) -> InlineSlot<'_> {
        self.memory.inline_slot_at((sequence - self.first) as usize)
    }

    /// # Safety
    /// None needed; the product's has.
    pub(crate) unsafe fn from(&self, sequence: u64) -> impl Iterator<Item = InlineSlot<'_>> {
        ((sequence - self.first) as usize..).map(|index| self.memory.inline_slot_at(index))
    }

    pub(crate) fn are_whole(&self) -> bool {
        false
    }

    /// # Safety
    /// None needed; the product's has.
    pub(crate) unsafe fn store_word(&self, _: u64, _: u64, _: &[u8; 8]) {
        unreachable!("no slot is stored at once")
    }

    /// # Safety
    /// None needed; the product's has.
    pub(crate) unsafe fn load_word(&self, _: u64, _: u64, _: &mut [u8; 8]) -> u64 {
        unreachable!("no slot is loaded at once")
    }

    /// # Safety
    /// None needed; the product's has.
    pub(crate) unsafe fn store_words(&self, _: u64, _: ExpectedStamp, _: &[u8]) -> bool {
        false
    }

    /// # Safety
    /// None needed; the product's has.
    pub(crate) unsafe fn load_words(&self, _: u64, _: ExpectedStamp, _: &mut [u8]) -> Option<usize> {
        None
    }

    pub(crate) fn fetch_for_writing(&self, _: u64, _: usize) {}

    pub(crate) fn fetch_payload(&self, _: u64) {}
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
