//! The heavy half of an asymmetric fence.
//!
//! Whoever changes something and then looks whether anybody sleeps needs a store-load fence between the two,
//! on every message: about 6 ns, more than the message itself costs. `membarrier(2)` moves that price to the
//! sleeper. It returns after every running thread of the registered processes has executed a full barrier; a
//! thread that was not running passes one when it is scheduled again. So each changer behaves as if it had a
//! fence either before its look at the event_count (then it sees the announcement) or after its change (then the
//! sleeper, looking again after the call, sees the change). That is the guarantee of the two fences of
//! [`Pair::Bell`](super::Pair::Bell), paid by the side that is about to sleep for microseconds anyway.
//!
//! Only a changer whose process is registered may leave its own fence out: see [`register`].

/// Registers this process, so that its threads may leave out the light half's fence.
///
/// Returns whether that is so. Registration is a property of the process and stays; a call after the first
/// costs one system call.
pub(crate) fn register() -> bool {
    imp::register()
}

/// Makes every running thread of every registered process execute a full barrier.
///
/// Returns false where the kernel does not offer it: then sleepers rely on their timed second look.
///
/// # Cost
/// One system call and an interrupt for each core that runs a registered process: a few µs.
pub(crate) fn barrier() -> bool {
    imp::barrier()
}

#[cfg(all(target_os = "linux", not(seqring_model)))]
#[allow(unsafe_code, reason = "membarrier has no safe wrapper in rustix")]
mod imp {
    const GLOBAL_EXPEDITED: libc::c_int = 1 << 1;
    const REGISTER_GLOBAL_EXPEDITED: libc::c_int = 1 << 2;

    fn membarrier(command: libc::c_int) -> bool {
        // SAFETY: membarrier(command, flags, cpu) takes three integers and touches no memory of ours.
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

/// Loom cannot put a fence into another thread. So models of sleeping run with everybody's own fences; all
/// others run with the fences lent, and none in their place: nothing but sleeping may rely on them.
#[cfg(seqring_model)]
pub(crate) mod imp {
    use std::sync::atomic::{AtomicBool, Ordering};

    static LENT: AtomicBool = AtomicBool::new(true);

    /// Whether endpoints made from now on leave the fence of the event_count out.
    pub fn heavy_barrier(on: bool) {
        LENT.store(on, Ordering::Relaxed);
    }

    pub(super) fn register() -> bool {
        LENT.load(Ordering::Relaxed)
    }

    pub(super) fn barrier() -> bool {
        true
    }
}
