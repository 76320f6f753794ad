//! Segments of the crate `shared_memory`, for systems without the files that [`super::file`] needs.
//!
//! That crate names, maps and removes memory. What it does not tell is whether a segment is whole, and who of its users
//! lives: that is what small files among the system's temporary ones are for.
//!
//! | file                | holds               | locked                                       |
//! |---------------------|---------------------|----------------------------------------------|
//! | `NAME.seqring`      | the id of the memory | shared, by everybody who has the ring open  |
//! | `.ID.ENTRY.seqring` | nothing             | exclusively, by whoever holds that entry     |
//!
//! The first is written as `.ID.draft.seqring` and gets its own name by a hard link, when the segment is whole. Locks end
//! with their process, as the system sees to it. The last one out removes the files and the memory. What a creator leaves
//! that is killed before the link, the next creator removes.

use super::{Backing, Draft, LEAVER_STAYS, Opened, pages};
use crate::memory::header::Superblock;
use crate::memory::layout::Layout;
use crate::memory::mapping::Mapping;
use crate::sync::failpoint::{self, Failpoint};
use crate::types::error::RingError;
use crate::types::location::SUFFIX;
use crate::types::open_options::OpenOptions;
use shared_memory::{ShmemConf, ShmemError};
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use zerocopy::{FromBytes, IntoBytes};

/// What the ids of memory begin with; a number follows.
const MEMORY: &str = "/shmem_";
/// What the file of a segment is called that has no name yet.
const DRAFT: &str = "draft";
/// How often an opener looks again, with a yield between, while somebody removes the name: some ms.
const OPEN_TRIES: usize = 10_000;

/// The files through which a segment is found, and its users with it.
#[derive(Debug)]
pub(crate) struct Link {
    /// `NAME.seqring`, open and locked, whatever it is called by now.
    file: File,
    path: PathBuf,
    id: String,
    keep: bool,
    entries: Mutex<BTreeMap<usize, File>>,
}

/// Everything but the name.
pub(in crate::segment) fn draft(
    path: PathBuf,
    superblock: &Superblock,
    layout: &Layout,
    options: &OpenOptions,
) -> Result<Draft, RingError> {
    if path.exists() {
        return Err(RingError::AlreadyExists { path });
    }
    path.parent().into_iter().for_each(remove_dead_drafts);
    let id = format!("{MEMORY}{:X}", superblock.number());
    let file = private().create_new(true).open(path_beside(&path, &id, DRAFT));
    let link = Link {
        file: file.map_err(failure("creating a link for", &path))?,
        path,
        id,
        keep: false,
        entries: Mutex::default(),
    };
    let written = link.file.lock_shared().and_then(|()| (&link.file).write_all(link.id.as_bytes()));
    written.map_err(failure("linking to", &link.path))?;
    let conf = ShmemConf::new().os_id(&link.id).size(layout.total_bytes);
    let mut shmem = conf.create().map_err(not_created(&link.path))?;
    shmem.set_owner(false); // The link is the one to remove it.
    let mapping = Mapping::shmem(shmem);
    // Nothing is allocated yet. Where the system can be asked to, it says now that there is no room.
    if !mapping.has_room(0..layout.resident_bytes) {
        let wanted = layout.resident_bytes as u64;
        return Err(RingError::NoSpace { path: link.path.clone(), wanted, available: 0 });
    }
    mapping.store_before_sharing(superblock.as_bytes());
    let warnings = pages::settle(&mapping, layout, options);
    Ok(Draft { mapping: Arc::new(mapping), warnings, backing: Backing::Portable(link) })
}

/// Opens the segment that the file of that path leads to.
pub(in crate::segment) fn open(path: &Path, options: &OpenOptions) -> Result<Opened, RingError> {
    let mut link = Link::entered(path)?;
    let (mapping, layout) = link.map()?;
    link.keep = layout.config.keep;
    let warnings = pages::settle(&mapping, &layout, options);
    Ok(Opened { mapping, layout, warnings, backing: Backing::Portable(link) })
}

