//! Segments with a name: files in `/dev/shm`.
//!
//! A segment is built in a file that has no name yet (`O_TMPFILE`) and gets its name by one `linkat`: nobody
//! ever opens a half-built one, and a creator that is killed leaves nothing. Its pages are allocated before
//! anything is written to them (`fallocate`), so a full file system is a clean error now and never a `SIGBUS`
//! later.
//!
//! Every handle holds a shared lock on the file's first byte. Whoever drops his handle and gets that byte
//! exclusively was the last one, and removes the name. An opener who gets his shared lock checks that the name
//! still leads to the file he opened; if not, somebody just removed it, and he looks again.

use super::Mapping;
use super::lock::{self, Kind};
use crate::error::RingError;
use crate::format::Entry;
use crate::layout::{ENTRIES_OFFSET, Layout};
use crate::superblock::Superblock;
use rustix::fd::OwnedFd;
use rustix::fs::{self, AtFlags, FallocateFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use zerocopy::{FromBytes, IntoBytes};

const DIRECTORY: &str = "/dev/shm";
const SUFFIX: &str = ".seqring";
const NAME_BYTES: usize = 200;
const NOT_REGULAR: &str = "it is not a regular file";
/// How often an opener looks again, with a yield between, while somebody removes the name: some ms.
const OPEN_TRIES: usize = 10_000;
/// The byte whose shared lock says "somebody has this segment open".
const OPEN_BYTE: u64 = 0;

/// A segment that has everything but its name.
pub(crate) struct Draft {
    file: SegmentFile,
}

impl Draft {
    /// Allocates the file and writes its header. Nobody can see it yet.
    pub(crate) fn new(
        name: &str,
        superblock: &Superblock,
        layout: &Layout,
    ) -> Result<(Self, Mapping), RingError> {
        let path = path_of(name)?;
        // `publish` decides; but whoever can be told now need not have a whole segment allocated first.
        if fs::lstat(&path).is_ok() {
            return Err(RingError::AlreadyExists { path });
        }
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let fd = fs::open(DIRECTORY, flags, Mode::RUSR | Mode::WUSR).map_err(failure("creating", &path))?;
        fs::ftruncate(&fd, layout.total_bytes as u64).map_err(failure("sizing", &path))?;
        allocate(&fd, 0..layout.resident_bytes as u64, &path)?;
        rustix::io::pwrite(&fd, superblock.as_bytes(), 0).map_err(failure("writing", &path))?;
        let mapping = Mapping::file(&fd, layout.total_bytes).map_err(failure("mapping", &path))?;
        lock::set(&fd, OPEN_BYTE, Kind::Shared).map_err(failure("locking", &path))?;
        Ok((Draft { file: SegmentFile::new(path, fd) }, mapping))
    }

    /// Gives the segment its name, at once and only if nobody else has it.
    pub(crate) fn publish(self) -> Result<SegmentFile, RingError> {
        let SegmentFile { path, fd, .. } = &self.file;
        let nameless = format!("/proc/self/fd/{}", fd.as_raw_fd());
        match fs::linkat(fs::CWD, nameless, fs::CWD, path, AtFlags::SYMLINK_FOLLOW) {
            Ok(()) => Ok(self.file),
            Err(error) => Err(failure("naming", path)(error)),
        }
    }
}

/// An open segment file: its locks, and its name.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    path: PathBuf,
    fd: OwnedFd,
    /// The process that opened it: a fork's child shares the locks of its parent, but they are not its own.
    pid: u32,
}

impl SegmentFile {
    fn new(path: PathBuf, fd: OwnedFd) -> Self {
        SegmentFile { path, fd, pid: std::process::id() }
    }

    /// Whether this came by a fork.
    pub(crate) fn is_inherited(&self) -> bool {
        self.pid != std::process::id()
    }

