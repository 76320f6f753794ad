//! The interface between the ring and its lock: a lock is a small file, the ring is written once.
#![allow(unsafe_code, reason = "a lock lies in mapped memory")]

use crate::locks::memory::Memory;
use crate::locks::nap::Nap;
use harness::clock::Moment;
use std::io;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;

/// What a holder of the lock does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It reads messages, beside other readers if the lock allows it, and moves its own cursor.
    Read,
    /// It writes a message, alone.
    Write,
}

/// What a participant may be waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A message was written, or the last writer has left.
    News,
    /// A reader of a gated ring has advanced.
    Room,
}

/// Mutual exclusion, and a way to wait for a change.
///
/// One value for each endpoint; what they share lies in the ring's memory.
pub trait Lock: Sized + Send + Sync + 'static {
    /// The name in tables and on the command line.
    const NAME: &'static str;

    /// Whether it works between processes.
    const BETWEEN_PROCESSES: bool;

    /// The part of it in the ring's memory.
    type Shared: Sync;

    /// Makes the lock at `place`: memory of the right size and alignment, all zeros, not shared
    /// yet. Afterwards there is a value of the type.
    ///
    /// # Errors
    /// What making it reports.
    fn make(place: NonNull<Self::Shared>) -> io::Result<()>;

    /// One endpoint's handle of the lock that was made at `place`.
    ///
    /// # Errors
    /// What that takes reports.
    fn attach(place: Shared<Self::Shared>) -> io::Result<Self>;

    /// Runs `job` with the lock held for `access`.
    ///
    /// # Errors
    /// The lock cannot be had, now or ever; `job` has not run then.
    fn with<T>(&self, access: Access, job: impl FnOnce() -> T) -> io::Result<T>;

    /// Wakes those that wait for `change`. The lock is not held.
    fn announce(&self, _change: Change) {}

    /// Runs `job` with the lock held, again after every `change`, until it returns something or
    /// `deadline` is over.
    ///
    /// The default polls at growing intervals, for locks without a condition to wait for.
    ///
    /// # Errors
    /// As [`with`](Self::with).
    fn when<T>(
        &self,
        access: Access,
        _change: Change,
        deadline: Moment,
        job: impl FnMut() -> Option<T>,
    ) -> io::Result<Option<T>> {
        poll(self, access, deadline, job)
    }
}

/// [`Lock::when`] without a condition.
pub(crate) fn poll<T>(
    lock: &impl Lock,
    access: Access,
    deadline: Moment,
    mut job: impl FnMut() -> Option<T>,
) -> io::Result<Option<T>> {
    let mut nap = Nap::default();
    loop {
        if let Some(value) = lock.with(access, &mut job)? {
            return Ok(Some(value));
        }
        if !nap.take(deadline) {
            return Ok(None);
        }
    }
}

/// A `T` that was made in a ring's memory, which stays there as long as this.
#[derive(Debug)]
pub struct Shared<T> {
    memory: Arc<Memory>,
    place: NonNull<T>,
}

// SAFETY: it gives `&T` only, and `T` is `Sync`; the memory may be unmapped by any thread.
unsafe impl<T: Sync> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Shared<T> {}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self { memory: Arc::clone(&self.memory), place: self.place }
    }
}

impl<T: Sync> Shared<T> {
    /// The `T` at `place`.
    ///
    /// # Safety
    /// `place` is aligned and lies in `memory`, and a `T` was made there that is never moved or
    /// dropped.
    pub(crate) unsafe fn new(memory: Arc<Memory>, place: NonNull<T>) -> Self {
        Self { memory, place }
    }

    /// The memory that it lies in.
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }
}

impl<T: Sync> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: valid, aligned and made by the promise of `new`; alive as long as `self.memory`.
        unsafe { self.place.as_ref() }
    }
}
