//! The cheap look of a writer that found the ring full and tries again.

use crate::memory::Memory;
use crate::sync::Relaxed;

/// A reader that blocks a writer: its entry, and what a writer saw there. While that is unchanged,
/// the reader still blocks: the next messages need more room, not less.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blocker {
    pub(crate) index: usize,
    pub(crate) cursor: u64,
    pub(crate) floor: u64,
}

impl Blocker {
    pub(crate) fn still_blocks(self, memory: &Memory) -> bool {
        let entry = memory.entry(self.index);
        // Relaxed, both: nothing is read from the slots of a ring that is full.
        entry.cursor.load(Relaxed) == self.cursor && entry.floor.load(Relaxed) == self.floor
    }
}
