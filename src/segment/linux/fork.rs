//! What a forked child inherits of a ring: nothing that reaches it.
//!
//! A fork copies handles, writers and readers together with their descriptors and mappings. The
//! locks of entries belong to the open file description, which parent and child then share. Without
//! the handlers below, a child would keep the entries of its dead parent locked, could unlock the
//! entries of its living parent, and would write into the ring at its parent's position. Therefore:
//!
//! - The mapping is not copied by the kernel (`MADV_DONTFORK`); where that advice is refused, the
//!   child unmaps its copy. The child maps memory of its own in its place: a private copy of the
//!   file, or if that is refused, zeros. The stream of that memory is
//!   [forked](crate::protocol::stream_state), and its readers are moved beyond the end.
//! - The descriptor is replaced, before `fork` returns, by one that only reads and locks nothing.
//! - Held entries are not the child's: [`Liveness`](crate::segment::Liveness) compares process ids.
//!
//! Each operation of the child on an inherited object then fails with `Forked`, by the checks that
//! every message makes anyway, or ends in the child's own memory. To take part, the child opens the
//! ring itself.
//!
//! # No step can end the child
//! | step in the child             | needs                                      | else         |
//! |-------------------------------|--------------------------------------------|--------------|
//! | 1 replace the descriptor      | a number below `RLIMIT_NOFILE`             | close it     |
//! | 2 map zeros, shared: no data  | no more address space than the parent uses | leave a hole |
//! | 3 map a private copy over it  | room below `RLIMIT_DATA`; the file's size  | keep zeros   |
//!
//! The parent opened the second descriptor that 1 and 3 use. So no step opens a file, reads
//! `/proc`, allocates or depends on privileges. A hole is left if `RLIMIT_AS` is below what the
//! parent uses: then nothing else can be mapped there either. The child can execute a program, and
//! a use of an inherited endpoint ends it by a signal.
//!
//! The handlers run in `fork(3)`. A child made by the bare system call has no mapping, so it cannot
//! damage the ring, but it keeps the descriptor until it exits or executes a program. Where the
//! advice is refused, it keeps the mapping, too.
//!
//! # What the lock covers
//! A fork waits for the lock of the list. So the lock covers only calls that take a bounded time: a
//! file is opened and listed, later allocated without the lock, and its pages are freed without it.
#![allow(unsafe_code, reason = "fork handlers")]

use super::file::through_proc;
use crate::memory::Memory;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::cell::UnsafeCell;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

/// A file with locks that this process has open.
#[derive(Debug)]
struct OpenFile {
    number: u64,
    fd: RawFd,
    /// The descriptor that a child gets instead: once the file is mapped, another description of
    /// it. (A mapping, too, keeps its description and that one's locks.)
    unlocked: OwnedFd,
    ring: Option<OpenRing>,
}

/// The memory that is mapped from a file.
#[derive(Debug)]
struct OpenRing {
    memory: Memory,
    /// Makes a child's memory that of a forked ring.
    disown: fn(&Memory),
}

// SAFETY: models have no segments, so there never is a value of this type.
#[cfg(seqring_model)]
unsafe impl Send for OpenRing {}

/// All of them. No thread forks while it is locked.
static OPEN_FILES: Mutex<Vec<OpenFile>> = Mutex::new(Vec::new());

type OpenFiles = MutexGuard<'static, Vec<OpenFile>>;

/// The guard of the thread that forks, from before the fork until after it. It is not thread-local:
/// the destructor of a thread-local value is registered by an allocation.
struct Forking(UnsafeCell<Option<OpenFiles>>);

// SAFETY: only the thread that has `OPEN_FILES` locked accesses the cell.
unsafe impl Sync for Forking {}

static FORKING: Forking = Forking(UnsafeCell::new(None));

