//! The small files through which portable memory is found, and its users with it.

use crate::memory::header::Superblock;
use crate::memory::layout::Layout;
use crate::memory::mapping::Mapping;
use crate::segment::error::{NOT_REGULAR, failure, not_created, not_found, stuck_leaver, unusable};
use crate::sync::failpoint::{self, Failpoint};
use crate::types::error::RingError;
use crate::types::location::SUFFIX;
use shared_memory::ShmemConf;
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use zerocopy::FromBytes;

/// The ids of memory begin with this; a number follows.
const MEMORY: &str = "/shmem_";
/// In the name of the file of a segment that has no name yet.
const DRAFT: &str = "draft";
/// In the name of the file whose lock a process holds that removes the name of a segment.
const UNLINK: &str = "unlink";
/// An opener tries so often, with a yield between, while the last user removes the name: some ms.
const OPEN_TRIES: usize = 10_000;

/// An open segment's files.
#[derive(Debug)]
pub(crate) struct Link {
    /// `NAME.seqring`, open and locked, also after its name is removed.
    file: File,
    path: PathBuf,
    id: String,
    /// The last user leaves the segment as it is.
    pub(super) keep: bool,
    /// This process creates it: its memory may have no header yet.
    is_draft: bool,
    entries: Mutex<BTreeMap<usize, File>>,
}

