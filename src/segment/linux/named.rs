//! Segments with a name, on Linux: files in `/dev/shm` or another directory.
//!
//! A segment is built in a file without a name (`O_TMPFILE`) and gets its name by one `linkat`. So
//! no process opens an incomplete one, and a creator that is killed leaves nothing.
//!
//! An opener that has its shared lock on the file checks that the name still leads to that file. If
//! not, the last user just removed it, and the opener tries again.

use super::file::{Contents, SegmentFile, failure};
use crate::memory::header::Superblock;
use crate::memory::layout::Layout;
use crate::segment::backing::{Backing, Draft, Opened};
use crate::segment::error::{NOT_REGULAR, stuck_leaver, unusable};
use crate::sync::failpoint::{self, Failpoint};
use crate::types::error::RingError;
use crate::types::open_options::OpenOptions;
use rustix::fs::{self, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An opener tries so often, with a yield between, while the last user removes the name: some ms.
const OPEN_TRIES: usize = 10_000;
/// The mode bits that let other users write.
const OTHERS_WRITE: u32 = 0o022;

/// Creates a segment, complete except for its name.
pub(in crate::segment) fn draft(
    path: PathBuf,
    superblock: &Superblock,
    layout: &Layout,
    options: &OpenOptions,
) -> Result<Draft, RingError> {
    // `publish` decides. This check saves the allocation of a whole segment in the common case.
    if fs::lstat(&path).is_ok() {
        return Err(RingError::AlreadyExists { path });
    }
    let directory = path.parent().expect("a location's path has a directory");
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let open = || {
        fs::open(directory, flags, Mode::RUSR | Mode::WUSR).map_err(|error| match error {
            Errno::OPNOTSUPP | Errno::ISDIR => {
                unusable(directory, "its file system has no files without names; use tmpfs or hugetlbfs")
            }
            error => failure("creating a file in", directory)(error),
        })
    };
    let file = SegmentFile::of(open, &path, 0)?;
    let (mapping, warnings) = file.fill(superblock, layout, options)?;
    file.enter().map_err(failure("locking", &file.path))?;
    Ok(Draft { mapping: Arc::new(mapping), warnings, backing: Backing::File(file) })
}

/// Opens the segment at that path.
pub(in crate::segment) fn open(path: &Path, options: &OpenOptions) -> Result<Opened, RingError> {
    let mut file = enter(path, OFlags::RDWR)?;
    let Contents { layout, stat, .. } = file.contents()?;
    check_owner(&file.path, stat.st_uid, stat.st_mode)?;
    file.keep = layout.config.keep; // From here on this may be the last user.
    let (mapping, warnings) = file.map(&layout, options)?;
    Ok(Opened { mapping, layout, warnings, backing: Backing::File(file) })
}

/// Opens the file at that path and locks it as a user: no other user removes the name as the last
/// one. It may not be a segment, so dropping it does not remove the name either.
fn enter(path: &Path, access: OFlags) -> Result<SegmentFile, RingError> {
    for _ in 0..OPEN_TRIES {
        let file = SegmentFile::of(|| open_regular(path, access), path, 0)?;
        let entered = file.enter();
        failpoint::hit(Failpoint::SegmentEntered);
        match entered {
            Ok(()) if file.is_named() => return Ok(file),
            // The last user is removing the name, or just did: try again.
            Ok(()) | Err(Errno::AGAIN | Errno::ACCESS) => std::thread::yield_now(),
            Err(error) => return Err(failure("locking", path)(error)),
        }
    }
    Err(stuck_leaver(path))
}

/// Opens the segment at that path read-only, without a lock: its users are not affected, and the
/// last one removes the name.
pub(crate) fn inspect(path: &Path) -> Result<(SegmentFile, Contents), RingError> {
    let file = SegmentFile::of(|| open_regular(path, OFlags::RDONLY), path, 0)?;
    let contents = file.contents()?;
    Ok((file, contents))
}

/// Removes the segment at that path if no process has it open, and its ring is not to be kept or
/// `kept_too`. Returns whether it did.
pub(in crate::segment) fn remove_unused(path: &Path, kept_too: bool) -> Result<bool, RingError> {
    let file = SegmentFile::of(|| open_regular(path, OFlags::RDWR), path, 0)?;
    let kept = file.contents()?.layout.config.keep;
    Ok((kept_too || !kept) && file.remove_if_unused())
}

/// Removes the name, so that no process can open the segment any more. Processes that have it open
/// keep it.
pub(in crate::segment) fn unlink(path: &Path) -> Result<(), RingError> {
    // Entered as a user, so that no last user removes the name meanwhile: then this would remove
    // the next segment's.
    let _entered = enter(path, OFlags::RDONLY)?;
    fs::unlink(path).map_err(failure("removing", path))
}

/// Opens a regular file: follows no symbolic link, and does not wait for the other end of a pipe.
fn open_regular(path: &Path, access: OFlags) -> Result<rustix::fd::OwnedFd, RingError> {
    let flags = access | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let fd = fs::open(path, flags, Mode::empty()).map_err(failure("opening", path))?;
    let stat = fs::fstat(&fd).map_err(failure("examining", path))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(unusable(path, NOT_REGULAR));
    }
    Ok(fd)
}

/// Another user's segment is opened only if its mode lets others write. The kernel does not check
/// that for root.
fn check_owner(path: &Path, owner: u32, mode: u32) -> Result<(), RingError> {
    let user = rustix::process::geteuid().as_raw();
    if owner == user || mode & OTHERS_WRITE != 0 {
        return Ok(());
    }
    Err(RingError::ForeignOwner { path: path.into(), owner, user, mode: mode & 0o777 })
}
