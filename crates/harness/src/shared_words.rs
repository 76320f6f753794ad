//! Words that several threads or processes map: what one process stored in a file stays when it is
//! killed at its next instruction.
#![allow(unsafe_code, reason = "hands out a view of mapped memory")]

use memmap2::{MmapOptions, MmapRaw};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::slice;
use std::sync::atomic::AtomicU64;

/// Words, from a page on: of a file, shared with each process that has it open, which stays when
/// this is dropped; or of this process.
#[derive(Debug)]
pub struct SharedWords(MmapRaw);

impl SharedWords {
    /// `count` words of this process, all 0.
    ///
    /// # Errors
    /// `ENOMEM` if there is not enough memory.
    pub fn private(count: usize) -> io::Result<Self> {
        Ok(Self(MmapOptions::new().len(count * size_of::<AtomicU64>()).populate().map_anon()?.into()))
    }

    /// Makes a new file of `count` words, all 0.
    ///
    /// # Errors
    /// What the system says.
    pub fn create(path: &Path, count: usize) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        file.set_len((count * size_of::<AtomicU64>()) as u64)?;
        Self::map(&file)
    }

    /// Opens a file that [`Self::create`] made.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::map(&OpenOptions::new().read(true).write(true).open(path)?)
    }

    fn map(file: &File) -> io::Result<Self> {
        Ok(Self(MmapOptions::new().map_raw(file)?))
    }

    /// The words.
    #[must_use]
    pub fn words(&self) -> &[AtomicU64] {
        // SAFETY:
        // - valid: all bytes are mapped, readable and writable, and any bits are an `AtomicU64`;
        // - aligned: a mapping starts on a page;
        // - shared: the slice holds atomics only; a process that copies bytes of it keeps others
        //   from them meanwhile;
        // - alive: the slice borrows `self`, which unmaps on drop only.
        unsafe { slice::from_raw_parts(self.0.as_mut_ptr().cast(), self.0.len() / size_of::<AtomicU64>()) }
    }
}

#[cfg(test)]
mod tests {
    use super::SharedWords;
    use std::sync::atomic::Ordering::Relaxed;

    #[test]
    fn what_one_mapping_stores_another_loads() {
        let path = std::env::temp_dir().join(format!("shared-words-{}", std::process::id()));
        let (one, other) = (SharedWords::create(&path, 1000).unwrap(), SharedWords::open(&path).unwrap());
        assert!(SharedWords::create(&path, 1).is_err(), "the file is there");
        assert_eq!(other.words().len(), 1000);
        one.words()[999].store(7, Relaxed);
        assert_eq!(other.words()[999].load(Relaxed), 7);
        std::fs::remove_file(path).unwrap();
    }
}
