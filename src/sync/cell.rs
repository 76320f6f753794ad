//! Cells for shuttle that panic when two threads are inside one at the same time and one of them
//! stores, as loom's do.
#![allow(unsafe_code, reason = "a cell that any thread may try to enter")]

use super::checker::thread::yield_now;
use std::cell;
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};

/// Plain memory. The schedule may change while a thread is inside, so that a thread that must not
/// enter then does.
#[derive(Debug)]
pub(crate) struct UnsafeCell<T> {
    value: cell::UnsafeCell<T>,
    /// How many threads are inside to load; -1: one to store. Shuttle runs one thread at a time:
    /// this orders nothing.
    inside: AtomicIsize,
}

// SAFETY: the closures that get a pointer run while `inside` keeps others out, or this panics.
unsafe impl<T: Send> Sync for UnsafeCell<T> {}

impl<T> UnsafeCell<T> {
    pub(crate) fn new(value: T) -> Self {
        UnsafeCell { value: cell::UnsafeCell::new(value), inside: AtomicIsize::new(0) }
    }

    pub(crate) fn with<R>(&self, load: impl FnOnce(*const T) -> R) -> R {
        assert!(self.inside.fetch_add(1, Relaxed) >= 0, "a load races with a store");
        yield_now();
        let loaded = load(self.value.get());
        self.inside.fetch_sub(1, Relaxed);
        loaded
    }

    pub(crate) fn with_mut<R>(&self, store: impl FnOnce(*mut T) -> R) -> R {
        assert_eq!(self.inside.swap(-1, Relaxed), 0, "a store races with another access");
        yield_now();
        let stored = store(self.value.get());
        self.inside.store(0, Relaxed);
        stored
    }
}
