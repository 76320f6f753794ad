//! Two pinned ends of a measurement: this thread, and a peer in a thread or a forked child.
//!
//! Ours takes the time; theirs answers. Both spin, so ours must notice a peer that is gone: every
//! 2^14 spins it checks. Both yield then: a wait that long means that the other end is not running,
//! perhaps because we have its core. A child whose parent dies is killed by the kernel, and a
//! parent that leaves early kills its child: no spinning process stays behind.
//!
//! A forked child, not a re-executed program: a library cannot know how to start its host again in
//! the right role, and the child needs nothing but the shared pages that it inherits.
#![allow(unsafe_code, reason = "forks")]

use std::cell::Cell;
use std::hint::spin_loop;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::process::{
    Pid, Signal, WaitOptions, getpid, getppid, kill_process, set_parent_process_death_signal, waitpid,
};
use rustix::thread::sched_yield;

use crate::pin::{CorePair, pin_to};

/// What the two ends are to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peers {
    /// Two threads of one process.
    Threads,
    /// A process and a child that it forks, over a shared mapping.
    Processes,
}

/// Between two checks whether the peer lives: 0.4 ms of PAUSE on the project's machine.
const SPINS_BETWEEN_LOOKS: u32 = 1 << 14;

/// The peer ended before the measurement did.
#[derive(Debug, thiserror::Error)]
#[error("the other end of the measurement ended early (killed, or refused its core)")]
pub struct PeerGone;

impl From<PeerGone> for io::Error {
    fn from(gone: PeerGone) -> Self {
        Self::new(io::ErrorKind::BrokenPipe, gone)
    }
}

/// The other end, as the end that takes the time sees it.
pub(crate) enum Peer<'a> {
    Thread { ended: &'a AtomicBool },
    Child(Child),
}

impl Peer<'_> {
    /// Spins until `ready`, with PAUSE between two calls.
    pub(crate) fn spin_until(&self, mut ready: impl FnMut() -> bool) -> Result<(), PeerGone> {
        while !spins_until(&mut ready) {
            // A peer may end right after the store that makes us ready: check it first, then
            // `ready` once more.
            if self.is_gone() && !ready() {
                return Err(PeerGone);
            }
            sched_yield();
        }
        Ok(())
    }

    fn is_gone(&self) -> bool {
        match self {
            // PAIRS(ended): what the peer stored before it ended is seen by the `ready` that
            // follows.
            Self::Thread { ended } => ended.load(Ordering::Acquire),
            Self::Child(child) => child.is_gone(),
        }
    }
}

/// Spins until `ready`, with PAUSE between two calls: the peer's own wait. It need not check the
/// other end (see the module).
pub(crate) fn spin_until(mut ready: impl FnMut() -> bool) {
    while !spins_until(&mut ready) {
        sched_yield();
    }
}

/// Whether `ready` came true within [`SPINS_BETWEEN_LOOKS`] calls.
#[inline]
fn spins_until(ready: &mut impl FnMut() -> bool) -> bool {
    for _ in 0..SPINS_BETWEEN_LOOKS {
        if ready() {
            return true;
        }
        spin_loop();
    }
    false
}

/// Runs `ours` here and `theirs` at the peer, each on its core, and returns what `ours` returns.
///
/// `ours` runs in a thread of its own: the affinity of the caller stays as it is.
///
/// # Safety
/// With [`Peers::Processes`], `theirs` runs in a forked child of a process that may have other
/// threads. So it must not allocate, lock, print or panic, and what it stores is seen by `ours`
/// only in shared pages. With either, `theirs` must end by itself once `ours` has returned `Ok`,
/// and `ours` must not panic.
///
/// # Errors
/// What pinning or `fork` reports, or what `ours` returns.
pub(crate) unsafe fn with_peer<T: Send>(
    peers: Peers,
    cores: CorePair,
    theirs: impl FnOnce() + Send,
    ours: impl FnOnce(&Peer<'_>) -> io::Result<T> + Send,
) -> io::Result<T> {
    let pinned = move || {
        pin_to(cores.ours())?;
        let their_part = move || {
            if pin_to(cores.theirs()).is_ok() {
                theirs();
            }
        };
        match peers {
            Peers::Threads => with_thread(their_part, ours),
            // SAFETY: our caller promises the same of `theirs`; `pin_to` neither allocates nor
            // locks.
            Peers::Processes => ours(&Peer::Child(unsafe { Child::fork(their_part) }?)),
        }
    };
    thread::scope(|scope| scope.spawn(pinned).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}

fn with_thread<T>(
    theirs: impl FnOnce() + Send,
    ours: impl FnOnce(&Peer<'_>) -> io::Result<T>,
) -> io::Result<T> {
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            theirs();
            // PAIRS(ended)
            ended.store(true, Ordering::Release);
        });
        ours(&Peer::Thread { ended: &ended })
    })
}

