//! Liveness: which entries of the participant table are held by living participants.
//!
//! Between processes an entry is held by a byte-range lock on the segment's file, of the kind that
//! belongs to an open file description (OFD). The kernel releases it when the last descriptor of
//! that description is closed. So it ends with its process, however that ends, and there is nothing
//! to clean up. A lock does not conflict with others of its own description, so within one handle a
//! set records the entries that are held.
//!
//! Threads of one heap ring have the set alone: a thread ends inside a living process, and `Drop`
//! releases its entry.

use super::backing::Backing;
use crate::sync::{Mutex, MutexGuard};
use std::collections::BTreeSet;
use std::sync::{PoisonError, TryLockError};

/// A process, distinguished from a later one with the same number by its start time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// Clock ticks since boot; 0 where that is not known.
    pub(crate) started: u64,
}

impl Process {
    fn this() -> Self {
        let pid = std::process::id();
        Process { pid, started: start_time(pid).unwrap_or(0) }
    }
}

/// When a process started, from `/proc`.
pub(crate) fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name, in parentheses, may hold anything. The start is field 22, the 20th one
    // behind it.
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// The entries held through one handle on a ring and its clones.
#[derive(Debug)]
pub(crate) struct Liveness {
    held: Mutex<BTreeSet<usize>>,
    owner: Process,
    pub(crate) backing: Backing,
}

impl Liveness {
    pub(crate) fn new(backing: Backing) -> Self {
        Liveness { held: Mutex::new(BTreeSet::new()), owner: Process::this(), backing }
    }

    /// The process that opened this handle.
    pub(crate) fn owner(&self) -> Process {
        self.owner
    }

    /// Whether this process inherited the handle by a fork. Then it holds no entry.
    pub(crate) fn is_inherited(&self) -> bool {
        self.owner.pid != std::process::id()
    }

    /// Acquires an entry unless a living participant holds it. If it succeeds and the entry is in
    /// use, its owner is dead, and the caller recovers it.
    pub(crate) fn acquire(&self, entry: usize) -> bool {
        self.acquire_with(self.held(), entry, Backing::try_lock)
    }

    /// As [`Self::acquire`], beside the shared locks of strangers and of others that share it.
    pub(crate) fn share(&self, entry: usize) -> bool {
        self.acquire_with(self.held(), entry, Backing::try_share)
    }

    /// As [`Self::acquire`] without waiting: `None` if another thread is registering or leaving.
    pub(crate) fn try_acquire(&self, entry: usize) -> Option<bool> {
        match self.held.try_lock() {
            Ok(held) => Some(self.acquire_with(held, entry, Backing::try_lock)),
            Err(TryLockError::Poisoned(held)) => {
                Some(self.acquire_with(held.into_inner(), entry, Backing::try_lock))
            }
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// As [`Self::is_held`] without waiting: `None` if another thread is registering or leaving.
    pub(crate) fn try_is_held(&self, entry: usize) -> Option<bool> {
        let held = match self.held.try_lock() {
            Ok(held) => held.contains(&entry),
            Err(TryLockError::Poisoned(held)) => held.into_inner().contains(&entry),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(held || self.backing.is_locked_elsewhere(entry))
    }

    fn acquire_with(
        &self,
        mut held: MutexGuard<'_, BTreeSet<usize>>,
        entry: usize,
        lock: fn(&Backing, usize) -> bool,
    ) -> bool {
        !self.is_inherited() && !held.contains(&entry) && lock(&self.backing, entry) && held.insert(entry)
    }

    /// Releases an acquired entry.
    pub(crate) fn release(&self, entry: usize) {
        let mut held = self.held();
        self.backing.unlock(entry);
        held.remove(&entry);
    }

    /// Calls `visit` with each entry that is held through this handle. None is released meanwhile.
    pub(crate) fn each_held(&self, visit: impl FnMut(usize)) {
        self.held().iter().copied().for_each(visit);
    }

    /// Whether a living participant holds an entry.
    pub(crate) fn is_held(&self, entry: usize) -> bool {
        self.held().contains(&entry) || self.backing.is_locked_elsewhere(entry)
    }

    fn held(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        // The set is consistent between any two statements, so a panic does not damage it.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
