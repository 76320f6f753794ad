//! The views over real memory: the heap or a mapping.
#![allow(unsafe_code, reason = "the one place where offsets become references")]
#![allow(clippy::cast_ptr_alignment, reason = "invariant ALIGNED")]

use super::InlineSlot;
use crate::memory::copy::Kernel;
use crate::memory::format::{BufferHeader, Control, Entry};
use crate::memory::layout::{CONTROL_OFFSET, ENTRIES_OFFSET, LINE, Layout};
use crate::memory::mapping::Mapping;
use crate::memory::slot_index::{Lap, SlotIndex};
use crate::sync::{AtomicU64, Pair, load_own, release};
use crate::types::error::Corrupt;
use std::marker::PhantomData;
use std::sync::Arc;

/// A ring's memory. Clones share it; it is unmapped when the last clone drops.
///
/// Invariants, established by [`Memory::new`] and relied on by every method:
/// - MAPPED: `base` points to `layout.total_bytes` bytes that stay valid while `mapping` lives;
/// - ALIGNED: `base` is aligned to a page, and [`Layout`] only yields offsets aligned for what lies there;
/// - ATOMIC-ONLY: peers may store anywhere at any time, and so may we, so nobody makes a plain reference to
///   these bytes but by [`frozen_bytes`] and [`exclusive_bytes`], on the protocol's word (FROZEN): only references to
///   atomics, which all bit patterns are valid for.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    mapping: Arc<Mapping>,
    layout: Arc<Layout>,
    /// What the hot path needs, by value.
    base: *mut u8,
    slots: *mut u8,
    slot_stride: usize,
    payload_offset: usize,
    extras_words: usize,
    slot_bytes: usize,
    participants: usize,
    kernel: Kernel,
}

// SAFETY: the pointers lead into memory that `mapping` keeps alive wherever this value moves, and all access
// to it is atomic (ATOMIC-ONLY), so it may happen from any thread.
unsafe impl Send for Memory {}
// SAFETY: as above; no method stores to `self`.
unsafe impl Sync for Memory {}

