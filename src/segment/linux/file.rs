//! A file that holds a segment: its size, its pages, its header, and the locks of its users.
//!
//! | bytes        | exclusive lock                  | shared lock                                |
//! |--------------|---------------------------------|--------------------------------------------|
//! | [`USERS`]    | each handle, on one of them     | the last user while it leaves, on all      |
//! | [`REMOVER`]  | a process that removes the name | –                                          |
//! | of an entry  | its participant                 | a process that recovers the dead one's     |
//! |              |                                 | entry beside a stranger's lock             |
//!
//! A handle that is dropped and gets the shared lock on [`USERS`] was the last user, and removes
//! the name unless the ring's header says to keep it. A stranger that may only read can take shared
//! locks: these refuse exclusive ones, so that no process can open or register, but they neither
//! keep a name nor make a dead participant look alive.

use super::fork::{WatchedFd, hold_off};
use super::lock::{
    self,
    Kind::{Exclusive, None as Unlocked, Shared},
};
use super::pages;
use crate::memory::Memory;
use crate::memory::format::Entry;
use crate::memory::header::Superblock;
use crate::memory::layout::{ENTRIES_OFFSET, Layout};
use crate::memory::mapping::Mapping;
use crate::segment::apart_from_streams;
use crate::segment::error::{self, LINK, NOT_REGULAR, not_found, stuck_leaver, unusable};
use crate::sync::failpoint::{self, Failpoint};
use crate::types::error::{RingError, Warning};
use crate::types::open_options::OpenOptions;
use rustix::fd::OwnedFd;
use rustix::fs::{self, AtFlags, FileType, Gid, Mode, OFlags, RenameFlags, Stat};
use rustix::io::{Errno, retry_on_intr};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, RawFd};
use std::path::{Path, PathBuf};
use zerocopy::{FromBytes, IntoBytes};

/// An exclusive lock on one of these bytes means that a handle has the file open.
const USERS: Range<u64> = 1 << 62..(1 << 62) + (1 << 32);
/// An exclusive lock on this byte means that a process removes the name.
const REMOVER: Range<u64> = 0..1;
/// An opener tries so often, with a yield between, while the last user removes the name: some ms.
const ENTER_TRIES: usize = 10_000;

