//! Segments with a name, on Linux: files in `/dev/shm` or another directory.
//!
//! A segment is built in a file without a name (`O_TMPFILE`) and gets its name by one `linkat`. So
//! no process opens an incomplete one, and a creator that is killed leaves nothing. Where there are
//! no such files, or no `/proc` to name one by, the file is a hidden draft that is renamed. The
//! draft of a killed creator is removed by the next creator that makes one there, and by
//! `seqring gc`.
//!
//! An opener checks and maps the file before it locks it as a user: an opener that is refused has
//! not taken part, so it cannot be the last user, which removes the name. After it locked the file,
//! it checks that the name still leads there. If not, the last user just removed it, and the opener
//! tries again.

use super::file::{self, Contents, Hold, SegmentFile, failure};
use crate::memory::header::Superblock;
use crate::memory::layout::Layout;
use crate::segment::backing::{Backing, Draft, Opened};
use crate::segment::error::{NOT_REGULAR, check_config, not_created, stuck_leaver, taken, unusable};
use crate::sync::failpoint::{self, Failpoint};
use crate::types::config::Config;
use crate::types::error::RingError;
use crate::types::open_options::OpenOptions;
use rustix::fs::{self, Access, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An opener tries so often to find a file that keeps its name until it is open.
const OPEN_TRIES: usize = 1000;
/// The end of the names of files that get their own name later.
const DRAFT: &str = ".seqring-draft";
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
        return Err(inspect(&path).err().filter(is_unusable).unwrap_or_else(|| taken(&path)));
    }
    let file = new_file(path)?;
    let (mapping, warnings) = file.fill(superblock, layout, options)?;
    Ok(Draft { mapping: Arc::new(mapping), warnings, backing: Backing::File(file) })
}

/// A file that no process opens as a ring yet, locked as by a user.
fn new_file(path: PathBuf) -> Result<SegmentFile, RingError> {
    let directory = path.parent().expect("a location's path has a directory").to_owned();
    let (access, mode) = (OFlags::RDWR, Mode::RUSR | Mode::WUSR);
    if fs::access("/proc/self/fd", Access::EXISTS).is_ok() {
        let mut refused = None;
        let open = || {
            file::open(&directory, OFlags::TMPFILE | access, mode).map_err(|error| {
                refused = Some(error);
                not_created(&directory, failure("creating a file in", &directory)(error))
            })
        };
        match SegmentFile::of(open, &path, 0) {
            Ok(file) => return file.enter().map(|()| file),
            Err(_) if matches!(refused, Some(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL)) => {}
            Err(error) => return Err(error),
        }
    }
    let _ = remove_drafts(&directory); // The directory may be closed to readers.
    for _ in 0..OPEN_TRIES {
        let draft = directory.join(format!(".{:016x}{DRAFT}", RandomState::new().hash_one(())));
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | access;
        let failed = |error| not_created(&directory, failure("creating", &draft)(error));
        let open = || file::open(&draft, flags, mode).map_err(failed);
        let mut file = SegmentFile::of(open, &draft, 0)?;
        file.enter()?;
        // Another process may have found it before it was locked, and removed it.
        if file.is_named() {
            (file.path, file.draft) = (path, Some(draft));
            return Ok(file);
        }
    }
    Err(unusable(&directory, "other processes remove each new file there"))
}

/// Removes what creators of this user left that were killed before their segment had its name. Only
/// where a file needs a name from the beginning. Returns how many there were.
pub(crate) fn remove_drafts(directory: &Path) -> std::io::Result<usize> {
    let mut removed = 0;
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if !path.as_os_str().to_string_lossy().ends_with(DRAFT) {
            continue;
        }
        let Ok(file) = SegmentFile::of(|| open_regular(&path, OFlags::RDWR), &path, 0) else { continue };
        let own = fs::fstat(&file.fd).is_ok_and(|stat| stat.st_uid == rustix::process::geteuid().as_raw());
        // A draft is locked as by a user while its creator lives.
        removed += usize::from(own && file.remove_if_unused().unwrap_or(false));
    }
    Ok(removed)
}

