//! Who is there: which entries of the participant table are held by somebody who lives.
//!
//! Between processes an entry is held by a byte-range lock on the segment's file, of the kind that belongs to
//! an open file description (OFD). The kernel drops it when the last descriptor of that description is closed,
//! so it ends with its process however that ends, and there is nothing to clean up. A lock does not conflict
//! with others of its own description, so within one handle a set says who holds what.
//!
//! Threads of one heap ring have the set alone: a thread ends inside a living process, where `Drop` speaks for it.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[cfg(target_os = "linux")]
use super::named::SegmentFile;

/// The entries held through one handle on a ring and its clones.
#[derive(Debug)]
pub(crate) struct Presence {
    held: Mutex<BTreeSet<usize>>,
    #[cfg(target_os = "linux")]
    file: Option<SegmentFile>,
}

impl Presence {
    /// For a ring that only this handle and its clones reach.
    pub(crate) fn threads() -> Self {
        Presence {
            held: Mutex::default(),
            #[cfg(target_os = "linux")]
            file: None,
        }
    }

    /// For a ring in a file.
    #[cfg(target_os = "linux")]
    pub(crate) fn processes(file: SegmentFile) -> Self {
        Presence { held: Mutex::default(), file: Some(file) }
    }

    /// Takes hold of an entry, unless somebody living holds it. Whoever succeeds and finds the entry in use
    /// has found a dead owner's, and recovers it.
    pub(crate) fn acquire(&self, entry: usize) -> bool {
        self.acquire_with(self.held(), entry)
    }

    /// As [`Self::acquire`], for whoever may not wait for another thread that joins or leaves: then false.
    pub(crate) fn try_acquire(&self, entry: usize) -> bool {
        self.held.try_lock().is_ok_and(|held| self.acquire_with(held, entry))
    }

    fn acquire_with(&self, mut held: MutexGuard<'_, BTreeSet<usize>>, entry: usize) -> bool {
        !held.contains(&entry) && self.lock(entry) && held.insert(entry)
    }

    /// Lets go of an entry that [`Self::acquire`] took.
    pub(crate) fn release(&self, entry: usize) {
        let mut held = self.held();
        self.unlock(entry);
        held.remove(&entry);
    }

    fn held(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        // The set is consistent between any two statements, so a panic elsewhere does not spoil it.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(target_os = "linux")]
    fn lock(&self, entry: usize) -> bool {
        self.file.as_ref().is_none_or(|file| file.try_lock(entry))
    }

    #[cfg(target_os = "linux")]
    fn unlock(&self, entry: usize) {
        if let Some(file) = &self.file {
            file.unlock(entry);
        }
    }

    /// Whether this came by a fork: what it says is held is held by the parent.
    pub(crate) fn is_inherited(&self) -> bool {
        #[cfg(target_os = "linux")]
        return self.file.as_ref().is_some_and(SegmentFile::is_inherited);
        #[cfg(not(target_os = "linux"))]
        false
    }

    /// The file that processes share, if they do.
    #[cfg(target_os = "linux")]
    pub(crate) fn file(&self) -> Option<&SegmentFile> {
        self.file.as_ref()
    }

    #[cfg(not(target_os = "linux"))]
    fn lock(&self, _: usize) -> bool {
        true
    }

    #[cfg(not(target_os = "linux"))]
    fn unlock(&self, _: usize) {}
}
