//! Reads that fail: the error that each refusal becomes, and where the reader continues.

use super::{ReadCursor, TooSmall};
use crate::memory::stamp::Mismatch;
use crate::protocol::seqlock::Refused;
use crate::protocol::stream_state::{self, Phase, StreamStatus};
use crate::sync::{Pair, Relaxed, acquire_fence};
use crate::types::error::{Corrupt, TryReadError};

/// Why an attempt to read the next message failed.
pub(super) enum Refusal {
    Slot(Refused),
    Moved {
        floor: u64,
    },
    TooSmall(TooSmall),
    /// The next message is not there yet, and the stream has no news.
    Empty,
}

impl ReadCursor {
    /// The error of a refused attempt. `Ok` if the attempt is to be repeated.
    #[cold]
    #[expect(clippy::needless_pass_by_value, reason = "it is used up here")]
    pub(super) fn refused(&mut self, refusal: Refusal) -> Result<(), TryReadError> {
        match refusal {
            Refusal::TooSmall(TooSmall { needed }) => Err(TryReadError::TooSmall { needed }),
            Refusal::Empty => Err(TryReadError::Empty),
            Refusal::Moved { floor } => self.moved(floor),
            Refusal::Slot(Refused::Corrupt(corrupt)) => Err(corrupt.into()),
            // In a gated ring only a reader that was moved is overtaken. The next attempt finds a
            // torn message overtaken.
            Refusal::Slot(Refused::Torn) if self.gated => Ok(()),
            Refusal::Slot(Refused::Mismatch(Mismatch::Overtaken { .. })) if self.gated => {
                match self.cursors().moved_beyond(self.run.sequence()) {
                    Some(floor) => self.moved(floor),
                    None => {
                        Err(Corrupt { what: "a message was overwritten before its reader had read it" }
                            .into())
                    }
                }
            }
            Refusal::Slot(Refused::Torn | Refused::Mismatch(Mismatch::Overtaken { .. })) => self.lagged(),
            Refusal::Slot(Refused::Mismatch(Mismatch::NotYet)) => self.not_published(),
        }
    }

    /// The next message is not published: returns `Empty`, a gap, or the end of the stream.
    fn not_published(&mut self) -> Result<(), TryReadError> {
        let status = self.stream.status(&self.slots.memory);
        let gap_end = self.gap_end();
        if status == StreamStatus::Live && gap_end.is_none() {
            return Err(TryReadError::Empty);
        }
        // The messages published before the end, or the gap, are visible now. If the next one is
        // among them, it is read first.
        if self.slots.check(&self.slot_index()) != Err(Mismatch::NotYet) {
            return Ok(());
        }
        Err(match (status, gap_end) {
            (StreamStatus::Died(death), _) => {
                self.stream.set_reported(death);
                TryReadError::WriterDied { pid: death.pid }
            }
            (_, Some(end)) => {
                let next = self.slots.first_published(self.run.sequence(), end);
                self.skip_to(next).into()
            }
            (StreamStatus::Forked, None) => TryReadError::Forked,
            (StreamStatus::Live | StreamStatus::Ended, None) => TryReadError::Closed,
            (StreamStatus::Closed, None) => {
                // A write that raced with `close` may still be published, but this reader has
                // reported the end. Each read checks the floor first.
                self.finished = true;
                self.entry.floor.store(u64::MAX, Relaxed); // Relaxed: only this reader loads it.
                TryReadError::Closed
            }
        })
    }

    /// The message was overwritten. Continues a quarter of a lap above the oldest message left: the
    /// writer would overtake a reader at the oldest again at once.
    fn lagged(&mut self) -> Result<(), TryReadError> {
        let slots = self.slots.config().slots as u64;
        let resume = (self.slots.next_sequence() + slots / 4).saturating_sub(slots);
        Err(self.skip_to(resume.max(self.run.sequence() + 1)).into())
    }

    /// Another process moved this reader to `floor`.
    fn moved(&mut self, floor: u64) -> Result<(), TryReadError> {
        if stream_state::phase(&self.slots.memory) == Phase::Forked {
            return Err(TryReadError::Forked);
        }
        if self.finished {
            return Err(TryReadError::Closed);
        }
        // PAIRS(Floor): the process that moved this reader saw the messages below the floor
        // published. After this fence this reader sees them, too.
        acquire_fence(Pair::Floor);
        if floor > self.slots.next_sequence() {
            return Err(Corrupt { what: "a reader was moved beyond the newest message" }.into());
        }
        Err(self.skip_to(floor).into())
    }
}
