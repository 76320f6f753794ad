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
//! The first is written under another name and gets its own by a hard link, when the segment is whole. Locks end with
//! their process, as the system sees to it. The last one out removes the files and the memory. A creator that is killed
//! before the link leaves its memory behind, under a name that nobody looks for.

use super::{Backing, Draft, Mapping, Opened, pages};
use crate::error::RingError;
use crate::layout::Layout;
use crate::segment_options::SegmentOptions;
use crate::superblock::Superblock;
use shared_memory::{ShmemConf, ShmemError};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use zerocopy::{FromBytes, IntoBytes};

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
pub(super) fn draft(
    path: PathBuf,
    superblock: &Superblock,
    layout: &Layout,
    options: &SegmentOptions,
) -> Result<Draft, RingError> {
    if path.exists() {
        return Err(RingError::AlreadyExists { path });
    }
    let mut shmem = ShmemConf::new().size(layout.total_bytes).create().map_err(not_created(&path))?;
    let id = shmem.get_os_id().to_owned();
    let file = new_file(&path_beside(&path, &id, "draft")).map_err(failure("creating a link for", &path))?;
    // From here on the link is the one to remove the memory.
    let link = Link { file, path, id, keep: false, entries: Mutex::default() };
    shmem.set_owner(false);
    let written = (&link.file).write_all(link.id.as_bytes());
    written.and_then(|()| link.file.lock_shared()).map_err(failure("linking to", &link.path))?;
    let mapping = Mapping::shmem(shmem);
    // Nothing is allocated yet. Where the system can be asked to, it says now that there is no room.
    if mapping.make_resident(0..layout.resident_bytes).is_err_and(|error| is_full(&io::Error::from(error))) {
        let wanted = layout.resident_bytes as u64;
        return Err(RingError::NoSpace { path: link.path.clone(), wanted, available: 0 });
    }
    mapping.store_before_sharing(superblock.as_bytes());
    let warnings = pages::settle(&mapping, layout, options);
    Ok(Draft { mapping: Arc::new(mapping), warnings, backing: Backing::Portable(link) })
}

/// Opens the segment that the file of that path leads to.
pub(super) fn open(path: PathBuf, options: &SegmentOptions) -> Result<Opened, RingError> {
    for _ in 0..OPEN_TRIES {
        let mut file =
            OpenOptions::new().read(true).write(true).open(&path).map_err(failure("opening", &path))?;
        match file.try_lock_shared() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                std::thread::yield_now(); // Somebody is removing it.
                continue;
            }
            Err(TryLockError::Error(error)) => return Err(failure("locking", &path)(error)),
        }
        let mut id = String::new();
        file.read_to_string(&mut id).map_err(failure("reading", &path))?;
        if leads_to(&path, &id) {
            let mut link = Link { file, path, id, keep: true, entries: Mutex::default() };
            let (mapping, layout) = link.map()?;
            link.keep = layout.config.keep;
            let warnings = pages::settle(&mapping, &layout, options);
            return Ok(Opened { mapping, layout, warnings, backing: Backing::Portable(link) });
        }
    }
    Err(RingError::Unusable { path, reason: "somebody who is leaving holds it, and does not go on".into() })
}

/// Removes the name, so that nobody can open the segment any more; who has it keeps it.
pub(super) fn unlink(path: &Path) -> Result<(), RingError> {
    let id = fs::read_to_string(path).map_err(failure("reading", path))?;
    fs::remove_file(path).map_err(failure("removing", path))?;
    remove_memory(&id);
    Ok(())
}

impl Link {
    pub(super) fn publish(&mut self, keep: bool) -> Result<(), RingError> {
        let draft = path_beside(&self.path, &self.id, "draft");
        fs::hard_link(&draft, &self.path).map_err(failure("naming", &self.path))?;
        self.keep = keep;
        let _ = fs::remove_file(&draft); // If it stays, it leads to the same ring, under a name that nobody looks for.
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
    pub(super) fn try_lock(&self, entry: usize) -> bool {
        let path = path_beside(&self.path, &self.id, &entry.to_string());
        let opened = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let Some(file) = opened.ok().filter(|file| file.try_lock().is_ok()) else {
            return false;
        };
        self.entries().insert(entry, file);
        true
    }

    pub(super) fn unlock(&self, entry: usize) {
        self.entries().remove(&entry); // Closing the file lets go of it.
    }

    /// Whether somebody else holds an entry. For the time of the question nobody can take it.
    pub(super) fn is_locked_elsewhere(&self, entry: usize) -> bool {
        let file = File::open(path_beside(&self.path, &self.id, &entry.to_string()));
        file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, BTreeMap<usize, File>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Link {
    /// The last one out removes everything.
    fn drop(&mut self) {
        // Let go first: of two that leave at once and keep their shared locks, neither would be alone.
        let alone = self.file.unlock().is_ok() && self.file.try_lock().is_ok();
        if self.keep || !alone {
            return;
        }
        if leads_to(&self.path, &self.id) {
            let _ = fs::remove_file(&self.path);
        }
        remove_memory(&self.id);
        let Some(directory) = self.path.parent() else { return };
        let prefix = prefix_of(&self.id);
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

fn leads_to(path: &Path, id: &str) -> bool {
    fs::read_to_string(path).is_ok_and(|there| there == id)
}

/// Removes memory by its id: those who have it mapped keep it.
fn remove_memory(id: &str) {
    if let Ok(mut shmem) = ShmemConf::new().os_id(id).open() {
        shmem.set_owner(true); // It goes with its owner.
    }
}

fn prefix_of(id: &str) -> String {
    format!(".{}.", id.trim_start_matches('/'))
}

/// A file that belongs to the memory of that id.
fn path_beside(path: &Path, id: &str, what: &str) -> PathBuf {
    path.with_file_name(format!("{}{what}.seqring", prefix_of(id)))
}

/// A file that was not there, for this user alone where users are told apart.
fn new_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Whether a refusal to make pages resident says that there are none: the kernel reports the fault that would come.
fn is_full(error: &io::Error) -> bool {
    const FAULT: i32 = 14;
    cfg!(target_os = "linux") && error.raw_os_error() == Some(FAULT)
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
