//! The views over real memory: the heap or a mapping.
#![allow(unsafe_code, reason = "the one place where offsets become references")]
#![allow(clippy::cast_ptr_alignment, reason = "invariant ALIGNED")]

use super::{InlineSlot, Payload, word_slots};
use crate::memory::copy::Kernel;
use crate::memory::format::{BufferHeader, Control, Entry};
use crate::memory::layout::{CONTROL_OFFSET, ENTRIES_OFFSET, LINE, Layout};
use crate::memory::mapping::Mapping;
use crate::memory::prefetch::{fetch_for_writing, fetch_line_for_writing};
use crate::memory::slot_index::SlotIndex;
use crate::memory::stamp::ExpectedStamp;
use crate::sync::AtomicU64;
use crate::types::error::Corrupt;
use std::marker::PhantomData;
use std::sync::Arc;

/// A ring's memory. Clones share it; it is unmapped when the last clone drops.
///
/// Invariants, established by [`Memory::new`] and relied on by every method:
/// - MAPPED: `base` points to `layout.total_bytes` bytes that stay valid while `mapping` lives;
/// - ALIGNED: `base` is aligned to a page, and [`Layout`] only yields offsets aligned for what lies
///   there;
/// - ATOMIC-ONLY: this process and its peers may store anywhere at any time. So all references into
///   these bytes are to atomics, for which all bit patterns are valid. Plain references come only
///   from [`frozen_bytes`](super::frozen_bytes) and [`exclusive_bytes`](super::exclusive_bytes),
///   where the protocol promises it (FROZEN).
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    mapping: Arc<Mapping>,
    layout: Arc<Layout>,
    // What the hot path needs, by value.
    base: *mut u8,
    slots: *mut u8,
    slot_stride: usize,
    payload_offset: usize,
    header_words: usize,
    slot_bytes: usize,
    buffers: usize,
    buffer_headers: *mut u8,
    header_stride: usize,
    payloads: *mut u8,
    buffer_stride: usize,
    participants: usize,
    kernel: Kernel,
}

// SAFETY: the pointers lead into memory that `mapping` keeps alive wherever this value moves, and
// all access to it is atomic (ATOMIC-ONLY), so it may happen from any thread.
unsafe impl Send for Memory {}
// SAFETY: as above; no method stores to `self`.
unsafe impl Sync for Memory {}

impl Memory {
    /// Zeroed memory for the threads of this process.
    pub(crate) fn heap(layout: Arc<Layout>, core_dump: bool) -> Result<Self, String> {
        let bytes = layout.total_bytes;
        let mapping = Mapping::heap(bytes).ok_or_else(|| format!("the heap has no {bytes} bytes"))?;
        mapping.include_in_dumps(core_dump);
        let _ = mapping.make_resident(0..layout.resident_bytes); // If refused, pages come at their first use.
        Ok(Self::new(Arc::new(mapping), layout))
    }

    /// Lays views over `mapping`, which must be at least as long as the layout.
    pub(crate) fn new(mapping: Arc<Mapping>, layout: Arc<Layout>) -> Self {
        assert!(mapping.len() >= layout.total_bytes, "a mapping is made for its layout");
        assert!(mapping.base().addr().is_multiple_of(crate::memory::layout::PAGE), "mappings start on pages");
        let base = mapping.base();
        Memory {
            base,
            slots: base.wrapping_add(layout.slots_offset),
            slot_stride: layout.slot_stride,
            payload_offset: layout.payload_offset,
            header_words: layout.message_header_words(),
            slot_bytes: layout.config.slot_bytes,
            buffers: layout.buffers,
            buffer_headers: base.wrapping_add(layout.headers_offset),
            header_stride: layout.header_stride,
            payloads: base.wrapping_add(layout.payloads_offset),
            buffer_stride: layout.buffer_stride,
            participants: layout.config.participants,
            kernel: Kernel::for_slot_bytes(layout.config.slot_bytes),
            mapping,
            layout,
        }
    }

    /// In a forked child: maps memory of its own in the place of the shared memory.
    #[cfg(target_os = "linux")]
    pub(crate) fn become_private(&self, file: &std::os::fd::OwnedFd) -> bool {
        self.mapping.become_private(file)
    }

    /// Makes a range resident; false if the system says that it has no pages for it.
    pub(crate) fn has_room(&self, range: std::ops::Range<usize>) -> bool {
        self.mapping.has_room(range)
    }

    /// Makes the pages of a buffer resident, which this mapping did not use before.
    pub(crate) fn make_buffer_resident(&self, buffer: usize) {
        let _ = self.mapping.make_resident(self.layout.buffer_pages(buffer)); // Else at their first use.
    }

