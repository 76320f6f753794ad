//! Locations of named rings: a directory, a name and a backend.

use crate::types::backend::Backend;
use crate::types::error::RingError;
use std::path::{Path, PathBuf};

/// Where a named ring is, so that any process of the machine finds it.
///
/// Every call that takes a location also takes a plain name, which means [`Location::named`].
///
/// ```no_run
/// use seqring::{Config, Location, Ring};
/// let config = Config::slots(8).of_bytes(1 << 20);
/// let ring = Ring::create("camera", &config)?; // On Linux in /dev/shm.
/// let huge = Ring::create(Location::in_directory("/mnt/huge", "camera"), &config)?;
/// # Ok::<(), seqring::RingError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    directory: PathBuf,
    name: String,
    backend: Backend,
}

/// The default directory of named rings on Linux.
pub(crate) const SHARED_MEMORY: &str = "/dev/shm";
/// The end of the file names of rings.
pub(crate) const SUFFIX: &str = ".seqring";
const NAME_BYTES: usize = 200;

impl Location {
    /// The ring of that name in this system's shared memory: on Linux in `/dev/shm`, elsewhere
    /// [`Location::portable`].
    pub fn named(name: impl Into<String>) -> Self {
        if cfg!(target_os = "linux") {
            return Self::in_directory(SHARED_MEMORY, name);
        }
        Self::portable(name)
    }

    /// The ring of that name in a directory, which should lie on tmpfs or hugetlbfs. Linux only.
    ///
    /// On any other file system the ring works, but the kernel writes its pages to the disk now and
    /// then, which is a [warning](crate::Ring::warnings).
    pub fn in_directory(directory: impl Into<PathBuf>, name: impl Into<String>) -> Self {
        Location { directory: directory.into(), name: name.into(), backend: Backend::File }
    }

    /// The ring of that name in memory of the crate `shared_memory`, on any system.
    ///
    /// It is found through a file `NAME.seqring` in the system's directory of temporary files;
    /// small files beside it detect deaths. Waits poll every millisecond: no wake crosses
    /// processes.
    pub fn portable(name: impl Into<String>) -> Self {
        Location { directory: std::env::temp_dir(), name: name.into(), backend: Backend::Portable }
    }

    /// The backend of a ring there.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// The file of the ring, or for the portable backend the file through which it is found.
    ///
    /// # Errors
    /// [`RingError::Name`].
    pub fn path(&self) -> Result<PathBuf, RingError> {
        let refuse = |reason| Err(RingError::Name { name: self.name.clone(), reason });
        if self.name.is_empty() {
            return refuse("it is empty");
        }
        if self.name.len() > NAME_BYTES {
            return refuse("it is longer than 200 bytes");
        }
        if self.name.starts_with('.')
            || self.name.bytes().any(|b| matches!(b, b'/' | b'\\') || b.is_ascii_control())
        {
            return refuse(
                "it must not begin with a dot or hold a slash, a backslash or a control character",
            );
        }
        Ok(self.directory.join(format!("{}{SUFFIX}", self.name)))
    }

    /// The location of a ring of a set.
    #[cfg(not(any(seqring_model, seqring_fuzz)))]
    pub(crate) fn numbered(&self, number: usize) -> Self {
        Location { name: format!("{}.{number}", self.name), ..self.clone() }
    }

    /// The location with this path, if a ring's file can have it.
    #[cfg(target_os = "linux")]
    pub(crate) fn of_path(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.strip_suffix(SUFFIX)?;
        let location = Self::in_directory(path.parent()?, name);
        location.path().is_ok().then_some(location)
    }

    /// The name, as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A path or name as text for a terminal or a log. Control characters, and those that change the
/// direction or look of the text, are escaped: any user may put a file into `/dev/shm`.
pub fn printable(path: impl AsRef<Path>) -> String {
    let escaped = |c: char| match c {
        '"' | '\'' | '\\' => c.to_string(),
        _ => c.escape_debug().to_string(),
    };
    path.as_ref().to_string_lossy().chars().map(escaped).collect()
}

impl From<&str> for Location {
    fn from(name: &str) -> Self {
        Location::named(name)
    }
}

impl From<&String> for Location {
    fn from(name: &String) -> Self {
        Location::named(name)
    }
}

impl From<String> for Location {
    fn from(name: String) -> Self {
        Location::named(name)
    }
}

impl From<&Location> for Location {
    fn from(location: &Location) -> Self {
        location.clone()
    }
}
