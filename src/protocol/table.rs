//! The cells of a table: the latest value of each key.
//!
//! A cell is two [inline slots](crate::protocol::inline_slot). Versions of a value are numbered
//! from 1; version `v` is in slot `v % 2`. So the writer never changes the slot of the latest
//! version: a writer that is suspended or killed in the middle of a value leaves the one before.
//!
//! # Steps
//! | writer of version `v`                       | reader                                         |
//! |---------------------------------------------|------------------------------------------------|
//! | 1 load both stamps: `v - 1` is the latest   | a load both stamps, take the later whole one;  |
//! |                                             |   if none is whole, and a version after the    |
//! |                                             |   first is being written, again                |
//! | 2 publish `v` in slot `v % 2`, with a mark  | b copy, load that stamp again: if equal, done  |
//! | 3 count the update                          | c else from a: the writer has begun `v + 2`    |
//! | 4 notify                                    |                                                |
//!
//! A reader that waits loads the count of updates, and then each key's stamps. If no key has
//! changed, it need not look at them again before the count changes. A writer that is killed
//! between 2 and 3 leaves an update uncounted. So a reader looks at all keys while the writer is
//! dead; a successor counts one update when it joins.
//!
//! # Pairings
//! `Publish` and `Tear` as in [`crate::protocol::inline_slot`]; step 3 releases as step 2 does.
//!
//! # Costs
//! A read loads three stamps. A write stores two and the count.

use crate::memory::layout::SEQUENCE_LIMIT;
use crate::memory::message_header::HeaderFormat;
use crate::memory::slot_index::SlotIndex;
use crate::memory::stamp::InlineStamp;
use crate::memory::{InlineSlot, Memory};
use crate::protocol::inline_slot::{self, LoadedSlot};
use crate::protocol::seqlock::{OptimisticRead, Refused};
use crate::sync::{Pair, acquire, release, release_fence};
use crate::types::error::Corrupt;
use crate::types::message::MessageHeader;

/// Only a hostile peer makes it load the stamps more often.
const TRIES: usize = 1000;

/// A version of a key's value, and the stamp that it was found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) number: u64,
    stamp: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct TableCells {
    memory: Memory,
    stamps: InlineStamp,
    header_format: HeaderFormat,
    keys: usize,
}

impl TableCells {
    pub(crate) fn new(memory: &Memory) -> Self {
        let config = &memory.layout().config;
        TableCells {
            stamps: InlineStamp::new(config.slot_bytes),
            header_format: HeaderFormat::of(config),
            keys: config.slots,
            memory: memory.clone(),
        }
    }

    pub(crate) fn keys(&self) -> usize {
        self.keys
    }

    #[inline(always)]
    fn slot(&self, key: usize, version: u64) -> InlineSlot<'_> {
        let index = SlotIndex::in_table(2 * key + (version & 1) as usize, 2 * self.keys);
        self.memory.inline_slot(&index)
    }

    /// The latest version of a key's value, if it was ever set.
    #[inline(always)]
    pub(crate) fn latest(&self, key: usize) -> Option<Version> {
        // PAIRS(Publish): the bytes of a version whose stamp is loaded here are visible.
        let stamp = |version| self.slot(key, version).stamp.load(acquire(Pair::Publish));
        for _ in 0..TRIES {
            let (even, odd) = (stamp(0), stamp(1));
            if let Some((number, stamp)) = self.stamps.later_whole(even, odd) {
                return Some(Version { number, stamp });
            }
            // The first version is in the odd slot. If a later one is written there, the version
            // before it was published after the even slot was loaded.
            if self.stamps.sequence_in(odd) <= 1 {
                break;
            }
        }
        None
    }

    /// That version, to be copied and then validated.
    ///
    /// # Errors
    /// If its stamp claims more bytes than a cell has.
    #[inline(always)]
    pub(crate) fn read(&self, key: usize, version: Version) -> Result<OptimisticRead<'_>, Corrupt> {
        let Version { number, stamp } = version;
        let loaded = LoadedSlot::with_stamp(stamp, self.slot(key, number), self.stamps.of(number));
        loaded.message().map_err(|refused| match refused {
            Refused::Corrupt(corrupt) => corrupt,
            Refused::Mismatch(_) | Refused::Torn => unreachable!("the stamp is that of this version"),
        })
    }

    /// The time stamp in the header of a version that is read.
    #[inline(always)]
    pub(crate) fn timestamp_ns(&self, read: &OptimisticRead<'_>) -> Option<u64> {
        self.header_format.load(read.header, &mut []).timestamp_ns
    }

    /// Steps 1 and 2. Only the one writer calls it. Returns the number of the version.
    #[inline(always)]
    pub(crate) fn store(&self, key: usize, value: &[u8]) -> u64 {
        let stamp = self.stamps.of(self.latest(key).map_or(1, |latest| latest.number + 1));
        let number = self.stamps.sequence_of(stamp);
        let store_header = |words: &_| self.header_format.store(words, &MessageHeader::default());
        // PAIRS(Publish): a reader that sees the mark below finds the version before, in the other
        // slot, when it loads the stamps again.
        release_fence(Pair::Publish);
        inline_slot::publish(&self.slot(key, number), stamp, value, true, store_header);
        number
    }
}

/// Step 3: `count` values were set.
#[inline(always)]
pub(crate) fn count_updates(memory: &Memory, count: u64) {
    // PAIRS(Publish): a reader that sees this count sees the versions that it counts.
    memory.control().next.store(count, release(Pair::Publish));
}

/// How many values were set.
#[inline(always)]
pub(crate) fn updates(memory: &Memory) -> u64 {
    // PAIRS(Publish): the versions that it counts are visible. Bounded: a peer may store anything.
    memory.control().next.load(acquire(Pair::Publish)).min(SEQUENCE_LIMIT)
}