/// A forked child; killed and reaped on drop.
pub(crate) struct Child {
    pid: Pid,
    reaped: Cell<bool>,
}

impl Child {
    /// Forks a child that runs `part` and exits.
    ///
    /// # Safety
    /// `part` neither allocates nor locks nor prints nor panics.
    unsafe fn fork(part: impl FnOnce()) -> io::Result<Self> {
        let parent = getpid();
        // SAFETY: the child runs `run_child` only, which keeps to async-signal-safe calls if `part`
        // does.
        let raw = unsafe { libc::fork() };
        if raw == 0 {
            run_child(parent, part);
        }
        match Pid::from_raw(raw) {
            Some(pid) if raw > 0 => Ok(Self { pid, reaped: Cell::new(false) }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    fn is_gone(&self) -> bool {
        if !self.reaped.get() {
            let still_there = matches!(waitpid(Some(self.pid), WaitOptions::NOHANG), Ok(None));
            self.reaped.set(!still_there);
        }
        self.reaped.get()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.is_gone() {
            // Not reaped yet, so no other process can have its pid yet.
            let _ = kill_process(self.pid, Signal::KILL);
            let _ = waitpid(Some(self.pid), WaitOptions::empty());
        }
    }
}

fn run_child(parent: Pid, part: impl FnOnce()) -> ! {
    // The kernel sends the signal when the *thread* that forked ends: `with_peer` keeps it until we
    // are reaped. The check of the parent closes the gap between the fork and the request.
    let watched = set_parent_process_death_signal(Some(Signal::KILL)).is_ok() && getppid() == Some(parent);
    if watched {
        part();
    }
    // SAFETY: ends the child without destructors or buffers, which belong to the parent.
    unsafe { libc::_exit(0) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::{Acquire, Release};

    use super::*;
    use crate::pages::{Kind, Pages};

    #[test]
    fn both_ends_see_the_words_of_the_other() {
        for peers in [Peers::Threads, Peers::Processes] {
            let pages = Pages::new(4096, Kind::Shared).unwrap();
            let (ask, answer) = (&pages.words()[0], &pages.words()[64]);
            let theirs = || {
                spin_until(|| ask.load(Acquire) == 1);
                answer.store(2, Release);
            };
            let ours = |peer: &Peer<'_>| {
                ask.store(1, Release);
                Ok(peer.spin_until(|| answer.load(Acquire) == 2)?)
            };
            // SAFETY: `theirs` touches two words of shared pages and ends.
            unsafe { with_peer(peers, CorePair::first_allowed().unwrap(), theirs, ours) }.unwrap();
        }
    }

    #[test]
    fn a_peer_that_ends_early_is_an_error_and_not_a_hang() {
        for peers in [Peers::Threads, Peers::Processes] {
            let ours = |peer: &Peer<'_>| Ok(peer.spin_until(|| false)?);
            // SAFETY: the peer does nothing.
            let end = unsafe { with_peer(peers, CorePair::first_allowed().unwrap(), || (), ours) };
            assert_eq!(end.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        }
    }

    #[test]
    fn the_affinity_of_the_caller_stays() {
        let before = crate::pin::allowed_cores().unwrap();
        // SAFETY: the peer does nothing.
        unsafe { with_peer(Peers::Threads, CorePair::first_allowed().unwrap(), || (), |_| Ok(())) }.unwrap();
        assert_eq!(crate::pin::allowed_cores().unwrap(), before);
    }
}
