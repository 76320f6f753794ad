//! Segments of the crate `shared_memory`, for systems without the files that the `linux` backend
//! needs.
//!
//! That crate names, maps and removes memory. It does not say whether a segment is complete, or
//! which of its users live. For that there are small files among the system's temporary ones:
//!
//! | file                 | holds                | locked                                         |
//! |----------------------|----------------------|------------------------------------------------|
//! | `NAME.seqring`       | the id of the memory | shared, by each handle that has the ring open  |
//! | `.ID.ENTRY.seqring`  | nothing              | exclusively, by the participant of that entry  |
//! | `.ID.unlink.seqring` | nothing              | exclusively, while a process removes the name |
//!
//! The directory belongs to all users, so only regular files are believed that this user made and
//! no other user can write. Memory is removed by the id in such a file only if it holds a ring.
//!
//! The first is written as `.ID.draft.seqring`, and a hard link gives it its own name when the
//! segment is complete. The system releases the locks of a process that ends. The last user removes
//! the files and the memory. What a creator leaves that is killed before the link, the next creator
//! in that directory removes.

mod link;

pub(crate) use link::Link;

use super::backing::{Backing, Draft, Opened};
use super::error::{check_config, taken};
use super::platform::{limits, pages};
use crate::memory::header::Superblock;
use crate::memory::layout::Layout;
use crate::memory::mapping::Mapping;
use crate::types::config::Config;
use crate::types::error::RingError;
use crate::types::open_options::OpenOptions;
use shared_memory::{ShmemConf, ShmemError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zerocopy::IntoBytes;

/// Creates a segment, complete except for its name.
pub(super) fn draft(
    path: PathBuf,
    superblock: &Superblock,
    layout: &Layout,
    options: &OpenOptions,
) -> Result<Draft, RingError> {
    if path.exists() {
        return Err(taken(&path));
    }
    path.parent().into_iter().for_each(link::remove_dead_drafts);
    let link = Link::draft(path, superblock.number())?;
    let conf = ShmemConf::new().os_id(link.id()).size(layout.total_bytes);
    let limit = || limits::exceeded(layout.total_bytes as u64);
    let mut shmem =
        conf.create().map_err(|error| limit().unwrap_or_else(|| not_created(link.path())(error)))?;
    shmem.set_owner(false); // The link removes it.
    let mapping = Mapping::shmem(shmem);
    // Nothing is allocated yet. Where the system can be asked, a lack of room is an error now.
    if !mapping.has_room(0..layout.resident_bytes) {
        let wanted = layout.resident_bytes as u64;
        return Err(RingError::NoSpace { path: link.path().into(), wanted, available: 0 });
    }
    mapping.store_before_sharing(superblock.as_bytes());
    let warnings = pages::settle(&mapping, layout, options);
    Ok(Draft { mapping: Arc::new(mapping), warnings, backing: Backing::Portable(link) })
}

/// Opens the segment whose link is at that path.
pub(super) fn open(path: &Path, wanted: Option<&Config>, options: &OpenOptions) -> Result<Opened, RingError> {
    let (mut link, (mapping, layout)) = Link::entered(path, |link| {
        let (mapping, layout) = link.map()?;
        check_config(path, &layout.config, wanted).map(|()| (mapping, layout))
    })?;
    link.keep = layout.config.keep;
    let warnings = pages::settle(&mapping, &layout, options);
    Ok(Opened { mapping, layout, warnings, backing: Backing::Portable(link) })
}

/// Whether [`remove_unused`] would remove the segment, if it is not to be kept.
pub(super) fn is_unused(path: &Path) -> Result<bool, RingError> {
    let link = Link::at(path)?;
    Ok(!link.map()?.1.config.keep && link.is_unused())
}

/// Removes the segment if no process has it open, and its ring is not to be kept or `kept_too`.
/// Returns whether it did.
pub(super) fn remove_unused(path: &Path, kept_too: bool) -> Result<bool, RingError> {
    let mut link = Link::at(path)?;
    let kept = link.map().is_ok_and(|(_, layout)| layout.config.keep);
    link.keep = kept && !kept_too;
    drop(link); // Removes it, as a last user does.
    Ok(!path.exists())
}

/// Removes the name, so that no process can open the segment any more. Processes that have it open
/// keep it.
pub(super) fn unlink(path: &Path) -> Result<(), RingError> {
    // Entered as a user, so that no last user removes the name meanwhile: then this would remove
    // the next segment's. If no other process has it open, dropping the link removes the rest.
    Link::entered(path, |_| Ok(()))?.0.unlink()
}

fn not_created(path: &Path) -> impl Fn(ShmemError) -> RingError {
    move |error| RingError::Io {
        doing: "creating memory for",
        path: path.into(),
        source: io::Error::other(error.to_string()),
    }
}
