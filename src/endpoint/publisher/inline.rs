//! One writer, inline slots.
//!
//! # Fast path
//! While the writer's [`SlotRun`] is open, a write touches only its slot. A run ends at the next
//! backpressure limit, at the end of the lap, after [`RUN_BYTES`] of slots, or when the shared
//! counter is due. [`Inline::extend_run`] then starts the next one. A ring that carries a message
//! header has no fast path.

use super::batch::Messages;
use super::core::{Core, SequenceHint};
use crate::memory::{Memory, SlotRun};
use crate::protocol::inline_slot;
use crate::protocol::slots::Slots;
use crate::types::error::TryWriteError;
use crate::types::message::MessageHeader;

/// Bytes of slots in a run. The lines of a run are fetched for writing together.
const RUN_BYTES: usize = 1024;

/// From this slot size on, the lines of a slot are fetched together before a message is copied to
/// it.
const FETCHED_BYTES: usize = 512;

/// The state of the fast path: the run, and what the publication of its messages needs.
///
/// It lies beside the publisher's [`Kind`](super::Kind), not in it, so that a fast write does not
/// look at the kind: only [`Inline::extend_run`] opens a run.
#[derive(Debug)]
pub(super) struct FastPath {
    pub(super) run: SlotRun,
    /// A message is a stamp and a payload, copied by words. Without this, no run is ever opened.
    pub(super) plain: bool,
}

impl FastPath {
    /// A path that is closed until a run is opened.
    pub(super) fn new(slots: &Slots, next: u64) -> Self {
        let plain = slots.are_plain();
        FastPath { run: SlotRun::new(&slots.memory, next), plain }
    }
}

#[derive(Debug)]
pub(super) struct Inline {
    /// Messages in a run.
    run_length: u64,
    hint: SequenceHint,
}

impl Inline {
    pub(super) fn new(memory: &Memory, next: u64) -> Self {
        let run_length = (RUN_BYTES / memory.layout().slot_stride).clamp(1, 64) as u64;
        Inline { run_length, hint: SequenceHint::new(next) }
    }

    pub(super) fn sequence(fast: &FastPath) -> u64 {
        fast.run.sequence()
    }

    /// Continues at `next`, which the caller has stored as the shared counter.
    pub(super) fn seek(&mut self, fast: &mut FastPath, memory: &Memory, next: u64) {
        (fast.run, self.hint) = (SlotRun::new(memory, next), SequenceHint::new(next));
    }

    /// Opens a run, if the next message may be published on the fast path.
    #[inline(never)]
    pub(super) fn extend_run(&mut self, fast: &mut FastPath, core: &Core) -> bool {
        let next = fast.run.sequence();
        if !fast.plain || !core.backpressure.admits(next) {
            return false;
        }
        self.hint.update(&core.memory, next);
        let until = core.backpressure.stable_until(next).min(next + self.run_length);
        fast.run.extend_to(until, core.event_counts.are_light(), core.backpressure.must_mark(next));
        fast.run.fetch_for_writing();
        true
    }

    /// Admits the next message if no reader blocks it.
    pub(super) fn admit(fast: &FastPath, core: &mut Core) -> Result<(), TryWriteError> {
        core.pass_backpressure(fast.run.sequence(), None)
    }

    /// Publishes `payload`. The caller then notifies.
    pub(super) fn publish(
        &mut self,
        fast: &mut FastPath,
        core: &mut Core,
        payload: &[u8],
        header: &MessageHeader<'_>,
    ) -> Result<u64, TryWriteError> {
        core.admit_lengths(payload.len(), header.metadata.len())?;
        Self::admit(fast, core)?;
        let index = fast.run.slot_index();
        let slot = core.memory.inline_slot(&index);
        let store_header = |words: &_| core.header_format.store(words, header);
        let marked = core.backpressure.must_mark(index.sequence);
        if slot.payload.bytes() >= FETCHED_BYTES {
            fast.run.fetch_next_payload();
        }
        inline_slot::publish(&slot, fast.run.stamp(), payload, marked, store_header);
        fast.run.advance_slow();
        self.hint.update(&core.memory, index.sequence + 1);
        Ok(index.sequence)
    }

    /// Publishes `messages` from number `done` on, and counts them in `done`. The caller then
    /// notifies.
    #[inline(always)]
    pub(super) fn publish_all(
        &mut self,
        fast: &mut FastPath,
        core: &mut Core,
        messages: &impl Messages,
        done: &mut usize,
    ) -> Result<(), TryWriteError> {
        while *done < messages.count() {
            let published = self.publish_run(fast, core, messages, *done);
            *done += published;
            if published == 0 {
                let message = messages.from(*done).next().expect("counted");
                self.publish(fast, core, message, &MessageHeader::default())?;
                *done += 1;
            }
        }
        Ok(())
    }

    /// Publishes `messages` from number `done` on, as far as the run goes. Returns how many. The
    /// caller then notifies.
    #[inline(always)]
    fn publish_run(
        &mut self,
        fast: &mut FastPath,
        core: &Core,
        messages: &impl Messages,
        done: usize,
    ) -> usize {
        if !fast.run.is_open() && !self.extend_run(fast, core) || core.is_closed() {
            return 0;
        }
        if let Some(stored) = messages.words(done).and_then(|words| fast.run.store_words(words)) {
            return stored;
        }
        let marked = !fast.run.is_lean();
        let (mut stamp, slots) = fast.run.next_slots(messages.count() - done);
        let mut published = 0;
        for (slot, message) in slots.zip(messages.from(done)) {
            if message.len() > slot.payload.bytes() {
                break;
            }
            inline_slot::publish(&slot, stamp, message, marked, |_| ());
            stamp.advance();
            published += 1;
        }
        fast.run.advance_by(published);
        published
    }
}