/// An open segment file.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    pub(in crate::segment) fd: WatchedFd,
    /// Where it is; in errors also of a file that has no name.
    pub(in crate::segment) path: PathBuf,
    /// Where it is until it is published, if it has a name then.
    pub(in crate::segment) draft: Option<PathBuf>,
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
        Ok(SegmentFile { fd, path: path.into(), draft: None, start, keep: true })
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
        self.check_space(file_bytes, &resident)?;
        retry_on_intr(|| fs::ftruncate(fd, self.start + file_bytes as u64))
            .map_err(failure("sizing", path))?;
        let mapping =
            self.map_shared(file_bytes).map_err(|error| self.map_failure(error, file_bytes, &resident))?;
        let mut warnings = pages::prepare(&mapping, layout, options);
        self.back(resident).inspect_err(|_| {
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
        let file_bytes = self.file_bytes(layout);
        let resident = 0..layout.resident_bytes as u64;
        let mapping =
            self.map_shared(file_bytes).map_err(|error| self.map_failure(error, file_bytes, &resident))?;
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
        Mapping::file_read_only(&self.fd, self.start, file_bytes)
            .map_err(|error| self.map_failure(error, file_bytes, &(0..0)))
    }

    /// Another descriptor of the same file, with locks of its own.
    pub(crate) fn reopen(&self, flags: OFlags) -> Result<OwnedFd, RingError> {
        reopen(&self.fd, &self.path, flags)
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
        let read = retry_on_intr(|| rustix::io::pread(fd, &mut header[..], *start));
        let read = read.map_err(failure("reading", path))?;
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

    /// Locks the file as a user. From then on, no other user removes the name as the last one.
    ///
    /// # Errors
    /// [`RingError::Unusable`] while the last user is suspended just before it removes the name, or
    /// while a process that may only read holds a shared lock.
    pub(in crate::segment) fn enter(&self) -> Result<(), RingError> {
        enter(&self.fd, &self.path)
    }

    /// Whether another handle has the segment open.
    pub(crate) fn is_open_elsewhere(&self) -> bool {
        lock::conflict(&self.fd, USERS, Shared).is_some()
    }

    /// Locks an entry of the participant table, unless another handle holds its lock, or a
    /// [stranger](Self::is_obstructed) one.
    pub(crate) fn try_lock(&self, entry: usize) -> bool {
        lock::set(&self.fd, self.entry_byte(entry), Exclusive).is_ok()
    }

    /// As [`Self::try_lock`], beside the locks of strangers and of others that hold it so.
    pub(crate) fn try_share(&self, entry: usize) -> bool {
        lock::set(&self.fd, self.entry_byte(entry), Shared).is_ok()
    }

    pub(crate) fn unlock(&self, entry: usize) {
        // Unlocking a range that this description holds cannot fail.
        let _ = lock::set(&self.fd, self.entry_byte(entry), Unlocked);
    }

    /// Whether another handle holds the lock of an entry.
    pub(crate) fn is_locked_elsewhere(&self, entry: usize) -> bool {
        lock::conflict(&self.fd, self.entry_byte(entry), Shared).is_some()
    }

    /// Whether a shared lock of a process that is no participant keeps an entry from being locked.
    pub(crate) fn is_obstructed(&self, entry: usize) -> bool {
        lock::conflict(&self.fd, self.entry_byte(entry), Exclusive) == Some(Shared)
    }

    fn entry_byte(&self, entry: usize) -> Range<u64> {
        let byte = self.start + (ENTRIES_OFFSET + entry * size_of::<Entry>()) as u64;
        byte..byte + 1
    }

    /// Gives a new file its name, unless another file has it.
    pub(in crate::segment) fn publish(&mut self, keep: bool) -> Result<(), RingError> {
        failpoint::hit(Failpoint::SegmentFilled);
        let named = match &self.draft {
            None => {
                let nameless = through_proc(&self.fd);
                fs::linkat(fs::CWD, nameless, fs::CWD, &self.path, AtFlags::SYMLINK_FOLLOW)
            }
            Some(draft) => {
                match fs::renameat_with(fs::CWD, draft, fs::CWD, &self.path, RenameFlags::NOREPLACE) {
                    // The file system has no such flag. A killed process leaves the second name.
                    Err(Errno::INVAL | Errno::NOSYS) => fs::link(draft, &self.path),
                    named => named,
                }
            }
        };
        named.map_err(failure("naming", &self.path))?;
        self.remove_draft();
        failpoint::hit(Failpoint::SegmentNamed);
        self.keep = keep;
        Ok(())
    }

    fn remove_draft(&mut self) {
        if let Some(draft) = self.draft.take() {
            let _ = fs::unlink(draft);
        }
    }

    /// Another user of the same file.
    pub(crate) fn hold(&self) -> Result<Hold, RingError> {
        let (fd, path) = (self.reopen(OFlags::RDWR)?, self.path.clone());
        enter(&fd, &path)?;
        Ok(Hold { fd, path, start: self.start })
    }

    /// Ends the use by this handle: the last user removes the name, unless it is to be kept.
    pub(crate) fn leave(&self) {
        if !self.keep {
            // If it fails, the name stays, and `seqring gc` of a user that may can remove it.
            let _ = self.remove_if_unused();
        }
    }

    /// Removes the name if no other handle has the segment open. Releases the lock of this one.
    /// Returns whether it removed the name.
    pub(in crate::segment) fn remove_if_unused(&self) -> Result<bool, RingError> {
        // Unlock first: of two users that leave at once and keep their locks, neither would be the
        // last.
        let _ = lock::set(&self.fd, USERS, Unlocked);
        failpoint::hit(Failpoint::SegmentLeft);
        // From here on no process can open the file.
        if lock::set(&self.fd, USERS, Shared).is_err() || !self.exclude_removers() || !self.is_named() {
            return Ok(false);
        }
        failpoint::hit(Failpoint::SegmentUnused);
        fs::unlink(&self.path).map_err(failure("removing", &self.path)).map(|()| true)
    }

    /// Removes the name, whether or not the file is open elsewhere.
    pub(in crate::segment) fn remove(&self) -> Result<(), RingError> {
        for _ in 0..ENTER_TRIES {
            if self.exclude_removers() {
                if self.is_named() {
                    failpoint::hit(Failpoint::SegmentUnused);
                    return fs::unlink(&self.path).map_err(failure("removing", &self.path));
                }
                return Err(not_found(self.path.clone()));
            }
            std::thread::yield_now();
        }
        Err(stuck_leaver(&self.path))
    }

    /// Excludes other processes that remove the name, until the file is closed. Of two that find
    /// the name at once, the later one would remove that of the next segment. False while another
    /// process holds the lock. A stranger's shared lock keeps no process from removing the name.
    fn exclude_removers(&self) -> bool {
        lock::set(&self.fd, REMOVER, Exclusive).is_ok() || lock::conflict(&self.fd, REMOVER, Shared).is_none()
    }
}

/// See [`SegmentFile::enter`].
fn enter(fd: &OwnedFd, path: &Path) -> Result<(), RingError> {
    for _ in 0..ENTER_TRIES {
        // Random: two users that choose the same byte try again.
        let byte = USERS.start + u64::from(RandomState::new().hash_one(()) as u32);
        let entered = lock::set(fd, byte..byte + 1, Exclusive);
        match entered {
            Ok(()) => return Ok(()),
            Err(Errno::AGAIN | Errno::ACCESS) => std::thread::yield_now(),
            Err(error) => return Err(failure("locking", path)(error)),
        }
    }
    if lock::conflict(fd, REMOVER, Shared).is_some() {
        return Err(stuck_leaver(path));
    }
    let reason = "another process holds a shared lock on it, which a process that may only read it \
                  can take; end that process (`fuser` lists those that have the file open), or \
                  remove the file";
    Err(unusable(path, reason))
}

/// A user of a segment file that a forked child inherits.
#[derive(Debug)]
pub(crate) struct Hold {
    fd: OwnedFd,
    path: PathBuf,
    start: u64,
}

impl Hold {
    /// The file, of which forked children inherit nothing. Dropping it does not remove the name.
    pub(in crate::segment) fn into_file(self) -> Result<SegmentFile, RingError> {
        SegmentFile::of(|| Ok(self.fd), &self.path, self.start)
    }
}

impl Drop for SegmentFile {
    fn drop(&mut self) {
        self.remove_draft();
        self.leave();
    }
}

/// Opens a file, and again if a signal interrupts that, as on the file system of a server.
pub(super) fn open(path: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
    apart_from_streams(|| retry_on_intr(|| fs::open(path, flags | OFlags::CLOEXEC, mode)))
}

/// Opens the file behind a descriptor again, which is at `path`.
pub(in crate::segment) fn reopen(fd: &OwnedFd, path: &Path, flags: OFlags) -> Result<OwnedFd, RingError> {
    let opened = open(Path::new(&through_proc(fd)), flags, Mode::empty());
    opened.map_err(|error| match error {
        Errno::NOENT => io_error("opening again, through /proc/self/fd, which is not there,", path)(error),
        error => failure("opening again", path)(error),
    })
}

/// The path of a descriptor of this process.
pub(in crate::segment) fn through_proc(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// The error of an operation on the whole file, by its number.
pub(super) fn failure(doing: &'static str, path: &Path) -> impl Fn(Errno) -> RingError {
    move |error| match error {
        Errno::LOOP => unusable(path, LINK),
        Errno::ISDIR | Errno::NXIO => unusable(path, NOT_REGULAR),
        error => error::failure(doing, path)(error.into()),
    }
}

/// The error that only says what was being done, whatever its number.
fn io_error(doing: &'static str, path: &Path) -> impl Fn(Errno) -> RingError {
    move |error| RingError::Io { doing, path: path.to_owned(), source: io::Error::from(error) }
}
