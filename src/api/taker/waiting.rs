//! What a wait for several, and futures, need of a taker.

use super::{Taken, Taker};
use crate::protocol::attachment::WaitFor;
use crate::protocol::registry::Registration;

impl Taker {
    /// The message of [`Self::call`].
    #[inline(always)]
    pub(in crate::api) fn holding(&mut self) -> Taken<'_> {
        Taken { receiver: &mut self.receiver }
    }

    /// Whether it is known that a dead taker left a message.
    pub(in crate::api) fn is_heir(&self) -> bool {
        self.inherited.is_some() || self.orphan_seen
    }

    pub(in crate::api) fn is_ready(&mut self) -> bool {
        self.is_heir() || self.receiver.is_ready()
    }

    /// Looks for dead writers, and for a message that a dead taker left.
    pub(in crate::api) fn check_peers(&mut self) {
        if self.endpoint.recover_dead_if_due(WaitFor::Message)
            && Registration::has_orphan(self.endpoint.registration.attachment())
        {
            self.search_soon();
        }
    }

    /// Makes the next take search for a message that a dead taker left, after one was seen. Returns
    /// false if that is left to another call.
    pub(super) fn search_soon(&mut self) -> bool {
        if !self.leaves_recovery {
            (self.orphan_seen, self.until_search) = (true, 0);
        }
        self.orphan_seen
    }
}
