//! The lock-based rings, and the ticket ring.

mod board;
mod copy_kernel;
mod lock;
mod memory;
mod nap;
mod primitives;
mod ring;
mod slot_locks;
mod ticket;

pub use lock::{Access, Change, Lock, Shared};
pub use memory::Memory;
pub use primitives::{
    FileLock, MutexCondvar, ParkingLot, PthreadRwLock, Semaphore, SemaphoreRwLock, StdRwLock, SysvSemaphore,
};
pub use ring::LockedRing;
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