/// Opens a held segment, also if its name was removed.
pub(crate) fn open_held(hold: Hold) -> Result<Opened, RingError> {
    let mut file = hold.into_file()?;
    let Contents { layout, .. } = file.contents()?;
    let (mapping, warnings) = file.map(&layout, &OpenOptions::new())?;
    file.keep = layout.config.keep;
    Ok(Opened { mapping, layout, warnings, backing: Backing::File(file) })
}

/// Opens the segment at that path, which must have the configuration `wanted`, if there is one.
pub(in crate::segment) fn open(
    path: &Path,
    wanted: Option<&Config>,
    options: &OpenOptions,
) -> Result<Opened, RingError> {
    for _ in 0..OPEN_TRIES {
        let mut file = SegmentFile::of(|| open_regular(path, OFlags::RDWR), path, 0)?;
        let Contents { layout, stat, .. } = contents(&file)?;
        check_owner(path, stat.st_uid, stat.st_mode)?;
        check_config(path, &layout.config, wanted)?;
        let (mapping, warnings) = file.map(&layout, options)?;
        file.enter()?; // Last: nothing is refused from here on.
        failpoint::hit(Failpoint::SegmentEntered);
        if file.is_named() {
            file.keep = layout.config.keep;
            return Ok(Opened { mapping, layout, warnings, backing: Backing::File(file) });
        }
    }
    Err(stuck_leaver(path))
}

/// Opens the segment at that path read-only, without a lock: its users are not affected, and the
/// last one removes the name.
pub(crate) fn inspect(path: &Path) -> Result<(SegmentFile, Contents), RingError> {
    let file = SegmentFile::of(|| open_regular(path, OFlags::RDONLY), path, 0)?;
    let contents = contents(&file)?;
    Ok((file, contents))
}

/// The checked header of a file under a name. No call of the library replaces another file.
fn contents(file: &SegmentFile) -> Result<Contents, RingError> {
    file.contents().map_err(|error| match error {
        RingError::Unusable { path, reason } => {
            unusable(&path, format!("{reason}; remove the file, or use another name"))
        }
        error => error,
    })
}

fn is_unusable(error: &RingError) -> bool {
    matches!(error, RingError::Unusable { .. })
}

/// Whether [`remove_unused`] would remove the segment at that path, if it is not to be kept.
pub(in crate::segment) fn is_unused(path: &Path) -> Result<bool, RingError> {
    let (file, contents) = inspect(path)?;
    Ok(!contents.layout.config.keep && !file.is_open_elsewhere())
}

/// Removes the segment at that path if no process has it open, and its ring is not to be kept or
/// `kept_too`. Returns whether it did.
pub(in crate::segment) fn remove_unused(path: &Path, kept_too: bool) -> Result<bool, RingError> {
    let file = SegmentFile::of(|| open_regular(path, OFlags::RDWR), path, 0)?;
    let kept = contents(&file)?.layout.config.keep;
    if kept && !kept_too { Ok(false) } else { file.remove_if_unused() }
}

/// Removes the name of the file that it leads to now. Processes that have the segment open keep it.
pub(in crate::segment) fn unlink(path: &Path) -> Result<(), RingError> {
    // Without the right to write there is no lock that excludes another remover.
    let open = || open_regular(path, OFlags::RDWR).or_else(|_| open_regular(path, OFlags::RDONLY));
    SegmentFile::of(open, path, 0)?.remove()
}

/// Opens a regular file: follows no symbolic link, and does not wait for the other end of a pipe.
fn open_regular(path: &Path, access: OFlags) -> Result<rustix::fd::OwnedFd, RingError> {
    let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let fd = file::open(path, flags, Mode::empty()).map_err(failure("opening", path))?;
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
