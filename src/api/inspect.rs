//! The segments of this machine, inspected without taking part.

use crate::api::table::{self, Latest};
use crate::memory::Memory;
use crate::protocol::stats::Stats;
use crate::protocol::table::TableCells;
use crate::segment::{Contents, SegmentFile, memfd, named};
use crate::types::backend::Backend;
use crate::types::config::{Config, Delivery};
use crate::types::error::RingError;
use crate::types::location::{Location, SHARED_MEMORY, SUFFIX};
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A ring's segment, inspected without being a participant.
///
/// It is mapped read-only and not locked, so that it delays no process, keeps no name from being
/// removed and no dead participant from being detected. It needs only the right to read.
///
/// ```
/// use seqring::inspect::Segment;
/// use seqring::{Config, Ring};
/// # let name = format!("doc-segment-{}", std::process::id());
/// let ring = Ring::create(&name, &Config::slots(8).of_bytes(64))?;
/// ring.writer()?.write(b"hello").unwrap();
/// let segment = Segment::inspect(&name)?;
/// assert!(segment.is_in_use());
/// assert_eq!(segment.stats().next_sequence, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A process that may write to the file can also shrink it, and an access beyond its end kills this
/// process (`SIGBUS`). Only a [sealed](crate::Ring::anonymous) segment cannot be shrunk.
pub struct Segment {
    file: SegmentFile,
    contents: Contents,
    memory: Memory,
}

impl Segment {
    /// Inspects the ring of that name.
    ///
    /// # Errors
    /// As [`Ring::open`](crate::Ring::open), without `ForeignOwner`: the right to read is enough.
    /// [`RingError::Unsupported`] for the portable backend.
    pub fn inspect(location: impl Into<Location>) -> Result<Self, RingError> {
        let location = location.into();
        match location.backend() {
            Backend::File => Self::new(named::inspect(&location.path()?)?),
            backend => Err(RingError::Unsupported { backend }),
        }
    }

    /// Inspects the ring behind a descriptor: see [`Ring::descriptor`](crate::Ring::descriptor).
    ///
    /// # Errors
    /// As [`Self::inspect`]. The descriptor may be read-only, and the ring sealed.
    pub fn from_descriptor(descriptor: impl Into<OwnedFd>) -> Result<Self, RingError> {
        Self::new(memfd::inspect(&descriptor.into())?)
    }

    fn new((file, contents): (SegmentFile, Contents)) -> Result<Self, RingError> {
        let mapping = file.map_read_only(&contents.layout)?;
        let memory = Memory::new(Arc::new(mapping), Arc::new(contents.layout.clone()));
        Ok(Segment { file, contents, memory })
    }

    /// The name, if the file is where a named ring's is.
    pub fn name(&self) -> Option<String> {
        Location::of_path(self.path()).map(|location| location.name().to_owned())
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The configuration that the ring was created with.
    pub fn config(&self) -> &Config {
        &self.contents.layout.config
    }

    /// The most memory that the ring takes, in bytes.
    pub fn total_bytes(&self) -> usize {
        self.contents.layout.total_bytes
    }

    /// The memory that the ring takes now, in bytes.
    pub fn allocated_bytes(&self) -> u64 {
        self.file.allocated_bytes()
    }

    /// A random number that no other ring has.
    pub fn id(&self) -> [u8; 16] {
        self.contents.superblock.id
    }

    /// The process that created the ring, as numbered in its own PID namespace.
    pub fn creator_pid(&self) -> u64 {
        self.contents.superblock.creator_pid
    }

    /// When the ring was created.
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

    /// Whether the path still leads to this file. An unused ring is removed even while it is
    /// inspected.
    pub fn is_named(&self) -> bool {
        self.file.is_named()
    }

    /// Whether a living process has the ring open.
    pub fn is_in_use(&self) -> bool {
        self.file.is_open_elsewhere()
    }

    /// The participants, and how far each of them is.
    pub fn stats(&self) -> Stats {
        Stats::collect(&self.memory, |entry| self.file.is_locked_elsewhere(entry))
    }

    /// The keys of a table that have a value, and what is known about it. Empty if the ring is no
    /// table.
    pub fn values(&self) -> Vec<(usize, Latest)> {
        if self.config().delivery != Delivery::Latest {
            return Vec::new();
        }
        let cells = TableCells::new(&self.memory);
        let value = |key| Some((key, table::latest(&self.memory, &cells, key, |_| ()).ok()??.0));
        (0..cells.keys()).filter_map(value).collect()
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }
}

/// A file with the name of a segment.
#[derive(Debug)]
#[non_exhaustive]
pub struct SegmentEntry {
    /// The path of the file.
    pub path: PathBuf,
    /// The segment, or why the file is not one.
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
    let inspect = |path: PathBuf| {
        let segment = named::inspect(&path).and_then(Segment::new);
        SegmentEntry { path, segment }
    };
    // Without files that were removed meanwhile.
    let is_there = |found: &SegmentEntry| !matches!(found.segment, Err(RingError::NotFound { .. }));
    Ok(paths.into_iter().map(inspect).filter(is_there).collect())
}

/// Removes the unfinished files of creators in a directory that were killed before their ring had
/// its name. There are none on tmpfs with `/proc`: only where the system lacks files without names,
/// a ring is made in a hidden file first. Files of other users, and of living processes, stay.
/// Returns how many files it removed.
///
/// # Errors
/// If the directory cannot be read.
pub fn remove_drafts_in(directory: impl AsRef<Path>) -> io::Result<usize> {
    named::remove_drafts(directory.as_ref())
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = self.config();
        let slots = format_args!("{} x {} bytes", config.slots, config.slot_bytes);
        let mut segment = f.debug_struct("Segment");
        segment
            .field("path", &self.path())
            .field("slots", &slots)
            .field("delivery", &config.delivery)
            .finish()
    }
}
