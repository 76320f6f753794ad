//! A segment, by what keeps its memory: new ([`Draft`]), opened ([`Opened`]), in use ([`Backing`]).

use super::platform::file::SegmentFile;
use super::portable::Link;
use crate::memory::layout::Layout;
use crate::memory::mapping::Mapping;
use crate::types::backend::Backend;
use crate::types::error::{RingError, Warning};
use std::path::Path;
use std::sync::Arc;

/// Keeps a ring's memory for one handle, and holds the locks of its entries.
#[derive(Debug)]
#[allow(dead_code, reason = "not every build has every backend")]
pub(crate) enum Backing {
    /// Only this handle and its clones reach the ring.
    Heap,
    /// A file that others find by its name.
    File(SegmentFile),
    /// A file that others reach by descriptors only.
    Memfd(SegmentFile),
    /// Memory of the crate `shared_memory`.
    Portable(Link),
}

/// A segment that no other process can see yet.
pub(crate) struct Draft {
    pub(crate) mapping: Arc<Mapping>,
    pub(crate) warnings: Vec<Warning>,
    pub(super) backing: Backing,
}

/// A segment that was published.
pub(crate) struct Opened {
    pub(crate) mapping: Mapping,
    pub(crate) layout: Layout,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) backing: Backing,
}

impl Draft {
    /// Gives the segment its name, if it is to have one.
    pub(crate) fn publish(mut self, keep: bool) -> Result<Backing, RingError> {
        match &mut self.backing {
            Backing::Heap | Backing::Memfd(_) => {}
            Backing::File(file) => file.publish(keep)?,
            Backing::Portable(link) => link.publish(keep)?,
        }
        Ok(self.backing)
    }
}

impl Backing {
    /// Locks an entry, unless another handle holds its lock. Within one handle
    /// [`Liveness`](super::Liveness) excludes that.
    pub(super) fn try_lock(&self, entry: usize) -> bool {
        match self {
            Backing::Heap => true,
            Backing::File(file) | Backing::Memfd(file) => file.try_lock(entry),
            Backing::Portable(link) => link.try_lock(entry),
        }
    }

    /// As [`Self::try_lock`], beside the shared locks of strangers and of others that hold it so.
    pub(super) fn try_share(&self, entry: usize) -> bool {
        match self {
            Backing::Heap => true,
            Backing::File(file) | Backing::Memfd(file) => file.try_share(entry),
            Backing::Portable(_) => false, // No stranger can open its files.
        }
    }

    /// Whether a shared lock of a process that is no participant keeps an entry from being locked.
    pub(crate) fn is_obstructed(&self, entry: usize) -> bool {
        match self {
            Backing::Heap | Backing::Portable(_) => false,
            Backing::File(file) | Backing::Memfd(file) => file.is_obstructed(entry),
        }
    }

    pub(super) fn unlock(&self, entry: usize) {
        match self {
            Backing::Heap => {}
            Backing::File(file) | Backing::Memfd(file) => file.unlock(entry),
            Backing::Portable(link) => link.unlock(entry),
        }
    }

    /// Whether another handle, of a living process, holds the lock of an entry.
    pub(crate) fn is_locked_elsewhere(&self, entry: usize) -> bool {
        match self {
            Backing::Heap => false,
            Backing::File(file) | Backing::Memfd(file) => file.is_locked_elsewhere(entry),
            Backing::Portable(link) => link.is_locked_elsewhere(entry),
        }
    }

    /// The file that processes share, if they do.
    #[cfg(target_os = "linux")]
    pub(crate) fn file(&self) -> Option<&SegmentFile> {
        match self {
            Backing::File(file) | Backing::Memfd(file) => Some(file),
            Backing::Heap | Backing::Portable(_) => None,
        }
    }

    /// Whether others find the ring by its name.
    pub(crate) fn is_named(&self) -> bool {
        match self {
            Backing::Heap | Backing::Memfd(_) => false,
            Backing::File(file) => file.is_named(),
            Backing::Portable(link) => link.is_named(),
        }
    }

    /// Where others find the ring.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Backing::Heap | Backing::Memfd(_) => None,
            Backing::File(file) => Some(file.path()),
            Backing::Portable(link) => Some(link.path()),
        }
    }

    pub(crate) fn backend(&self) -> Backend {
        match self {
            Backing::Heap => Backend::Heap,
            Backing::File(_) => Backend::File,
            Backing::Memfd(_) => Backend::Memfd,
            Backing::Portable(_) => Backend::Portable,
        }
    }
}
