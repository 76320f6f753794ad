//! What writers and readers have in common: an entry of the table, and a manner of waiting.

use crate::protocol::attachment::{Attachment, WaitFor};
use crate::protocol::diagnostics;
use crate::protocol::events;
use crate::protocol::eviction::Stalls;
use crate::protocol::registry::{self, Registration};
use crate::sync::MODELLED;
use crate::sync::event_count::EventCounts;
use crate::types::error::{ReadError, WriteError};
use crate::types::participant::Peer;
use crate::types::waiting::WaitStrategy;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A registered participant's entry and its manner of waiting.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) registration: Registration,
    pub(crate) waiting: WaitStrategy,
    event_counts: EventCounts,
    looked_after: Option<Instant>,
    stalls: Stalls,
}

/// How often somebody who cannot go on looks whether those who keep it from that still live.
const LOOK_AFTER_EVERY: Duration = Duration::from_millis(20);

impl Endpoint {
    pub(crate) fn new(registration: Registration) -> Self {
        let (event_counts, stalls) = (registration.attachment().event_counts, Stalls::default());
        Endpoint { registration, waiting: WaitStrategy::default(), event_counts, looked_after: None, stalls }
    }

    /// Somebody else looks for participants that died, and [wakes](EventCounts::wake_all) whoever waits: so this one may sleep
    /// that long.
    #[cfg(not(any(seqring_model, seqring_fuzz)))]
    pub(crate) fn sleep_up_to(&mut self, longest: Duration) {
        self.event_counts = self.event_counts.with_longest_sleep(longest);
    }

    /// Recovers the dead participants that can hold `event` up, if that was not done lately: for calls that do not
    /// wait, whose caller may try for ever. Returns whether it was not.
    #[cold]
    pub(crate) fn look_after(&mut self, event: WaitFor) -> bool {
        look_after(self.registration.attachment(), event, &mut self.looked_after, &mut self.stalls)
    }

    /// The next call that finds nothing looks after the others, however short ago somebody did.
    pub(crate) fn look_soon(&mut self) {
        self.looked_after = None;
    }

    /// Waits for `event` until `ready`, or until `deadline`: then false. Meanwhile recovers the dead participants that
    /// can hold the event up, and calls `also` for what else may have changed by a death.
    pub(crate) fn wait(
        &mut self,
        event: WaitFor,
        deadline: Option<Instant>,
        ready: impl FnMut() -> bool,
        mut also: impl FnMut(&Arc<Attachment>),
    ) -> bool {
        let Endpoint { registration, waiting, event_counts, looked_after: last, stalls } = self;
        let attachment = registration.attachment();
        let event_count = event.event_count(attachment.memory.control());
        let look_after = || {
            if look_after(attachment, event, last, stalls) {
                also(attachment);
            }
        };
        let event_counts = event_counts.with_timed_sleeps(attachment.evicts_after(event).is_some());
        event_counts.wait(event_count, *waiting, deadline, &registration.entry().sleeps, look_after, ready)
    }

    /// The error of a reader or taker whose timeout passed.
    #[cold]
    pub(crate) fn reader_timed_out(&self) -> ReadError {
        let attachment = self.registration.attachment();
        let writers = diagnostics::writers(&attachment.memory);
        events::reader_timed_out(attachment, writers);
        ReadError::TimedOut { writers }
    }

    /// The error of a writer whose timeout passed.
    #[cold]
    pub(crate) fn writer_timed_out(&self, slowest: Option<Peer>) -> WriteError {
        events::writer_timed_out(self.registration.attachment(), slowest);
        WriteError::TimedOut { slowest }
    }
}

fn look_after(
    attachment: &Attachment,
    event: WaitFor,
    last: &mut Option<Instant>,
    stalls: &mut Stalls,
) -> bool {
    let now = Instant::now();
    let due = MODELLED || last.is_none_or(|last| now.duration_since(last) >= LOOK_AFTER_EVERY);
    if due {
        registry::recover_dead(attachment, event.awaited_role());
        if let Some(patience) = attachment.evicts_after(event) {
            stalls.evict_stalled(attachment, patience);
        }
        *last = Some(now);
    }
    due
}

/// When a wait of `timeout` from now ends; `None`, never, if that is beyond what the clock can say.
pub(crate) fn deadline(timeout: Duration) -> Option<Instant> {
    Instant::now().checked_add(timeout)
}

/// The result of a call that is kept out of the common path.
///
/// Were it a `Result` like the common path's, the compiler would have both write to one place in memory, and the common
/// path would store its result there only to load it again, with loads that wait for the stores: 8 ns a message.
pub(crate) enum ColdResult<T, E> {
    Done(T),
    Failed(E),
}

impl<T, E> ColdResult<T, E> {
    pub(crate) fn from_result(result: Result<T, E>) -> Self {
        match result {
            Ok(done) => ColdResult::Done(done),
            Err(error) => ColdResult::Failed(error),
        }
    }

    #[inline(always)]
    pub(crate) fn into_result(self) -> Result<T, E> {
        match self {
            ColdResult::Done(done) => Ok(done),
            ColdResult::Failed(error) => Err(error),
        }
    }
}