    /// Whether all payloads are copied by words.
    pub(crate) fn copies_words(&self) -> bool {
        self.kernel == Kernel::Words
    }

    /// The bytes that a payload has room for.
    #[inline(always)]
    pub(crate) fn slot_bytes(&self) -> usize {
        self.slot_bytes
    }

    pub(crate) fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// Word `index` of the whole memory.
    #[cfg(seqring_fuzz)]
    pub(crate) fn word(&self, index: usize) -> &AtomicU64 {
        assert!(index < self.layout.total_bytes / 8, "the ring is shorter");
        // SAFETY: MAPPED and ALIGNED; the index was just checked.
        unsafe { &*self.base.cast::<AtomicU64>().add(index) }
    }

    #[inline(always)]
    pub(crate) fn control(&self) -> &Control {
        // SAFETY: MAPPED and ALIGNED; `Control` fits between its offset and the entries (asserted
        // in `layout`); it is made of atomics only.
        unsafe { &*self.base.add(CONTROL_OFFSET).cast::<Control>() }
    }

    /// Entry `index` of the participant table.
    #[inline(always)]
    pub(crate) fn entry(&self, index: usize) -> &Entry {
        assert!(index < self.participants, "entries are counted by the layout");
        // SAFETY: MAPPED and ALIGNED; the index is below the number of entries that the layout has
        // room for.
        unsafe { &*self.base.add(ENTRIES_OFFSET).cast::<Entry>().add(index) }
    }

    /// Entry `index`, looked up once by its owner, which needs it for each message.
    pub(crate) fn own_entry(&self, index: usize) -> OwnEntry {
        OwnEntry { entry: self.entry(index), _mapping: Arc::clone(&self.mapping) }
    }

    /// The application's own words.
    #[cfg_attr(seqring_fuzz, expect(dead_code, reason = "not offered where atomics are another type"))]
    pub(crate) fn user_words(&self) -> &[AtomicU64] {
        // SAFETY: MAPPED and ALIGNED; the layout has room for so many words there, and nothing else
        // lies in it.
        unsafe {
            let start = self.base.add(self.layout.user_words_offset).cast::<AtomicU64>();
            std::slice::from_raw_parts(start, self.layout.config.user_words)
        }
    }

    /// A slot of an inline ring.
    #[inline(always)]
    pub(crate) fn inline_slot(&self, slot: &SlotIndex) -> InlineSlot<'_> {
        debug_assert!(slot.index() < self.layout.inline_slots() && !self.layout.is_arena());
        // SAFETY: a `SlotIndex` is made with the ring's number of slots, and its index is below it.
        unsafe { self.slot_at(self.slots.add(slot.index() * self.slot_stride)) }
    }

    /// # Safety
    /// `slot` is the start of a slot of this inline ring.
    #[inline(always)]
    unsafe fn slot_at(&self, slot: *mut u8) -> InlineSlot<'_> {
        // SAFETY: MAPPED and ALIGNED; the whole stride lies in the mapping; stamp and message
        // header are words before the payload.
        unsafe {
            InlineSlot {
                stamp: &*slot.cast::<AtomicU64>(),
                header: std::slice::from_raw_parts(slot.cast::<AtomicU64>().add(1), self.header_words),
                payload: self.payload(slot.add(self.payload_offset)),
            }
        }
    }

    /// The word of a slot of an arena ring.
    #[inline(always)]
    pub(crate) fn slot_word(&self, slot: &SlotIndex) -> &AtomicU64 {
        debug_assert!(slot.index() < self.layout.config.slots && self.layout.is_arena());
        // SAFETY: MAPPED and ALIGNED; the index is below the number of slots, each of which has a
        // word.
        unsafe { &*self.slots.cast::<AtomicU64>().add(slot.index()) }
    }

    /// Header and payload of a buffer, if there is such a buffer.
    #[inline(always)]
    pub(crate) fn buffer(&self, index: usize) -> Result<(&BufferHeader, Payload<'_>), Corrupt> {
        if index >= self.buffers {
            return Err(Corrupt { what: "a slot names a buffer that the ring does not have" });
        }
        // SAFETY: MAPPED and ALIGNED; the index was just checked, and the layout has a header, and
        // beside it room for `slot_bytes`, for each buffer.
        unsafe {
            let header = self.buffer_headers.add(index * self.header_stride).cast::<BufferHeader>();
            let payload = self.payloads.add(index * self.buffer_stride);
            Ok((&*header, self.payload(payload)))
        }
    }

    /// Fetches the header and the first line of buffer `index` for writing, for its next owner:
    /// they are then under way together with the slot's line, which the owner is about to exchange.
    #[inline(always)]
    pub(crate) fn fetch_buffer(&self, index: usize) {
        fetch_line_for_writing(self.buffer_headers.wrapping_add(index * self.header_stride));
        fetch_line_for_writing(self.payloads.wrapping_add(index * self.buffer_stride));
    }

    /// The words for the message header of a buffer that [`Self::buffer`] accepted.
    pub(crate) fn message_header(&self, buffer: usize) -> &[AtomicU64] {
        assert!(buffer < self.layout.buffers, "checked when the buffer was looked up");
        // SAFETY: MAPPED and ALIGNED; the layout has `header_words` words for each buffer.
        unsafe {
            let start = self
                .base
                .add(self.layout.message_headers_offset + buffer * self.layout.message_header_stride);
            std::slice::from_raw_parts(start.cast::<AtomicU64>(), self.header_words)
        }
    }

    /// # Safety
    /// `start` is where the layout has a payload.
    #[inline(always)]
    unsafe fn payload(&self, start: *mut u8) -> Payload<'_> {
        // SAFETY: MAPPED, ALIGNED and ATOMIC-ONLY; the layout has room for `slot_bytes`, rounded up
        // to 8, in each payload.
        unsafe { Payload::new(start, self.slot_bytes, self.kernel) }
    }
}

