//! Detects forks: an object that a child inherits belongs to the parent.
//!
//! A child of `fork` has copies of all objects, and shares the locks that say which process holds
//! which entry of a ring. A call on an inherited reader, writer or view would act as the parent. So
//! every object stores the generation in which it was made, and each child increments the
//! generation.
#![allow(unsafe_code, reason = "pthread_atfork has no safe wrapper")]

use crate::membership;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static GENERATION: AtomicU64 = AtomicU64::new(0);

/// Starts counting generations.
pub(crate) fn watch() {
    extern "C" fn before() {
        membership::before_fork();
    }
    extern "C" fn after() {
        membership::after_fork();
    }
    extern "C" fn child() {
        GENERATION.fetch_add(1, Relaxed); // Relaxed: a child has one thread.
        membership::after_fork_in_child();
    }
    static WATCH: Once = Once::new();
    WATCH.call_once(|| {
        // SAFETY: the handlers stay loaded while the process lives (extension modules are never
        // unloaded), and `child` does only what is permitted after a fork: it stores in atomics,
        // and unlocks what `before` locked.
        let registered = unsafe { libc::pthread_atfork(Some(before), Some(after), Some(child)) };
        assert_eq!(registered, 0, "out of memory at the start");
    });
}

/// The number of forks between the process that loaded this module and this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Generation(u64);

impl Generation {
    #[inline]
    pub(crate) fn now() -> Self {
        Generation(GENERATION.load(Relaxed)) // Relaxed: it changes before any code of this process runs.
    }

    /// Whether this process made the value.
    #[inline]
    pub(crate) fn is_now(self) -> bool {
        self == Self::now()
    }
}