fn lock() -> OpenFiles {
    // The list is consistent between any two statements, so a panic elsewhere does not spoil it.
    OPEN_FILES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a call that takes a bounded time, while no thread of this process forks.
pub(super) fn hold_off<T>(call: impl FnOnce() -> T) -> T {
    let _no_fork = lock();
    call()
}

/// The descriptor of a file with locks. A forked child has another file under its number.
#[derive(Debug)]
pub(crate) struct WatchedFd {
    fd: ManuallyDrop<OwnedFd>,
    number: u64,
}

impl WatchedFd {
    /// The descriptor that `open` returns.
    pub(super) fn open<E>(
        open: impl FnOnce() -> Result<OwnedFd, E>,
        failure: impl FnOnce(Errno) -> E,
    ) -> Result<Self, E> {
        static HANDLERS: Once = Once::new();
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        HANDLERS.call_once(|| {
            // SAFETY: the handlers are functions without arguments that live as long as the
            // program. They take one lock, which no thread holds when it forks. In the child they
            // only make system calls and store.
            let refused = unsafe { libc::pthread_atfork(Some(before), Some(after), Some(after_in_child)) };
            assert_eq!(refused, 0, "no memory for three pointers");
        });
        let mut files = lock();
        files.reserve(1); // Before the descriptor is open: from then on nothing fails.
        // Opening a path like this needs no permission.
        let unlocked = rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        let unlocked = unlocked.map_err(failure)?;
        let fd = ManuallyDrop::new(open()?);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed); // Relaxed: only has to differ.
        files.push(OpenFile { number, fd: fd.as_raw_fd(), unlocked, ring: None });
        Ok(WatchedFd { fd, number })
    }

    /// From now on `disown` is called in each forked child, on memory of its own in the place of
    /// `memory`, which is mapped from this file. If not `copied`, that memory holds zeros.
    pub(super) fn watch(&self, memory: &Memory, copied: bool, disown: fn(&Memory)) {
        let mut files = lock();
        if let Some(file) = files.iter_mut().find(|file| file.number == self.number) {
            file.ring = Some(OpenRing { memory: memory.clone(), disown });
            // Refused where there is no /proc: then a child has zeros.
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            if let (true, Ok(unlocked)) = (copied, rustix::fs::open(through_proc(self), flags, Mode::empty()))
            {
                file.unlocked = unlocked;
            }
        }
    }
}

impl Drop for WatchedFd {
    fn drop(&mut self) {
        let mut files = lock();
        let index = files.iter().position(|file| file.number == self.number);
        let file = index.map(|index| files.swap_remove(index));
        // No thread forks between the two: the child would keep the descriptor, and with it the
        // locks, until it executes a program.
        // SAFETY: this is its only use after the drop began.
        unsafe { ManuallyDrop::drop(&mut self.fd) };
        drop(files);
        drop(file); // Without the lock: this may free the pages of the file.
    }
}

impl Deref for WatchedFd {
    type Target = OwnedFd;

    fn deref(&self) -> &OwnedFd {
        &self.fd
    }
}

impl AsFd for WatchedFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

extern "C" fn before() {
    let files = lock();
    // SAFETY: this thread has the list locked.
    unsafe { *FORKING.0.get() = Some(files) };
}

extern "C" fn after() {
    // SAFETY: this thread locked the list in `before`.
    drop(unsafe { (*FORKING.0.get()).take() });
}

extern "C" fn after_in_child() {
    // SAFETY: as in `after`; the child is a copy of that thread.
    let files = unsafe { (*FORKING.0.get()).take() };
    for file in files.into_iter().flat_map(|mut files| std::mem::take(&mut *files)) {
        disown(&file);
    }
}

/// Takes a file away from a forked child.
fn disown(file: &OpenFile) {
    // SAFETY: the calls take integers. `fd` is open and belongs to a `WatchedFd`, which from now on
    // owns the new descriptor of that number. If the number is beyond the limit of this process, no
    // other file gets it, and closing it again is an error without effect.
    unsafe {
        if libc::dup3(file.unlocked.as_raw_fd(), file.fd, libc::O_CLOEXEC) != file.fd {
            libc::close(file.fd);
        }
    }
    if let Some(OpenRing { memory, disown }) = &file.ring
        && memory.become_private(&file.unlocked)
    {
        disown(memory);
    }
}
