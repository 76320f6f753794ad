//! A file that holds a segment: its size, its pages, its header, and the locks of those who use it.
//!
//! Every handle holds a shared lock on the segment's first byte. Whoever drops his handle and gets that byte exclusively
//! was the last one, and removes the name, unless the ring's header says to keep it. Entries of the participant table
//! are held by exclusive locks on their first bytes.

use super::lock::{self, Kind};
use crate::memory::format::Entry;
use crate::memory::header::Superblock;
use crate::memory::layout::{ENTRIES_OFFSET, Layout};
use crate::memory::mapping::Mapping;
use crate::segment::pages;
use crate::sync::failpoint::{self, Failpoint};
use crate::types::error::{RingError, Warning};
use crate::types::open_options::OpenOptions;
use rustix::fd::OwnedFd;
use rustix::fs::{self, FileType, Gid, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::path::{Path, PathBuf};
use zerocopy::{FromBytes, IntoBytes};

/// The byte whose shared lock says "somebody has this segment open".
const OPEN_BYTE: u64 = 0;
pub(in crate::segment) const NOT_REGULAR: &str = "it is not a regular file";

/// An open segment file.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    pub(in crate::segment) fd: OwnedFd,
    /// Where it is, or what errors call it if it has no name.
    pub(in crate::segment) path: PathBuf,
    /// The byte where the segment begins: a file without a name may hold several.
    pub(in crate::segment) start: u64,
    /// The name stays when the last one leaves.
    pub(in crate::segment) keep: bool,
}

/// What a file is, as its header says, checked.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) superblock: Superblock,
    pub(crate) layout: Layout,
    pub(crate) stat: Stat,
}

impl SegmentFile {
    /// The segment that begins at byte `start` of a file, whose name is not ours to remove.
    pub(in crate::segment) fn of(fd: OwnedFd, path: impl Into<PathBuf>, start: u64) -> Self {
        SegmentFile { fd, path: path.into(), start, keep: true }
    }

    /// Gives a new file its access rights, size, pages and header. Nobody else can see it yet.
    pub(in crate::segment) fn fill(
        &self,
        superblock: &Superblock,
        layout: &Layout,
        options: &OpenOptions,
    ) -> Result<(Mapping, Vec<Warning>), RingError> {
        let SegmentFile { fd, path, .. } = self;
        if let Some(group) = options.group {
            let group = Gid::from_raw(group);
            fs::fchown(fd, None, Some(group)).map_err(in_words("giving to its group", path))?;
        }
        fs::fchmod(fd, Mode::from_raw_mode(options.mode)).map_err(in_words("setting the mode of", path))?;
        let file_bytes = self.file_bytes(layout);
        let resident = 0..layout.resident_bytes as u64;
        self.check_space(&resident)?;
        fs::ftruncate(fd, self.start + file_bytes as u64).map_err(failure("sizing", path))?;
        let mapping =
            Mapping::file(fd, self.start, file_bytes).map_err(|error| self.map_failure(error, &resident))?;
        let mut warnings = pages::prepare(&mapping, layout, options);
        self.allocate(resident)?;
        mapping.store_before_sharing(superblock.as_bytes());
        warnings.extend(pages::settle(&mapping, layout, options));
        warnings.extend(self.disk_warning());
        Ok((mapping, warnings))
    }

    /// Maps a file that others filled.
    pub(in crate::segment) fn map(
        &self,
        layout: &Layout,
        options: &OpenOptions,
    ) -> Result<(Mapping, Vec<Warning>), RingError> {
        let file_bytes = self.file_bytes(layout);
        let mapping =
            Mapping::file(&self.fd, self.start, file_bytes).map_err(failure("mapping", &self.path))?;
        let mut warnings = pages::prepare(&mapping, layout, options);
        warnings.extend(pages::settle(&mapping, layout, options));
        warnings.extend(self.disk_warning());
        Ok((mapping, warnings))
    }

    /// Maps a file to be looked at only.
    pub(crate) fn map_read_only(&self, layout: &Layout) -> Result<Mapping, RingError> {
        let file_bytes = self.file_bytes(layout);
        Mapping::file_read_only(&self.fd, self.start, file_bytes).map_err(failure("mapping", &self.path))
    }

    /// A descriptor of the same file, with locks of its own: those of this one stay where they are.
    pub(crate) fn reopen(&self, flags: OFlags) -> Result<OwnedFd, RingError> {
        reopen(&self.fd, flags).map_err(failure("opening again", &self.path))
    }

