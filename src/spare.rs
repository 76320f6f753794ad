//! The one writer's second buffer, in gated rings of arena slots: what an evicted reader's view shows goes on lying there.
//!
//! A view pins its message, and so holds the writer back. When others move its reader on, the writer may publish over that
//! message all the same: it takes the buffer out of the slot, as ever, but leaves it alone until the view is gone, and
//! fills its second buffer instead. There is one: a second view that is in the way holds the writer back, as long as the
//! first lasts.
//!
//! The writer says nowhere which of its two buffers it keeps so. Its heir asks the readers: each says which buffer it has
//! pinned ([`crate::gate::is_shown`]).

use crate::error::Corrupt;
use crate::gate;
use crate::shared::Shared;
use crate::stops::{self, Stop};
use std::sync::Arc;

/// A second buffer, backed with pages when it is first needed.
#[derive(Debug)]
pub(crate) struct Spare {
    shared: Arc<Shared>,
    buffer: usize,
    /// A view showed it when it was last looked at.
    kept: bool,
    backed: bool,
}

impl Spare {
    /// Of the two buffers that no slot names: the one to be filled, and the other.
    pub(crate) fn of(shared: &Arc<Shared>, missing: [usize; 2]) -> Result<(usize, Self), Corrupt> {
        let memory = &shared.memory;
        let (own, buffer) = match missing.map(|buffer| gate::is_shown(memory, buffer)) {
            // The one with the higher number may never have been used, and not be backed.
            [false, _] => (missing[0], missing[1]),
            [true, false] => (missing[1], missing[0]),
            [true, true] => return Err(Corrupt { what: "readers have pinned buffers that no slot names" }),
        };
        let kept = gate::is_shown(memory, buffer);
        Ok((own, Spare { shared: Arc::clone(shared), buffer, kept, backed: false }))
    }

    /// Whether another view may be left with its buffer.
    ///
    /// # Cost
    /// A line a reader while a view is left with one. The first time, the buffer's pages: without room for them, no.
    #[cold]
    pub(crate) fn is_free(&mut self) -> bool {
        let Shared { memory, .. } = &*self.shared;
        self.kept = self.kept && gate::is_shown(memory, self.buffer);
        if !self.backed {
            self.backed = self.shared.back_with_pages(memory.layout().buffer_pages(self.buffer)).is_ok();
            if self.backed {
                memory.make_buffer_resident(self.buffer);
            }
        }
        self.backed && !self.kept
    }

    /// Leaves `shown` alone from now on, and returns the buffer to be filled instead. Only while [free](Self::is_free).
    pub(crate) fn keep(&mut self, shown: usize) -> usize {
        self.kept = true;
        stops::at(Stop::SetAside);
        std::mem::replace(&mut self.buffer, shown)
    }
}
