//! The name of a ring: whether it has one, and its removal.

use crate::api::ring::Ring;
use crate::segment;
use crate::types::error::RingError;
use crate::types::location::Location;

impl Ring {
    /// Whether the ring's name still leads to this ring, so that other processes can open it. False
    /// for a ring without a name.
    ///
    /// Any process that may write to the directory can remove the name. With `RemoveIPC=yes`, the
    /// default of many distributions, systemd removes the files of a user in `/dev/shm` when the
    /// user's last session ends, also those of running services of that user. `RemoveIPC=no` in
    /// `logind.conf`, a system user, or another directory prevents that. Participants that have the
    /// ring open are not affected.
    ///
    /// # Cost
    /// Two system calls.
    pub fn is_named(&self) -> bool {
        self.attachment.liveness.backing.is_named()
    }

    /// Removes the name of a ring. Processes that have it open keep it; no other can open it.
    ///
    /// # Errors
    /// [`RingError::NotFound`]; [`RingError::PermissionDenied`]; [`RingError::Unusable`] while the
    /// last user to leave is suspended just before it removes the name itself: it would remove the
    /// name of the next ring.
    pub fn unlink(location: impl Into<Location>) -> Result<(), RingError> {
        segment::unlink(&location.into())
    }

    /// Removes a ring that killed processes left: one that no living process has open, and that was
    /// not [made to be kept](crate::Config::keep). Returns whether it did.
    ///
    /// A process that opens the ring at the same time either finds it and keeps it from being
    /// removed, or does not find it.
    ///
    /// # Errors
    /// As [`Self::open`], without `ForeignOwner`.
    pub fn unlink_unused(location: impl Into<Location>) -> Result<bool, RingError> {
        segment::remove_unused(&location.into(), false)
    }

    /// As [`Self::unlink_unused`], also if the ring was made to be kept.
    ///
    /// # Errors
    /// As there.
    pub fn unlink_unused_even_kept(location: impl Into<Location>) -> Result<bool, RingError> {
        segment::remove_unused(&location.into(), true)
    }
}
