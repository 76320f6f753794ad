//! One process-shared POSIX semaphore as a mutex: the most common choice.
//!
//! It excludes readers from each other too, has no condition (waiting is polling), and stays taken
//! for ever if its holder is killed.
#![allow(unsafe_code, reason = "calls the C library on a semaphore in shared memory")]

use super::{checked, timespec};
use crate::locks::lock::{Access, Lock, Shared};
use harness::clock::Moment;
use libc::{c_int, clockid_t, sem_t};
use std::cell::UnsafeCell;
use std::io;
use std::ptr::NonNull;

/// A handle of the semaphore.
#[derive(Debug)]
pub struct Semaphore(Shared<Sem>);

impl Lock for Semaphore {
    const NAME: &'static str = "semaphore";
    const BETWEEN_PROCESSES: bool = true;
    type Shared = Sem;

    fn make(place: NonNull<Sem>) -> io::Result<()> {
        Sem::make(place, 1)
    }

    fn attach(place: Shared<Sem>) -> io::Result<Self> {
        Ok(Self(place))
    }

    #[inline]
    fn with<T>(&self, _: Access, job: impl FnOnce() -> T) -> io::Result<T> {
        self.0.take()?;
        let value = job();
        self.0.give()?;
        Ok(value)
    }
}

/// A process-shared semaphore.
#[repr(transparent)]
#[derive(Debug)]
pub struct Sem(UnsafeCell<sem_t>);

// SAFETY: semaphores are made for being used by many at once, and all uses are calls of the C
// library.
unsafe impl Sync for Sem {}

unsafe extern "C" {
    // In glibc since 2.30; the `libc` crate does not declare it.
    fn sem_clockwait(sem: *mut sem_t, clock: clockid_t, deadline: *const libc::timespec) -> c_int;
}

impl Sem {
    /// Makes a semaphore of that value at `place`, as [`Lock::make`] gets it.
    pub(super) fn make(place: NonNull<Self>, value: u32) -> io::Result<()> {
        const SHARED: c_int = 1;
        // SAFETY: aligned memory for a `sem_t`, which no other thread uses yet.
        checked(unsafe { libc::sem_init(place.as_ptr().cast(), SHARED, value) }).map(drop)
    }

    /// Takes one, and waits for it.
    #[inline]
    pub(super) fn take(&self) -> io::Result<()> {
        // SAFETY: it was made, and is alive as long as `self`.
        until_uninterrupted(|| unsafe { libc::sem_wait(self.0.get()) })
    }

    /// Takes one if there is one.
    pub(super) fn try_take(&self) -> bool {
        // SAFETY: as above.
        unsafe { libc::sem_trywait(self.0.get()) == 0 }
    }

    /// Takes one, and waits for it until `deadline`; returns whether it has one.
    pub(super) fn take_until(&self, deadline: Moment) -> io::Result<bool> {
        let deadline = timespec(deadline);
        // SAFETY: as above.
        let taken = until_uninterrupted(|| unsafe {
            sem_clockwait(self.0.get(), libc::CLOCK_MONOTONIC, &raw const deadline)
        });
        match taken {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives one.
    #[inline]
    pub(super) fn give(&self) -> io::Result<()> {
        // SAFETY: as above.
        checked(unsafe { libc::sem_post(self.0.get()) }).map(drop)
    }
}

/// Calls again what a signal has interrupted.
fn until_uninterrupted(mut call: impl FnMut() -> c_int) -> io::Result<()> {
    loop {
        match checked(call()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done.map(drop),
        }
    }
}