    /// Opens the segment of that name and reads what its header describes.
    pub(crate) fn open(name: &str) -> Result<(Self, Layout), RingError> {
        let path = path_of(name)?;
        for _ in 0..OPEN_TRIES {
            let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
            let fd = fs::open(&path, flags, Mode::empty()).map_err(failure("opening", &path))?;
            let stat = fs::fstat(&fd).map_err(failure("examining", &path))?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                return Err(unusable(&path, NOT_REGULAR.into()));
            }
            match lock::set(&fd, OPEN_BYTE, Kind::Shared) {
                Ok(()) if leads_to(&path, &fd) => {
                    let layout = read_layout(&fd, stat.st_size.cast_unsigned(), &path)?;
                    return Ok((SegmentFile::new(path, fd), layout));
                }
                // Somebody is removing the name at this moment, or just did: look again.
                Ok(()) | Err(Errno::AGAIN | Errno::ACCESS) => std::thread::yield_now(),
                Err(error) => return Err(failure("locking", &path)(error)),
            }
        }
        Err(unusable(&path, "somebody who is leaving holds it, and does not go on".into()))
    }

    pub(crate) fn map(&self, layout: &Layout) -> Result<Mapping, RingError> {
        Mapping::file(&self.fd, layout.total_bytes).map_err(failure("mapping", &self.path))
    }

    /// Backs a range of the file with pages.
    pub(crate) fn allocate(&self, range: Range<usize>) -> Result<(), RingError> {
        allocate(&self.fd, range.start as u64..range.end as u64, &self.path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the lock that goes with an entry of the participant table, if nobody has it.
    pub(crate) fn try_lock(&self, entry: usize) -> bool {
        lock::set(&self.fd, entry_byte(entry), Kind::Exclusive).is_ok()
    }

    pub(crate) fn unlock(&self, entry: usize) {
        // Unlocking a range that this description holds cannot fail.
        let _ = lock::set(&self.fd, entry_byte(entry), Kind::None);
    }
}

impl Drop for SegmentFile {
    /// The last one out removes the name.
    fn drop(&mut self) {
        if self.is_inherited() {
            return; // The descriptor is closed; the locks and the name are the parent's business.
        }
        // Let go first: of two that leave at once and keep their shared locks, neither would get the other's byte.
        let _ = lock::set(&self.fd, OPEN_BYTE, Kind::None);
        if lock::set(&self.fd, OPEN_BYTE, Kind::Exclusive).is_ok() && leads_to(&self.path, &self.fd) {
            // Nobody is there to be told of a failure; the name stays, and `unlink` can remove it.
            let _ = fs::unlink(&self.path);
        }
    }
}

/// Removes the name, so that nobody can open the segment any more; who has it keeps it.
pub(crate) fn unlink(name: &str) -> Result<(), RingError> {
    let path = path_of(name)?;
    fs::unlink(&path).map_err(failure("removing", &path))
}

fn entry_byte(entry: usize) -> u64 {
    (ENTRIES_OFFSET + entry * size_of::<Entry>()) as u64
}

fn path_of(name: &str) -> Result<PathBuf, RingError> {
    let refuse = |reason| Err(RingError::Name { name: name.into(), reason });
    if name.is_empty() {
        return refuse("it is empty");
    }
    if name.len() > NAME_BYTES {
        return refuse("it is longer than 200 bytes");
    }
    if name.starts_with('.') || name.bytes().any(|b| b == b'/' || b.is_ascii_control()) {
        return refuse("it must not begin with a dot or hold a slash or a control character");
    }
    Ok(Path::new(DIRECTORY).join(format!("{name}{SUFFIX}")))
}

/// Backs a range of the file with pages, or says how many bytes are missing.
fn allocate(fd: &OwnedFd, range: Range<u64>, path: &Path) -> Result<(), RingError> {
    let bytes = range.end - range.start;
    // Taken before: after a failure the figures would count what it left allocated.
    let available = fs::fstatvfs(fd).map_or(0, |stat| stat.f_bavail.saturating_mul(stat.f_frsize));
    let no_space = || RingError::NoSpace { path: DIRECTORY.into(), wanted: bytes, available };
    if bytes > available {
        return Err(no_space());
    }
    fs::fallocate(fd, FallocateFlags::empty(), range.start, bytes).map_err(|error| match error {
        Errno::NOSPC | Errno::FBIG => no_space(),
        error => failure("allocating", path)(error),
    })
}

fn read_layout(fd: &OwnedFd, file_bytes: u64, path: &Path) -> Result<Layout, RingError> {
    let mut header = [0; size_of::<Superblock>()];
    let read = rustix::io::pread(fd, &mut header[..], 0).map_err(failure("reading", path))?;
    if read < header.len() {
        return Err(unusable(path, format!("it has {file_bytes} bytes, less than a header")));
    }
    let superblock = Superblock::read_from_bytes(&header[..]).expect("the array has its size");
    superblock.layout(file_bytes).map_err(|reason| unusable(path, reason))
}

/// Whether `path` names the very file that `fd` has open.
fn leads_to(path: &Path, fd: &OwnedFd) -> bool {
    let (Ok(named), Ok(opened)) = (fs::lstat(path), fs::fstat(fd)) else {
        return false;
    };
    (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)
}

fn unusable(path: &Path, reason: String) -> RingError {
    RingError::Unusable { path: path.into(), reason }
}

/// The error of this crate for an error of the system.
fn failure(doing: &'static str, path: &Path) -> impl Fn(Errno) -> RingError {
    move |error| {
        let path = path.to_owned();
        match error {
            Errno::EXIST => RingError::AlreadyExists { path },
            Errno::NOENT => RingError::NotFound { path },
            Errno::ACCESS | Errno::PERM => RingError::PermissionDenied { path },
            Errno::LOOP => unusable(&path, "it is a symbolic link".into()),
            Errno::ISDIR | Errno::NXIO => unusable(&path, NOT_REGULAR.into()),
            error => RingError::Io { doing, path, source: io::Error::from(error) },
        }
    }
}
