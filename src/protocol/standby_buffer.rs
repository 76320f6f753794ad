//! The one writer's second buffer, in gated rings of arena slots: what an evicted reader's view shows goes on lying there.
//!
//! A view pins its message, and so holds the writer back. When others move its reader on, the writer may publish over that
//! message all the same: it takes the buffer out of the slot, as ever, but leaves it alone until the view is gone, and
//! fills its second buffer instead. There is one: a second view that is in the way holds the writer back, as long as the
//! first lasts.
//!
//! Which buffer that is, the writer says in its entry before it publishes over the message. Its heir believes it if no slot
//! names the buffer and a reader still says that it has pinned it ([`crate::protocol::backpressure::is_pinned`]). A pin alone says nothing: a
//! reader that was moved may be about to give it up, and pins whatever buffer it found its message in before. And no other
//! buffer that no slot names can be shown: the writer sets a second one aside only when the first is free.

use crate::memory::Memory;
use crate::memory::format::{Entry, WRITER_ENTRY};
use crate::protocol::attachment::Attachment;
use crate::protocol::backpressure;
use crate::sync::Relaxed;
use crate::sync::failpoint::{self, Failpoint};
use crate::types::error::RegisterError;
use std::sync::Arc;

/// A second buffer, backed with pages when it is first needed.
#[derive(Debug)]
pub(crate) struct StandbyBuffer {
    attachment: Arc<Attachment>,
    buffer: usize,
    /// A view showed it when it was last looked at.
    kept: bool,
    backed: bool,
}

impl StandbyBuffer {
    /// Of the two buffers that no slot names: the one to be filled, backed with pages, and the other.
    pub(crate) fn of(
        attachment: &Arc<Attachment>,
        missing: [usize; 2],
    ) -> Result<(usize, Self), RegisterError> {
        let memory = &attachment.memory;
        // Relaxed: the predecessor's publications, which the look at the slots acquired, released it.
        let aside = writer_entry(memory).pinned.load(Relaxed);
        let is_kept = |buffer| word_of(buffer) == aside && backpressure::is_pinned(memory, buffer);
        let [first, second] = missing;
        let (own, buffer) = if is_kept(first) { (second, first) } else { (first, second) };
        attachment.back_with_pages(memory.layout().buffer_pages(own))?;
        Ok((
            own,
            StandbyBuffer {
                attachment: Arc::clone(attachment),
                buffer,
                kept: is_kept(buffer),
                backed: false,
            },
        ))
    }

    /// Whether another view may be left with its buffer.
    ///
    /// # Cost
    /// A line a reader while a view is left with one. The first time, the buffer's pages: without room for them, no.
    #[cold]
    pub(crate) fn is_free(&mut self) -> bool {
        let Attachment { memory, .. } = &*self.attachment;
        self.kept = self.kept && backpressure::is_pinned(memory, self.buffer);
        if !self.backed {
            self.backed = self.attachment.back_with_pages(memory.layout().buffer_pages(self.buffer)).is_ok();
            if self.backed {
                memory.make_buffer_resident(self.buffer);
            }
        }
        self.backed && !self.kept
    }

    /// Says that what is published next leaves `shown` in the hands of a reader.
    pub(crate) fn announce(&self, shown: usize) {
        // Relaxed: the publication releases it.
        writer_entry(&self.attachment.memory).pinned.store(word_of(shown), Relaxed);
    }

    /// Leaves `shown`, which was [announced](Self::announce), alone from now on, and returns the buffer to be filled
    /// instead. Only while [free](Self::is_free).
    pub(crate) fn keep(&mut self, shown: usize) -> usize {
        self.kept = true;
        failpoint::at(Failpoint::SetAside);
        std::mem::replace(&mut self.buffer, shown)
    }
}

/// The one writer's entry. No reader ever has it: its word for a pin says what is set aside.
fn writer_entry(memory: &Memory) -> &Entry {
    memory.entry(WRITER_ENTRY)
}

/// A buffer as that word says it; 0: none was.
fn word_of(buffer: usize) -> u64 {
    buffer as u64 + 1
}
