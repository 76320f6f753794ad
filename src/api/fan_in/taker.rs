//! Taking from all queues of a set.

use super::FanIn;
use super::lanes::Lanes;
use crate::api::form::{Form, Now, forms};
use crate::api::taker::{Taken, Taker};
use crate::types::error::{ReadError, TryReadError};
use crate::types::waiting::WaitStrategy;
use std::fmt;

/// A taker of all queues of a [`FanIn`]. Dropping it leaves them.
///
/// Each message goes to exactly one taker. Those of one writer are taken in their order. The ring
/// that had the last message is looked at first, and returns at most 64 messages in a row while
/// others have some, too. A message of a dead taker goes to another one, as in [`Taker`].
///
/// ```
/// use seqring::fan_in::FanIn;
/// use seqring::{Config, Delivery};
/// let set = FanIn::heap(&Config::slots(8).of_bytes(64).delivery(Delivery::Queue), 2)?;
/// let (mut one, mut other, mut taker) = (set.writer()?, set.writer()?, set.taker()?);
/// one.write(b"task")?;
/// other.write(b"task")?;
/// for ring in [0, 1] {
///     assert_eq!(*taker.take()?, *b"task");
///     assert_eq!(taker.ring(), ring);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FanInTaker {
    pub(super) lanes: Lanes<Taker>,
    /// The ring of the message that was taken last.
    pub(super) last: usize,
    /// Behind the takers, so that the rings close in their order.
    pub(super) set: FanIn,
}

impl FanInTaker {
    forms! {
        /// Takes the next message, waiting for it.
        ///
        /// # Errors
        /// As [`Taker::take`]: [`ReadError::WriterDied`] of one ring, by [its number](Self::ring);
        /// [`ReadError::Closed`] if no ring has a writer, and everything was taken.
        #[inline]
        pub fn take, try_take, take_timeout(&mut self)() -> Result<Taken<'_>, ReadError, TryReadError::Empty>
            = |form| self.call(form)
    }

    /// Finishes the message that was [put off](Taken::put_off), if there is one.
    pub fn finish(&mut self) {
        self.lanes.endpoint_mut(self.last).finish();
    }

    /// The number of the ring that the last message or error came from.
    pub fn ring(&self) -> usize {
        self.lanes.at()
    }

    /// Sets how this taker waits.
    pub fn set_wait_strategy(&mut self, strategy: WaitStrategy) {
        self.lanes.set_wait_strategy(strategy);
    }

    #[inline]
    fn call<F: Form>(&mut self, form: F) -> Result<Taken<'_>, F::ReadError> {
        self.lanes.call(form, |()| 1, |taker| taker.call(Now))?;
        let at = self.lanes.at();
        if self.last != at {
            // It may have been put off.
            self.lanes.endpoint_mut(self.last).finish();
            self.last = at;
        }
        Ok(self.lanes.endpoint_mut(at).holding())
    }
}

impl fmt::Debug for FanInTaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FanInTaker({:?})", self.set)
    }
}
