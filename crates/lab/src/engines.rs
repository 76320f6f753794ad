//! The engines that the laboratory can drive, by name.

use clap::ValueEnum;
use engines::seqring::Seqring;
use engines::{
    FileLockRing, MutexCondvarRing, ParkingLotRing, PthreadRwLockRing, SemaphoreRing, SemaphoreRwLockRing,
    SlotLocksRing, StdRwLockRing, SysvSemaphoreRing, TicketRing,
};
use harness::engine::Engine;
use harness::ring_spec::Capabilities;
use serde::{Deserialize, Serialize};

/// Work that is generic over the engine.
pub(crate) trait Task {
    type Output;

    fn run<E: Engine + 'static>(self) -> Self::Output;
}

macro_rules! engines {
    ($($(#[$about:meta])* $name:ident = $engine:ty,)*) => {
        /// The name of an engine.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize,
        )]
        #[serde(rename_all = "kebab-case")]
        pub(crate) enum EngineName {
            $($(#[$about])* $name,)*
        }

        impl EngineName {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Does `task` with the engine of this name.
            pub(crate) fn run<T: Task>(self, task: T) -> T::Output {
                match self {
                    $(Self::$name => task.run::<$engine>(),)*
                }
            }

            pub(crate) fn capabilities(self) -> Capabilities {
                match self {
                    $(Self::$name => <$engine>::CAPABILITIES,)*
                }
            }

            /// Its name, in tables and on the command line.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$name => <$engine>::NAME,)*
                }
            }
        }
    };
}

engines! {
    /// The ring of this library.
    Seqring = Seqring,
    /// The readers/writer lock of the Python package ringbuffer, on POSIX semaphores.
    SemaphoreRwlock = SemaphoreRwLockRing,
    /// One process-shared semaphore.
    Semaphore = SemaphoreRing,
    /// A robust process-shared mutex and two condition variables.
    MutexCondvar = MutexCondvarRing,
    /// A process-shared `pthread_rwlock`.
    PthreadRwlock = PthreadRwLockRing,
    /// A System V semaphore with undo.
    SysvSemaphore = SysvSemaphoreRing,
    /// A lock for each slot.
    SlotLocks = SlotLocksRing,
    /// `flock` on the ring's file.
    Flock = FileLockRing,
    /// A `fetch_add` ticket ring: no lock, and writers wait for each other.
    Ticket = TicketRing,
    /// `std::sync::RwLock`, in one process.
    StdRwlock = StdRwLockRing,
    /// `parking_lot::RwLock`, in one process.
    ParkingLot = ParkingLotRing,
}

impl std::fmt::Display for EngineName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_has_one_name_in_tables_records_and_on_the_command_line() {
        for &engine in EngineName::value_variants() {
            assert_eq!(serde_json::to_value(engine).unwrap(), engine.name());
            assert_eq!(EngineName::from_str(engine.name(), false), Ok(engine));
        }
    }
}
