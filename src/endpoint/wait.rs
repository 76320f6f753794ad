//! The state that writers and readers share: a registered entry, and a strategy of waiting.

use crate::protocol::attachment::{Attachment, WaitFor};
use crate::protocol::diagnostics;
use crate::protocol::events;
use crate::protocol::eviction::Stalls;
use crate::protocol::reader_entry;
use crate::protocol::registry::{self, Registration};
use crate::sync::MODELLED;
use crate::sync::event_count::EventCounts;
use crate::sync::ticks::Ticks;
use crate::types::error::{ReadError, WriteError};
use crate::types::participant::Peer;
use crate::types::waiting::WaitStrategy;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A registered participant's entry and its wait strategy.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) registration: Registration,
    pub(crate) waiting: WaitStrategy,
    event_counts: EventCounts,
    last_recovery: Option<Instant>,
    since_recovery: Ticks,
    stalls: Stalls,
}

/// How often a blocked participant checks whether the participants that block it are still live.
const RECOVERY_INTERVAL: Duration = Duration::from_millis(20);

impl Endpoint {
    pub(crate) fn new(registration: Registration) -> Self {
        let (event_counts, stalls) = (registration.attachment().event_counts, Stalls::default());
        Endpoint {
            registration,
            waiting: WaitStrategy::default(),
            event_counts,
            last_recovery: None,
            since_recovery: Ticks::default(),
            stalls,
        }
    }

    /// Lets a wait sleep up to `longest`: another thread looks for dead participants, and
    /// [wakes](EventCounts::wake_all) the waiting ones.
    #[cfg(not(any(seqring_model, seqring_fuzz)))]
    pub(crate) fn sleep_up_to(&mut self, longest: Duration) {
        self.event_counts = self.event_counts.with_longest_sleep(longest);
    }

    /// Recovers the dead participants that can delay `event`, unless that was done less than
    /// [`RECOVERY_INTERVAL`] ago. For calls that do not wait: their caller may repeat them for
    /// ever. Returns whether it looked.
    #[inline(always)]
    pub(crate) fn recover_dead(&mut self, event: WaitFor) -> bool {
        self.since_recovery.may_have_passed() && self.recover_dead_if_due(event)
    }

    #[cold]
    fn recover_dead_if_due(&mut self, event: WaitFor) -> bool {
        recover_dead(self.registration.attachment(), event, &mut self.last_recovery, &mut self.stalls)
    }

    /// Makes the next [`Self::recover_dead`] look for dead participants, however recent the last
    /// look.
    pub(crate) fn recover_soon(&mut self) {
        (self.last_recovery, self.since_recovery) = (None, Ticks::default());
    }

    /// Waits for `event` until `ready` returns true, or until `deadline`: then it returns false.
    /// Meanwhile it recovers the dead participants that can delay the event, and calls `also` after
    /// each such look.
    pub(crate) fn wait(
        &mut self,
        event: WaitFor,
        deadline: Option<Instant>,
        ready: impl FnMut() -> bool,
        mut also: impl FnMut(&Arc<Attachment>),
    ) -> bool {
        let Endpoint { registration, waiting, event_counts, last_recovery: last, stalls, .. } = self;
        let attachment = registration.attachment();
        let event_count = event.event_count(attachment.memory.control());
        let recover_dead = || {
            if recover_dead(attachment, event, last, stalls) {
                also(attachment);
            }
        };
        let event_counts = event_counts.with_timed_sleeps(attachment.evicts_after(event).is_some());
        event_counts.wait(event_count, *waiting, deadline, &registration.entry().sleeps, recover_dead, ready)
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
        let attachment = self.registration.attachment();
        events::writer_timed_out(attachment, slowest);
        WriteError::TimedOut { slowest, awaited_readers: reader_entry::missing_readers(&attachment.memory) }
    }
}

fn recover_dead(
    attachment: &Attachment,
    event: WaitFor,
    last: &mut Option<Instant>,
    stalls: &mut Stalls,
) -> bool {
    let now = Instant::now();
    let due = MODELLED || last.is_none_or(|last| now.duration_since(last) >= RECOVERY_INTERVAL);
    if due {
        registry::recover_dead(attachment, event.awaited_role());
        if let Some(stall_time) = attachment.evicts_after(event) {
            stalls.evict_stalled(attachment, stall_time);
        }
        *last = Some(now);
    }
    due
}

/// When a wait of `timeout` from now ends. `None`, never, if the clock cannot represent that time.
pub(crate) fn deadline(timeout: Duration) -> Option<Instant> {
    Instant::now().checked_add(timeout)
}

/// The result of a call off the fast path.
///
/// If it had the `Result` type of the fast path, the compiler would have both write to one place in
/// memory. The fast path would store its result there and load it again, and the loads would wait
/// for the stores: 8 ns a message.
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
