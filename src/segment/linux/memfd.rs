//! Segments without a name, on Linux: a memfd, sealed against changes of its size, and descriptors
//! of it.
//!
//! Locks belong to an open file description, which a descriptor shares with its copies, also with
//! those sent to other processes. So a process that received a descriptor opens the file behind it
//! again and uses the new descriptor.

use super::file::{Contents, SegmentFile, failure, reopen, through_proc};
use crate::memory::header::Superblock;
use crate::memory::layout::Layout;
use crate::segment::apart_from_streams;
use crate::segment::backing::{Backing, Draft, Opened};
use crate::segment::error::unusable;
use crate::types::error::RingError;
use crate::types::open_options::OpenOptions;
use rustix::fd::OwnedFd;
use rustix::fs::{self, MemfdFlags, OFlags, SealFlags};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The path of a segment without a name, in errors.
const NAMELESS: &str = "memfd:seqring";

/// Creates a segment that is reached by descriptors only.
pub(crate) fn draft(layout: &Layout, options: &OpenOptions) -> Result<Draft, RingError> {
    let draft = draft_first(layout, options)?;
    draft.backing.file().map_or(Ok(()), seal_size)?;
    Ok(draft)
}

/// Creates one whose file may get [another behind it](draft_behind).
pub(crate) fn draft_first(layout: &Layout, options: &OpenOptions) -> Result<Draft, RingError> {
    fill(create()?, layout, options)
}

/// Creates the second and last segment of a file, whose first one has `layout`.
#[cfg(not(seqring_fuzz))]
pub(crate) fn draft_behind(
    (first, layout): (&SegmentFile, &Layout),
    second: &Layout,
    options: &OpenOptions,
) -> Result<Draft, RingError> {
    // With locks of its own.
    let file = SegmentFile::of(|| first.reopen(OFlags::RDWR), &first.path, first.file_bytes(layout) as u64)?;
    let draft = fill(file, second, options)?;
    seal_size(first)?;
    Ok(draft)
}

fn create() -> Result<SegmentFile, RingError> {
    let path = Path::new(NAMELESS);
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let open =
        || apart_from_streams(|| fs::memfd_create("seqring", flags)).map_err(failure("creating", path));
    SegmentFile::of(open, path, 0)
}

fn fill(file: SegmentFile, layout: &Layout, options: &OpenOptions) -> Result<Draft, RingError> {
    let (mapping, warnings) = file.fill(&Superblock::fresh(layout), layout, options)?;
    file.enter()?;
    Ok(Draft { mapping: Arc::new(mapping), warnings, backing: Backing::Memfd(file) })
}

/// From here on no process can change the file's size.
fn seal_size(file: &SegmentFile) -> Result<(), RingError> {
    fs::fcntl_add_seals(&file.fd, SealFlags::SHRINK | SealFlags::GROW).map_err(failure("sealing", &file.path))
}

/// Opens the segment that begins at byte `start` of the file behind a received descriptor.
pub(crate) fn open(descriptor: &OwnedFd, start: u64, options: &OpenOptions) -> Result<Opened, RingError> {
    let path = path_of(descriptor);
    let flags = fs::fcntl_getfl(descriptor).map_err(failure("examining", &path))?;
    if flags & OFlags::ACCMODE != OFlags::RDWR || is_sealed_against_writers(descriptor) {
        return Err(unusable(&path, "its descriptor does not allow writing; observe it"));
    }
    let open = || reopen(descriptor, &path, OFlags::RDWR);
    let mut file = SegmentFile::of(open, &path, start)?;
    let Contents { layout, .. } = file.contents()?;
    let (mapping, warnings) = file.map(&layout, options)?;
    file.enter()?; // Last, as in `named::open`.
    let named = file.is_named();
    file.keep = layout.config.keep || !named;
    let backing = if named { Backing::File(file) } else { Backing::Memfd(file) };
    Ok(Opened { mapping, layout, warnings, backing })
}

/// Opens the segment behind a descriptor read-only, without a lock.
pub(crate) fn inspect(descriptor: &OwnedFd) -> Result<(SegmentFile, Contents), RingError> {
    let path = path_of(descriptor);
    let open = || reopen(descriptor, &path, OFlags::RDONLY);
    let file = SegmentFile::of(open, &path, 0)?;
    let contents = file.contents()?;
    Ok((file, contents))
}

/// From here on, for good, no process can make a new writable mapping of the segment.
pub(crate) fn seal_against_writers(file: &SegmentFile) -> Result<(), RingError> {
    let seals = SealFlags::FUTURE_WRITE | SealFlags::SEAL;
    fs::fcntl_add_seals(&file.fd, seals).map_err(failure("sealing", &file.path))
}

fn is_sealed_against_writers(descriptor: &OwnedFd) -> bool {
    // Files that are no memfd have no seals.
    fs::fcntl_get_seals(descriptor)
        .is_ok_and(|seals| seals.intersects(SealFlags::FUTURE_WRITE | SealFlags::WRITE))
}

/// The path of the file behind a descriptor, as this process sees it.
fn path_of(descriptor: &OwnedFd) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let link = fs::readlink(through_proc(descriptor), Vec::new());
    link.map_or_else(|_| NAMELESS.into(), |path| std::ffi::OsString::from_vec(path.into_bytes()).into())
}
