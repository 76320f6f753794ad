//! A robust process-shared mutex with two condition variables: the textbook's bounded buffer.
//!
//! Readers exclude each other. If a holder is killed, the kernel reports it to the next one that
//! locks, which declares the ring consistent (it is: the counter of messages moves last) and goes
//! on. Not so the conditions: glibc before 2.41 may leave a notifier waiting for a killed waiter.
#![allow(unsafe_code, reason = "calls the C library on a mutex and conditions in shared memory")]

use super::{returned, timespec};
use crate::locks::lock::{Access, Change, Lock, Shared};
use harness::clock::Moment;
use libc::{
    EOWNERDEAD, ETIMEDOUT, c_int, pthread_cond_t, pthread_condattr_t, pthread_mutex_t, pthread_mutexattr_t,
};
use std::cell::UnsafeCell;
use std::io;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

/// Everything that is shared.
#[repr(C)]
#[derive(Debug)]
pub struct MutexState {
    mutex: UnsafeCell<pthread_mutex_t>,
    news: UnsafeCell<pthread_cond_t>,
    room: UnsafeCell<pthread_cond_t>,
}

// SAFETY: mutexes and conditions are made for being used by many at once; all uses are calls of the
// C library.
unsafe impl Sync for MutexState {}

/// A handle of the mutex and its conditions.
#[derive(Debug)]
pub struct MutexCondvar(Shared<MutexState>);

impl MutexCondvar {
    fn lock(&self) -> io::Result<()> {
        // SAFETY: the mutex was made, and is alive as long as `self`.
        self.owned(unsafe { libc::pthread_mutex_lock(self.0.mutex.get()) })
    }

    fn unlock(&self) -> io::Result<()> {
        // SAFETY: as above; and we hold it.
        returned(unsafe { libc::pthread_mutex_unlock(self.0.mutex.get()) })
    }

    /// `Ok` if `error` means that we hold the mutex.
    fn owned(&self, error: c_int) -> io::Result<()> {
        if error == EOWNERDEAD {
            // SAFETY: as above; and we hold it.
            return returned(unsafe { libc::pthread_mutex_consistent(self.0.mutex.get()) });
        }
        returned(error)
    }

    fn condition(&self, change: Change) -> *mut pthread_cond_t {
        match change {
            Change::News => self.0.news.get(),
            Change::Room => self.0.room.get(),
        }
    }

    /// Waits for the condition, with the mutex held before and after. Says whether the deadline is
    /// over.
    fn wait(&self, change: Change, deadline: &libc::timespec) -> io::Result<bool> {
        // SAFETY: mutex and condition were made, and are alive as long as `self`; we hold the
        // mutex.
        let error =
            unsafe { libc::pthread_cond_timedwait(self.condition(change), self.0.mutex.get(), deadline) };
        if error == ETIMEDOUT { Ok(true) } else { self.owned(error).map(|()| false) }
    }
}

impl Lock for MutexCondvar {
    const NAME: &'static str = "mutex-condvar";
    const BETWEEN_PROCESSES: bool = true;
    type Shared = MutexState;

    fn make(place: NonNull<MutexState>) -> io::Result<()> {
        // SAFETY: aligned memory for a `MutexState`, all zeros, which its fields may be before they
        // are initialised; no other thread uses it yet.
        let state = unsafe { place.as_ref() };
        make_mutex(state.mutex.get())?;
        make_condition(state.news.get())?;
        make_condition(state.room.get())
    }

    fn attach(place: Shared<MutexState>) -> io::Result<Self> {
        Ok(Self(place))
    }

    #[inline]
    fn with<T>(&self, _: Access, job: impl FnOnce() -> T) -> io::Result<T> {
        self.lock()?;
        let value = job();
        self.unlock()?;
        Ok(value)
    }

    fn announce(&self, change: Change) {
        // SAFETY: the condition was made, and is alive as long as `self`.
        unsafe { libc::pthread_cond_broadcast(self.condition(change)) }; // It reports nothing that can occur here.
    }

    fn when<T>(
        &self,
        _: Access,
        change: Change,
        deadline: Moment,
        mut job: impl FnMut() -> Option<T>,
    ) -> io::Result<Option<T>> {
        let deadline = timespec(deadline);
        let mut is_over = false;
        self.lock()?;
        loop {
            let value = job();
            if value.is_some() || is_over {
                self.unlock()?;
                return Ok(value);
            }
            is_over = self.wait(change, &deadline)?;
        }
    }
}

fn make_mutex(mutex: *mut pthread_mutex_t) -> io::Result<()> {
    let mut attributes = MaybeUninit::<pthread_mutexattr_t>::uninit();
    let attributes = attributes.as_mut_ptr();
    // SAFETY: the attributes are initialised by the first call, used by the others and destroyed by
    // the last; the mutex is memory that is not in use yet.
    unsafe {
        returned(libc::pthread_mutexattr_init(attributes))?;
        returned(libc::pthread_mutexattr_setpshared(attributes, libc::PTHREAD_PROCESS_SHARED))?;
        returned(libc::pthread_mutexattr_setrobust(attributes, libc::PTHREAD_MUTEX_ROBUST))?;
        returned(libc::pthread_mutex_init(mutex, attributes))?;
        returned(libc::pthread_mutexattr_destroy(attributes))
    }
}

fn make_condition(condition: *mut pthread_cond_t) -> io::Result<()> {
    let mut attributes = MaybeUninit::<pthread_condattr_t>::uninit();
    let attributes = attributes.as_mut_ptr();
    // SAFETY: as in `make_mutex`.
    unsafe {
        returned(libc::pthread_condattr_init(attributes))?;
        returned(libc::pthread_condattr_setpshared(attributes, libc::PTHREAD_PROCESS_SHARED))?;
        returned(libc::pthread_condattr_setclock(attributes, libc::CLOCK_MONOTONIC))?;
        returned(libc::pthread_cond_init(condition, attributes))?;
        returned(libc::pthread_condattr_destroy(attributes))
    }
}
