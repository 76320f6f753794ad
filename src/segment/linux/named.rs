//! Segments with a name, on Linux: files in `/dev/shm` or another directory.
//!
//! A segment is built in a file that has no name yet (`O_TMPFILE`) and gets its name by one `linkat`: nobody
//! ever opens a half-built one, and a creator that is killed leaves nothing. Its pages are allocated before
//! anything is written to them (`fallocate`), so a full file system is a clean error now and never a `SIGBUS`
//! later.
//!
//! An opener who gets his shared lock on the file checks that the name still leads to the file he opened; if not,
//! somebody just removed it, and he looks again.

use super::file::{Contents, SegmentFile, failure, through_proc, unusable};
use crate::memory::header::Superblock;
use crate::memory::layout::Layout;
use crate::segment::{Backing, Draft, LEAVER_STAYS, Opened};
use crate::sync::failpoint::{self, Failpoint};
use crate::types::error::RingError;
use crate::types::open_options::OpenOptions;
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How often an opener looks again, with a yield between, while somebody removes the name: some ms.
const OPEN_TRIES: usize = 10_000;
/// What others are let do to a file, by its mode.
const OTHERS_WRITE: u32 = 0o022;

/// Everything but the name.
pub(in crate::segment) fn draft(
    path: PathBuf,
    superblock: &Superblock,
    layout: &Layout,
    options: &OpenOptions,
) -> Result<Draft, RingError> {
    // `publish` decides; but whoever can be told now need not have a whole segment allocated first.
    if fs::lstat(&path).is_ok() {
        return Err(RingError::AlreadyExists { path });
    }
    let directory = path.parent().expect("a location's path has a directory");
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let fd = fs::open(directory, flags, Mode::RUSR | Mode::WUSR).map_err(|error| match error {
        Errno::OPNOTSUPP | Errno::ISDIR => {
            unusable(directory, "its file system has no files without names; use tmpfs or hugetlbfs".into())
        }
        error => failure("creating a file in", directory)(error),
    })?;
    let file = SegmentFile::of(fd, path, 0);
    let (mapping, warnings) = file.fill(superblock, layout, options)?;
    file.enter().map_err(failure("locking", &file.path))?;
    Ok(Draft { mapping: Arc::new(mapping), warnings, backing: Backing::File(file) })
}

/// Gives a file its name, at once and only if nobody else has it.
pub(in crate::segment) fn publish(file: &SegmentFile) -> Result<(), RingError> {
    failpoint::at(Failpoint::SegmentFilled);
    let nameless = through_proc(&file.fd);
    fs::linkat(fs::CWD, nameless, fs::CWD, &file.path, AtFlags::SYMLINK_FOLLOW)
        .map_err(failure("naming", &file.path))?;
    failpoint::at(Failpoint::SegmentNamed);
    Ok(())
}

/// Opens the segment of that path.
pub(in crate::segment) fn open(path: &Path, options: &OpenOptions) -> Result<Opened, RingError> {
    let mut file = enter(path, OFlags::RDWR)?;
    let Contents { layout, stat, .. } = file.contents()?;
    check_owner(&file.path, stat.st_uid, stat.st_mode)?;
    file.keep = layout.config.keep; // From here on we may be the last one out.
    let (mapping, warnings) = file.map(&layout, options)?;
    Ok(Opened { mapping, layout, warnings, backing: Backing::File(file) })
}

/// Opens the file of that path as one of its users: nobody else removes the name as the last one out. Not known to be one
/// of ours yet, it is not ours to remove either.
fn enter(path: &Path, access: OFlags) -> Result<SegmentFile, RingError> {
    for _ in 0..OPEN_TRIES {
        let file = SegmentFile::of(open_regular(path, access)?, path, 0);
        let entered = file.enter();
        failpoint::at(Failpoint::SegmentEntered);
        match entered {
            Ok(()) if file.is_named() => return Ok(file),
            // Somebody is removing the name at this moment, or just did: look again.
            Ok(()) | Err(Errno::AGAIN | Errno::ACCESS) => std::thread::yield_now(),
            Err(error) => return Err(failure("locking", path)(error)),
        }
    }
    Err(unusable(path, LEAVER_STAYS.into()))
}

/// Opens the segment of that path to be looked at: nobody notices, nobody is held up, and the name is not kept.
pub(crate) fn look_at(path: &Path) -> Result<(SegmentFile, Contents), RingError> {
    let file = SegmentFile::of(open_regular(path, OFlags::RDONLY)?, path, 0);
    let contents = file.contents()?;
    Ok((file, contents))
}

/// Removes the segment of that path if nobody has it open and its ring is not to be kept. Says whether it did.
pub(crate) fn remove_unused(path: &Path, kept_too: bool) -> Result<bool, RingError> {
    let file = SegmentFile::of(open_regular(path, OFlags::RDWR)?, path, 0);
    let kept = file.contents()?.layout.config.keep;
    Ok((kept_too || !kept) && file.remove_if_unused())
}

/// Removes the name, so that nobody can open the segment any more; who has it keeps it.
pub(in crate::segment) fn unlink(path: &Path) -> Result<(), RingError> {
    // As its user: whoever is about to remove the name as the last one out would remove that of the next segment.
    let _entered = enter(path, OFlags::RDONLY)?;
    fs::unlink(path).map_err(failure("removing", path))
}

/// Opens what is there, if that is a file: no link is followed, and nothing waits for a pipe's other end.
fn open_regular(path: &Path, access: OFlags) -> Result<rustix::fd::OwnedFd, RingError> {
    let flags = access | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let fd = fs::open(path, flags, Mode::empty()).map_err(failure("opening", path))?;
    let stat = fs::fstat(&fd).map_err(failure("examining", path))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(unusable(path, super::file::NOT_REGULAR.into()));
    }
    Ok(fd)
}

/// Another user's segment is opened only if its mode lets others in: root, whom the kernel lets in everywhere, does not
/// stumble into one either.
fn check_owner(path: &Path, owner: u32, mode: u32) -> Result<(), RingError> {
    let user = rustix::process::geteuid().as_raw();
    if owner == user || mode & OTHERS_WRITE != 0 {
        return Ok(());
    }
    Err(RingError::ForeignOwner { path: path.into(), owner, user, mode: mode & 0o777 })
}
