//! What writers and readers have in common: an entry of the table, and a manner of waiting.

use crate::bell::Waiting;
use crate::participant::{self, Role, Seat};
use crate::shared::Shared;
use std::time::{Duration, Instant};

/// A registered participant's entry and its manner of waiting.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) seat: Seat,
    pub(crate) waiting: Waiting,
    looked_after: Option<Instant>,
}

/// How often somebody who cannot go on looks whether those who keep it from that still live.
const LOOK_AFTER_EVERY: Duration = Duration::from_millis(20);

impl Endpoint {
    pub(crate) fn new(seat: Seat) -> Self {
        Endpoint { seat, waiting: Waiting::default(), looked_after: None }
    }

    /// Frees what dead participants of the role `awaited` hold, if that was not done lately: for calls that do not
    /// wait, whose caller may try for ever.
    #[cold]
    pub(crate) fn look_after(&mut self, awaited: Role) {
        look_after(self.seat.shared(), awaited, &mut self.looked_after);
    }

    /// Waits until `attempt` returns something, or until `deadline`: then `None`. Meanwhile looks after those whom
    /// it waits for, the participants of the role `awaited`.
    #[cold]
    pub(crate) fn wait<T>(
        &mut self,
        awaited: Role,
        deadline: Option<Instant>,
        attempt: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        let Endpoint { seat, waiting, looked_after: last } = self;
        let shared = seat.shared();
        let control = shared.memory.control();
        let bell = match awaited {
            Role::Writer => &control.published,
            Role::Reader => &control.freed,
        };
        let look_after = || look_after(shared, awaited, last);
        shared.bells.wait(bell, *waiting, deadline, &seat.entry().sleeps, look_after, attempt)
    }
}

fn look_after(shared: &Shared, awaited: Role, last: &mut Option<Instant>) {
    let now = Instant::now();
    if last.is_none_or(|last| now.duration_since(last) >= LOOK_AFTER_EVERY) {
        participant::clear_dead(shared, awaited);
        *last = Some(now);
    }
}

/// When a wait of `timeout` from now ends; `None`, never, if that is beyond what the clock can say.
pub(crate) fn deadline(timeout: Duration) -> Option<Instant> {
    Instant::now().checked_add(timeout)
}
