//! A range of memory with an owner: allocated or mapped, given back on drop.
#![allow(unsafe_code, reason = "allocating, mapping and unmapping")]

use crate::layout::PAGE;
use std::alloc::{Layout, alloc_zeroed, dealloc};

/// Page-aligned memory of a fixed length, readable and writable, valid until dropped.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: *mut u8,
    len: usize,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Heap,
    #[cfg(target_os = "linux")]
    File,
}

// SAFETY: the memory belongs to this value, not to a thread; what is in it is accessed through atomics only.
unsafe impl Send for Mapping {}
// SAFETY: as above; no method stores to `self`.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Zeroed memory from the allocator, or `None` if there is not so much.
    pub(crate) fn heap(len: usize) -> Option<Self> {
        let layout = Self::heap_layout(len)?;
        // SAFETY: the layout's size is not zero: a segment has at least its header.
        let base = unsafe { alloc_zeroed(layout) };
        if base.is_null() {
            return None;
        }
        Some(Mapping { base, len, source: Source::Heap })
    }

    /// Touches every page of a range now, at once, where that costs a fraction of a µs each, and not at its first use,
    /// where it costs 3–4 µs. A kernel without it (before 5.14) leaves it to the first use.
    ///
    /// # Panics
    /// If the range is not this mapping's.
    #[cfg(target_os = "linux")]
    pub(crate) fn make_resident(&self, range: std::ops::Range<usize>) {
        use rustix::mm::{Advice, madvise};
        assert!(range.start <= range.end && range.end <= self.len, "{range:?} of {} bytes", self.len);
        let start = self.base.wrapping_add(range.start);
        // SAFETY: the range is this mapping's; populating changes no contents.
        let _ = unsafe { madvise(start.cast(), range.len(), Advice::LinuxPopulateWrite) };
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn make_resident(&self, _: std::ops::Range<usize>) {}

    fn heap_layout(len: usize) -> Option<Layout> {
        Layout::from_size_align(len, PAGE).ok()
    }

    /// Maps the first `len` bytes of a file, shared with everybody who maps it, but not with forked children: those find
    /// nothing in its place ([`crate::fork`]).
    #[cfg(target_os = "linux")]
    pub(crate) fn file(file: &impl rustix::fd::AsFd, len: usize) -> rustix::io::Result<Self> {
        use rustix::mm::{MapFlags, ProtFlags, mmap};
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a null hint lets the kernel choose a free range, so no memory of ours is replaced.
        let base = unsafe { mmap(std::ptr::null_mut(), len, protection, MapFlags::SHARED, file, 0)? };
        let mapping = Mapping { base: base.cast(), len, source: Source::File };
        // SAFETY: the range is the mapping made above; the advice changes what a child inherits, and nothing here.
        unsafe { rustix::mm::madvise(base, len, rustix::mm::Advice::LinuxDontFork)? };
        Ok(mapping)
    }

    /// In a forked child, which has a hole in the place of this mapping: maps a private copy of its file there.
    #[cfg(target_os = "linux")]
    pub(crate) fn become_private(&self, file: &rustix::fd::OwnedFd) -> bool {
        use rustix::mm::{MapFlags, ProtFlags, mmap};
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::PRIVATE | MapFlags::FIXED_NOREPLACE;
        // SAFETY: `FIXED_NOREPLACE` maps into the hole or not at all, so nothing that the child has is replaced.
        let mapped = unsafe { mmap(self.base.cast(), self.len, protection, flags, file, 0) };
        mapped.is_ok_and(|base| base.cast() == self.base)
    }

    pub(crate) fn base(&self) -> *mut u8 {
        self.base
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        match self.source {
            Source::Heap => {
                let layout = Self::heap_layout(self.len).expect("was allocated with it");
                // SAFETY: `base` came from `alloc_zeroed` with this very layout, and nobody uses it any more:
                // every view borrows, or holds an `Arc` of, this value.
                unsafe { dealloc(self.base, layout) };
            }
            #[cfg(target_os = "linux")]
            // SAFETY: `base` and `len` are those of the mapping made in `file`; nobody uses it any more, as above.
            Source::File => drop(unsafe { rustix::mm::munmap(self.base.cast(), self.len) }),
        }
    }
}
