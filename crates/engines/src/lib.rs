//! The rings that seqring replaces: each complete, under its own lock, and as good as it can be made.
//!
//! All of them are [`Engine`](harness::engine::Engine)s, so that one harness drives them and the ring of this
//! library alike. They have their memory layout in common; what differs is who keeps whom out, and how one
//! waits.
//!
//! | engine | readers beside each other | an uncontended operation | waits by | a killed holder |
//! |---|---|---|---|---|
//! | [`SemaphoreRwLockRing`] | yes | 4 atomics a side and more | its conditions; for room, looking again | stops all |
//! | [`SemaphoreRing`] | no | 2 atomics | looking again | stops all |
//! | [`MutexCondvarRing`] | no | 2 atomics, a broadcast | its conditions | is noticed, all go on |
//! | [`PthreadRwLockRing`] | yes | 2 atomics | looking again | stops all |
//! | [`SysvSemaphoreRing`] | no | 2 system calls | looking again | is undone by the kernel |
//! | [`FileLockRing`] | yes | 2 system calls | looking again | is undone by the kernel |
//! | [`SlotLocksRing`] | yes, and beside writers of other slots | 2 atomics | looking again | stops all |
//! | [`TicketRing`] | yes, no lock at all | 1 atomic | looking again | stops all |
//! | [`StdRwLockRing`], [`ParkingLotRing`] | yes | 2 atomics | looking again | (one process) |
//!
//! "Looking again" is PAUSE, then yield, then sleeps of 50 µs . None notices that a killed writer's stream has
//! ended, or takes a killed reader's cursor out of a gated ring.

mod board;
mod copy_kernel;
mod endpoints;
mod lock;
mod locks;
mod memory;
mod nap;
mod ring;
pub mod seqring;
mod slot_locks;
mod ticket;

/// What the library's own copies, compiled here once more, take from it.
mod sync {
    pub(crate) use std::sync::atomic::AtomicU64;
    pub(crate) use std::sync::atomic::Ordering::Relaxed;
}

pub use lock::{Access, Change, Lock, LockFailed, Shared};
pub use locks::{
    FileLock, MutexCondvar, ParkingLot, PthreadRwLock, Semaphore, SemaphoreRwLock, StdRwLock, SysvSemaphore,
};
pub use memory::Memory;
pub use ring::{LockedRing, primitive};
pub use slot_locks::SlotLocks as SlotLocksRing;
pub use ticket::Ticket as TicketRing;

/// The readers/writer lock of the Python package `ringbuffer`.
pub type SemaphoreRwLockRing = LockedRing<SemaphoreRwLock>;
/// One process-shared semaphore.
pub type SemaphoreRing = LockedRing<Semaphore>;
/// A robust process-shared mutex and two conditions.
pub type MutexCondvarRing = LockedRing<MutexCondvar>;
/// A process-shared `pthread_rwlock`.
pub type PthreadRwLockRing = LockedRing<PthreadRwLock>;
/// A System V semaphore with undo.
pub type SysvSemaphoreRing = LockedRing<SysvSemaphore>;
/// `flock` on the ring's file.
pub type FileLockRing = LockedRing<FileLock>;
/// `std::sync::RwLock`, in one process.
pub type StdRwLockRing = LockedRing<StdRwLock>;
/// `parking_lot::RwLock`, in one process.
pub type ParkingLotRing = LockedRing<ParkingLot>;
