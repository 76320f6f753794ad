//! The cheap look of a writer that found the ring full and tries again.

use crate::memory::Memory;
use crate::protocol::reader_entry::{Cursor, entries};
use crate::sync::Relaxed;

/// A reader that blocks a writer: its entry and what that held. While that is unchanged, the reader
/// still blocks: the next messages need more room, not less.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Blocker {
    index: usize,
    cursor: u64,
    floor: u64,
}

impl Blocker {
    /// A reader that blocks `next`, if others have not moved it.
    pub(crate) fn find(memory: &Memory, next: u64) -> Option<Self> {
        let slots = memory.layout().config.slots as u64;
        entries(memory).find_map(|index| {
            let entry = memory.entry(index);
            // Relaxed, both: what blocks is decided by the two words that are kept.
            let (cursor, floor) = (entry.cursor.load(Relaxed), entry.floor.load(Relaxed));
            let position = Cursor::from_word(cursor).position()?;
            let blocks = floor <= position && position.saturating_add(slots) <= next;
            blocks.then_some(Blocker { index, cursor, floor })
        })
    }

    pub(crate) fn still_blocks(self, memory: &Memory) -> bool {
        let entry = memory.entry(self.index);
        // Relaxed, both: nothing is read from the slots of a ring that is full.
        entry.cursor.load(Relaxed) == self.cursor && entry.floor.load(Relaxed) == self.floor
    }
}
