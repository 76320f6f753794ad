//! What a forked child inherits of a ring: nothing that reaches it.
//!
//! A fork copies handles, writers and readers together with the descriptors and mappings behind them. Locks of the kind
//! that hold entries belong to the open file, which parent and child then share: a child would keep its dead parent alive
//! for everybody, and could let go of what its living parent holds. And it would write where its parent writes. So:
//!
//! | inherited      | in the child                                                                            |
//! |----------------|------------------------------------------------------------------------------------------|
//! | the mapping    | is not copied by the kernel (`MADV_DONTFORK`); the child maps a private copy of the file in its place, whose stream is [forked](crate::protocol::stream_state), and whose readers are all moved beyond the end |
//! | the descriptor | is replaced by one of its own, which only reads and locks nothing, before `fork` returns |
//! | held entries   | are not the child's: whoever asks, finds that the handle is inherited                    |
//!
//! Everything that the child does with an inherited object then fails with `Forked`, by the very looks that every message
//! takes anyway, or ends in the private copy. It opens the ring itself if it wants to take part.
//!
//! The handlers run in `fork(3)`. A child that is made by the bare system call, past the C library, has no mapping (so it
//! cannot damage the ring), but keeps the descriptor until it ends or executes a program.
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

/// One ring in shared memory that this process has open.
#[derive(Debug)]
struct Open {
    number: u64,
    fd: RawFd,
    memory: Memory,
    /// A fork passed: this process is the child, and has a private copy.
    disowned: bool,
}

// SAFETY: models have no segments: there never is such a value.
#[cfg(seqring_model)]
unsafe impl Send for Open {}

/// All of them. Nobody forks while it is locked.
static OPEN: Mutex<Vec<Open>> = Mutex::new(Vec::new());

type Locked = MutexGuard<'static, Vec<Open>>;

thread_local! {
    /// From before a fork until after it, in the thread that forks.
    static FORKING: RefCell<Option<Locked>> = const { RefCell::new(None) };
}

fn lock() -> Locked {
    // The list is consistent between any two statements, so a panic elsewhere does not spoil it.
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// While this lives, no thread of this process forks: a child would inherit a descriptor that nobody knows of yet.
pub(crate) struct HoldOff(Locked);

pub(crate) fn hold_off() -> HoldOff {
    static HANDLERS: Once = Once::new();
    HANDLERS.call_once(|| {
        // SAFETY: the handlers are functions without arguments that live as long as the program. They take one lock,
        // which no thread holds when it forks, and in the child do nothing but system calls and stores.
        let refused = unsafe { libc::pthread_atfork(Some(before), Some(after), Some(after_in_child)) };
        assert_eq!(refused, 0, "no memory for three pointers");
    });
    HoldOff(lock())
}

impl HoldOff {
    /// From now on until the result is dropped, forked children get nothing of this ring, if it is in a file: what is on
    /// the heap is theirs anyway, as a copy.
    pub(crate) fn watch(mut self, backing: &Backing, memory: &Memory) -> Option<Watched> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let fd = backing.file()?.descriptor();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed); // Relaxed: only has to differ.
        self.0.push(Open { number, fd, memory: memory.clone(), disowned: false });
        Some(Watched { number })
    }
}

/// A ring that forked children get nothing of.
#[derive(Debug)]
pub(crate) struct Watched {
    number: u64,
}

impl Drop for Watched {
    fn drop(&mut self) {
        lock().retain(|open| open.number != self.number);
    }
}

extern "C" fn before() {
    // A thread that forks while it ends has no such storage any more: its fork is not held off, only handled.
    let _ = FORKING.try_with(|forking| forking.replace(Some(lock())));
}

extern "C" fn after() {
    let _ = FORKING.try_with(RefCell::take);
}

extern "C" fn after_in_child() {
    let locked = FORKING.try_with(RefCell::take).ok().flatten();
    let Some(mut locked) = locked else { die(b"seqring: a forked child would keep its parent's locks\n") };
    for open in locked.iter_mut().filter(|open| !open.disowned) {
        open.disowned = true;
        disown(open);
    }
}

fn disown(open: &Open) {
    let Some(file) = reopen(open.fd) else { die(b"seqring: a forked child has no descriptor left\n") };
    if !open.memory.become_private(&file) || !replace(open.fd, &file) {
        die(b"seqring: a forked child has no address space for its copy of a ring\n")
    }
    let control = open.memory.control();
    // Relaxed, all of them: this process has one thread.
    control.table.life.store(stream_state::FORKED_WORD, Relaxed);
    control.table.high_water.store(0, Relaxed);
    // Takers find nothing there yet. Bounded: a peer may have stored anything.
    let next = control.next.load(Relaxed).min(SEQUENCE_LIMIT);
    control.taken.store(next + 4 * open.memory.layout().config.slots as u64, Relaxed);
    for index in 0..open.memory.layout().config.participants {
        open.memory.entry(index).floor.store(u64::MAX, Relaxed);
    }
}

/// Ends a child that must not run on: it would keep its parent alive for everybody, or fall into a hole.
fn die(why: &[u8]) -> ! {
    let _ = rustix::io::write(std::io::stderr(), why); // Nobody may be listening.
    std::process::abort()
}

/// The same file by another description: a mapping, too, keeps the description that it was made by, and its locks.
fn reopen(fd: RawFd) -> Option<OwnedFd> {
    let mut path = [0; 32];
    write!(&mut path[..], "/proc/self/fd/{fd}").ok()?;
    let path = std::ffi::CStr::from_bytes_until_nul(&path).ok()?;
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()
}

/// Puts `file` in the place of `fd`, too.
fn replace(fd: RawFd, file: &OwnedFd) -> bool {
    // SAFETY: the call takes integers. `fd` is open, and belongs to an `OwnedFd` of the ring, which from now on owns what
    // has its number then.
    unsafe { libc::dup3(file.as_raw_fd(), fd, libc::O_CLOEXEC) == fd }
}
