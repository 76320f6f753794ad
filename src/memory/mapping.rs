//! A range of memory that is allocated or mapped, and released on drop.
#![allow(unsafe_code, reason = "allocating, mapping and unmapping, and advice about it")]

use crate::memory::layout::PAGE;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ops::Range;

/// Page-aligned memory of a fixed length, valid until dropped; readable, and writable unless it was
/// mapped read-only.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: *mut u8,
    len: usize,
    source: Source,
}

enum Source {
    Heap,
    /// From a byte of a file on. A forked child has it, too, if the kernel refused to leave it out.
    #[cfg(target_os = "linux")]
    File {
        start: u64,
        inherited: bool,
    },
    #[cfg(feature = "portable")]
    Shmem(#[expect(dead_code, reason = "it keeps the memory")] shared_memory::Shmem),
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Source::Heap => "Heap",
            #[cfg(target_os = "linux")]
            Source::File { .. } => "File",
            #[cfg(feature = "portable")]
            Source::Shmem(_) => "Shmem",
        })
    }
}

// SAFETY: the memory belongs to this value, not to a thread; what is in it is accessed through
// atomics only. A `Shmem` keeps plain values and the pointer, and does nothing until it is dropped.
unsafe impl Send for Mapping {}
// SAFETY: as above; no method stores to `self`.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Zeroed memory from the allocator; `None` if it has not so much.
    pub(crate) fn heap(len: usize) -> Option<Self> {
        let layout = Self::heap_layout(len)?;
        // SAFETY: the layout's size is not zero: a segment has at least its header.
        let base = unsafe { alloc_zeroed(layout) };
        if base.is_null() {
            return None;
        }
        Some(Mapping { base, len, source: Source::Heap })
    }

    fn heap_layout(len: usize) -> Option<Layout> {
        Layout::from_size_align(len, PAGE).ok()
    }

    /// Memory of the crate `shared_memory`.
    #[cfg(feature = "portable")]
    pub(crate) fn shmem(shmem: shared_memory::Shmem) -> Self {
        Mapping { base: shmem.as_ptr(), len: shmem.len(), source: Source::Shmem(shmem) }
    }

    pub(crate) fn base(&self) -> *mut u8 {
        self.base
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Writes the first bytes of memory that is not shared yet.
    ///
    /// # Panics
    /// If there are more than it has.
    pub(crate) fn store_before_sharing(&self, bytes: &[u8]) {
        assert!(bytes.len() <= self.len, "{} bytes into {}", bytes.len(), self.len);
        // SAFETY: the mapping is writable and holds so many bytes. The callers have not published
        // it, so that no other thread or process accesses it.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.base, bytes.len()) };
    }

    /// A copy of the first bytes, which are written before the memory is shared and never again.
    ///
    /// # Panics
    /// If there are fewer.
    #[cfg(feature = "portable")]
    pub(crate) fn first_bytes<const N: usize>(&self) -> [u8; N] {
        assert!(N <= self.len, "{N} bytes of {}", self.len);
        // SAFETY: the mapping holds so many bytes; the volatile copy is taken once, and the caller
        // checks it.
        unsafe { self.base.cast::<[u8; N]>().read_volatile() }
    }

    /// Makes a range resident; false if the system has no pages for it. A system that cannot be
    /// asked kills the process at the first use of such a page.
    pub(crate) fn has_room(&self, range: Range<usize>) -> bool {
        const FAULT: i32 = 14; // `EFAULT` of Linux, where the first use would be a `SIGBUS`.
        let refused = self.make_resident(range).err().map(std::io::Error::from);
        !(cfg!(target_os = "linux") && refused.is_some_and(|error| error.raw_os_error() == Some(FAULT)))
    }

    fn start_of(&self, range: &Range<usize>) -> *mut u8 {
        assert!(range.start <= range.end && range.end <= self.len, "{range:?} of {} bytes", self.len);
        self.base.wrapping_add(range.start)
    }
}

#[cfg(target_os = "linux")]
impl Mapping {
    /// Maps `len` bytes of a file from `start` on, shared with all that map it, but not with forked
    /// children: in these the range is unmapped, by the kernel or in [`Self::become_private`]. No
    /// access is possible yet, so no page is allocated, even where all memory is locked.
    pub(crate) fn file(file: &impl rustix::fd::AsFd, start: u64, len: usize) -> rustix::io::Result<Self> {
        let mut mapping = Self::of_file(file, start, len, rustix::mm::ProtFlags::empty())?;
        let inherited = mapping.advise(0..len, rustix::mm::Advice::LinuxDontFork).is_err();
        mapping.source = Source::File { start, inherited };
        Ok(mapping)
    }

    /// Makes a [mapped file](Self::file) readable and writable.
    pub(crate) fn allow_access(&self) -> rustix::io::Result<()> {
        use rustix::mm::{MprotectFlags, mprotect};
        // SAFETY: the range is this mapping's.
        unsafe { mprotect(self.base.cast(), self.len, MprotectFlags::READ | MprotectFlags::WRITE) }
    }

