//! Where a ring's memory comes from, and who of its users is alive.
//!
//! A [`Draft`] has everything but its name: the caller gives the shared words their first values, and only then is it
//! published. An [`Opened`] segment was published by somebody else.

#[cfg(target_os = "linux")]
pub(crate) mod linux;
mod liveness;
mod pages;
#[cfg(feature = "portable")]
mod portable;

use crate::memory::header::Superblock;
use crate::memory::layout::Layout;
use crate::memory::mapping::Mapping;
use crate::types::error::{RingError, Warning};
use crate::types::location::{Backend, Location};
use crate::types::open_options::OpenOptions;
use std::path::Path;
use std::sync::Arc;

#[cfg(target_os = "linux")]
pub(crate) use linux::file::{Contents, SegmentFile};
#[cfg(target_os = "linux")]
pub(crate) use linux::{memfd, named};
pub(crate) use liveness::Liveness;
#[cfg(all(target_os = "linux", not(any(seqring_model, seqring_fuzz))))]
pub(crate) use liveness::started;

/// What is said of a segment that stays locked for good.
#[cfg(any(target_os = "linux", feature = "portable"))]
const LEAVER_STAYS: &str =
    "somebody who is leaving holds it, and does not go on: if it is stopped, continue or kill it";

/// What keeps a ring's memory for one handle, and says which of its entries are in whose hands.
#[derive(Debug)]
pub(crate) enum Backing {
    /// Only this handle and its clones reach the ring.
    Heap,
    /// A file that others find by its name.
    #[cfg(target_os = "linux")]
    File(SegmentFile),
    /// A file that only descriptors lead to.
    #[cfg(target_os = "linux")]
    Memfd(SegmentFile),
    #[cfg(feature = "portable")]
    Portable(portable::Link),
}

/// A segment that nobody else can see yet.
pub(crate) struct Draft {
    pub(crate) mapping: Arc<Mapping>,
    pub(crate) warnings: Vec<Warning>,
    backing: Backing,
}

/// A segment that somebody published.
pub(crate) struct Opened {
    pub(crate) mapping: Mapping,
    pub(crate) layout: Layout,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) backing: Backing,
}

impl Draft {
    /// For a location.
    pub(crate) fn at(location: &Location, layout: &Layout, options: &OpenOptions) -> Result<Self, RingError> {
        let (path, superblock) = (location.path()?, Superblock::fresh(layout));
        match location.backend() {
            #[cfg(target_os = "linux")]
            Backend::File => named::draft(path, &superblock, layout, options),
            #[cfg(feature = "portable")]
            Backend::Portable => portable::draft(path, &superblock, layout, options),
            backend => Err(RingError::Unsupported { backend }),
        }
    }

    /// Lets others see it.
    pub(crate) fn publish(mut self, keep: bool) -> Result<Backing, RingError> {
        match &mut self.backing {
            #[cfg(target_os = "linux")]
            Backing::File(file) => {
                named::publish(file)?;
                file.keep = keep;
            }
            #[cfg(feature = "portable")]
            Backing::Portable(link) => link.publish(keep)?,
            _ => {} // It has no name: descriptors lead to it.
        }
        Ok(self.backing)
    }
}

impl Backing {
    /// Takes hold of an entry, if nobody else who lives holds it. Within one handle the caller sees to that.
    fn try_lock(&self, entry: usize) -> bool {
        match self {
            Backing::Heap => true,
            #[cfg(target_os = "linux")]
            Backing::File(file) | Backing::Memfd(file) => file.try_lock(entry),
            #[cfg(feature = "portable")]
            Backing::Portable(link) => link.try_lock(entry),
        }
    }

    fn unlock(&self, entry: usize) {
        match self {
            Backing::Heap => {}
            #[cfg(target_os = "linux")]
            Backing::File(file) | Backing::Memfd(file) => file.unlock(entry),
            #[cfg(feature = "portable")]
            Backing::Portable(link) => link.unlock(entry),
        }
    }

    /// Whether somebody else who lives holds an entry.
    fn is_locked_elsewhere(&self, entry: usize) -> bool {
        match self {
            Backing::Heap => false,
            #[cfg(target_os = "linux")]
            Backing::File(file) | Backing::Memfd(file) => file.is_locked_elsewhere(entry),
            #[cfg(feature = "portable")]
            Backing::Portable(link) => link.is_locked_elsewhere(entry),
        }
    }

    /// The file that processes share, if they do.
    #[cfg(target_os = "linux")]
    pub(crate) fn file(&self) -> Option<&SegmentFile> {
        match self {
            Backing::File(file) | Backing::Memfd(file) => Some(file),
            _ => None,
        }
    }

    /// Where others find the ring.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            #[cfg(target_os = "linux")]
            Backing::File(file) => Some(file.path()),
            #[cfg(feature = "portable")]
            Backing::Portable(link) => Some(link.path()),
            _ => None,
        }
    }

    pub(crate) fn backend(&self) -> Backend {
        match self {
            Backing::Heap => Backend::Heap,
            #[cfg(target_os = "linux")]
            Backing::File(_) => Backend::File,
            #[cfg(target_os = "linux")]
            Backing::Memfd(_) => Backend::Memfd,
            #[cfg(feature = "portable")]
            Backing::Portable(_) => Backend::Portable,
        }
    }
}

impl Opened {
    /// What is at a location.
    pub(crate) fn at(location: &Location, options: &OpenOptions) -> Result<Self, RingError> {
        let path = location.path()?;
        match location.backend() {
            #[cfg(target_os = "linux")]
            Backend::File => named::open(&path, options),
            #[cfg(feature = "portable")]
            Backend::Portable => portable::open(&path, options),
            backend => Err(RingError::Unsupported { backend }),
        }
    }
}

/// Removes the name of what is at a location.
pub(crate) fn unlink(location: &Location) -> Result<(), RingError> {
    let path = location.path()?;
    match location.backend() {
        #[cfg(target_os = "linux")]
        Backend::File => named::unlink(&path),
        #[cfg(feature = "portable")]
        Backend::Portable => portable::unlink(&path),
        backend => Err(RingError::Unsupported { backend }),
    }
}

/// Removes what is at a location if nobody has it open and its ring is not to be kept, or `kept_too`. Says whether it
/// did.
pub(crate) fn remove_unused(location: &Location, kept_too: bool) -> Result<bool, RingError> {
    let path = location.path()?;
    match location.backend() {
        #[cfg(target_os = "linux")]
        Backend::File => named::remove_unused(&path, kept_too),
        #[cfg(feature = "portable")]
        Backend::Portable => portable::remove_unused(&path, kept_too),
        backend => Err(RingError::Unsupported { backend }),
    }
}
