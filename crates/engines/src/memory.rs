//! A ring's memory: present before anything is measured, and named if other processes are to find it.
//!
//! | made by | seen by | pages |
//! |---|---|---|
//! | [`Memory::heap`] | the threads of this process | anonymous |
//! | [`Memory::create`], [`Memory::open`] | all processes | a file in `/dev/shm`, allocated before use |
//!
//! A named ring is built under a temporary name and linked to its own when it is whole, so nobody opens half a
//! ring. Whoever created it takes the name away.
#![allow(unsafe_code, reason = "maps memory and hands out views of it")]

use rustix::fs::{FallocateFlags, MemfdFlags, fallocate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::ptr::{self, NonNull};

/// A page-aligned mapping; unmapped on drop.
#[derive(Debug)]
pub struct Memory {
    start: NonNull<u8>,
    bytes: usize,
    /// The file behind it; of memory without a name, an empty one for locks that need a file.
    file: File,
}

// SAFETY: the mapping belongs to the process, not to a thread: any thread may unmap it.
unsafe impl Send for Memory {}
// SAFETY: `&Memory` gives raw pointers, and views whose types are `Sync`.
unsafe impl Sync for Memory {}

impl Memory {
    /// Zeroed memory for the threads of this process.
    ///
    /// # Errors
    /// What `mmap` reports: `ENOMEM` where the memory is not there.
    pub(crate) fn heap(bytes: usize) -> io::Result<Self> {
        let file = File::from(memfd_create("baseline", MemfdFlags::CLOEXEC)?);
        let (protection, flags) =
            (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | MapFlags::POPULATE);
        // SAFETY: a null address lets the kernel choose a free range, so no existing mapping is replaced.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), bytes, protection, flags)? };
        Ok(Self { start: not_null(start.cast()), bytes, file })
    }

    /// Zeroed memory that will be called `name`: nobody finds it before that is [published](Name::publish).
    ///
    /// # Errors
    /// `InvalidInput` for what is no name, `ENOSPC` where `/dev/shm` has not the room.
    pub(crate) fn create(name: &str, bytes: usize) -> io::Result<(Self, Name)> {
        let path = path_of(name)?;
        let building = path.with_extension(format!("building-{}", std::process::id()));
        let file = File::options().read(true).write(true).create_new(true).open(&building)?;
        let name = Name { path, building, is_published: false };
        fallocate(&file, FallocateFlags::empty(), 0, bytes as u64)?;
        Ok((Self::map(file, bytes)?, name))
    }

    /// The memory that another process created under `name`.
    ///
    /// # Errors
    /// `NotFound` if there is none, or what `mmap` reports.
    pub(crate) fn open(name: &str) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(path_of(name)?)?;
        let bytes = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        Self::map(file, bytes)
    }

    fn map(file: File, bytes: usize) -> io::Result<Self> {
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED | MapFlags::POPULATE);
        // SAFETY: as in `heap`.
        let start = unsafe { mmap(ptr::null_mut(), bytes, protection, flags, &file, 0)? };
        Ok(Self { start: not_null(start.cast()), bytes, file })
    }

    /// How many bytes there are.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The byte at `offset`, with `bytes` bytes from there on inside the mapping.
    ///
    /// # Panics
    /// If they are not: a wrong offset must not become a wild access.
    pub(crate) fn at(&self, offset: usize, bytes: usize) -> NonNull<u8> {
        assert!(
            offset.checked_add(bytes).is_some_and(|end| end <= self.bytes),
            "{offset} + {bytes} is outside"
        );
        // SAFETY: inside the mapping, by the line above.
        unsafe { self.start.add(offset) }
    }

    /// The file itself, opened once more: an open file description of its own, as locks on files need it.
    ///
    /// # Errors
    /// What opening reports.
    pub(crate) fn reopened_file(&self) -> io::Result<File> {
        use std::os::fd::AsRawFd;
        File::options().read(true).write(true).open(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: exactly the range that was mapped, and whoever has a view of it holds the `Arc` that this is in.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

/// A ring's name and, until it is published, its temporary one; both go with it.
#[derive(Debug)]
pub(crate) struct Name {
    path: PathBuf,
    building: PathBuf,
    is_published: bool,
}

impl Name {
    /// Lets others find the ring.
    ///
    /// # Errors
    /// `AlreadyExists` for a name that is taken.
    pub(crate) fn publish(&mut self) -> io::Result<()> {
        fs::hard_link(&self.building, &self.path)?;
        self.is_published = true;
        fs::remove_file(&self.building)
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        // Either may be gone already, and nobody is there to be told of another failure.
        let _ = fs::remove_file(if self.is_published { &self.path } else { &self.building });
    }
}

fn path_of(name: &str) -> io::Result<PathBuf> {
    let is_plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
    let refused = || io::Error::new(io::ErrorKind::InvalidInput, format!("not a name for a ring: {name:?}"));
    is_plain.then(|| Path::new("/dev/shm").join(format!("{name}.baseline"))).ok_or_else(refused)
}

fn not_null(start: *mut u8) -> NonNull<u8> {
    NonNull::new(start).expect("a successful mmap is never at address 0")
}