    /// In a forked child: maps memory of the child's own in the place of the range, a private copy
    /// of the file if the system allows one. False if it allows none: then the range is unmapped.
    pub(crate) fn become_private(&self, file: &rustix::fd::OwnedFd) -> bool {
        use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};
        let Source::File { start, inherited } = self.source else { return false };
        let (base, protection) = (self.base.cast(), ProtFlags::READ | ProtFlags::WRITE);
        if inherited {
            // SAFETY: the range is this mapping's. Its only user in the child is this thread, which
            // maps other memory there before it returns from `fork`.
            let _ = unsafe { munmap(base, self.len) };
        }
        // Shared, though with no process: a private mapping counts as data, and may be refused.
        let flags = MapFlags::SHARED | MapFlags::FIXED_NOREPLACE | MapFlags::NORESERVE;
        // SAFETY: `FIXED_NOREPLACE` maps into an unmapped range or not at all, so no memory of the
        // child is replaced.
        let zeros = unsafe { mmap_anonymous(base, self.len, protection, flags) };
        if !zeros.is_ok_and(|zeros| zeros == base) {
            return false;
        }
        // A peer may have truncated the file: an access beyond its end is a signal.
        let end = rustix::fs::fstat(file).map_or(0, |stat| stat.st_size.cast_unsigned());
        if end >= start + self.len as u64 {
            // No reserve: the child touches a few pages of a ring that may be larger than the
            // machine's memory. If it is refused, the zeros stay.
            let flags = MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE;
            // SAFETY: it replaces the mapping made above.
            let _ = unsafe { mmap(base, self.len, protection, flags, file, start) };
        }
        true
    }

    /// As [`Self::file`], read-only: a store faults.
    pub(crate) fn file_read_only(
        file: &impl rustix::fd::AsFd,
        start: u64,
        len: usize,
    ) -> rustix::io::Result<Self> {
        let mapping = Self::of_file(file, start, len, rustix::mm::ProtFlags::READ)?;
        mapping.include_in_dumps(false);
        Ok(mapping)
    }

    fn of_file(
        file: &impl rustix::fd::AsFd,
        start: u64,
        len: usize,
        protection: rustix::mm::ProtFlags,
    ) -> rustix::io::Result<Self> {
        use rustix::mm::{MapFlags, mmap};
        // SAFETY: a null hint lets the kernel choose a free range, so no memory of ours is
        // replaced.
        let base = unsafe { mmap(std::ptr::null_mut(), len, protection, MapFlags::SHARED, file, start)? };
        Ok(Mapping { base: base.cast(), len, source: Source::File { start, inherited: true } })
    }

    /// Makes every page of a range resident in one call, at a fraction of a µs each. At its first
    /// use a page costs 3–4 µs; so it does on a kernel without this advice (before 5.14).
    ///
    /// # Panics
    /// If the range is not this mapping's.
    pub(crate) fn make_resident(&self, range: Range<usize>) -> rustix::io::Result<()> {
        self.advise(range, rustix::mm::Advice::LinuxPopulateWrite)
    }

    /// Whether core dumps have the memory.
    pub(crate) fn include_in_dumps(&self, on: bool) {
        use rustix::mm::Advice;
        let advice = if on { Advice::LinuxDoDump } else { Advice::LinuxDontDump };
        let _ = self.advise(0..self.len, advice); // If refused, a dump is longer.
    }

    /// Asks for huge pages.
    pub(crate) fn prefer_huge_pages(&self) -> rustix::io::Result<()> {
        self.advise(0..self.len, rustix::mm::Advice::LinuxHugepage)
    }

    fn advise(&self, range: Range<usize>, advice: rustix::mm::Advice) -> rustix::io::Result<()> {
        let start = self.start_of(&range);
        // SAFETY: the range is this mapping's, and no advice given above changes contents.
        unsafe { rustix::mm::madvise(start.cast(), range.len(), advice) }
    }

    /// Prefers memory of that NUMA node for pages that are not allocated yet.
    pub(crate) fn prefer_node(&self, node: u32) -> std::io::Result<()> {
        const WORDS: usize = 16;
        const BITS: u32 = u64::BITS * WORDS as u32;
        let mut nodes = [0_u64; WORDS];
        let word = nodes.get_mut((node / u64::BITS) as usize).ok_or(std::io::ErrorKind::InvalidInput)?;
        *word = 1 << (node % u64::BITS);
        let (policy, flags) = (libc::MPOL_PREFERRED, 0_u32);
        // The kernel uses one bit less than this number.
        let bits = std::ffi::c_ulong::from(BITS + 1);
        // SAFETY: the range is this mapping's, `nodes` holds `BITS` bits, and a policy changes no
        // contents.
        let refused = unsafe {
            libc::syscall(libc::SYS_mbind, self.base, self.len, policy, nodes.as_ptr(), bits, flags)
        };
        if refused == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    }

    /// Locks a range into memory: all of its pages if `now`, or else each from its first use on.
    pub(crate) fn lock(&self, range: Range<usize>, now: bool) -> rustix::io::Result<()> {
        use rustix::mm::{MlockFlags, mlock_with};
        let start = self.start_of(&range);
        let flags = if now { MlockFlags::empty() } else { MlockFlags::ONFAULT };
        // SAFETY: the range is this mapping's; locking changes no contents, and ends with the
        // mapping.
        unsafe { mlock_with(start.cast(), range.len(), flags) }
    }
}

