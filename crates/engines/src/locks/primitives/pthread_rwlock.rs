//! A process-shared `pthread_rwlock`: readers beside each other, the C library's own.
//!
//! It prefers readers, as is its default: readers that come often keep a writer out. No condition
//! goes with it: waiting is polling. A holder that is killed, reader or writer, holds it for ever.
#![allow(unsafe_code, reason = "calls the C library on a lock in shared memory")]

use super::returned;
use crate::locks::lock::{Access, Lock, Shared};
use libc::{pthread_rwlock_t, pthread_rwlockattr_t};
use std::cell::UnsafeCell;
use std::io;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

/// A handle of the lock.
#[derive(Debug)]
pub struct PthreadRwLock(Shared<RawRwLock>);

impl Lock for PthreadRwLock {
    const NAME: &'static str = "pthread-rwlock";
    const BETWEEN_PROCESSES: bool = true;
    type Shared = RawRwLock;

    fn make(place: NonNull<RawRwLock>) -> io::Result<()> {
        RawRwLock::make(place)
    }

    fn attach(place: Shared<RawRwLock>) -> io::Result<Self> {
        Ok(Self(place))
    }

    #[inline]
    fn with<T>(&self, access: Access, job: impl FnOnce() -> T) -> io::Result<T> {
        self.0.with(access, job)
    }
}

/// The lock itself, on a line of its own.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct RawRwLock(UnsafeCell<pthread_rwlock_t>);

// SAFETY: made for being used by many at once; all uses are calls of the C library.
unsafe impl Sync for RawRwLock {}

impl RawRwLock {
    /// Makes the lock at `place`, as [`Lock::make`] gets it.
    pub(crate) fn make(place: NonNull<Self>) -> io::Result<()> {
        let mut attributes = MaybeUninit::<pthread_rwlockattr_t>::uninit();
        let attributes = attributes.as_mut_ptr();
        // SAFETY: the attributes are initialised by the first call, used by the others and
        // destroyed by the last; the lock is aligned memory that is not in use yet.
        unsafe {
            returned(libc::pthread_rwlockattr_init(attributes))?;
            returned(libc::pthread_rwlockattr_setpshared(attributes, libc::PTHREAD_PROCESS_SHARED))?;
            returned(libc::pthread_rwlock_init(place.as_ptr().cast(), attributes))?;
            returned(libc::pthread_rwlockattr_destroy(attributes))
        }
    }

    /// Runs `job` with the lock held.
    #[inline]
    pub(crate) fn with<T>(&self, access: Access, job: impl FnOnce() -> T) -> io::Result<T> {
        let lock = self.0.get();
        // SAFETY: the lock was made, and is alive as long as `self`; the thread that locked it
        // unlocks it.
        unsafe {
            returned(match access {
                Access::Read => libc::pthread_rwlock_rdlock(lock),
                Access::Write => libc::pthread_rwlock_wrlock(lock),
            })?;
            let value = job();
            returned(libc::pthread_rwlock_unlock(lock))?;
            Ok(value)
        }
    }
}
