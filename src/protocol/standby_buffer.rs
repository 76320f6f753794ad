//! The second buffer of the one writer, in a gated ring of arena slots: it lets the writer
//! overwrite a message that an evicted reader still has pinned.
//!
//! A view pins its message and so holds the writer back. After other participants moved that reader
//! on, the writer may overwrite the pinned message: it takes the buffer out of the slot as always,
//! but keeps it unchanged until the view is gone, and fills its second buffer instead. There is one
//! second buffer, so a second pinned message holds the writer back until the first view is gone.
//!
//! # Recovery
//! Before it overwrites the message, the writer stores the pinned buffer's number in its own entry.
//! A successor keeps that buffer unchanged if no slot names it and a reader still has it pinned
//! ([`backpressure::is_pinned`]). The pin alone is not sufficient: a reader that was moved may be
//! about to unpin, and its entry names whichever buffer held its message. No other buffer outside
//! the slots can be pinned, because the writer leaves a second one to a reader only when the first
//! is free.

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
    /// A reader had the buffer pinned at the last check.
    pinned: bool,
    has_pages: bool,
}

impl StandbyBuffer {
    /// Divides the two buffers that no slot names: into the one to be filled, backed with pages,
    /// and the standby buffer.
    pub(crate) fn divide(
        attachment: &Arc<Attachment>,
        [first, second]: [usize; 2],
    ) -> Result<(usize, Self), RegisterError> {
        let memory = &attachment.memory;
        // Relaxed: the predecessor's publications released it, and our pass over the slots acquired
        // them.
        let announced = writer_entry(memory).pinned.load(Relaxed);
        let is_pinned = |buffer| word_of(buffer) == announced && backpressure::is_pinned(memory, buffer);
        let (own, buffer) = if is_pinned(first) { (second, first) } else { (first, second) };
        attachment.back_with_pages(memory.layout().buffer_pages(own))?;
        let (attachment, pinned) = (Arc::clone(attachment), is_pinned(buffer));
        Ok((own, StandbyBuffer { attachment, buffer, pinned, has_pages: false }))
    }

    /// Whether the writer may leave its next buffer to a reader and fill this one instead.
    ///
    /// # Cost
    /// One line per reader while the buffer is pinned. The first call backs the buffer with pages;
    /// false if there is no room for them.
    #[cold]
    pub(crate) fn is_free(&mut self) -> bool {
        let Attachment { memory, .. } = &*self.attachment;
        self.pinned = self.pinned && backpressure::is_pinned(memory, self.buffer);
        if !self.has_pages {
            self.has_pages =
                self.attachment.back_with_pages(memory.layout().buffer_pages(self.buffer)).is_ok();
            if self.has_pages {
                memory.make_buffer_resident(self.buffer);
            }
        }
        self.has_pages && !self.pinned
    }

    /// Stores that the next publication leaves `pinned` to a reader.
    pub(crate) fn announce(&self, pinned: usize) {
        // Relaxed: the publication releases it.
        writer_entry(&self.attachment.memory).pinned.store(word_of(pinned), Relaxed);
    }

    /// Keeps the [announced](Self::announce) buffer unchanged from now on, and returns the buffer
    /// to be filled instead. Only while this one [is free](Self::is_free).
    pub(crate) fn replace(&mut self, pinned: usize) -> usize {
        self.pinned = true;
        failpoint::hit(Failpoint::PinnedSetAside);
        std::mem::replace(&mut self.buffer, pinned)
    }
}

/// The one writer's entry. No reader uses it, so its word for a pin is free for the announcement.
fn writer_entry(memory: &Memory) -> &Entry {
    memory.entry(WRITER_ENTRY)
}

/// A buffer as that word names it; 0 means none.
fn word_of(buffer: usize) -> u64 {
    buffer as u64 + 1
}
