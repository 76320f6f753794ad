//! A file that holds a segment: its size, its pages, its header, and the locks of its users.
//!
//! Every handle holds a shared lock on the segment's first byte. A handle that is dropped and gets
//! an exclusive lock on that byte was the last user, and removes the name unless the ring's header
//! says to keep it. A participant holds its entry of the table by an exclusive lock on the entry's
//! first byte.

use super::fork::{WatchedFd, hold_off};
use super::lock::{self, Kind};
use super::pages;
use crate::memory::Memory;
use crate::memory::format::Entry;
use crate::memory::header::Superblock;
use crate::memory::layout::{ENTRIES_OFFSET, Layout};
use crate::memory::mapping::Mapping;
use crate::segment::error::{self, NOT_REGULAR, unusable};
use crate::sync::failpoint::{self, Failpoint};
use crate::types::error::{RingError, Warning};
use crate::types::open_options::OpenOptions;
use rustix::fd::OwnedFd;
use rustix::fs::{self, AtFlags, FileType, Gid, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::path::{Path, PathBuf};
use zerocopy::{FromBytes, IntoBytes};

/// A shared lock on this byte means that a handle has the segment open.
const OPEN_BYTE: u64 = 0;

/// An open segment file.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    pub(in crate::segment) fd: WatchedFd,
    /// Where it is; in errors also of a file that has no name.
    pub(in crate::segment) path: PathBuf,
    /// The byte where the segment begins: a file without a name may hold several.
    pub(in crate::segment) start: u64,
    /// The last user leaves the name.
    pub(in crate::segment) keep: bool,
}

/// The checked header of a file.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) superblock: Superblock,
    pub(crate) layout: Layout,
    pub(crate) stat: Stat,
}

impl SegmentFile {
    /// The segment that begins at byte `start` of the file that `open` opens. Dropping it does not
    /// remove the name.
    pub(in crate::segment) fn of(
        open: impl FnOnce() -> Result<OwnedFd, RingError>,
        path: &Path,
        start: u64,
    ) -> Result<Self, RingError> {
        let fd = WatchedFd::open(open, failure("opening", path))?;
        Ok(SegmentFile { fd, path: path.into(), start, keep: true })
    }

    /// Gives a new file, which no other process can see yet, its access rights, size, pages and
    /// header.
    pub(in crate::segment) fn fill(
        &self,
        superblock: &Superblock,
        layout: &Layout,
        options: &OpenOptions,
    ) -> Result<(Mapping, Vec<Warning>), RingError> {
        let SegmentFile { fd, path, .. } = self;
        if let Some(group) = options.group {
            let group = Gid::from_raw(group);
            fs::fchown(fd, None, Some(group)).map_err(io_error("giving to its group", path))?;
        }
        fs::fchmod(fd, Mode::from_raw_mode(options.mode)).map_err(io_error("setting the mode of", path))?;
        let file_bytes = self.file_bytes(layout);
        let resident = 0..layout.resident_bytes as u64;
        self.check_space(&resident)?;
        fs::ftruncate(fd, self.start + file_bytes as u64).map_err(failure("sizing", path))?;
        let mapping = self.map_shared(file_bytes).map_err(|error| self.map_failure(error, &resident))?;
        let mut warnings = pages::prepare(&mapping, layout, options);
        self.allocate(resident).inspect_err(|_| {
            // Else the pages would be freed when the file is closed, and forks wait for that.
            let _ = fs::ftruncate(fd, self.start);
        })?;
        mapping.store_before_sharing(superblock.as_bytes());
        warnings.extend(pages::settle(&mapping, layout, options));
        warnings.extend(self.disk_warning());
        Ok((mapping, warnings))
    }

    /// Maps a file that was [filled](Self::fill).
    pub(in crate::segment) fn map(
        &self,
        layout: &Layout,
        options: &OpenOptions,
    ) -> Result<(Mapping, Vec<Warning>), RingError> {
        let mapping = self.map_shared(self.file_bytes(layout)).map_err(failure("mapping", &self.path))?;
        let mut warnings = pages::prepare(&mapping, layout, options);
        warnings.extend(pages::settle(&mapping, layout, options));
        warnings.extend(self.disk_warning());
        Ok((mapping, warnings))
    }

    fn map_shared(&self, file_bytes: usize) -> Result<Mapping, Errno> {
        // A fork between the two calls of `file` would copy the mapping to the child.
        let mapping = hold_off(|| Mapping::file(&self.fd, self.start, file_bytes))?;
        mapping.allow_access()?;
        Ok(mapping)
    }

    /// From now on a forked child has memory of its own in the place of `memory`, which is mapped
    /// from this file; `disown` makes it that of a forked ring.
    pub(crate) fn watch(&self, memory: &Memory, disown: fn(&Memory)) {
        self.fd.watch(memory, self.can_be_copied(), disown);
    }