impl Memory {
    /// Zeroed memory of this process alone.
    pub(crate) fn heap(layout: Arc<Layout>) -> Result<Self, String> {
        let bytes = layout.total_bytes;
        let mapping = Mapping::heap(bytes).ok_or_else(|| format!("the heap has no {bytes} bytes"))?;
        let _ = mapping.make_resident(0..layout.resident_bytes); // Refused, pages come at their first use.
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
            extras_words: layout.extras_words(),
            slot_bytes: layout.config.slot_bytes,
            participants: layout.config.participants,
            kernel: Kernel::for_slot_bytes(layout.config.slot_bytes),
            mapping,
            layout,
        }
    }

    /// In a forked child: a private copy of the file takes the place of the memory that is shared with others.
    #[cfg(target_os = "linux")]
    pub(crate) fn become_private(&self, file: &std::os::fd::OwnedFd) -> bool {
        self.mapping.become_private(file)
    }

    /// Makes a range resident; false if the system says that it has no pages for it.
    pub(crate) fn has_room(&self, range: std::ops::Range<usize>) -> bool {
        self.mapping.has_room(range)
    }

    /// Makes the pages of a buffer resident that this mapping did not use before.
    pub(crate) fn make_buffer_resident(&self, buffer: usize) {
        let _ = self.mapping.make_resident(self.layout.buffer_pages(buffer)); // Else at their first use.
    }

    /// Whether all payloads are copied by words.
    pub(crate) fn copies_words(&self) -> bool {
        self.kernel == Kernel::Words
    }

    pub(crate) fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// Word `index` of all that there is.
    #[cfg(seqring_fuzz)]
    pub(crate) fn word(&self, index: usize) -> &AtomicU64 {
        assert!(index < self.layout.total_bytes / 8, "the ring is shorter");
        // SAFETY: MAPPED and ALIGNED; the index was just checked.
        unsafe { &*self.base.cast::<AtomicU64>().add(index) }
    }

    #[inline(always)]
    pub(crate) fn control(&self) -> &Control {
        // SAFETY: MAPPED and ALIGNED; `Control` fits between its offset and the entries (asserted in `layout`);
        // it is made of atomics only.
        unsafe { &*self.base.add(CONTROL_OFFSET).cast::<Control>() }
    }

    /// Entry `index` of the participant table.
    #[inline(always)]
    pub(crate) fn entry(&self, index: usize) -> &Entry {
        assert!(index < self.participants, "entries are counted by the layout");
        // SAFETY: MAPPED and ALIGNED; the index is below the number of entries that the layout has room for.
        unsafe { &*self.base.add(ENTRIES_OFFSET).cast::<Entry>().add(index) }
    }

    /// Entry `index`, for whoever looks at it before each message.
    pub(crate) fn own_entry(&self, index: usize) -> OwnEntry {
        OwnEntry { entry: self.entry(index), _mapping: Arc::clone(&self.mapping) }
    }

    /// The application's own words.
    #[cfg_attr(seqring_fuzz, expect(dead_code, reason = "nobody gets them where atomics are another type"))]
    pub(crate) fn user_words(&self) -> &[AtomicU64] {
        // SAFETY: MAPPED and ALIGNED; the layout has room for so many words there, and nothing else lies in it.
        unsafe {
            let start = self.base.add(self.layout.user_words_offset).cast::<AtomicU64>();
            std::slice::from_raw_parts(start, self.layout.config.user_words)
        }
    }

    /// The slot of an inline ring at `place`.
    #[inline(always)]
    pub(crate) fn inline_slot(&self, place: &SlotIndex) -> InlineSlot<'_> {
        debug_assert!(place.index() < self.layout.config.slots && !self.layout.is_arena());
        // SAFETY: a `SlotIndex` is made with the ring's number of slots, and its index is below it.
        unsafe { self.slot_at(self.slots.add(place.index() * self.slot_stride)) }
    }

    /// # Safety
    /// `slot` is the start of a slot of this inline ring.
    #[inline(always)]
    unsafe fn slot_at(&self, slot: *mut u8) -> InlineSlot<'_> {
        // SAFETY: MAPPED and ALIGNED; the whole stride lies in the mapping; stamp and extras are words before the
        // payload.
        unsafe {
            InlineSlot {
                stamp: &*slot.cast::<AtomicU64>(),
                extras: std::slice::from_raw_parts(slot.cast::<AtomicU64>().add(1), self.extras_words),
                payload: self.payload(slot.add(self.payload_offset)),
            }
        }
    }

    /// The word of an arena ring's slot at `place`.
    #[inline(always)]
    pub(crate) fn slot_word(&self, place: &SlotIndex) -> &AtomicU64 {
        debug_assert!(place.index() < self.layout.config.slots && self.layout.is_arena());
        // SAFETY: MAPPED and ALIGNED; the index is below the number of slots, each of which has a word.
        unsafe { &*self.slots.cast::<AtomicU64>().add(place.index()) }
    }

    /// Header and payload of a buffer, if there is such a buffer.
    #[inline(always)]
    pub(crate) fn buffer(&self, index: usize) -> Result<(&BufferHeader, Payload<'_>), Corrupt> {
        if index >= self.layout.buffers {
            return Err(Corrupt { what: "a slot names a buffer that the ring does not have" });
        }
        // SAFETY: MAPPED and ALIGNED; the index was just checked, and the layout has a header and a stride of
        // at least `slot_bytes` for each buffer.
        unsafe {
            let header = self.base.add(self.layout.headers_offset).cast::<BufferHeader>().add(index);
            let payload = self.base.add(self.layout.payloads_offset + index * self.layout.buffer_stride);
            Ok((&*header, self.payload(payload)))
        }
    }

    /// The words for the extras of a buffer that [`Self::buffer`] accepted.
    pub(crate) fn buffer_extras(&self, buffer: usize) -> &[AtomicU64] {
        assert!(buffer < self.layout.buffers, "checked when the buffer was looked up");
        // SAFETY: MAPPED and ALIGNED; the layout has `extras_words` words for each buffer.
        unsafe {
            let start = self.base.add(self.layout.extras_offset + buffer * self.layout.extras_stride);
            std::slice::from_raw_parts(start.cast::<AtomicU64>(), self.extras_words)
        }
    }

    #[inline(always)]
    fn payload(&self, start: *mut u8) -> Payload<'_> {
        Payload { start, bytes: self.slot_bytes, kernel: self.kernel, memory: PhantomData }
    }
}

/// The slots of an inline ring, as the messages of one lap find them.
#[derive(Debug)]
pub(crate) struct LapSlots {
    /// Where message 0 would lie if slots before the first one led there.
    origin: *mut u8,
    stride: usize,
    memory: Memory,
}