/// Removes the segment if nobody has it open and its ring is not to be kept. Says whether it did.
pub(in crate::segment) fn remove_unused(path: &Path, kept_too: bool) -> Result<bool, RingError> {
    let mut link = Link::at(path)?;
    let kept = link.map().is_ok_and(|(_, layout)| layout.config.keep);
    link.keep = kept && !kept_too;
    drop(link); // As the last one out does it.
    Ok(!path.exists())
}

/// Removes the name, so that nobody can open the segment any more; who has it keeps it.
pub(in crate::segment) fn unlink(path: &Path) -> Result<(), RingError> {
    // As its user: whoever is about to remove the name as the last one out would remove that of the next segment.
    let link = Link::entered(path)?;
    fs::remove_file(path).map_err(failure("removing", path))?;
    remove_memory(&link.id);
    Ok(()) // If nobody else has it, we are the last one out.
}

impl Link {
    /// The one at that path, not locked, and to be left as it is.
    fn at(path: &Path) -> Result<Self, RingError> {
        let (file, id) = open_link(path)?;
        Ok(Link { file, path: path.into(), id, keep: true, entries: Mutex::default() })
    }

    /// The one at that path, as one of its users: nobody else is the last one out.
    fn entered(path: &Path) -> Result<Self, RingError> {
        for _ in 0..OPEN_TRIES {
            let link = Link::at(path)?;
            let entered = link.file.try_lock_shared();
            failpoint::at(Failpoint::SegmentEntered);
            match entered {
                Ok(()) if leads_to(path, &link.id) => return Ok(link),
                // Somebody is removing it at this moment, or just did: look again.
                Ok(()) | Err(TryLockError::WouldBlock) => std::thread::yield_now(),
                Err(TryLockError::Error(error)) => return Err(failure("locking", path)(error)),
            }
        }
        Err(RingError::Unusable { path: path.into(), reason: LEAVER_STAYS.into() })
    }

    pub(in crate::segment) fn publish(&mut self, keep: bool) -> Result<(), RingError> {
        let draft = path_beside(&self.path, &self.id, DRAFT);
        failpoint::at(Failpoint::SegmentFilled);
        fs::hard_link(&draft, &self.path).map_err(failure("naming", &self.path))?;
        failpoint::at(Failpoint::SegmentNamed);
        self.keep = keep;
        let _ = fs::remove_file(&draft); // If it stays, it goes with the ring.
        Ok(())
    }

