//! `flock` on the ring's file: shared for readers, exclusive for writers; the kernel releases what
//! a killed holder had.
//!
//! Every operation is a system call. The lock belongs to an open file description, so every
//! endpoint opens the file itself. Waiting is polling.

use crate::locks::lock::{Access, Lock, Shared};
use rustix::fs::{FlockOperation, flock};
use rustix::io::retry_on_intr;
use std::fs::File;
use std::io;
use std::ptr::NonNull;

/// A handle of the lock.
#[derive(Debug)]
pub struct FileLock(File);

impl Lock for FileLock {
    const NAME: &'static str = "flock";
    const BETWEEN_PROCESSES: bool = true;
    /// The file is the lock.
    type Shared = ();

    fn make(_: NonNull<()>) -> io::Result<()> {
        Ok(())
    }

    fn attach(place: Shared<()>) -> io::Result<Self> {
        place.memory().reopened_file().map(Self)
    }

    fn with<T>(&self, access: Access, job: impl FnOnce() -> T) -> io::Result<T> {
        let operation = match access {
            Access::Read => FlockOperation::LockShared,
            Access::Write => FlockOperation::LockExclusive,
        };
        retry_on_intr(|| flock(&self.0, operation)).map_err(io::Error::from)?;
        let value = job();
        flock(&self.0, FlockOperation::Unlock).map_err(io::Error::from)?;
        Ok(value)
    }
}