// SAFETY: as for `Memory`.
unsafe impl Send for LapSlots {}
// SAFETY: as for `Memory`.
unsafe impl Sync for LapSlots {}

impl LapSlots {
    pub(crate) fn new(memory: &Memory, lap: &Lap) -> Self {
        let mut slots = LapSlots { origin: memory.slots, stride: memory.slot_stride, memory: memory.clone() };
        slots.turn(lap);
        slots
    }

    /// The same slots, in another lap.
    #[inline(always)]
    pub(crate) fn turn(&mut self, lap: &Lap) {
        self.origin = self.memory.slots.wrapping_sub((lap.first as usize).wrapping_mul(self.stride));
    }

    /// # Safety
    /// The ring's slots are inline, its payloads are copied by words, and message `sequence` is in the lap of the
    /// last [`Self::turn`].
    #[inline(always)]
    pub(crate) unsafe fn slot(&self, sequence: u64) -> InlineSlot<'_> {
        // SAFETY: less the lap's first message, the sequence is the index of a slot.
        let mut slot = unsafe { self.memory.slot_at(self.address(sequence)) };
        slot.payload.kernel = Kernel::Words; // As it is: here the compiler learns it.
        slot
    }

    /// The slots of `count` messages from `first` on.
    ///
    /// # Safety
    /// As for [`Self::slot`], for each of them.
    #[inline(always)]
    pub(crate) unsafe fn stretch(&self, first: u64, count: usize) -> Stretch<'_> {
        Stretch {
            next: self.address(first),
            left: count,
            stride: self.stride,
            payload_offset: self.memory.payload_offset,
            slot_bytes: self.memory.slot_bytes,
            memory: PhantomData,
        }
    }

    #[inline(always)]
    fn address(&self, sequence: u64) -> *mut u8 {
        self.origin.wrapping_add((sequence as usize).wrapping_mul(self.stride))
    }

    /// Stores a word of each line of the slots from `first` to before `end` again, as it is.
    ///
    /// # Safety
    /// As for [`Self::slot`], and nobody else stores to these slots.
    pub(crate) unsafe fn store_again(&self, first: u64, end: u64) {
        let (mut at, end) = (self.address(first), self.address(end));
        while at < end {
            // SAFETY: between the start of the first slot and the end of the last, and a multiple of 8, as slots and
            // lines are. What lies there, stamp, extras, payload or nothing, is accessed by words.
            let word = unsafe { &*at.cast::<AtomicU64>() };
            // PAIRS(Publish): if this is a stamp, whoever sees it now sees what it stands for, as before.
            word.store(load_own(word), release(Pair::Publish));
            at = at.wrapping_add(LINE - at.addr() % LINE);
        }
    }
}

/// The slots of messages that follow one another in a lap, of a ring without extras. All that it needs it has by value: a
/// loop over them keeps it in registers, where what is behind a reference is loaded again after each acquire.
pub(crate) struct Stretch<'a> {
    next: *mut u8,
    left: usize,
    stride: usize,
    payload_offset: usize,
    slot_bytes: usize,
    memory: PhantomData<&'a AtomicU64>,
}

impl<'a> Iterator for Stretch<'a> {
    type Item = InlineSlot<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<InlineSlot<'a>> {
        self.left = self.left.checked_sub(1)?;
        let slot = self.next;
        self.next = slot.wrapping_add(self.stride);
        let start = slot.wrapping_add(self.payload_offset);
        let kernel = Kernel::WordsInline;
        let payload = Payload { start, bytes: self.slot_bytes, kernel, memory: PhantomData };
        // SAFETY: the start of a slot (`LapSlots::stretch`), which is a stamp; it lives for `'a`.
        Some(InlineSlot { stamp: unsafe { &*slot.cast::<AtomicU64>() }, extras: &[], payload })
    }
}

/// One entry of the participant table, found once.
#[derive(Debug)]
pub(crate) struct OwnEntry {
    entry: *const Entry,
    /// Never looked at: it keeps the memory.
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

/// The bytes of one message in shared memory, which a peer may be storing to at this moment.
///
/// Copies in and out are atomic byte by byte (see [`crate::memory::copy`]); whether the bytes belong together is the
/// slot protocol's business.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Payload<'a> {
    /// 8-aligned and valid for `bytes` rounded up to 8, for `'a`.
    start: *mut u8,
    bytes: usize,
    kernel: Kernel,
    memory: PhantomData<&'a AtomicU64>,
}

