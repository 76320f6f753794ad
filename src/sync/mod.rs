//! The only module that uses atomics, fences, futexes and spin hints.
//!
//! Whatever another thread or process can observe goes through here. So one text of every protocol
//! runs on the heap, in shared memory, under a checker (`--cfg seqring_model`: the model checker
//! loom with `seqring_loom`, or random schedules with `seqring_shuttle`), beside a hostile peer
//! (`--cfg seqring_fuzz`), and on simulated cores (`--cfg seqring_transfers` as well).
//!
//! **Invariant:** no other module names `loom` or `shuttle`, and no other module writes an
//! `Acquire` or `Release`. Code asks for an ordering by the name of the [`Pair`] it belongs to.
//! That documents the pairing at both of its ends, and the models can weaken exactly one site and
//! must then fail.

pub(crate) mod backoff;
pub(crate) mod event_count;
pub(crate) mod failpoint;
pub(crate) mod futex;
#[cfg(seqring_fuzz)]
pub(crate) mod hostile;
pub(crate) mod membarrier;
pub(crate) mod mutation;
mod pair;
pub(crate) mod ticks;

#[cfg(seqring_fuzz)]
pub(crate) use hostile::AtomicU64;
#[cfg(not(any(seqring_model, seqring_fuzz)))]
pub(crate) use std::sync::atomic::AtomicU64;
#[cfg(not(seqring_model))]
pub(crate) use std::{
    hint::spin_loop,
    sync::atomic::Ordering::Relaxed,
    sync::{Mutex, MutexGuard},
    thread::yield_now,
};

/// The checker: loom explores every schedule of a few steps, shuttle random schedules of many.
#[cfg(seqring_loom)]
pub(crate) use loom as checker;
#[cfg(seqring_shuttle)]
pub(crate) use shuttle as checker;

#[cfg(seqring_shuttle)]
pub(crate) mod cell;
#[cfg(seqring_loom)]
pub(crate) use loom::cell;

#[cfg(seqring_model)]
pub(crate) use checker::{
    hint::spin_loop,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    sync::{Mutex, MutexGuard},
    thread::yield_now,
};

#[cfg_attr(not(seqring_model), expect(unreachable_pub, reason = "public in the model build"))]
pub use pair::End;
#[cfg(seqring_model)]
pub use pair::weaken;
pub(crate) use pair::{Pair, acq_rel, acquire, acquire_fence, full_fence, release, release_fence};

/// True where models or tests stop at every step: there small messages take the path of large ones,
/// too.
pub(crate) const SMALL_IS_LARGE: bool = cfg!(any(seqring_model, seqring_failpoints));

/// True under a checker: there a spin is a wasted schedule, so waits sleep at once.
pub(crate) const MODELLED: bool = cfg!(seqring_model);

/// Loads a word that only the caller stores to.
///
/// To loom this is no atomic load. After an atomic load loom would not reorder other threads' loads
/// of the word with the caller's next store to it, and would explore next to nothing
/// (tokio-rs/loom#166).
#[inline(always)]
#[cfg(not(seqring_loom))]
pub(crate) fn load_own(word: &AtomicU64) -> u64 {
    word.load(Relaxed)
}

#[cfg(seqring_loom)]
#[allow(unsafe_code, reason = "loom's own check of its contract: it panics if another thread's store races")]
pub(crate) fn load_own(word: &AtomicU64) -> u64 {
    // SAFETY: loom verifies that no store by another thread is concurrent.
    unsafe { word.unsync_load() }
}

/// Loads a word that the caller is going to exchange.
///
/// To loom this is an exchange that changes nothing, for the reason given at [`load_own`]. It reads
/// the newest value. A load may read an older one, with which the exchange that follows would fail
/// and be retried.
#[inline(always)]
#[cfg(not(seqring_loom))]
pub(crate) fn load_to_exchange(word: &AtomicU64, order: std::sync::atomic::Ordering) -> u64 {
    word.load(order)
}

#[cfg(seqring_loom)]
pub(crate) fn load_to_exchange(word: &AtomicU64, order: std::sync::atomic::Ordering) -> u64 {
    if LOADS_MAY_BE_OLD.load(std::sync::atomic::Ordering::Relaxed) {
        word.load(order)
    } else {
        word.fetch_add(0, order)
    }
}

/// Whether [`load_to_exchange`] is a load in this model.
#[cfg(seqring_loom)]
static LOADS_MAY_BE_OLD: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// For a model of what a call returns that finds no message, or no room.
#[cfg(seqring_loom)]
pub fn loads_may_be_old(may: bool) {
    LOADS_MAY_BE_OLD.store(may, std::sync::atomic::Ordering::Relaxed);
}

/// Keeps the compiler from reordering accesses across this point.
///
/// Enough between two stores that a survivor must find in this order after this process was killed:
/// a process stops between two instructions, all its stores before that point become visible, and
/// only the compiler could have reordered them.
#[inline(always)]
pub(crate) fn compiler_barrier() {
    std::sync::atomic::compiler_fence(std::sync::atomic::Ordering::SeqCst);
}

/// Two 64-byte lines of its own, on every target.
///
/// 128 and not 64: the adjacent-line prefetcher of x86 moves lines in pairs. Part of the segment
/// format, so `crossbeam_utils::CachePadded`, whose alignment differs by target, does not fit.
#[derive(Debug, Default)]
#[repr(C, align(128))]
pub(crate) struct Line<T>(pub(crate) T);

impl<T> std::ops::Deref for Line<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}