/// The slots of an inline ring in one lap, by the numbers of their messages.
#[derive(Debug)]
pub(crate) struct RunSlots {
    /// Where message 0 would lie, if the lap went on before its first slot.
    origin: *mut u8,
    stride: usize,
    payload_offset: usize,
    slot_bytes: usize,
    /// Slots are accessed by [`word_slots`].
    whole: bool,
    memory: Memory,
}

// SAFETY: as for `Memory`.
unsafe impl Send for RunSlots {}
// SAFETY: as for `Memory`.
unsafe impl Sync for RunSlots {}

impl RunSlots {
    /// In the lap whose first message is `first`.
    pub(crate) fn new(memory: &Memory, first: u64) -> Self {
        let stride = memory.slot_stride;
        let mut slots = RunSlots {
            origin: memory.slots,
            stride,
            payload_offset: memory.payload_offset,
            slot_bytes: memory.slot_bytes,
            whole: memory.slot_bytes == 8 && stride == word_slots::SLOT && word_slots::are_indivisible(),
            memory: memory.clone(),
        };
        slots.enter(first);
        slots
    }

    /// Goes to the lap whose first message is `first`.
    pub(crate) fn enter(&mut self, first: u64) {
        self.origin = self.memory.slots.wrapping_sub((first as usize).wrapping_mul(self.stride));
    }

    /// Where the slot of message `sequence` starts.
    #[inline(always)]
    fn at(&self, sequence: u64) -> *mut u8 {
        self.origin.wrapping_add((sequence as usize).wrapping_mul(self.stride))
    }

    /// The same, in word slots.
    #[inline(always)]
    fn word_at(&self, sequence: u64) -> *mut u8 {
        self.origin.wrapping_add((sequence as usize).wrapping_mul(word_slots::SLOT))
    }

