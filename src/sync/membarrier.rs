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

/// Registers this process, so that its threads may use [`light_barrier`]. Returns whether they may.
///
/// Registration is a property of the process and stays. A call after the first costs one system
/// call.
pub(crate) fn register() -> bool {
    imp::register()
}

/// What a registered process executes instead of a full fence: the compiler keeps the order, and
/// [`heavy_barrier`] makes the processor keep it.
#[inline(always)]
pub(crate) fn light_barrier() {
    super::compiler_barrier();
}

/// Makes every running thread of every registered process execute a full barrier.
///
/// Returns false where the kernel does not offer it: then the waiter's sleep must time out.
///
/// # Cost
/// One system call and an interrupt for each core that runs a registered process: a few µs.
pub(crate) fn heavy_barrier() -> bool {
    imp::barrier()
}

#[cfg(all(target_os = "linux", not(seqring_model)))]
#[allow(unsafe_code, reason = "membarrier has no safe wrapper in rustix")]
mod imp {
    const GLOBAL_EXPEDITED: libc::c_int = 1 << 1;
    const REGISTER_GLOBAL_EXPEDITED: libc::c_int = 1 << 2;

    fn membarrier(command: libc::c_int) -> bool {
        // SAFETY: membarrier(command, flags, cpu) takes three integers and touches no memory of
        // ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }

    pub(super) fn register() -> bool {
        membarrier(REGISTER_GLOBAL_EXPEDITED)
    }

    pub(super) fn barrier() -> bool {
        membarrier(GLOBAL_EXPEDITED)
    }
}

#[cfg(all(not(target_os = "linux"), not(seqring_model)))]
mod imp {
    pub(super) fn register() -> bool {
        false
    }

    pub(super) fn barrier() -> bool {
        false
    }
}

/// Loom cannot execute a fence in another thread. So models of sleeping run with full fences in
/// every notifier. All other models run with the light barrier and no heavy one: nothing but
/// sleeping may rely on these fences.
#[cfg(seqring_model)]
pub(crate) mod imp {
    use std::sync::atomic::{AtomicBool, Ordering};

    static REGISTERED: AtomicBool = AtomicBool::new(true);

    /// Whether endpoints made from now on notify with the light barrier.
    pub fn set_heavy_barrier(on: bool) {
        REGISTERED.store(on, Ordering::Relaxed);
    }

    pub(super) fn register() -> bool {
        REGISTERED.load(Ordering::Relaxed)
    }

    pub(super) fn barrier() -> bool {
        true
    }
}
