//! What `seqring perf` and `seqring compare` can drive: implementations of [`Engine`], by name.

use clap::ValueEnum;
pub(crate) use engines::seqring::Seqring;
use engines::{
    FileLockRing, MutexCondvarRing, ParkingLotRing, PthreadRwLockRing, SemaphoreRing, SemaphoreRwLockRing,
    SlotLocksRing, StdRwLockRing, SysvSemaphoreRing, TicketRing,
};
use harness::engine::Engine;
use harness::ring_spec::Capabilities;
use serde::{Deserialize, Serialize};

/// What moves the messages.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum EngineName {
    /// The ring of this library.
    #[default]
    Seqring,
    /// The readers/writer lock of the Python package ringbuffer, on POSIX semaphores.
    SemaphoreRwlock,
    /// One process-shared semaphore.
    Semaphore,
    /// A robust process-shared mutex and two condition variables.
    MutexCondvar,
    /// A process-shared `pthread_rwlock`.
    PthreadRwlock,
    /// A System V semaphore with undo.
    SysvSemaphore,
    /// A lock for each slot.
    SlotLocks,
    /// `flock` on the ring's file.
    Flock,
    /// A `fetch_add` ticket ring: no lock, and writers wait for each other.
    Ticket,
    /// `std::sync::RwLock`, in one process.
    StdRwlock,
    /// `parking_lot::RwLock`, in one process.
    ParkingLot,
}

/// Something to do with an engine, whichever it is.
pub(crate) trait Task {
    type Output;

    /// Does it with `E`.
    fn run<E: Engine + 'static>(self) -> Self::Output;
}

impl EngineName {
    /// All of them.
    pub(crate) const ALL: &'static [Self] = &[
        Self::Seqring,
        Self::SemaphoreRwlock,
        Self::Semaphore,
        Self::MutexCondvar,
        Self::PthreadRwlock,
        Self::SysvSemaphore,
        Self::SlotLocks,
        Self::Flock,
        Self::Ticket,
        Self::StdRwlock,
        Self::ParkingLot,
    ];

    /// Does `task` with the engine of this name.
    pub(crate) fn run<T: Task>(self, task: T) -> T::Output {
        match self {
            Self::Seqring => task.run::<Seqring>(),
            Self::SemaphoreRwlock => task.run::<SemaphoreRwLockRing>(),
            Self::Semaphore => task.run::<SemaphoreRing>(),
            Self::MutexCondvar => task.run::<MutexCondvarRing>(),
            Self::PthreadRwlock => task.run::<PthreadRwLockRing>(),
            Self::SysvSemaphore => task.run::<SysvSemaphoreRing>(),
            Self::SlotLocks => task.run::<SlotLocksRing>(),
            Self::Flock => task.run::<FileLockRing>(),
            Self::Ticket => task.run::<TicketRing>(),
            Self::StdRwlock => task.run::<StdRwLockRing>(),
            Self::ParkingLot => task.run::<ParkingLotRing>(),
        }
    }

    /// What the engine can do.
    pub(crate) fn capabilities(self) -> Capabilities {
        struct Ask;
        impl Task for Ask {
            type Output = Capabilities;
            fn run<E: Engine + 'static>(self) -> Capabilities {
                E::CAPABILITIES
            }
        }
        self.run(Ask)
    }

    /// Its name, in tables and on the command line.
    pub(crate) fn name(self) -> &'static str {
        struct Ask;
        impl Task for Ask {
            type Output = &'static str;
            fn run<E: Engine + 'static>(self) -> &'static str {
                E::NAME
            }
        }
        self.run(Ask)
    }
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
            assert!(EngineName::ALL.contains(&engine), "{engine}");
            assert_eq!(serde_json::to_value(engine).unwrap(), engine.name());
            assert_eq!(EngineName::from_str(engine.name(), false), Ok(engine));
        }
    }
}
