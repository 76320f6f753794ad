//! One attachment to a ring.

use crate::memory::Memory;
use crate::segment::Liveness;
use crate::sync::event_count::EventCounts;
use crate::types::error::{RegisterError, Warning};
use std::ops::Range;

/// What all handles, writers and readers of one attachment share.
#[derive(Debug)]
pub(crate) struct Attachment {
    /// Dropped first: while the ring is open, forked children must get nothing of it.
    pub(crate) _watched: Option<crate::protocol::fork::Watched>,
    pub(crate) memory: Memory,
    pub(crate) liveness: Liveness,
    pub(crate) event_counts: EventCounts,
    /// What the system refused that the ring works without.
    pub(crate) warnings: Vec<Warning>,
}

impl Attachment {
    /// What the ring is called in messages to people: its file, if it has one.
    #[cfg_attr(not(feature = "tracing"), expect(dead_code, reason = "for events"))]
    pub(crate) fn name(&self) -> String {
        self.liveness
            .backing
            .path()
            .map_or_else(|| "without a name".into(), |path| path.display().to_string())
    }

    /// Backs a range of the ring's memory with pages, as an error now and not a signal at the first access.
    pub(crate) fn back_with_pages(&self, range: Range<usize>) -> Result<(), RegisterError> {
        #[cfg(target_os = "linux")]
        if let Some(file) = self.liveness.backing.file() {
            let wanted = range.len() as u64;
            return file.allocate(range.start as u64..range.end as u64).map_err(|error| match error {
                crate::types::error::RingError::NoSpace { available, .. } => {
                    RegisterError::NoSpace { wanted, available }
                }
                _ => RegisterError::NoSpace { wanted, available: 0 },
            });
        }
        // Elsewhere pages are not set apart, but there may be somebody to ask.
        let wanted = range.len() as u64;
        self.memory.has_room(range).then_some(()).ok_or(RegisterError::NoSpace { wanted, available: 0 })
    }
}