    fn map(&self) -> Result<(Mapping, Layout), RingError> {
        let unusable = |reason| RingError::Unusable { path: self.path.clone(), reason };
        let shmem = ShmemConf::new().os_id(&self.id).open();
        let mapping =
            Mapping::shmem(shmem.map_err(|error| unusable(format!("its memory is gone: {error}")))?);
        if mapping.len() < size_of::<Superblock>() {
            return Err(unusable(format!("it has {} bytes, less than a header", mapping.len())));
        }
        let header = mapping.first_bytes::<{ size_of::<Superblock>() }>();
        let superblock = Superblock::read_from_bytes(&header).expect("the array has its size");
        let layout = superblock.layout(mapping.len() as u64).map_err(unusable)?;
        Ok((mapping, layout))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the lock that goes with an entry of the participant table, if nobody has it.
    pub(in crate::segment) fn try_lock(&self, entry: usize) -> bool {
        let path = path_beside(&self.path, &self.id, &entry.to_string());
        let opened = private().create(true).truncate(false).open(path);
        let Some(file) = opened.ok().filter(|file| file.try_lock().is_ok()) else {
            return false;
        };
        self.entries().insert(entry, file);
        true
    }

    pub(in crate::segment) fn unlock(&self, entry: usize) {
        self.entries().remove(&entry); // Closing the file lets go of it.
    }

    /// Whether somebody else holds an entry. For the time of the question nobody can take it.
    pub(in crate::segment) fn is_locked_elsewhere(&self, entry: usize) -> bool {
        let file = File::open(path_beside(&self.path, &self.id, &entry.to_string()));
        file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, BTreeMap<usize, File>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Link {
    /// The last one out removes everything; of a ring that is kept, only what an unlinked one has left.
    fn drop(&mut self) {
        // Let go first: of two that leave at once and keep their shared locks, neither would be alone.
        let _ = self.file.unlock();
        failpoint::at(Failpoint::SegmentLeft);
        let is_named = || leads_to(&self.path, &self.id);
        if (self.keep && is_named()) || self.file.try_lock().is_err() {
            return;
        }
        let is_named = is_named(); // Asked now: from here on nobody gives the name to another ring.
        failpoint::at(Failpoint::SegmentDeserted);
        if is_named {
            let _ = fs::remove_file(&self.path);
        }
        remove_memory(&self.id);
        remove_entries(&self.path, &self.id);
    }
}

/// Opens the link at that path, and says which memory it leads to.
fn open_link(path: &Path) -> Result<(File, String), RingError> {
    let unusable = |reason: &str| RingError::Unusable { path: path.into(), reason: reason.into() };
    if !fs::symlink_metadata(path).map_err(failure("examining", path))?.is_file() {
        return Err(unusable("it is not a regular file"));
    }
    let file = fs::OpenOptions::new().read(true).write(true).open(path).map_err(failure("opening", path))?;
    let id = id_in(&file).ok_or_else(|| unusable("it does not lead to memory of a ring"))?;
    Ok((file, id))
}

/// The id of memory in a link, if it is one: no other memory is touched on a file's word.
fn id_in(file: &File) -> Option<String> {
    let mut id = String::new();
    file.take(64).read_to_string(&mut id).ok()?;
    let number = id.strip_prefix(MEMORY)?;
    (!number.is_empty() && number.bytes().all(|digit| digit.is_ascii_hexdigit())).then_some(id)
}

fn leads_to(path: &Path, id: &str) -> bool {
    File::open(path).is_ok_and(|file| id_in(&file).as_deref() == Some(id))
}

/// Removes what creators left that were killed before their segment had its name, or just after. An id is written under
/// the lock, so whoever has written one and holds no lock any more is dead, or done.
fn remove_dead_drafts(directory: &Path) {
    for draft in files_in(directory, |name| name.ends_with(&format!(".{DRAFT}{SUFFIX}"))) {
        let Ok((file, id)) = open_link(&draft) else { continue };
        // Where we hold the lock, nobody is in the middle of anything.
        if file.try_lock().is_err() || !leads_to(&draft, &id) {
            continue;
        }
        let mut links = files_in(directory, |name| name.ends_with(SUFFIX) && !name.starts_with('.'));
        if !links.any(|path| leads_to(&path, &id)) {
            remove_memory(&id);
        }
        let _ = fs::remove_file(&draft);
    }
}

fn files_in(directory: &Path, is_one: impl Fn(&str) -> bool) -> impl Iterator<Item = PathBuf> {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    files.filter(move |file| file.file_name().to_str().is_some_and(&is_one)).map(|file| file.path())
}

/// Removes memory by its id: those who have it mapped keep it.
fn remove_memory(id: &str) {
    if let Ok(mut shmem) = ShmemConf::new().os_id(id).open() {
        shmem.set_owner(true); // It goes with its owner.
    }
}

/// Removes the files of entries.
fn remove_entries(path: &Path, id: &str) {
    let Some(directory) = path.parent() else { return };
    let prefix = prefix_of(id);
    for file in files_in(directory, |name| name.starts_with(&prefix)) {
        let _ = fs::remove_file(file);
    }
}

fn prefix_of(id: &str) -> String {
    format!(".{}.", id.trim_start_matches('/'))
}

/// A file that belongs to the memory of that id.
fn path_beside(path: &Path, id: &str, what: &str) -> PathBuf {
    path.with_file_name(format!("{}{what}{SUFFIX}", prefix_of(id)))
}

/// To create a file for this user alone, where users are told apart: whoever can open one can lock it.
fn private() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn not_created(path: &Path) -> impl Fn(ShmemError) -> RingError {
    move |error| RingError::Io {
        doing: "creating memory for",
        path: path.into(),
        source: io::Error::other(error.to_string()),
    }
}

fn failure(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> RingError {
    move |source| {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::AlreadyExists => RingError::AlreadyExists { path },
            io::ErrorKind::NotFound => RingError::NotFound { path },
            io::ErrorKind::PermissionDenied => RingError::PermissionDenied { path },
            _ => RingError::Io { doing, path, source },
        }
    }
}
