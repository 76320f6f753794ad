//! The fast path: reads of the next slot of an open run.

use super::ReadCursor;
use crate::memory::{RunPosition, SlotRun};
use crate::protocol::inline_slot::LoadedSlot;
use crate::protocol::reader_entry::ReaderEntry;
use crate::types::message::Received;

/// Why the fast path read nothing.
pub(crate) enum NotRead {
    /// A read returns `Empty`.
    Empty,
    /// The slow path finds out.
    Unknown,
}

impl ReadCursor {
    /// Copies the next message to the front of `out`, if the fast path can read it.
    #[inline(always)]
    pub(crate) fn read_fast(&mut self, out: &mut [u8]) -> Result<Received, NotRead> {
        match self.read_word(out) {
            Err(NotRead::Unknown) => {}
            read => return read,
        }
        self.open_run().ok_or(NotRead::Unknown)?;
        let cursors = ReaderEntry(&self.entry); // Once: a load after an acquire is made again.
        let (here, loaded) = load_next(&self.run, cursors).ok_or(NotRead::Unknown)?;
        let len = if let Some(read) = loaded.message_of(out.len()) {
            read.message.copy_to_slice(out);
            read.validate().then_some(out.len()).ok_or(NotRead::Unknown)?
        } else if self.is_awaited(here, loaded.stamp()) {
            return Err(NotRead::Empty);
        } else {
            self.copy_shorter(loaded.stamp(), out).ok_or(NotRead::Unknown)?
        };
        self.run.advance(here);
        cursors.advance(here.sequence + 1);
        Ok(self.finish_fast(here, len))
    }

    /// As [`Self::read_exact_fast`], in a light run of word slots.
    #[inline(always)]
    fn read_word(&mut self, out: &mut [u8]) -> Result<Received, NotRead> {
        let (Ok(out), Some(here)) = (<&mut [u8; 8]>::try_from(out), self.run.next_word()) else {
            return Err(NotRead::Unknown);
        };
        let cursors = ReaderEntry(&self.entry);
        if cursors.moved_beyond(here.sequence).is_some() {
            return Err(NotRead::Unknown);
        }
        let stamp = self.run.load_word(here, out);
        if !here.stamp.is_published_in(stamp, out.len()) {
            return Err(if self.is_awaited(here, stamp) { NotRead::Empty } else { NotRead::Unknown });
        }
        self.run.advance(here);
        cursors.advance(here.sequence + 1);
        self.event_counts.notify_light(&self.slots.memory.control().freed);
        Ok(Received { sequence: here.sequence, len: out.len(), tag: None, timestamp_ns: None })
    }

    /// Copies the next message, which may be shorter than `out`, from a slot whose loaded stamp is
    /// `before`. Returns its length.
    #[inline(never)]
    fn copy_shorter(&self, before: u64, out: &mut [u8]) -> Option<usize> {
        let (here, slot) = self.run.next_slot()?;
        let read = LoadedSlot::with_stamp(before, slot, here.stamp).message().ok()?;
        let out = out.get_mut(..read.message.len())?;
        read.message.copy_to_slice(out);
        read.validate().then_some(out.len())
    }

    /// Whether a read returns `Empty`: by its loaded stamp the next message is not there yet, and
    /// the stream has no news to report.
    #[inline(always)]
    pub(super) fn is_awaited(&self, here: RunPosition, stamp: u64) -> bool {
        here.stamp.is_awaited_in(stamp) && !self.stream.has_news(&self.slots.memory)
    }

    /// Copies the next message to `out`, if it has that length and the fast path can read it.
    #[inline(always)]
    pub(crate) fn read_exact_fast(&mut self, out: &mut [u8]) -> Result<Received, NotRead> {
        match self.read_word(out) {
            Err(NotRead::Unknown) => {}
            read => return read,
        }
        self.open_run().ok_or(NotRead::Unknown)?;
        let cursors = ReaderEntry(&self.entry);
        let (here, loaded) = load_next(&self.run, cursors).ok_or(NotRead::Unknown)?;
        let Some(read) = loaded.message_of(out.len()) else {
            let stamp = loaded.stamp();
            return Err(if self.is_awaited(here, stamp) { NotRead::Empty } else { NotRead::Unknown });
        };
        read.message.copy_to_slice(out);
        read.validate().then_some(()).ok_or(NotRead::Unknown)?;
        self.run.advance(here);
        cursors.advance(here.sequence + 1);
        Ok(self.finish_fast(here, out.len()))
    }

    /// Whether a read returns `Empty`. False decides nothing.
    #[inline(always)]
    pub(crate) fn finds_nothing(&mut self) -> bool {
        self.open_run().is_some()
            && load_next(&self.run, self.cursors())
                .is_some_and(|(here, loaded)| self.is_awaited(here, loaded.stamp()))
    }

    /// `Some` if the run is open now.
    #[inline(always)]
    pub(super) fn open_run(&mut self) -> Option<()> {
        (self.run.is_open() || self.extend_run()).then_some(())
    }

    /// Opens the run again, if the ring is plain.
    #[inline(never)]
    pub(super) fn extend_run(&mut self) -> bool {
        if self.plain {
            // In a lossy ring no writer waits, and nothing needs a fence.
            self.run.extend_to(u64::MAX, self.event_counts.are_light() || !self.gated, false);
        }
        self.plain
    }

    /// Wakes the writers that wait for the message of [`load_next`] to be read, which it now is.
    #[inline(always)]
    pub(super) fn finish_fast(&self, here: RunPosition, len: usize) -> Received {
        if self.run.is_lean() {
            self.event_counts.notify_light(&self.slots.memory.control().freed);
        } else {
            self.notify();
        }
        Received { sequence: here.sequence, len, tag: None, timestamp_ns: None }
    }
}

/// Loads the slot of the next message in `run`, if it is open and no process has moved the reader
/// of `cursors`. [`ReadCursor::read_slow`] has the other cases.
#[inline(always)]
pub(super) fn load_next<'r>(
    run: &'r SlotRun,
    cursors: ReaderEntry<'_>,
) -> Option<(RunPosition, LoadedSlot<'r>)> {
    let (here, slot) = run.next_slot()?;
    if cursors.moved_beyond(here.sequence).is_some() {
        return None;
    }
    Some((here, LoadedSlot::load(slot, here.stamp)))
}
