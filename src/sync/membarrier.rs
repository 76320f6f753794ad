//! The two halves of an asymmetric fence, a light barrier and a heavy one.
//!
//! A notifier needs a store-load fence between its change and its load of the event count, for
//! every message: about 6 ns, more than the message itself costs. `membarrier(2)` moves that price
//! to the waiter. The call returns after every running thread of the registered processes has
//! executed a full barrier; a thread that was not running executes one when it is scheduled again.
//! So each notifier behaves as if it had a full fence in one of two places: before its load of the
//! event count (it then sees the waiter's bit), or after its change (the waiter, checking after the
//! call, then sees the change). That is what the two fences of
//! [`Pair::Notify`](super::Pair::Notify) guarantee. The waiter pays, and it is about to sleep for
//! microseconds anyway.
//!
//! Only a notifier whose process is registered may use the light barrier: see [`register`].
//!
//! # Threads and processes
//! Threads use the barrier of their process (`PRIVATE_EXPEDITED`). That of all registered processes
//! (`GLOBAL_EXPEDITED`) can miss a processor on which a thread of the notifier's process exited
//! before: on Linux 6.18 a store-buffering test with such exits failed in 30 of 160,000 rounds, and
//! in none with the private barrier. So a wake between processes can be lost. Sleeps between
//! processes therefore time out: such a wake is late by 40 ms at most.

use crate::sync::futex::Scope;

/// Registers this process, so that its threads may use [`light_barrier`]. Returns whether they may.
///
/// Registration is a property of the process and stays. A call after the first costs one system
/// call.
pub(crate) fn register(scope: Scope) -> bool {
    imp::register(scope)
}

/// What a registered process executes instead of a full fence: the compiler keeps the order, and
/// [`heavy_barrier`] makes the processor keep it.
#[inline(always)]
pub(crate) fn light_barrier() {
    super::compiler_barrier();
}

/// Makes every running thread of this process, or between processes of every registered one,
/// execute a full barrier.
///
/// Returns false where the kernel does not offer it: then the waiter's sleep must time out.
///
/// # Cost
/// One system call and an interrupt for each core that runs a registered process: a few µs.
pub(crate) fn heavy_barrier(scope: Scope) -> bool {
    imp::barrier(scope)
}

#[cfg(all(target_os = "linux", not(seqring_model)))]
#[allow(unsafe_code, reason = "membarrier has no safe wrapper in rustix")]
mod imp {
    use super::Scope;

    const GLOBAL_EXPEDITED: libc::c_int = 1 << 1;
    const REGISTER_GLOBAL_EXPEDITED: libc::c_int = 1 << 2;
    const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

    fn membarrier(command: libc::c_int) -> bool {
        // SAFETY: membarrier(command, flags, cpu) takes three integers and touches no memory of
        // ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }

    pub(super) fn register(scope: Scope) -> bool {
        membarrier(match scope {
            Scope::Threads => REGISTER_PRIVATE_EXPEDITED,
            Scope::Processes | Scope::Timed => REGISTER_GLOBAL_EXPEDITED,
        })
    }

    pub(super) fn barrier(scope: Scope) -> bool {
        membarrier(match scope {
            Scope::Threads => PRIVATE_EXPEDITED,
            Scope::Processes | Scope::Timed => GLOBAL_EXPEDITED,
        })
    }
}

#[cfg(all(not(target_os = "linux"), not(seqring_model)))]
mod imp {
    use super::Scope;

    pub(super) fn register(_: Scope) -> bool {
        false
    }

    pub(super) fn barrier(_: Scope) -> bool {
        false
    }
}

/// Loom cannot execute a fence in another thread. So models of sleeping run with full fences in
/// every notifier. All other models run with the light barrier and no heavy one: nothing but
/// sleeping may rely on these fences.
#[cfg(seqring_model)]
pub(crate) mod imp {
    use super::Scope;
    use std::sync::atomic::{AtomicBool, Ordering};

    static REGISTERED: AtomicBool = AtomicBool::new(true);

    /// Whether endpoints made from now on notify with the light barrier.
    pub fn set_heavy_barrier(on: bool) {
        REGISTERED.store(on, Ordering::Relaxed);
    }

    pub(super) fn register(_: Scope) -> bool {
        REGISTERED.load(Ordering::Relaxed)
    }

    pub(super) fn barrier(_: Scope) -> bool {
        true
    }
}