impl Link {
    /// A new one, without its name.
    pub(super) fn draft(path: PathBuf, number: u64) -> Result<Self, RingError> {
        let id = format!("{MEMORY}{number:X}");
        let file = private().create_new(true).open(path_beside(&path, &id, DRAFT));
        let directory = path.parent().expect("a location's path has a directory");
        let file =
            file.map_err(|error| not_created(directory, failure("creating a link for", &path)(error)))?;
        let link = Link { file, path, id, keep: false, is_draft: true, entries: Mutex::default() };
        // A process that looks for drafts of the dead may hold the lock for a moment.
        let mut locked = link.file.lock_shared();
        while locked.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::Interrupted) {
            locked = link.file.lock_shared();
        }
        let written = locked.and_then(|()| (&link.file).write_all(link.id.as_bytes()));
        written.map_err(failure("linking to", &link.path))?;
        Ok(link)
    }

    /// The one at that path, not locked, and not to be removed.
    pub(super) fn at(path: &Path) -> Result<Self, RingError> {
        let (file, id) = open_link(path)?;
        Ok(Link { file, path: path.into(), id, keep: true, is_draft: false, entries: Mutex::default() })
    }

    /// The one at that path, which `accept` found right, locked as by a user: no other user is the
    /// last one meanwhile. Locked last: an opener that is refused has not taken part, so the last
    /// user removes the ring also while `accept` runs.
    pub(super) fn entered<T>(
        path: &Path,
        accept: impl Fn(&Self) -> Result<T, RingError>,
    ) -> Result<(Self, T), RingError> {
        for _ in 0..OPEN_TRIES {
            let link = Link::at(path)?;
            let accepted = match accept(&link) {
                Err(_) if !link.is_named() => continue, // Its memory may be gone.
                accepted => accepted?,
            };
            let entered = link.file.try_lock_shared();
            failpoint::hit(Failpoint::SegmentEntered);
            match entered {
                Ok(()) if link.is_named() => return Ok((link, accepted)),
                // The last user is removing the name, or just did: try again.
                Ok(()) | Err(TryLockError::WouldBlock) => std::thread::yield_now(),
                Err(TryLockError::Error(error)) => return Err(failure("locking", path)(error)),
            }
        }
        Err(stuck_leaver(path))
    }

    /// Gives the segment its name, unless another has it.
    pub(in crate::segment) fn publish(&mut self, keep: bool) -> Result<(), RingError> {
        let draft = path_beside(&self.path, &self.id, DRAFT);
        failpoint::hit(Failpoint::SegmentFilled);
        fs::hard_link(&draft, &self.path).map_err(failure("naming", &self.path))?;
        failpoint::hit(Failpoint::SegmentNamed);
        (self.keep, self.is_draft) = (keep, false);
        let _ = fs::remove_file(&draft); // If it stays, it is removed with the ring.
        Ok(())
    }

    /// Maps the memory and checks its header.
    pub(super) fn map(&self) -> Result<(Mapping, Layout), RingError> {
        let gone = |error| unusable(&self.path, format!("its memory is gone: {error}"));
        let mapping = Mapping::shmem(ShmemConf::new().os_id(&self.id).open().map_err(gone)?);
        if mapping.len() < size_of::<Superblock>() {
            let reason = format!("it has {} bytes, less than a header", mapping.len());
            return Err(unusable(&self.path, reason));
        }
        let layout = superblock_of(&mapping).layout(mapping.len() as u64);
        let layout = layout.map_err(|reason| unusable(&self.path, reason))?;
        Ok((mapping, layout))
    }

    /// Whether the path still leads to this segment.
    pub(in crate::segment) fn is_named(&self) -> bool {
        leads_to(&self.path, &self.id)
    }

    pub(in crate::segment) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Whether no handle has the segment open. During the call an opener waits.
    pub(super) fn is_unused(&self) -> bool {
        let is_unused = self.file.try_lock().is_ok();
        let _ = self.file.unlock();
        is_unused
    }

    /// Removes the name and the memory, for a user that [entered](Self::entered).
    pub(super) fn unlink(&self) -> Result<(), RingError> {
        // Of two processes that entered, the second would remove the name of the next segment.
        let lock = open_own(private().create(true), &path_beside(&self.path, &self.id, UNLINK))?;
        let mut tries = 0..OPEN_TRIES;
        while lock.try_lock().is_err() {
            tries.next().ok_or_else(|| stuck_leaver(&self.path))?;
            std::thread::yield_now();
        }
        if !leads_to(&self.path, &self.id) {
            return Err(not_found(self.path.clone()));
        }
        fs::remove_file(&self.path).map_err(failure("removing", &self.path))?;
        remove_ring(&self.id);
        Ok(())
    }

    /// Locks an entry of the participant table, unless another handle holds its lock.
    pub(in crate::segment) fn try_lock(&self, entry: usize) -> bool {
        let path = path_beside(&self.path, &self.id, &entry.to_string());
        let opened = open_own(private().create(true), &path);
        let Some(file) = opened.ok().filter(|file| file.try_lock().is_ok()) else {
            return false;
        };
        self.entries().insert(entry, file);
        true
    }

    pub(in crate::segment) fn unlock(&self, entry: usize) {
        self.entries().remove(&entry); // Closing the file releases the lock.
    }

    /// Whether another handle holds the lock of an entry. During the call no handle can lock it.
    pub(in crate::segment) fn is_locked_elsewhere(&self, entry: usize) -> bool {
        let file = open_own(&private(), &path_beside(&self.path, &self.id, &entry.to_string()));
        file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<usize, File>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Link {
    /// The last user removes everything; of a ring that is kept, only what an unlinked segment
    /// left.
    fn drop(&mut self) {
        // Unlock first: of two users that leave at once and keep their shared locks, neither would
        // be the last.
        let _ = self.file.unlock();
        failpoint::hit(Failpoint::SegmentLeft);
        let is_named = || leads_to(&self.path, &self.id);
        if (self.keep && is_named()) || self.file.try_lock().is_err() {
            return;
        }
        let is_named = is_named(); // Under the exclusive lock: from here on the name stays this segment's.
        failpoint::hit(Failpoint::SegmentUnused);
        if is_named {
            let _ = fs::remove_file(&self.path);
        }
        if self.is_draft {
            remove_memory(&self.id);
        } else {
            remove_ring(&self.id);
        }
        remove_entries(&self.path, &self.id);
    }
}

/// Opens the link at that path, and reads the id of its memory.
fn open_link(path: &Path) -> Result<(File, String), RingError> {
    let file = open_own(&private(), path)?;
    let id = id_in(&file).ok_or_else(|| unusable(path, "it does not lead to memory of a ring"))?;
    Ok((file, id))
}

/// Opens a regular file that this user made and no other user can have written. Follows no symbolic
/// link, and does not wait for the other end of a pipe.
fn open_own(options: &fs::OpenOptions, path: &Path) -> Result<File, RingError> {
    let refused = |error| match fs::symlink_metadata(path) {
        Ok(stat) if !stat.is_file() => unusable(path, NOT_REGULAR), // A link or a directory.
        _ => failure("opening", path)(error),
    };
    let file = options.open(path).map_err(refused)?;
    let stat = file.metadata().map_err(failure("examining", path))?;
    if !stat.is_file() {
        return Err(unusable(path, NOT_REGULAR));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let (owner, mode, user) = (stat.uid(), stat.mode() & 0o777, rustix::process::geteuid().as_raw());
        if owner != user {
            return Err(RingError::ForeignOwner { path: path.into(), owner, user, mode });
        }
        if mode & 0o022 != 0 {
            return Err(unusable(path, format!("other users can write to it (mode {mode:o})")));
        }
    }
    Ok(file)
}

/// The id in a link, if it is one of a ring's memory: no file can lead to other memory.
fn id_in(file: &File) -> Option<String> {
    let mut id = String::new();
    file.take(64).read_to_string(&mut id).ok()?;
    let number = id.strip_prefix(MEMORY)?;
    (!number.is_empty() && number.bytes().all(|digit| digit.is_ascii_hexdigit())).then_some(id)
}

fn leads_to(path: &Path, id: &str) -> bool {
    open_own(&private(), path).is_ok_and(|file| id_in(&file).as_deref() == Some(id))
}

/// Removes what creators of this user left that were killed before their segment had its name, or
/// just after. An id is written under the lock, so the creator of an unlocked draft with an id is
/// dead, or done.
pub(super) fn remove_dead_drafts(directory: &Path) {
    for draft in files_in(directory, |name| name.ends_with(&format!(".{DRAFT}{SUFFIX}"))) {
        let Ok((file, id)) = open_link(&draft) else { continue };
        // Under the exclusive lock no other process is at work on it.
        if draft != path_beside(&draft, &id, DRAFT) || file.try_lock().is_err() || !leads_to(&draft, &id) {
            continue;
        }
        let mut links = files_in(directory, |name| name.ends_with(SUFFIX) && !name.starts_with('.'));
        if !links.any(|path| leads_to(&path, &id)) {
            remove_ring(&id);
        }
        let _ = fs::remove_file(&draft);
    }
}

fn files_in(directory: &Path, is_one: impl Fn(&str) -> bool) -> impl Iterator<Item = PathBuf> {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    files.filter(move |file| file.file_name().to_str().is_some_and(&is_one)).map(|file| file.path())
}

/// Removes memory by its id, if it is that of a ring. Processes that have it mapped keep it.
fn remove_ring(id: &str) {
    let Ok(shmem) = ShmemConf::new().os_id(id).open() else { return };
    let mapping = Mapping::shmem(shmem);
    let header = 0..size_of::<Superblock>();
    if mapping.len() >= header.end && mapping.has_room(header) && superblock_of(&mapping).is_marked() {
        remove_memory(id);
    }
}

/// The header of memory that is long enough.
fn superblock_of(mapping: &Mapping) -> Superblock {
    let header = mapping.first_bytes::<{ size_of::<Superblock>() }>();
    Superblock::read_from_bytes(&header).expect("the array has its size")
}

/// Removes memory by its id, whatever is in it. Processes that have it mapped keep it.
fn remove_memory(id: &str) {
    if let Ok(mut shmem) = ShmemConf::new().os_id(id).open() {
        shmem.set_owner(true); // Dropping the owner removes it.
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

/// To open a file, or to create it for this user alone, where the system has users: a process that
/// can open a file can lock it.
fn private() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt;
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        options.mode(0o600).custom_flags(flags.bits().cast_signed());
    }
    options
}

#[cfg(test)]
mod tests {
    use super::{Link, RingError};
    use crate::{Config, Location, Ring};
    use std::cell::Cell;

    /// Fails if the second of two processes that remove a name removes the name of the next
    /// segment.
    #[test]
    fn of_two_that_remove_a_name_at_once_one_does() {
        let location = Location::portable(format!("test-unlink-{}", std::process::id()));
        let path = location.path().unwrap();
        let create = || Ring::create(&location, &Config::slots(4).of_bytes(8)).unwrap();
        let first = create();
        let [one, other] = [(); 2].map(|()| Link::entered(&path, |_| Ok(())).unwrap().0);
        one.unlink().unwrap();
        let second = create();
        assert!(matches!(other.unlink(), Err(RingError::NotFound { .. })));
        drop((first, one, other));
        drop(Ring::open(&location).unwrap());
        drop(second);
        assert!(!path.exists());
    }

    /// Fails if an opener that is refused was a user meanwhile: the last user would leave the name
    /// and the memory to it.
    #[test]
    fn a_refused_opener_keeps_no_last_user_from_removing_the_ring() {
        let location = Location::portable(format!("test-refused-{}", std::process::id()));
        let path = location.path().unwrap();
        let last = Cell::new(Some(Ring::create(&location, &Config::slots(4).of_bytes(8)).unwrap()));
        let refused = Link::entered(&path, |_| {
            drop(last.take());
            Err::<(), _>(RingError::Config("another one".into()))
        });
        assert!(matches!(refused, Err(RingError::NotFound { .. })), "{refused:?}");
        assert!(!path.exists());
    }
}
