//! `parking_lot::RwLock`, within one process. No condition goes with it, so who waits looks again.
#![allow(unsafe_code, reason = "the lock is made in the ring's memory")]

use crate::lock::{Access, Lock, LockFailed, Shared};
use parking_lot::RwLock;
use std::io;
use std::ptr::NonNull;

/// A handle of the lock.
#[derive(Debug)]
pub struct ParkingLot(Shared<RwLock<()>>);

impl Lock for ParkingLot {
    const NAME: &'static str = "parking-lot";
    const BETWEEN_PROCESSES: bool = false;
    type Shared = RwLock<()>;

    fn make(place: NonNull<RwLock<()>>) -> io::Result<()> {
        // SAFETY: aligned memory of the right size, which nobody else uses yet.
        unsafe { place.write(RwLock::new(())) };
        Ok(())
    }

    fn attach(place: Shared<RwLock<()>>) -> io::Result<Self> {
        Ok(Self(place))
    }

    #[inline]
    fn with<T>(&self, access: Access, job: impl FnOnce() -> T) -> Result<T, LockFailed> {
        match access {
            Access::Read => {
                let _held = self.0.read();
                Ok(job())
            }
            Access::Write => {
                let _held = self.0.write();
                Ok(job())
            }
        }
    }
}
