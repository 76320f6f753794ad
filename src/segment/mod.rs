//! Where a ring's memory comes from, and which of its users are alive.
//!
//! | backend  | memory                    | found by              | entries locked by     |
//! |----------|---------------------------|-----------------------|-----------------------|
//! | heap     | the allocator             | clones of the handle  | [`Liveness`] alone    |
//! | file     | a file on tmpfs (Linux)   | its name              | OFD locks on the file |
//! | memfd    | a memfd (Linux)           | descriptors           | OFD locks on the file |
//! | portable | the crate `shared_memory` | a small file          | locks on small files  |
//!
//! A [`Draft`] is complete except for its name: the caller initialises the shared words, and only
//! then publishes it. An [`Opened`] segment was published before.
//!
//! The platform is chosen here, and only here: a backend that a build lacks is a stand-in without
//! values.

mod backing;
mod error;
mod liveness;
#[cfg_attr(target_os = "linux", path = "linux/mod.rs")]
#[cfg_attr(not(target_os = "linux"), path = "no_files.rs")]
mod platform;
#[cfg_attr(not(feature = "portable"), path = "no_portable.rs")]
mod portable;

use crate::memory::header::Superblock;
use crate::memory::layout::Layout;
use crate::types::backend::Backend;
use crate::types::config::Config;
use crate::types::error::RingError;
use crate::types::location::Location;
use crate::types::open_options::OpenOptions;
use std::path::PathBuf;

pub(crate) use backing::{Backing, Draft, Opened};
pub(crate) use liveness::Liveness;
#[cfg(all(target_os = "linux", not(any(seqring_model, seqring_fuzz))))]
pub(crate) use liveness::start_time;
#[cfg(all(target_os = "linux", not(seqring_model)))]
pub(crate) use platform::fork::hold_off;
#[cfg(target_os = "linux")]
pub(crate) use platform::{
    file::{Contents, Hold, SegmentFile},
    memfd,
};
pub(crate) use platform::{limits, named};

impl Draft {
    /// A new segment for a location.
    pub(crate) fn at(location: &Location, layout: &Layout, options: &OpenOptions) -> Result<Self, RingError> {
        let (path, superblock) = (path_of(location)?, Superblock::fresh(layout));
        match location.backend() {
            Backend::File => named::draft(path, &superblock, layout, options),
            Backend::Portable => {
                limits::check_file(layout.total_bytes as u64)?;
                limits::check_memory(layout.resident_bytes as u64)?;
                apart_from_streams(|| portable::draft(path, &superblock, layout, options))
            }
            backend => Err(RingError::Unsupported { backend }),
        }
    }
}

impl Opened {
    /// The segment at a location, which must have the configuration `wanted`, if there is one.
    pub(crate) fn at(
        location: &Location,
        wanted: Option<&Config>,
        options: &OpenOptions,
    ) -> Result<Self, RingError> {
        let path = path_of(location)?;
        match location.backend() {
            Backend::File => named::open(&path, wanted, options),
            Backend::Portable => apart_from_streams(|| portable::open(&path, wanted, options)),
            backend => Err(RingError::Unsupported { backend }),
        }
    }
}

/// Calls `open`, which opens files of a ring. None gets the number of a standard stream that is
/// closed: what the program prints would overwrite the ring.
fn apart_from_streams<T>(open: impl FnOnce() -> T) -> T {
    #[cfg(unix)]
    let _held = {
        use rustix::fs::{Mode, OFlags, open};
        use std::os::fd::AsRawFd;
        let any = || open("/", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        std::iter::from_fn(|| any().ok().filter(|file| file.as_raw_fd() <= 2)).collect::<Vec<_>>()
    };
    open()
}

/// The path of a location. Absolute: the last user finds the name wherever it has moved to.
pub(crate) fn path_of(location: &Location) -> Result<PathBuf, RingError> {
    let path = location.path()?;
    std::path::absolute(&path).map_err(|source| RingError::Io { doing: "finding", path, source })
}

/// Removes the name of the segment at a location. Processes that have it open keep it.
pub(crate) fn unlink(location: &Location) -> Result<(), RingError> {
    let path = path_of(location)?;
    match location.backend() {
        Backend::File => named::unlink(&path),
        Backend::Portable => portable::unlink(&path),
        backend => Err(RingError::Unsupported { backend }),
    }
}

/// Whether the segment at a location is left from killed processes: no process has it open, and its
/// ring is not to be kept.
pub(crate) fn is_unused(location: &Location) -> Result<bool, RingError> {
    let path = path_of(location)?;
    match location.backend() {
        Backend::File => named::is_unused(&path),
        Backend::Portable => apart_from_streams(|| portable::is_unused(&path)),
        backend => Err(RingError::Unsupported { backend }),
    }
}

/// Removes the segment at a location if no process has it open, and its ring is not to be kept or
/// `kept_too`. Returns whether it did.
pub(crate) fn remove_unused(location: &Location, kept_too: bool) -> Result<bool, RingError> {
    let path = path_of(location)?;
    match location.backend() {
        Backend::File => named::remove_unused(&path, kept_too),
        Backend::Portable => portable::remove_unused(&path, kept_too),
        backend => Err(RingError::Unsupported { backend }),
    }
}
