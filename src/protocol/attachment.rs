//! An attachment to a ring, and the two events that calls on it wait for.

use crate::memory::Memory;
use crate::memory::format::Control;
use crate::protocol::stream_state;
use crate::segment::{Backing, Liveness};
use crate::sync::Relaxed;
use crate::sync::event_count::EventCounts;
use crate::sync::futex::FutexWord;
#[cfg(target_os = "linux")]
use crate::types::error::RingError;
use crate::types::error::{RegisterError, Warning};
use crate::types::location::printable;
use crate::types::participant::Role;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

/// What all handles, writers and readers of one attachment share.
pub(crate) struct Attachment {
    /// Before the memory, so that closing the file does not free its pages: forks wait for that.
    pub(crate) liveness: Liveness,
    pub(crate) memory: Memory,
    pub(crate) event_counts: EventCounts,
    /// What the system refused; the ring works without it.
    pub(crate) warnings: Vec<Warning>,
}

/// The ring in one line, for its handles and participants.
#[expect(clippy::missing_fields_in_debug, reason = "a line for a log")]
impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = &self.memory.layout().config;
        let slots = format_args!("{} x {} bytes", config.slots, config.slot_bytes);
        let mut ring = f.debug_struct("Ring");
        if let Some(path) = self.liveness.backing.path() {
            ring.field("path", &path);
        }
        ring.field("slots", &slots).field("delivery", &config.delivery).finish()
    }
}

/// From now on, forked children get memory of their own in the place of a ring's.
pub(crate) fn keep_from_children(backing: &Backing, memory: &Memory) {
    #[cfg(target_os = "linux")]
    if let Some(file) = backing.file() {
        file.watch(memory, disown);
    }
    let _ = (backing, memory); // Elsewhere a child inherits no lock, or no process forks.
}

/// Makes a forked child's own memory, in the place of an inherited ring's, that of a forked ring.
#[cfg(target_os = "linux")]
pub(crate) fn disown(memory: &Memory) {
    let table = &memory.control().table;
    // Relaxed, all of them: this process has one thread.
    table.stream_state.store(stream_state::FORKED_WORD, Relaxed);
    table.high_water.store(0, Relaxed);
    for index in 0..memory.layout().config.participants {
        memory.entry(index).floor.store(u64::MAX, Relaxed);
    }
}

/// Whether the ring is a forked child's.
#[inline(always)]
pub(crate) fn is_forked(control: &Control) -> bool {
    // Relaxed: stored before the child runs.
    control.table.stream_state.load(Relaxed) == stream_state::FORKED_WORD
}

/// The event that a blocked call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitFor {
    /// Readers and takers wait until a message is published, callers until there is an answer.
    Message,
    /// Writers wait until a slot is free: for readers in a gated ring, for takers in a queue. A
    /// server waits for a question.
    Room,
}

impl WaitFor {
    /// Where calls that wait for this event sleep.
    pub(crate) fn event_count(self, control: &Control) -> &FutexWord {
        match self {
            WaitFor::Message => &control.published,
            WaitFor::Room => &control.freed,
        }
    }

    /// The role whose dead participants can hold this event up. A dead taker holds up no writer:
    /// the writer completes its take ([`crate::protocol::take`]).
    pub(crate) fn awaited_role(self) -> Role {
        match self {
            WaitFor::Message => Role::Writer,
            WaitFor::Room => Role::Reader,
        }
    }
}

impl Attachment {
    /// Wakes the calls that sleep until `event`, after it happened.
    pub(crate) fn notify(&self, event: WaitFor) {
        self.event_counts.notify(event.event_count(self.memory.control()));
    }

    /// After how long a call that waits for `event` evicts a participant that does not move, if
    /// ever.
    pub(crate) fn evicts_after(&self, event: WaitFor) -> Option<Duration> {
        self.memory.layout().config.evict_after.filter(|_| event == WaitFor::Room)
    }

    /// The ring's name for diagnostics: its file, if it has one.
    #[cfg_attr(not(feature = "tracing"), expect(dead_code, reason = "for events"))]
    pub(crate) fn name(&self) -> String {
        let path = self.liveness.backing.path();
        path.map_or_else(|| "without a name".into(), printable)
    }

    /// Backs a range of the ring's memory with pages, so that a lack of memory is an error now and
    /// not a signal at the first access.
    pub(crate) fn back_with_pages(&self, range: Range<usize>) -> Result<(), RegisterError> {
        let wanted = range.len() as u64;
        #[cfg(target_os = "linux")]
        if let Some(file) = self.liveness.backing.file() {
            return file.allocate(range.start as u64..range.end as u64).map_err(|error| match error {
                RingError::NoSpace { available, .. } | RingError::Limit { available, .. } => {
                    RegisterError::NoSpace { wanted, available }
                }
                _ => RegisterError::NoSpace { wanted, available: 0 },
            });
        }
        // Elsewhere pages are not reserved; the memory may still know that there is no room.
        self.memory.has_room(range).then_some(()).ok_or(RegisterError::NoSpace { wanted, available: 0 })
    }
}