    /// The slot of message `sequence`.
    ///
    /// # Safety
    /// As for [`Self::from`].
    #[inline(always)]
    pub(crate) unsafe fn of(&self, sequence: u64) -> InlineSlot<'_> {
        let slot = self.at(sequence);
        let start = slot.wrapping_add(self.payload_offset);
        // SAFETY: MAPPED and ALIGNED, for the stamp and for the payload of a slot of the ring.
        unsafe {
            let payload = Payload::new(start, self.slot_bytes, Kernel::Words);
            InlineSlot { stamp: &*slot.cast::<AtomicU64>(), header: &[], payload }
        }
    }

    /// The slots of message `sequence` and of those after it.
    ///
    /// # Safety
    /// The ring's slots are inline, without message headers, its payloads are copied by words, and
    /// `sequence` and the messages whose slots the caller takes are in this lap.
    #[inline(always)]
    pub(crate) unsafe fn from(&self, sequence: u64) -> SlotIter<'_> {
        SlotIter {
            next: self.at(sequence),
            stride: self.stride,
            payload_offset: self.payload_offset,
            slot_bytes: self.slot_bytes,
            memory: PhantomData,
        }
    }

    /// Whether these slots offer accesses without a step between stamp and payload: see
    /// [`word_slots`].
    pub(crate) fn are_whole(&self) -> bool {
        self.whole
    }

    /// Publishes `word` with `stamp` in the slot of message `sequence`, at once.
    ///
    /// # Safety
    /// As for [`Self::from`], for one slot; and [`Self::are_whole`].
    #[inline(always)]
    pub(crate) unsafe fn store_word(&self, sequence: u64, stamp: u64, word: &[u8; 8]) {
        // SAFETY: as in `store_words`.
        unsafe { word_slots::store_word(self.word_at(sequence), stamp, word) };
    }

    /// Copies the word of the slot of message `sequence` to `word`, if the slot has `stamp`.
    /// Returns the stamp that it has.
    ///
    /// # Safety
    /// As for [`Self::store_word`].
    #[inline(always)]
    pub(crate) unsafe fn load_word(&self, sequence: u64, stamp: u64, word: &mut [u8; 8]) -> u64 {
        // SAFETY: as in `store_words`.
        unsafe { word_slots::load_word(self.word_at(sequence), stamp, word) }
    }

    /// Publishes words in the slot of message `sequence` and those after it, each at once. Returns
    /// whether these slots offer that.
    ///
    /// # Safety
    /// As for [`Self::from`], with as many slots as `messages` has words.
    #[inline(always)]
    pub(crate) unsafe fn store_words(&self, sequence: u64, stamp: ExpectedStamp, messages: &[u8]) -> bool {
        if self.whole {
            // SAFETY: MAPPED, ALIGNED and ATOMIC-ONLY; the slots are of that kind, and the caller
            // promises their number.
            unsafe {
                word_slots::store_all(self.word_at(sequence), stamp.published(8), stamp.step(), messages);
            };
        }
        self.whole
    }

    /// Copies the words of message `sequence` and of those after it, as long as their slots hold
    /// the stamps from `stamp` on. Returns how many, or `None` if these slots do not offer that.
    ///
    /// # Safety
    /// As for [`Self::store_words`].
    #[inline(always)]
    pub(crate) unsafe fn load_words(
        &self,
        sequence: u64,
        stamp: ExpectedStamp,
        out: &mut [u8],
    ) -> Option<usize> {
        let at = self.word_at(sequence);
        // SAFETY: as in `store_words`.
        self.whole.then(|| unsafe { word_slots::load_all(at, stamp.published(8), stamp.step(), out) })
    }

    /// Fetches the lines of the slot of message `sequence` and of those after it, `count` in all,
    /// for writing.
    pub(crate) fn fetch_for_writing(&self, sequence: u64, count: usize) {
        fetch_for_writing(self.at(sequence), count * self.stride);
    }

    /// Fetches the lines of the payload of message `sequence`, for writing, except one that the
    /// stamp lies in, too.
    pub(crate) fn fetch_payload(&self, sequence: u64) {
        let skipped = self.payload_offset.max(LINE);
        fetch_for_writing(self.at(sequence).wrapping_add(skipped), self.stride - skipped);
    }
}

/// Iterator over consecutive slots of a lap, in a ring without message headers. It holds all it
/// needs by value: a loop keeps that in registers, but would load what is behind a reference again
/// after each acquire.
pub(crate) struct SlotIter<'a> {
    next: *mut u8,
    stride: usize,
    payload_offset: usize,
    slot_bytes: usize,
    memory: PhantomData<&'a AtomicU64>,
}

impl<'a> Iterator for SlotIter<'a> {
    type Item = InlineSlot<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<InlineSlot<'a>> {
        let slot = self.next;
        self.next = slot.wrapping_add(self.stride);
        let start = slot.wrapping_add(self.payload_offset);
        // SAFETY: `slot` is the start of a slot (`RunSlots::iter`), which is a stamp, and `start`
        // its payload, which is copied by words; they live for `'a`.
        Some(unsafe {
            let payload = Payload::new(start, self.slot_bytes, Kernel::WordsInline);
            InlineSlot { stamp: &*slot.cast::<AtomicU64>(), header: &[], payload }
        })
    }
}

/// One entry of the participant table, looked up once.
#[derive(Debug)]
pub(crate) struct OwnEntry {
    entry: *const Entry,
    /// Keeps the memory alive.
    _mapping: Arc<Mapping>,
}

// SAFETY: as for `Memory`.
unsafe impl Send for OwnEntry {}
// SAFETY: as for `Memory`.
unsafe impl Sync for OwnEntry {}

impl std::ops::Deref for OwnEntry {
    type Target = Entry;

    #[inline(always)]
    fn deref(&self) -> &Entry {
        // SAFETY: it was a reference when this was made, into memory that `_mapping` keeps.
        unsafe { &*self.entry }
    }
}