#[cfg(not(target_os = "linux"))]
impl Mapping {
    /// Elsewhere pages come at their first use.
    #[expect(clippy::unnecessary_wraps, reason = "Linux may refuse")]
    pub(crate) fn make_resident(&self, range: Range<usize>) -> std::io::Result<()> {
        self.start_of(&range);
        Ok(())
    }

    /// Elsewhere the system decides.
    pub(crate) fn include_in_dumps(&self, _: bool) {}
}

impl Drop for Mapping {
    fn drop(&mut self) {
        match &self.source {
            Source::Heap => {
                let layout = Self::heap_layout(self.len).expect("was allocated with it");
                self.include_in_dumps(true); // The allocator gives the pages to others.
                // SAFETY: `base` came from `alloc_zeroed` with this very layout, and is unused now:
                // every view borrows, or holds an `Arc` of, this value.
                unsafe { dealloc(self.base, layout) };
            }
            #[cfg(target_os = "linux")]
            // SAFETY: `base` and `len` are those of the mapping made in `of_file`, unused now as
            // above.
            Source::File { .. } => drop(unsafe { rustix::mm::munmap(self.base.cast(), self.len) }),
            #[cfg(feature = "portable")]
            Source::Shmem(_) => {} // It unmaps itself.
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::{Mapping, PAGE};
    use crate::sync::futex::{FutexWord, Scope};
    use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
    use rustix::thread::{Pid, gettid};
    use std::sync::atomic::{AtomicI32, Ordering::SeqCst};
    use std::sync::{Arc, mpsc};
    use std::time::Duration;

    /// Returns when the thread that stores its number there sleeps.
    fn await_sleep(thread: &AtomicI32) {
        let sleeps = || {
            let stat = format!("/proc/self/task/{}/stat", thread.load(SeqCst));
            std::fs::read_to_string(stat).is_ok_and(|stat| stat.contains(") S "))
        };
        while !sleeps() {
            std::thread::yield_now();
        }
    }

    /// Fails if one sleeper is woken only, or none at another address of the same file, or none
    /// whose sleep has a time limit.
    #[test]
    fn each_sleeper_is_woken_wherever_it_maps_the_word() {
        const LONG: Duration = Duration::from_secs(300);
        let cases = [(Scope::Processes, None), (Scope::Threads, None), (Scope::Threads, Some(LONG))];
        for (scope, limit) in cases {
            let file = memfd_create("seqring-futex", MemfdFlags::CLOEXEC).unwrap();
            ftruncate(&file, PAGE as u64).unwrap();
            #[allow(clippy::cast_ptr_alignment, reason = "mappings start on pages")]
            // SAFETY: a word fits at the start of a page, and each access to it is atomic.
            let word = |mapping: &Mapping| unsafe { &*mapping.base().cast::<FutexWord>() };
            let map = || {
                let mapping = Mapping::file(&file, 0, PAGE).unwrap();
                mapping.allow_access().unwrap();
                Arc::new(mapping)
            };
            let (here, (done, woken)) = (map(), mpsc::channel());
            for _ in 0..3 {
                let there = if scope == Scope::Processes { map() } else { Arc::clone(&here) };
                let (sleeper, done) = (Arc::new(AtomicI32::new(0)), done.clone());
                let number = Arc::clone(&sleeper);
                std::thread::spawn(move || {
                    number.store(Pid::as_raw(Some(gettid())), SeqCst);
                    word(&there).wait(0, limit, scope);
                    done.send(())
                });
                await_sleep(&sleeper);
            }
            word(&here).wake_all(scope);
            for _ in 0..3 {
                woken.recv_timeout(Duration::from_secs(20)).expect("no wake came");
            }
        }
    }

    /// Fails if a sleep waits for a wake on a system that has none between processes.
    #[test]
    fn a_timed_sleep_ends_without_a_wake() {
        let (done, woken) = mpsc::channel();
        std::thread::spawn(move || {
            FutexWord::default().wait(0, None, Scope::Timed);
            done.send(())
        });
        woken.recv_timeout(Duration::from_secs(20)).expect("it sleeps on");
    }
}
