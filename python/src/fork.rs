//! Forks: what a child inherits is its parent's.
//!
//! A child of `fork` has copies of all objects, and shares the locks that say who holds which entry of a ring. Whatever
//! it did with an inherited reader, writer or view, it would do in its parent's name. So every object remembers the
//! generation that it was made in, and the count of generations is raised in every child.
#![allow(unsafe_code, reason = "pthread_atfork has no safe wrapper")]

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static GENERATION: AtomicU64 = AtomicU64::new(0);

/// Counts generations from now on.
pub(crate) fn watch() {
    extern "C" fn child() {
        GENERATION.fetch_add(1, Relaxed); // Relaxed: a child has one thread.
    }
    static WATCH: Once = Once::new();
    WATCH.call_once(|| {
        // SAFETY: `child` stays loaded as long as the process lives (extension modules are never unloaded), and does what
        // is allowed after a fork: it adds to an atomic.
        let registered = unsafe { libc::pthread_atfork(None, None, Some(child)) };
        assert_eq!(registered, 0, "out of memory at the start");
    });
}

/// The forks between the process that loaded this module and this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Generation(u64);

impl Generation {
    #[inline]
    pub(crate) fn now() -> Self {
        Generation(GENERATION.load(Relaxed)) // Relaxed: it changes before this process's first instruction.
    }

    /// Whether this is the process in which the value was made.
    #[inline]
    pub(crate) fn is_now(self) -> bool {
        self == Self::now()
    }
}
