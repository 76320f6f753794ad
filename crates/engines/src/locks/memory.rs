//! The memory of a ring: present before the measurement, and named if other processes are to find
//! it.
//!
//! | made by | seen by | pages |
//! |---|---|---|
//! | [`Memory::heap`] | the threads of this process | anonymous |
//! | [`Memory::create`], [`Memory::open`] | all processes | an allocated file in `/dev/shm` |
#![allow(unsafe_code, reason = "computes addresses in mapped memory")]

use memmap2::{MmapOptions, MmapRaw};
use rustix::fs::{FallocateFlags, MemfdFlags, fallocate, memfd_create};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

/// A page-aligned mapping; unmapped on drop.
#[derive(Debug)]
pub struct Memory {
    map: MmapRaw,
    /// The file of a named ring; for a heap ring an empty one, for locks that need a file.
    file: File,
}

impl Memory {
    /// Zeroed memory for the threads of this process.
    ///
    /// # Errors
    /// What `mmap` reports: `ENOMEM` if there is not enough memory.
    pub(crate) fn heap(bytes: usize) -> io::Result<Self> {
        let file = File::from(memfd_create("baseline", MemfdFlags::CLOEXEC)?);
        Ok(Self { map: MmapOptions::new().len(bytes).populate().map_anon()?.into(), file })
    }

    /// Zeroed memory called `name`.
    ///
    /// # Errors
    /// `InvalidInput` for a bad name, `AlreadyExists` for one in use, `ENOSPC` if `/dev/shm` has no
    /// room.
    pub(crate) fn create(name: &str, bytes: usize) -> io::Result<(Self, Name)> {
        let path = path_of(name)?;
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        let name = Name(path);
        fallocate(&file, FallocateFlags::empty(), 0, bytes as u64)?;
        Ok((Self::map(file)?, name))
    }

    /// The memory that another process created under `name`.
    ///
    /// # Errors
    /// `NotFound` if there is none, or what `mmap` reports.
    pub(crate) fn open(name: &str) -> io::Result<Self> {
        Self::map(File::options().read(true).write(true).open(path_of(name)?)?)
    }

    fn map(file: File) -> io::Result<Self> {
        Ok(Self { map: MmapOptions::new().populate().map_raw(&file)?, file })
    }

    /// How many bytes there are.
    pub(crate) fn bytes(&self) -> usize {
        self.map.len()
    }

    /// The byte at `offset`, with `bytes` bytes from there on inside the mapping.
    ///
    /// # Panics
    /// If they are not: a wrong offset must not become a wild access.
    pub(crate) fn at(&self, offset: usize, bytes: usize) -> NonNull<u8> {
        let end = offset.checked_add(bytes);
        assert!(end.is_some_and(|end| end <= self.map.len()), "{offset} + {bytes} is outside");
        // SAFETY: inside the mapping, by the line above.
        let start = unsafe { self.map.as_mut_ptr().add(offset) };
        NonNull::new(start).expect("a mapping is never at address 0")
    }

    /// The file, opened once more: locks on files need an open file description for each endpoint.
    ///
    /// # Errors
    /// What opening reports.
    pub(crate) fn reopened_file(&self) -> io::Result<File> {
        use std::os::fd::AsRawFd;
        File::options().read(true).write(true).open(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }
}

/// The name of a ring, which is removed on drop.
#[derive(Debug)]
pub(crate) struct Name(PathBuf);

impl Drop for Name {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn path_of(name: &str) -> io::Result<PathBuf> {
    let is_plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
    let refused = || io::Error::new(io::ErrorKind::InvalidInput, format!("not a name for a ring: {name:?}"));
    is_plain.then(|| Path::new("/dev/shm").join(format!("{name}.baseline"))).ok_or_else(refused)
}
