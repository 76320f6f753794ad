//! The membership of a process in a ring: passed to a child at a fork, and ended with the process.

#[cfg(target_os = "linux")]
use crate::api::open::attach;
use crate::api::ring::Ring;
use crate::protocol::attachment::Attachment;
use crate::protocol::registry;
#[cfg(target_os = "linux")]
use crate::segment::{Backing, Hold, named};
#[cfg(target_os = "linux")]
use crate::types::error::RingError;
use std::sync::{Arc, Weak};

/// Keeps a named ring for a child that this process is about to fork. Linux only.
///
/// From the fork on the child is a user of the ring, which keeps its name. The parent drops its
/// copy after the fork.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub struct RingHold(Hold);

#[cfg(target_os = "linux")]
impl Ring {
    /// Takes a hold on the ring.
    ///
    /// # Errors
    /// [`RingError::Unsupported`] unless the ring has a name; [`RingError::Io`].
    pub fn hold(&self) -> Result<RingHold, RingError> {
        match &self.attachment.liveness.backing {
            Backing::File(file) => file.hold().map(RingHold),
            backing => Err(RingError::Unsupported { backend: backing.backend() }),
        }
    }
}

#[cfg(target_os = "linux")]
impl RingHold {
    /// Opens the ring, in the child; also if its name was removed.
    ///
    /// # Errors
    /// As [`Ring::open`].
    pub fn open(self) -> Result<Ring, RingError> {
        named::open_held(self.0).map(attach)
    }
}

/// A reference to a ring that does not keep it open.
#[derive(Clone, Debug)]
pub struct WeakRing(Weak<Attachment>);

impl Ring {
    /// Returns a reference that does not keep the ring open.
    pub fn downgrade(&self) -> WeakRing {
        WeakRing(Arc::downgrade(&self.attachment))
    }
}

impl WeakRing {
    /// Whether this process has the ring open through the handle of this reference, its clones,
    /// readers, writers and takers.
    pub fn is_open(&self) -> bool {
        self.0.strong_count() > 0
    }

    /// Ends this process's use of the ring, for a process that is about to end while its threads
    /// still use the ring: its writers have left and did not die, and the last user removes the
    /// name.
    ///
    /// The registrations end with the process. Until then, the bytes of views and claims stay
    /// theirs, and a message that a taker has not acknowledged goes to no other taker.
    ///
    /// # Cost
    /// Some system calls.
    pub fn leave_at_exit(&self) {
        let Some(attachment) = self.0.upgrade() else { return };
        if attachment.liveness.is_inherited() {
            return; // It is the parent's.
        }
        registry::mark_leaving(&attachment);
        #[cfg(target_os = "linux")]
        if let Some(file) = attachment.liveness.backing.file() {
            file.leave();
        }
    }
}