impl<'a> Payload<'a> {
    /// The bytes that it has room for.
    #[inline(always)]
    pub(crate) fn bytes(self) -> usize {
        self.bytes
    }

    /// The first `len` bytes as a message to be read, if there are so many.
    #[inline(always)]
    pub(crate) fn message(self, len: usize) -> Option<RacyBytes<'a>> {
        (len <= self.bytes).then_some(RacyBytes {
            start: self.start,
            len,
            kernel: self.kernel,
            memory: PhantomData,
        })
    }

    /// Copies `bytes` in.
    #[inline(always)]
    pub(crate) fn store(self, bytes: &[u8]) {
        assert!(bytes.len() <= self.bytes, "lengths are checked against the slot before the copy");
        // SAFETY: valid and aligned (see `start`), and the length was just checked; the shared side is accessed
        // by `copy` only (ATOMIC-ONLY).
        unsafe { self.kernel.store(self.start.cast(), bytes) };
    }

    /// Copies `bytes` in, `offset` bytes behind the start. Only whoever owns the payload may do so.
    pub(crate) fn store_at(self, offset: usize, bytes: &[u8]) {
        assert!(offset <= self.bytes && bytes.len() <= self.bytes - offset, "checked by the claim");
        // SAFETY: as in `store`; start and end lie within the payload.
        unsafe { self.kernel.store_at(self.start.cast(), offset, bytes) };
    }

    /// The address of the payload, for filling in place and for views over frozen bytes.
    pub(crate) fn as_ptr(self) -> *mut u8 {
        self.start
    }
}

/// The payload of a message that a writer may be overwriting at this moment.
///
/// There is no `&[u8]` here, because such a slice promises that its bytes stay. What is read through this may
/// be a mix of two messages: whoever hands out a `RacyBytes` checks afterwards, and drops what came of it if so.
#[derive(Clone, Copy, Debug)]
pub struct RacyBytes<'a> {
    /// 8-aligned and valid for `len` rounded up to 8, for `'a`.
    start: *mut u8,
    len: usize,
    kernel: Kernel,
    memory: PhantomData<&'a AtomicU64>,
}

impl RacyBytes<'_> {
    /// Bytes of the message.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the message has no bytes.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies the first `out.len()` bytes.
    ///
    /// # Panics
    /// If the message is shorter.
    #[inline(always)]
    pub fn copy_to_slice(&self, out: &mut [u8]) {
        assert!(out.len() <= self.len, "the message has {} bytes, not {}", self.len, out.len());
        // SAFETY: valid and aligned (see `start`), and the length was just checked; `out` is private memory.
        unsafe { self.kernel.load(out.as_mut_ptr(), self.start.cast(), out.len()) };
    }

    /// Eight bytes from `8 * index` on.
    ///
    /// # Panics
    /// If the message does not reach that far.
    #[inline(always)]
    pub fn word(&self, index: usize) -> [u8; 8] {
        assert!(index < self.len / 8, "the message has {} whole words, not {}", self.len / 8, index + 1);
        let mut word = [0; 8];
        // SAFETY: as above; the word lies within the message and is aligned as its start is.
        unsafe { self.kernel.load(word.as_mut_ptr(), self.start.cast::<AtomicU64>().add(index), 8) };
        word
    }

    /// The address of the message, for views over frozen bytes.
    pub(crate) fn as_ptr(self) -> *const u8 {
        self.start
    }
}

/// The bytes that a view shows.
///
/// # Safety
/// - `start` is a [`RacyBytes::as_ptr`], `len` at most that message's length, and the memory lives for `'a`;
/// - nobody stores to these bytes for `'a`.
pub(crate) unsafe fn frozen_bytes<'a>(start: *const u8, len: usize) -> &'a [u8] {
    // SAFETY: the caller's word, which is what a slice needs.
    unsafe { std::slice::from_raw_parts(start, len) }
}

/// The bytes that a claim fills; always some here, never in the models.
///
/// # Safety
/// - `start` is a [`Payload::as_ptr`], `len` at most that payload's length, and the memory lives for `'a`;
/// - nobody else loads from or stores to these bytes for `'a`.
#[expect(clippy::unnecessary_wraps, reason = "the models have none")]
pub(crate) unsafe fn exclusive_bytes<'a>(start: *mut u8, len: usize) -> Option<&'a mut [u8]> {
    // SAFETY: the caller's word, which is what a slice needs.
    Some(unsafe { std::slice::from_raw_parts_mut(start, len) })
}
