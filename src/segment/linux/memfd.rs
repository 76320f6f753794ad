//! Segments without a name, on Linux: a memfd, sealed against changes of its size, and descriptors of it.
//!
//! Locks belong to an open file description, which a descriptor shares with its copies, also with those that were sent
//! to other processes. So nobody works with a descriptor that he was given: he opens the file behind it once more.

use super::file::{Contents, SegmentFile, failure, reopen, through_proc, unusable};
use crate::memory::header::Superblock;
use crate::memory::layout::Layout;
use crate::segment::{Backing, Draft, LEAVER_STAYS, Opened};
use crate::types::error::RingError;
use crate::types::open_options::OpenOptions;
use rustix::fd::OwnedFd;
use rustix::fs::{self, MemfdFlags, OFlags, SealFlags};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What errors call a segment that has no name.
const NAMELESS: &str = "memfd:seqring";
const ENTER_TRIES: usize = 10_000;

/// A segment that only descriptors lead to.
pub(crate) fn draft(layout: &Layout, options: &OpenOptions) -> Result<Draft, RingError> {
    let draft = draft_first(layout, options)?;
    draft.backing.file().map_or(Ok(()), seal_size)?;
    Ok(draft)
}

/// One whose file has room for [another behind it](draft_behind).
pub(crate) fn draft_first(layout: &Layout, options: &OpenOptions) -> Result<Draft, RingError> {
    fill(create()?, layout, options)
}

/// One behind the first of a file, which has `layout`; and the last.
#[cfg(not(seqring_fuzz))]
pub(crate) fn draft_behind(
    (first, layout): (&SegmentFile, &Layout),
    second: &Layout,
    options: &OpenOptions,
) -> Result<Draft, RingError> {
    let fd = first.reopen(OFlags::RDWR)?; // With locks of its own.
    let file = SegmentFile::of(fd, &first.path, first.file_bytes(layout) as u64);
    let draft = fill(file, second, options)?;
    seal_size(first)?;
    Ok(draft)
}

fn create() -> Result<SegmentFile, RingError> {
    let path = Path::new(NAMELESS);
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let fd = fs::memfd_create("seqring", flags).map_err(failure("creating", path))?;
    Ok(SegmentFile::of(fd, path, 0))
}

fn fill(file: SegmentFile, layout: &Layout, options: &OpenOptions) -> Result<Draft, RingError> {
    let (mapping, warnings) = file.fill(&Superblock::fresh(layout), layout, options)?;
    file.enter().map_err(failure("locking", &file.path))?;
    Ok(Draft { mapping: Arc::new(mapping), warnings, backing: Backing::Memfd(file) })
}

/// Whoever maps it can rely on its size from here on.
fn seal_size(file: &SegmentFile) -> Result<(), RingError> {
    fs::fcntl_add_seals(&file.fd, SealFlags::SHRINK | SealFlags::GROW).map_err(failure("sealing", &file.path))
}

/// Opens the segment that begins at byte `start` behind a descriptor that somebody passed on.
pub(crate) fn open(descriptor: &OwnedFd, start: u64, options: &OpenOptions) -> Result<Opened, RingError> {
    let path = path_of(descriptor);
    let flags = fs::fcntl_getfl(descriptor).map_err(failure("examining", &path))?;
    if flags & OFlags::ACCMODE != OFlags::RDWR || is_sealed_against_writers(descriptor) {
        return Err(unusable(&path, "it may only be looked at; observe it".into()));
    }
    let fd = reopen(descriptor, OFlags::RDWR).map_err(failure("opening again", &path))?;
    let mut file = SegmentFile::of(fd, path, start);
    enter(&file)?;
    let Contents { layout, .. } = file.contents()?;
    let (mapping, warnings) = file.map(&layout, options)?;
    let named = file.is_named();
    file.keep = layout.config.keep || !named;
    let backing = if named { Backing::File(file) } else { Backing::Memfd(file) };
    Ok(Opened { mapping, layout, warnings, backing })
}

/// The segment behind a descriptor, to be looked at.
pub(crate) fn look_at(descriptor: &OwnedFd) -> Result<(SegmentFile, Contents), RingError> {
    let path = path_of(descriptor);
    let fd = reopen(descriptor, OFlags::RDONLY).map_err(failure("opening again", &path))?;
    let file = SegmentFile::of(fd, path, 0);
    let contents = file.contents()?;
    Ok((file, contents))
}

/// From here on no process maps the segment writable that does not so already. For good.
pub(crate) fn seal_against_writers(file: &SegmentFile) -> Result<(), RingError> {
    let seals = SealFlags::FUTURE_WRITE | SealFlags::SEAL;
    fs::fcntl_add_seals(&file.fd, seals).map_err(failure("sealing", &file.path))
}

fn is_sealed_against_writers(descriptor: &OwnedFd) -> bool {
    // Files that are no memfd have no seals.
    fs::fcntl_get_seals(descriptor)
        .is_ok_and(|seals| seals.intersects(SealFlags::FUTURE_WRITE | SealFlags::WRITE))
}

/// While the last one leaves, a file that has a name is locked for a moment.
fn enter(file: &SegmentFile) -> Result<(), RingError> {
    for _ in 0..ENTER_TRIES {
        if file.enter().is_ok() {
            return Ok(());
        }
        std::thread::yield_now();
    }
    Err(unusable(&file.path, LEAVER_STAYS.into()))
}

/// The path of the file behind a descriptor, if it has one in this process's view.
fn path_of(descriptor: &OwnedFd) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let link = fs::readlink(through_proc(descriptor), Vec::new());
    link.map_or_else(|_| NAMELESS.into(), |path| std::ffi::OsString::from_vec(path.into_bytes()).into())
}
