//! What writers and readers have in common: an entry of the table, and a manner of waiting.

use crate::bell::Waiting;
use crate::participant::{self, Role, Seat};
use std::time::{Duration, Instant};

/// A registered participant's entry and its manner of waiting.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) seat: Seat,
    pub(crate) waiting: Waiting,
    looked_after: Option<Instant>,
}

/// How often somebody who does not wait looks whether those who keep it from going on still live.
const LOOK_AFTER_EVERY: Duration = Duration::from_millis(20);

impl Endpoint {
    pub(crate) fn new(seat: Seat) -> Self {
        Endpoint { seat, waiting: Waiting::default(), looked_after: None }
    }

    /// Frees what dead participants of the role `awaited` hold, if that was not done lately: for calls that do not
    /// wait, whose caller may try for ever.
    #[cold]
    pub(crate) fn look_after(&mut self, awaited: Role) {
        let now = Instant::now();
        if self.looked_after.is_none_or(|last| now.duration_since(last) >= LOOK_AFTER_EVERY) {
            participant::clear_dead(self.seat.shared(), awaited);
            self.looked_after = Some(now);
        }
    }

    /// Waits until `attempt` returns something, or until `deadline`: then `None`. A wait that sleeps also looks
    /// whether those whom it waits for, participants of the role `awaited`, still live.
    #[cold]
    pub(crate) fn wait<T>(
        &self,
        awaited: Role,
        deadline: Option<Instant>,
        attempt: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        let shared = self.seat.shared();
        let control = shared.memory.control();
        let bell = match awaited {
            Role::Writer => &control.published,
            Role::Reader => &control.freed,
        };
        let sleeps = &self.seat.entry().sleeps;
        let look_after = || participant::clear_dead(shared, awaited);
        shared.bells.wait(bell, self.waiting, deadline, sleeps, look_after, attempt)
    }
}

/// When a wait of `timeout` from now ends; `None`, never, if that is beyond what the clock can say.
pub(crate) fn deadline(timeout: Duration) -> Option<Instant> {
    Instant::now().checked_add(timeout)
}
