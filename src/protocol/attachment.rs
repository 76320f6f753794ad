//! One attachment to a ring.

use crate::memory::Memory;
use crate::segment::Presence;
use crate::sync::event_count::Bells;
use crate::types::error::{JoinError, Warning};
use std::ops::Range;

/// What all handles, writers and readers of one attachment share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Dropped first: while the ring is open, forked children must get nothing of it.
    pub(crate) _watched: Option<crate::protocol::fork::Watched>,
    pub(crate) memory: Memory,
    pub(crate) presence: Presence,
    pub(crate) bells: Bells,
    /// What the system refused that the ring works without.
    pub(crate) warnings: Vec<Warning>,
}

impl Shared {
    /// What the ring is called in messages to people: its file, if it has one.
    #[cfg_attr(not(feature = "tracing"), expect(dead_code, reason = "for events"))]
    pub(crate) fn name(&self) -> String {
        self.presence
            .backing
            .path()
            .map_or_else(|| "without a name".into(), |path| path.display().to_string())
    }

    /// Backs a range of the ring's memory with pages, as an error now and not a signal at the first access.
    pub(crate) fn back_with_pages(&self, range: Range<usize>) -> Result<(), JoinError> {
        #[cfg(target_os = "linux")]
        if let Some(file) = self.presence.backing.file() {
            let wanted = range.len() as u64;
            return file.allocate(range.start as u64..range.end as u64).map_err(|error| match error {
                crate::types::error::RingError::NoSpace { available, .. } => {
                    JoinError::NoSpace { wanted, available }
                }
                _ => JoinError::NoSpace { wanted, available: 0 },
            });
        }
        // Elsewhere pages are not set apart, but there may be somebody to ask.
        let wanted = range.len() as u64;
        self.memory.has_room(range).then_some(()).ok_or(JoinError::NoSpace { wanted, available: 0 })
    }
}
