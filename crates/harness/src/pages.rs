//! Pages of memory that both ends of a measurement use, present before the clock starts.
//!
//! A fresh shared page costs 3 to 4 µs at its first touch on the project's machine, more than copying it:
//! the mapping is populated when it is made. Two kinds, because they are not equally fast:
//!
//! | [`Kind`] | seen by | pages |
//! |---|---|---|
//! | `Private` | threads | anonymous; huge where the kernel's `transparent_hugepage` is `always` |
//! | `Shared` | threads and forked children | shared memory (tmpfs), as a segment in `/dev/shm` is |
//!
//! And those of a file, for whoever opens it.
#![allow(unsafe_code, reason = "maps memory and hands out views of it")]

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::AtomicU64;

use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

/// Who can see the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The threads of this process.
    Private,
    /// They and the children that this process forks while the mapping lives.
    Shared,
}

/// A populated, zeroed, page-aligned mapping; unmapped on drop.
#[derive(Debug)]
pub(crate) struct Pages {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread: any thread may unmap it.
unsafe impl Send for Pages {}
// SAFETY: `&Pages` gives atomics, a length and a raw pointer; using the pointer is unsafe at its own place.
unsafe impl Sync for Pages {}

impl Pages {
    /// Maps and populates at least `bytes` (one byte if 0 is asked).
    ///
    /// # Errors
    /// What `mmap` reports: `ENOMEM` where the memory is not there.
    pub(crate) fn new(bytes: usize, kind: Kind) -> io::Result<Self> {
        let bytes = bytes.max(1);
        let sharing = match kind {
            Kind::Private => MapFlags::PRIVATE,
            Kind::Shared => MapFlags::SHARED,
        };
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a null address lets the kernel choose a free range, so no existing mapping is replaced.
        let start =
            unsafe { mmap_anonymous(ptr::null_mut(), bytes, protection, sharing | MapFlags::POPULATE)? };
        let start = NonNull::new(start.cast::<u8>()).expect("a successful mmap is never at address 0");
        Ok(Self { start, bytes })
    }

    /// Maps the first `bytes` of a file, shared with whoever maps it.
    ///
    /// # Errors
    /// What `mmap` reports.
    pub(crate) fn of_file(file: &File, bytes: usize) -> io::Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a null address lets the kernel choose a free range, so no existing mapping is replaced.
        let start = unsafe { mmap(ptr::null_mut(), bytes, protection, MapFlags::SHARED, file, 0)? };
        let start = NonNull::new(start.cast::<u8>()).expect("a successful mmap is never at address 0");
        Ok(Self { start, bytes })
    }

    /// The mapping as atomic words; what is left over at its end is not part of it.
    pub(crate) fn words(&self) -> &[AtomicU64] {
        // SAFETY:
        // - valid: `self.bytes` are mapped, readable and writable, and any bits are an `AtomicU64`;
        // - aligned: mmap returns whole pages, the multiple of 8 that is asked;
        // - shared: the slice holds atomics only; whoever uses `start` keeps to other bytes or hands them over;
        // - alive: the slice borrows `self`, which unmaps on drop only.
        unsafe { slice::from_raw_parts(self.start.as_ptr().cast(), self.bytes / size_of::<AtomicU64>()) }
    }

    /// The first byte, for copies of bytes that one end owns at a time.
    pub(crate) fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// How many bytes are mapped.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: exactly the range that `new` mapped, and no view outlives `self`.
        // An error would mean a wrong range: it cannot occur and must not panic in a drop.
        let _ = unsafe { munmap(self.start.as_ptr().cast::<c_void>(), self.bytes) };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    #[test]
    fn new_pages_are_zero_and_hold_what_is_stored() {
        let pages = Pages::new(10_000, Kind::Shared).unwrap();
        assert_eq!(pages.words().len(), 1250);
        assert!(pages.words().iter().all(|word| word.load(Relaxed) == 0));
        pages.words()[1249].store(7, Relaxed);
        assert_eq!(pages.words()[1249].load(Relaxed), 7);
    }

    #[test]
    fn more_memory_than_there_is_is_an_error() {
        assert!(Pages::new(usize::MAX / 2, Kind::Private).is_err());
    }
}
