//! The segments of this machine, looked at from outside, and the removal of those that nobody uses.

use crate::memory::Memory;
use crate::protocol::stats::Stats;
use crate::segment::{Contents, SegmentFile, memfd, named};
use crate::types::config::Config;
use crate::types::error::RingError;
use crate::types::location::{Backend, Location, SHARED_MEMORY, SUFFIX};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A ring's segment as it is seen by somebody who takes no part in it.
///
/// It is mapped read-only and not locked: looking at it holds nobody up, keeps no name from being removed and no dead
/// participant from being found. The right to read is enough.
///
/// ```
/// use seqring::{Config, Ring, Segment};
/// # let name = format!("doc-segment-{}", std::process::id());
/// let ring = Ring::create(&name, &Config::new(8, 64))?;
/// ring.writer()?.write(b"hello").unwrap();
/// let segment = Segment::inspect(&name)?;
/// assert!(segment.is_in_use());
/// assert_eq!(segment.figures().next_sequence, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Whoever may write to the file can also shrink it, and a look at what is no longer there ends the process (`SIGBUS`):
/// only a [sealed](crate::Ring::anonymous) one cannot be shrunk.
#[derive(Debug)]
pub struct Segment {
    file: SegmentFile,
    contents: Contents,
    memory: Memory,
}

impl Segment {
    /// Looks at the ring of that name.
    ///
    /// # Errors
    /// As [`Ring::open`](crate::Ring::open), without `ForeignOwner`: who may read the file may look.
    /// [`RingError::Unsupported`] for the portable backend.
    pub fn inspect(location: impl Into<Location>) -> Result<Self, RingError> {
        let location = location.into();
        match location.backend() {
            Backend::File => Self::new(named::look_at(&location.path()?)?),
            backend => Err(RingError::Unsupported { backend }),
        }
    }

    /// Looks at the ring behind a descriptor: see [`Ring::descriptor`](crate::Ring::descriptor).
    ///
    /// # Errors
    /// As [`Self::inspect`]. The descriptor may be read-only, and the ring sealed.
    pub fn from_descriptor(descriptor: impl Into<OwnedFd>) -> Result<Self, RingError> {
        Self::new(memfd::look_at(&descriptor.into())?)
    }

    fn new((file, contents): (SegmentFile, Contents)) -> Result<Self, RingError> {
        let mapping = file.map_read_only(&contents.layout)?;
        let memory = Memory::new(Arc::new(mapping), Arc::new(contents.layout.clone()));
        Ok(Segment { file, contents, memory })
    }

    /// The name, if it is where a ring's file has one.
    pub fn name(&self) -> Option<String> {
        Location::of_path(self.path()).map(|location| location.name().to_owned())
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// What the ring was made to be.
    pub fn config(&self) -> &Config {
        &self.contents.layout.config
    }

    /// Bytes of memory that the ring takes, at most.
    pub fn total_bytes(&self) -> usize {
        self.contents.layout.total_bytes
    }

    /// Bytes of memory that it takes now.
    pub fn allocated_bytes(&self) -> u64 {
        self.file.allocated_bytes()
    }

    /// Random: no other ring has it.
    pub fn id(&self) -> [u8; 16] {
        self.contents.superblock.id
    }

    /// The process that created it, as that calls itself.
    pub fn creator_pid(&self) -> u64 {
        self.contents.superblock.creator_pid
    }

    /// When it was created.
    pub fn created(&self) -> SystemTime {
        let since = Duration::from_nanos(self.contents.superblock.created_ns);
        SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// User and group of the file.
    pub fn owner(&self) -> (u32, u32) {
        (self.contents.stat.st_uid, self.contents.stat.st_gid)
    }

    /// Access rights of the file.
    pub fn mode(&self) -> u32 {
        self.contents.stat.st_mode & 0o777
    }

    /// Whether its path still leads to it. Once nobody uses a ring any more, it goes, whoever looks at it.
    pub fn is_named(&self) -> bool {
        self.file.is_named()
    }

    /// Whether a living process has the ring open.
    pub fn is_in_use(&self) -> bool {
        self.file.is_open_elsewhere()
    }

    /// How far everybody is.
    pub fn stats(&self) -> Stats {
        Stats::take(&self.memory, |entry| self.file.is_locked_elsewhere(entry))
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }
}

/// A file that has the name of a segment.
#[derive(Debug)]
pub struct SegmentEntry {
    /// Where it is.
    pub path: PathBuf,
    /// The segment, or why it is none.
    pub segment: Result<Segment, RingError>,
}

/// The segments in `/dev/shm`, by name.
///
/// # Errors
/// If the directory cannot be read.
pub fn segments() -> io::Result<Vec<SegmentEntry>> {
    segments_in(SHARED_MEMORY)
}

/// The segments in a directory, by name.
///
/// # Errors
/// If the directory cannot be read.
pub fn segments_in(directory: impl AsRef<Path>) -> io::Result<Vec<SegmentEntry>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(SUFFIX)) {
            paths.push(path);
        }
    }
    paths.sort();
    let look = |path: PathBuf| {
        let segment = named::look_at(&path).and_then(Segment::new);
        SegmentEntry { path, segment }
    };
    // One that went away meanwhile is none.
    let is_there = |found: &SegmentEntry| !matches!(found.segment, Err(RingError::NotFound { .. }));
    Ok(paths.into_iter().map(look).filter(is_there).collect())
}
