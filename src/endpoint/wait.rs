//! The state that writers and readers share: a registered entry, and a strategy of waiting.

use super::notifier::Watched;
use crate::protocol::attachment::{Attachment, WaitFor};
use crate::protocol::diagnostics;
use crate::protocol::events;
use crate::protocol::eviction::Stalls;
use crate::protocol::reader_entry;
use crate::protocol::registry::{self, Registration};
use crate::sync::event_count::EventCounts;
use crate::sync::ticks::Ticks;
use crate::sync::{MODELLED, Relaxed};
use crate::types::error::{ReadError, WriteError};
use crate::types::participant::Peer;
use crate::types::waiting::WaitStrategy;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A registered participant's entry and its wait strategy.
pub(crate) struct Endpoint {
    /// For its descriptor, or its futures. It ends before the registration.
    watched: Option<Box<Watched>>,
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
            watched: None,
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

    /// As [`Self::recover_dead`], for a wait.
    #[cold]
    pub(crate) fn recover_dead_if_due(&mut self, event: WaitFor) -> bool {
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
        let event_counts = event_counts.with_timed_sleeps(attachment.evicts_after(event).is_some());
        let recover_dead = || {
            if recover_dead(attachment, event, last, stalls) {
                also(attachment);
            }
        };
        event_counts.wait(event_count, *waiting, deadline, &registration.entry().sleeps, recover_dead, ready)
    }

    /// The event counts of a wait for `event` and for others.
    pub(crate) fn event_counts(&self, event: WaitFor) -> EventCounts {
        let evicts = self.registration.attachment().evicts_after(event).is_some();
        self.event_counts.with_timed_sleeps(evicts)
    }

    /// Counts a sleep.
    pub(crate) fn count_sleep(&self) {
        let sleeps = &self.registration.entry().sleeps;
        sleeps.store(sleeps.load(Relaxed).wrapping_add(1), Relaxed); // Relaxed: a count of the owner's, orders nothing.
    }

    /// After a call that found nothing to do: the descriptor becomes readable, and the task is
    /// woken, when a call would find something. `is_ready` says whether that is so now.
    #[inline(always)]
    pub(crate) fn found_nothing(&self, event: WaitFor, is_ready: impl FnOnce() -> bool) {
        if let Some(watched) = &self.watched {
            arm(watched, self.registration.attachment(), event, is_ready);
        }
    }

    /// Ends what the descriptor and the futures need.
    pub(crate) fn end_watch(&mut self) {
        self.watched = None;
    }

    /// A descriptor that becomes readable when a call would find something.
    #[cfg(all(target_os = "linux", not(seqring_model)))]
    pub(crate) fn notifier(&mut self) -> std::io::Result<super::notifier::Notifier> {
        self.watched()?.notifier()
    }

    /// The task to wake when a call would find something. False if the system refuses a thread.
    #[cfg(all(feature = "async", target_os = "linux", not(seqring_model)))]
    pub(crate) fn set_task(&mut self, task: &std::task::Waker) -> bool {
        self.watched().map(|watched| watched.set_task(task)).is_ok()
    }

    #[cfg(all(target_os = "linux", not(seqring_model)))]
    fn watched(&mut self) -> std::io::Result<&Watched> {
        let watched = match self.watched.take() {
            Some(watched) => watched,
            None => Box::new(Watched::new()?),
        };
        Ok(self.watched.insert(watched))
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

/// Out of line: most endpoints are not watched.
#[cold]
#[inline(never)]
fn arm(watched: &Watched, attachment: &Arc<Attachment>, event: WaitFor, is_ready: impl FnOnce() -> bool) {
    watched.arm(attachment, event, is_ready);
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
