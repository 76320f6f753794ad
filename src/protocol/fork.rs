//! What a forked child inherits of a ring: nothing that reaches it.
//!
//! A fork copies handles, writers and readers together with their descriptors and mappings. The
//! locks of entries belong to the open file description, which parent and child then share. Without
//! the handlers below, a child would keep the entries of its dead parent locked, could unlock the
//! entries of its living parent, and would write into the ring at its parent's position. Therefore:
//!
//! - The mapping is not copied by the kernel (`MADV_DONTFORK`). The child maps a private copy of
//!   the file in its place. The copy's stream is [forked](crate::protocol::stream_state), and its
//!   readers are moved beyond the end.
//! - The descriptor is replaced, before `fork` returns, by one that only reads and locks nothing.
//! - Held entries are not the child's: [`Liveness`](crate::segment::Liveness) compares process ids.
//!
//! Each operation of the child on an inherited object then fails with `Forked`, by the checks that
//! every message makes anyway, or ends in the private copy. To take part, the child opens the ring
//! itself.
//!
//! The handlers run in `fork(3)`. A child made by the bare system call has no mapping, so it cannot
//! damage the ring, but it keeps the descriptor until it exits or executes a program.
#![allow(unsafe_code, reason = "fork handlers")]

use crate::memory::Memory;
use crate::memory::layout::SEQUENCE_LIMIT;
use crate::protocol::stream_state;
use crate::segment::Backing;
use crate::sync::Relaxed;
use rustix::fs::{Mode, OFlags};
use std::cell::RefCell;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

/// A ring in shared memory that this process has open.
#[derive(Debug)]
struct OpenRing {
    number: u64,
    fd: RawFd,
    memory: Memory,
    /// This process is a forked child and has a private copy.
    disowned: bool,
}

// SAFETY: models have no segments, so there never is a value of this type.
#[cfg(seqring_model)]
unsafe impl Send for OpenRing {}

/// All of them. No thread forks while it is locked.
static OPEN_RINGS: Mutex<Vec<OpenRing>> = Mutex::new(Vec::new());

type OpenRings = MutexGuard<'static, Vec<OpenRing>>;

thread_local! {
    /// Held by the thread that forks, from before the fork until after it.
    static FORKING: RefCell<Option<OpenRings>> = const { RefCell::new(None) };
}

fn lock() -> OpenRings {
    // The list is consistent between any two statements, so a panic elsewhere does not spoil it.
    OPEN_RINGS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// While this lives, no thread of this process forks: a child would inherit a descriptor that is
/// not in the list yet.
pub(crate) struct ForkBlock(OpenRings);

pub(crate) fn block_forks() -> ForkBlock {
    static HANDLERS: Once = Once::new();
    HANDLERS.call_once(|| {
        // SAFETY: the handlers are functions without arguments that live as long as the program.
        // They take one lock, which no thread holds when it forks. In the child they only make
        // system calls and store.
        let refused = unsafe { libc::pthread_atfork(Some(before), Some(after), Some(after_in_child)) };
        assert_eq!(refused, 0, "no memory for three pointers");
    });
    ForkBlock(lock())
}

impl ForkBlock {
    /// Until the result is dropped, forked children inherit nothing of this ring. `None` for a ring
    /// on the heap, which the kernel copies.
    pub(crate) fn watch(mut self, backing: &Backing, memory: &Memory) -> Option<WatchedRing> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let fd = backing.file()?.descriptor();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed); // Relaxed: only has to differ.
        self.0.push(OpenRing { number, fd, memory: memory.clone(), disowned: false });
        Some(WatchedRing { number })
    }
}

/// A ring of which forked children inherit nothing.
#[derive(Debug)]
pub(crate) struct WatchedRing {
    number: u64,
}

impl WatchedRing {
    /// Ends the watch. No thread forks while the result lives: the caller closes the descriptor
    /// meanwhile.
    pub(crate) fn unwatch(self) -> ForkBlock {
        let mut rings = lock();
        let index = rings.iter().position(|open| open.number == self.number);
        let ring = index.map(|index| rings.swap_remove(index));
        drop(ring);
        ForkBlock(rings)
    }
}

extern "C" fn before() {
    // A thread that forks while it ends has no thread-local storage: its fork is handled, but not
    // blocked.
    let _ = FORKING.try_with(|forking| forking.replace(Some(lock())));
}

extern "C" fn after() {
    let _ = FORKING.try_with(RefCell::take);
}

extern "C" fn after_in_child() {
    let rings = FORKING.try_with(RefCell::take).ok().flatten();
    let Some(mut rings) = rings else { die(b"seqring: a forked child would keep its parent's locks\n") };
    for open in rings.iter_mut().filter(|open| !open.disowned) {
        open.disowned = true;
        disown(open);
    }
}

fn disown(open: &OpenRing) {
    let Some(file) = reopen(open.fd) else { die(b"seqring: a forked child has no descriptor left\n") };
    if !open.memory.become_private(&file) || !replace(open.fd, &file) {
        die(b"seqring: a forked child has no address space for its copy of a ring\n")
    }
    let control = open.memory.control();
    // Relaxed, all of them: this process has one thread.
    control.table.stream_state.store(stream_state::FORKED_WORD, Relaxed);
    control.table.high_water.store(0, Relaxed);
    // Takers find nothing published there. Bounded: a peer may have stored anything.
    let next = control.next.load(Relaxed).min(SEQUENCE_LIMIT);
    control.taken.store(next + 4 * open.memory.layout().config.slots as u64, Relaxed);
    for index in 0..open.memory.layout().config.participants {
        open.memory.entry(index).floor.store(u64::MAX, Relaxed);
    }
}

/// Ends a child that must not continue: it would keep its parent's locks, or access an unmapped
/// range.
fn die(why: &[u8]) -> ! {
    let _ = rustix::io::write(std::io::stderr(), why); // Standard error may be closed.
    std::process::abort()
}

/// Opens the same file by another description: a mapping, too, keeps its description and that one's
/// locks.
fn reopen(fd: RawFd) -> Option<OwnedFd> {
    let mut path = [0; 32];
    write!(&mut path[..], "/proc/self/fd/{fd}").ok()?;
    let path = std::ffi::CStr::from_bytes_until_nul(&path).ok()?;
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()
}

/// Makes `fd` a descriptor of `file`.
fn replace(fd: RawFd, file: &OwnedFd) -> bool {
    // SAFETY: the call takes integers. `fd` is open and belongs to an `OwnedFd` of the ring, which
    // from now on owns the new descriptor of that number.
    unsafe { libc::dup3(file.as_raw_fd(), fd, libc::O_CLOEXEC) == fd }
}