    /// What is in the file.
    pub(in crate::segment) fn contents(&self) -> Result<Contents, RingError> {
        let SegmentFile { fd, path, start, .. } = self;
        let stat = fs::fstat(fd).map_err(failure("examining", path))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(unusable(path, NOT_REGULAR.into()));
        }
        let file_bytes = stat.st_size.cast_unsigned().saturating_sub(*start);
        let mut header = [0; size_of::<Superblock>()];
        let read = rustix::io::pread(fd, &mut header[..], *start).map_err(failure("reading", path))?;
        if read < header.len() {
            return Err(unusable(path, format!("it has {file_bytes} bytes, less than a header")));
        }
        let superblock = Superblock::read_from_bytes(&header[..]).expect("the array has its size");
        let layout = superblock.layout(file_bytes).map_err(|reason| unusable(path, reason))?;
        Ok(Contents { superblock, layout, stat })
    }

    pub(crate) fn descriptor(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of memory that it takes now.
    pub(crate) fn allocated_bytes(&self) -> u64 {
        fs::fstat(&self.fd).map_or(0, |stat| stat.st_blocks.cast_unsigned() * 512)
    }

    /// Whether the path names this very file.
    pub(crate) fn is_named(&self) -> bool {
        let (Ok(named), Ok(opened)) = (fs::lstat(&self.path), fs::fstat(&self.fd)) else {
            return false;
        };
        (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)
    }

    /// Says that this handle has the segment open.
    pub(in crate::segment) fn enter(&self) -> Result<(), Errno> {
        lock::set(&self.fd, self.start + OPEN_BYTE, Kind::Shared)
    }

    /// Whether somebody else has the segment open.
    pub(crate) fn is_open_elsewhere(&self) -> bool {
        lock::is_held(&self.fd, self.start + OPEN_BYTE)
    }

    /// Takes the lock that goes with an entry of the participant table, if nobody has it.
    pub(crate) fn try_lock(&self, entry: usize) -> bool {
        lock::set(&self.fd, self.entry_byte(entry), Kind::Exclusive).is_ok()
    }

    pub(crate) fn unlock(&self, entry: usize) {
        // Unlocking a range that this description holds cannot fail.
        let _ = lock::set(&self.fd, self.entry_byte(entry), Kind::None);
    }

    /// Whether somebody else holds an entry.
    pub(crate) fn is_locked_elsewhere(&self, entry: usize) -> bool {
        lock::is_held(&self.fd, self.entry_byte(entry))
    }

    fn entry_byte(&self, entry: usize) -> u64 {
        self.start + (ENTRIES_OFFSET + entry * size_of::<Entry>()) as u64
    }

    /// Removes the name if nobody has the segment open, not even this handle any more. Says whether it did.
    pub(crate) fn remove_if_unused(&self) -> bool {
        // Let go first: of two that leave at once and keep their shared locks, neither would get the other's byte.
        let _ = lock::set(&self.fd, self.start + OPEN_BYTE, Kind::None);
        failpoint::at(Failpoint::SegmentLeft);
        if lock::set(&self.fd, self.start + OPEN_BYTE, Kind::Exclusive).is_err() || !self.is_named() {
            return false;
        }
        failpoint::at(Failpoint::SegmentDeserted);
        fs::unlink(&self.path).is_ok()
    }
}

impl Drop for SegmentFile {
    /// The last one out removes the name.
    fn drop(&mut self) {
        if !self.keep {
            // Nobody is there to be told of a failure; the name stays, and `seqring gc` can remove it.
            self.remove_if_unused();
        }
    }
}

/// Opens the file behind a descriptor once more.
pub(in crate::segment) fn reopen(fd: &OwnedFd, flags: OFlags) -> Result<OwnedFd, Errno> {
    fs::open(through_proc(fd), flags | OFlags::CLOEXEC, Mode::empty())
}

/// The path by which this process reaches a descriptor of its own.
pub(in crate::segment) fn through_proc(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

pub(in crate::segment) fn unusable(path: &Path, reason: String) -> RingError {
    RingError::Unusable { path: path.into(), reason }
}

/// The error of this crate for an error of the system that concerns the whole file.
pub(in crate::segment) fn failure(doing: &'static str, path: &Path) -> impl Fn(Errno) -> RingError {
    move |error| {
        let path = path.to_owned();
        match error {
            Errno::EXIST => RingError::AlreadyExists { path },
            Errno::NOENT => RingError::NotFound { path },
            Errno::ACCESS | Errno::PERM => RingError::PermissionDenied { path },
            Errno::LOOP => unusable(&path, "it is a symbolic link".into()),
            Errno::ISDIR | Errno::NXIO => unusable(&path, NOT_REGULAR.into()),
            error => in_words(doing, &path)(error),
        }
    }
}

/// The error that says what was being done, in the system's words.
fn in_words(doing: &'static str, path: &Path) -> impl Fn(Errno) -> RingError {
    move |error| RingError::Io { doing, path: path.to_owned(), source: io::Error::from(error) }
}
