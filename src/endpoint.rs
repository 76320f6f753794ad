//! What writers and readers have in common: an entry of the table, and a manner of waiting.

use crate::bell::Waiting;
use crate::participant::{self, Role, Seat};
use std::time::{Duration, Instant};

/// A registered participant's entry and its manner of waiting.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) seat: Seat,
    pub(crate) waiting: Waiting,
}

impl Endpoint {
    pub(crate) fn new(seat: Seat) -> Self {
        Endpoint { seat, waiting: Waiting::default() }
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
