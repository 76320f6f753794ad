//! Pages of memory that both ends of a measurement use, present before the clock starts.
//!
//! A fresh shared page costs 3 to 4 µs at its first touch on the project's machine, more than
//! copying it: the mapping is populated when it is made. There are two kinds, because they are not
//! equally fast:
//!
//! | [`Kind`] | seen by | pages |
//! |---|---|---|
//! | `Private` | threads | anonymous; huge where the kernel's `transparent_hugepage` is `always` |
//! | `Shared` | threads and forked children | shared memory (tmpfs), as in `/dev/shm` |
#![allow(unsafe_code, reason = "hands out views of mapped memory")]

use std::fs::File;
use std::io;
use std::slice;
use std::sync::atomic::AtomicU64;

use memmap2::{MmapOptions, MmapRaw};
use rustix::fs::{MemfdFlags, memfd_create};

/// The threads and processes that see the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The threads of this process.
    Private,
    /// Also the children that this process forks while the mapping lives.
    Shared,
}

/// A populated, zeroed, page-aligned mapping; unmapped on drop.
#[derive(Debug)]
pub(crate) struct Pages(MmapRaw);

impl Pages {
    /// Maps and populates at least `bytes` (one byte if 0 is requested).
    ///
    /// # Errors
    /// What `mmap` reports: `ENOMEM` if there is not enough memory.
    pub(crate) fn new(bytes: usize, kind: Kind) -> io::Result<Self> {
        let mut options = MmapOptions::new();
        options.len(bytes.max(1)).populate();
        Ok(Self(match kind {
            Kind::Private => options.map_anon()?.into(),
            Kind::Shared => {
                let file = File::from(memfd_create("pages", MemfdFlags::CLOEXEC)?);
                file.set_len(bytes.max(1) as u64)?;
                options.map_raw(&file)?
            }
        }))
    }

    /// Maps the first `bytes` of a file, shared with all processes that map it.
    ///
    /// # Errors
    /// What `mmap` reports.
    pub(crate) fn of_file(file: &File, bytes: usize) -> io::Result<Self> {
        Ok(Self(MmapOptions::new().len(bytes).map_raw(file)?))
    }

    /// The mapping as atomic words, without the rest at its end.
    pub(crate) fn words(&self) -> &[AtomicU64] {
        // SAFETY:
        // - valid: all bytes are mapped, readable and writable, and any bits are an `AtomicU64`;
        // - aligned: a mapping starts on a page;
        // - shared: the slice holds atomics only; users of `start` keep to other bytes or hand them
        //   over;
        // - alive: the slice borrows `self`, which unmaps on drop only.
        unsafe { slice::from_raw_parts(self.0.as_mut_ptr().cast(), self.0.len() / size_of::<AtomicU64>()) }
    }

    /// The first byte, for copies of bytes that one end owns at a time.
    pub(crate) fn start(&self) -> *mut u8 {
        self.0.as_mut_ptr()
    }

    /// How many bytes are mapped.
    pub(crate) fn bytes(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_memory_than_there_is_is_an_error() {
        assert!(Pages::new(usize::MAX / 2, Kind::Private).is_err());
    }
}
