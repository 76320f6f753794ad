//! Words in a file that several processes map: what one process stored stays when it is killed at
//! its next instruction.

use crate::pages::Pages;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicU64;

/// The words of a file, shared with each process that has it open; the file stays when this is
/// dropped.
#[derive(Debug)]
pub struct SharedWords {
    pages: Pages,
}

impl SharedWords {
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
        let bytes = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        Ok(SharedWords { pages: Pages::of_file(file, bytes)? })
    }

    /// The words.
    #[must_use]
    pub fn words(&self) -> &[AtomicU64] {
        self.pages.words()
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
