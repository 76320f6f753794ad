//! A System V semaphore as a mutex, taken and given with `SEM_UNDO`: the kernel gives back what a
//! killed holder had.
//!
//! Every operation is a system call, also an uncontended one. Readers exclude each other; waiting
//! is polling.
//!
//! The set lives in the kernel and not in the ring's memory, so a second semaphore counts, with
//! undo, the handles that are attached: the last one out removes the set. If all of them are killed
//! at once it stays (`ipcs -s`).
#![allow(unsafe_code, reason = "System V calls have no safe wrapper")]

use super::checked;
use crate::locks::lock::{Access, Lock, Shared};
use libc::{c_int, c_short, c_ushort, sembuf};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

const MUTEX: c_ushort = 0;
const ATTACHED: c_ushort = 1;

/// A handle of the semaphore set.
#[derive(Debug)]
pub struct SysvSemaphore {
    set: c_int,
    /// The ring's memory holds the number of the set, and is needed for nothing else.
    _place: Shared<AtomicI32>,
}

impl Lock for SysvSemaphore {
    const NAME: &'static str = "sysv-semaphore";
    const BETWEEN_PROCESSES: bool = true;
    type Shared = AtomicI32;

    fn make(place: NonNull<AtomicI32>) -> io::Result<()> {
        // SAFETY: no pointers are passed.
        let set = checked(unsafe { libc::semget(libc::IPC_PRIVATE, 2, 0o600 | libc::IPC_CREAT) })?;
        // SAFETY: aligned memory for an integer, zeroed, which no other thread uses yet.
        unsafe { place.as_ref() }.store(set, Relaxed); // Relaxed: the ring gets its name afterwards.
        operate(set, MUTEX, 1, 0)
    }

    fn attach(place: Shared<AtomicI32>) -> io::Result<Self> {
        let set = place.load(Relaxed); // Relaxed: written before the ring could be found.
        operate(set, ATTACHED, 1, libc::SEM_UNDO)?;
        Ok(Self { set, _place: place })
    }

    fn with<T>(&self, _: Access, job: impl FnOnce() -> T) -> io::Result<T> {
        operate(self.set, MUTEX, -1, libc::SEM_UNDO)?;
        let value = job();
        operate(self.set, MUTEX, 1, libc::SEM_UNDO)?;
        Ok(value)
    }
}

impl Drop for SysvSemaphore {
    fn drop(&mut self) {
        // SAFETY: no pointers are passed.
        let attached = || unsafe { libc::semctl(self.set, ATTACHED.into(), libc::GETVAL) };
        // A set that is gone already makes each call fail, and there is nothing else to do then.
        if operate(self.set, ATTACHED, -1, libc::SEM_UNDO).is_ok() && attached() == 0 {
            // SAFETY: as above.
            unsafe { libc::semctl(self.set, 0, libc::IPC_RMID) };
        }
    }
}

/// Adds `change` to a semaphore; waits until it can be taken.
fn operate(set: c_int, semaphore: c_ushort, change: c_short, flags: c_int) -> io::Result<()> {
    let mut operation = sembuf { sem_num: semaphore, sem_op: change, sem_flg: flags as c_short };
    loop {
        // SAFETY: one operation, in a local.
        match checked(unsafe { libc::semop(set, &raw mut operation, 1) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done.map(drop),
        }
    }
}
