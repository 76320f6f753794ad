//! The contestants of the measurements: the rings of this library ([`seqring`]), and the lock-based
//! rings that they replace, each complete, under its own lock, and as good as it can be made
//! (feature `locks`).
//!
//! All of them are [`Engine`](harness::engine::Engine)s, so that one harness drives them alike. The
//! lock-based rings have one memory layout in common. They differ in how participants exclude each
//! other, and how they wait.
//!
//! | engine | concurrent readers | an uncontended operation | waits by | a killed holder |
//! |---|---|---|---|---|
//! | [`SemaphoreRwLockRing`] | yes | 4 atomics a side or more | conditions, polling | stops all |
//! | [`SemaphoreRing`] | no | 2 atomics | polling | stops all |
//! | [`MutexCondvarRing`] | no | 2 atomics, a broadcast | its conditions | is noticed, all go on |
//! | [`PthreadRwLockRing`] | yes | 2 atomics | polling | stops all |
//! | [`SysvSemaphoreRing`] | no | 2 system calls | polling | is undone by the kernel |
//! | [`FileLockRing`] | yes | 2 system calls | polling | is undone by the kernel |
//! | [`SlotLocksRing`] | yes, also with writers of other slots | 2 atomics | polling | stops all |
//! | [`TicketRing`] | yes, no lock at all | 1 atomic | polling | stops all |
//! | [`StdRwLockRing`], [`ParkingLotRing`] | yes | 2 atomics | polling | (one process) |
//!
//! "Polling" is PAUSE, then yield, then sleeps of 50 µs. No lock-based ring notices that the stream
//! of a killed writer has ended, or removes the cursor of a killed reader from a gated ring.
#![cfg_attr(not(feature = "locks"), allow(rustdoc::broken_intra_doc_links))]

pub mod calls;
#[cfg(feature = "locks")]
pub mod locks;
pub mod seqring;

#[cfg(feature = "locks")]
pub use locks::{
    FileLockRing, LockedRing, MutexCondvarRing, ParkingLotRing, PthreadRwLockRing, SemaphoreRing,
    SemaphoreRwLockRing, SlotLocksRing, StdRwLockRing, SysvSemaphoreRing, TicketRing,
};

/// The names that `copy`, compiled here once more, takes from the library.
#[cfg(feature = "locks")]
mod sync {
    pub(crate) use std::sync::atomic::AtomicU64;
    pub(crate) use std::sync::atomic::Ordering::Relaxed;
}
