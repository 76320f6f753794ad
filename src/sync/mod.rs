//! The one door to atomics, fences, futexes and spin hints.
//!
//! Everything that another thread or process can observe goes through here, so that one text of every
//! protocol runs on the heap, in shared memory, under a checker (`--cfg seqring_model`), be it the model checker loom
//! (`seqring_loom` as well) or the random schedules of shuttle (`seqring_shuttle`), and beside a hostile peer
//! (`--cfg seqring_fuzz`).
//! No other module names `loom` or `shuttle`, and no other module writes an `Acquire` or `Release`: an ordering is asked
//! for by the name of the [`Pair`] it belongs to, which puts the pairing into the code at both of its ends
//! and lets the models weaken exactly that end and watch the model fail.

pub(crate) mod backoff;
pub(crate) mod event_count;
pub(crate) mod failpoint;
pub(crate) mod futex;
#[cfg(seqring_fuzz)]
pub(crate) mod hostile;
pub(crate) mod membarrier;
pub(crate) mod mutation;
mod pair;

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

/// What runs the models: loom, which explores every schedule of a few steps, or shuttle, random ones of many.
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

#[cfg(seqring_model)]
pub use pair::weaken;
#[cfg_attr(not(seqring_model), expect(unreachable_pub, reason = "public in the model build"))]
pub use pair::{End, Pair};
pub(crate) use pair::{acq_rel, acquire, acquire_fence, full_fence, release, release_fence};

/// True where models or tests stop at every step: there small messages take the way of large ones, too.
pub(crate) const SMALL_IS_LARGE: bool = cfg!(any(seqring_model, seqring_failpoints));

/// True where the models run: there a spin is a wasted schedule, so waits go to their sleep at once.
pub(crate) const MODELLED: bool = cfg!(seqring_model);

/// Loads a word that nobody but the caller stores.
///
/// To loom this is no atomic load: after one, loom would not see other threads' loads of the word before the
/// caller's next store to it as anything to reorder, and explore next to nothing (tokio-rs/loom#166).
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
/// To loom this is an exchange that changes nothing, for the reason given at [`load_own`]. It reads the newest value
/// where a load may read an older one; then the exchange that follows would fail, and be tried again.
#[inline(always)]
#[cfg(not(seqring_loom))]
pub(crate) fn load_to_exchange(word: &AtomicU64, order: std::sync::atomic::Ordering) -> u64 {
    word.load(order)
}

#[cfg(seqring_loom)]
pub(crate) fn load_to_exchange(word: &AtomicU64, order: std::sync::atomic::Ordering) -> u64 {
    word.fetch_add(0, order)
}

/// What is left of a full fence that a `membarrier` executes on our behalf: the compiler keeps the order.
#[inline(always)]
pub(crate) fn light_barrier() {
    std::sync::atomic::compiler_fence(std::sync::atomic::Ordering::SeqCst);
}

/// Between two accesses that a survivor of a killed process must find in this order. A process stops between two
/// instructions, and then all stores before that point come about: it is the compiler alone that could change it.
#[inline(always)]
pub(crate) fn compiler_keeps_order() {
    std::sync::atomic::compiler_fence(std::sync::atomic::Ordering::SeqCst);
}

/// Two 64-byte lines of its own, on every target.
///
/// 128 and not 64: the adjacent-line prefetcher of x86 moves lines in pairs. Part of the segment format, which
/// is why `crossbeam_utils::CachePadded` (whose alignment differs by target) does not stand here.
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