    /// Maps a file read-only.
    pub(crate) fn map_read_only(&self, layout: &Layout) -> Result<Mapping, RingError> {
        let file_bytes = self.file_bytes(layout);
        Mapping::file_read_only(&self.fd, self.start, file_bytes).map_err(failure("mapping", &self.path))
    }

    /// Another descriptor of the same file, with locks of its own.
    pub(crate) fn reopen(&self, flags: OFlags) -> Result<OwnedFd, RingError> {
        reopen(&self.fd, flags).map_err(failure("opening again", &self.path))
    }

    /// Reads and checks the header.
    pub(in crate::segment) fn contents(&self) -> Result<Contents, RingError> {
        let SegmentFile { fd, path, start, .. } = self;
        let stat = fs::fstat(fd).map_err(failure("examining", path))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(unusable(path, NOT_REGULAR));
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

    /// Bytes of memory that the file takes now.
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

    /// Locks the segment as a user.
    pub(in crate::segment) fn enter(&self) -> Result<(), Errno> {
        lock::set(&self.fd, self.start + OPEN_BYTE, Kind::Shared)
    }

    /// Whether another handle has the segment open.
    pub(crate) fn is_open_elsewhere(&self) -> bool {
        lock::is_held(&self.fd, self.start + OPEN_BYTE)
    }

    /// Locks an entry of the participant table, unless another handle holds its lock.
    pub(crate) fn try_lock(&self, entry: usize) -> bool {
        lock::set(&self.fd, self.entry_byte(entry), Kind::Exclusive).is_ok()
    }

    pub(crate) fn unlock(&self, entry: usize) {
        // Unlocking a range that this description holds cannot fail.
        let _ = lock::set(&self.fd, self.entry_byte(entry), Kind::None);
    }

    /// Whether another handle holds the lock of an entry.
    pub(crate) fn is_locked_elsewhere(&self, entry: usize) -> bool {
        lock::is_held(&self.fd, self.entry_byte(entry))
    }

    fn entry_byte(&self, entry: usize) -> u64 {
        self.start + (ENTRIES_OFFSET + entry * size_of::<Entry>()) as u64
    }

    /// Gives a new file its name, unless another file has it.
    pub(in crate::segment) fn publish(&mut self, keep: bool) -> Result<(), RingError> {
        failpoint::hit(Failpoint::SegmentFilled);
        let nameless = through_proc(&self.fd);
        fs::linkat(fs::CWD, nameless, fs::CWD, &self.path, AtFlags::SYMLINK_FOLLOW)
            .map_err(failure("naming", &self.path))?;
        failpoint::hit(Failpoint::SegmentNamed);
        self.keep = keep;
        Ok(())
    }

    /// Removes the name if no other handle has the segment open. Releases the lock of this one.
    /// Returns whether it removed the name.
    pub(crate) fn remove_if_unused(&self) -> bool {
        // Unlock first: of two users that leave at once and keep their shared locks, neither would
        // be the last.
        let _ = lock::set(&self.fd, self.start + OPEN_BYTE, Kind::None);
        failpoint::hit(Failpoint::SegmentLeft);
        if lock::set(&self.fd, self.start + OPEN_BYTE, Kind::Exclusive).is_err() || !self.is_named() {
            return false;
        }
        failpoint::hit(Failpoint::SegmentUnused);
        fs::unlink(&self.path).is_ok()
    }
}

impl Drop for SegmentFile {
    /// The last user removes the name.
    fn drop(&mut self) {
        if !self.keep {
            // If it fails, the name stays, and `seqring gc` can remove it.
            self.remove_if_unused();
        }
    }
}

/// Opens the file behind a descriptor again.
pub(in crate::segment) fn reopen(fd: &OwnedFd, flags: OFlags) -> Result<OwnedFd, Errno> {
    fs::open(through_proc(fd), flags | OFlags::CLOEXEC, Mode::empty())
}

/// The path of a descriptor of this process.
pub(in crate::segment) fn through_proc(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// The error of an operation on the whole file, by its number.
pub(super) fn failure(doing: &'static str, path: &Path) -> impl Fn(Errno) -> RingError {
    move |error| match error {
        Errno::LOOP => unusable(path, "it is a symbolic link"),
        Errno::ISDIR | Errno::NXIO => unusable(path, NOT_REGULAR),
        error => error::failure(doing, path)(error.into()),
    }
}

/// The error that only says what was being done, whatever its number.
fn io_error(doing: &'static str, path: &Path) -> impl Fn(Errno) -> RingError {
    move |error| RingError::Io { doing, path: path.to_owned(), source: io::Error::from(error) }
}
