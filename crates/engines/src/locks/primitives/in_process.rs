//! `std::sync::RwLock` and `parking_lot::RwLock`, within one process. No condition goes with them:
//! waiting is polling.
#![allow(unsafe_code, reason = "the lock is made in the ring's memory")]

use crate::locks::lock::{Access, Lock, Shared};
use std::io;
use std::ptr::NonNull;
use std::sync::PoisonError;

macro_rules! in_process {
    ($handle:ident, $lock:ty, $name:literal, $held:expr) => {
        #[doc = concat!("A handle of the lock `", $name, "`.")]
        #[derive(Debug)]
        pub struct $handle(Shared<$lock>);

        impl Lock for $handle {
            const NAME: &'static str = $name;
            const BETWEEN_PROCESSES: bool = false;
            type Shared = $lock;

            fn make(place: NonNull<$lock>) -> io::Result<()> {
                // SAFETY: aligned memory of the right size, which no other thread uses yet.
                unsafe { place.write(<$lock>::new(())) };
                Ok(())
            }

            fn attach(place: Shared<$lock>) -> io::Result<Self> {
                Ok(Self(place))
            }

            #[inline]
            fn with<T>(&self, access: Access, job: impl FnOnce() -> T) -> io::Result<T> {
                match access {
                    Access::Read => {
                        let _held = $held(self.0.read());
                        Ok(job())
                    }
                    Access::Write => {
                        let _held = $held(self.0.write());
                        Ok(job())
                    }
                }
            }
        }
    };
}

in_process!(ParkingLot, parking_lot::RwLock<()>, "parking-lot", std::convert::identity);

// A panicking holder leaves a complete ring: the counter of messages moves last.
in_process!(StdRwLock, std::sync::RwLock<()>, "std-rwlock", |held: Result<_, _>| held
    .unwrap_or_else(PoisonError::into_inner));
