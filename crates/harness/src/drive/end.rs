//! One end of a measurement: each call waits for its message or its room in the end's own way.

use super::Wait;
use crate::patience::{Patience, Stop};
use crate::refusal::Refusal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How an end waits, and what ends its waiting.
#[derive(Clone, Copy)]
pub(super) struct End<'a> {
    pub(super) wait: Wait,
    pub(super) stop: &'a AtomicBool,
}

/// Why an attempt did not get through.
pub(super) enum Miss {
    /// The next attempt may get through.
    NotYet,
    /// So many messages are lost; the next attempt continues behind them.
    Lost(u64),
    /// No attempt will.
    Never(Stop),
}

impl From<Refusal> for Miss {
    fn from(refused: Refusal) -> Self {
        match refused {
            Refusal::Full | Refusal::Empty | Refusal::TimedOut { .. } => Self::NotYet,
            Refusal::Lagged { missed } => Self::Lost(missed),
            Refusal::Closed => Self::Never(Stop::Closed),
            other => Self::Never(Stop::failed(other)),
        }
    }
}

impl From<Miss> for Stop {
    fn from(miss: Miss) -> Self {
        match miss {
            Miss::Never(stop) => stop,
            Miss::NotYet | Miss::Lost(_) => Self::failed("a message is lost where nothing may be"),
        }
    }
}

/// One wait of an engine's own. Between two of them the end checks whether it is to stop.
const BLOCKED: Duration = Duration::from_millis(100);

impl End<'_> {
    // Relaxed: a request, orders nothing.
    pub(super) fn is_stopped(self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Attempts until one gets through. `attempt` is given the time that it may wait, if it is to
    /// wait by itself.
    #[inline(always)]
    pub(super) fn until<T>(
        self,
        mut attempt: impl FnMut(Option<Duration>) -> Result<T, Refusal>,
    ) -> Result<T, Miss> {
        attempt(None).or_else(|refused| self.retry(refused.into(), attempt))
    }

    /// The attempts after one that did not get through: a function of its own, so that they take no
    /// room in a loop of 2 ns.
    #[cold]
    #[inline(never)]
    fn retry<T>(
        self,
        mut miss: Miss,
        mut attempt: impl FnMut(Option<Duration>) -> Result<T, Refusal>,
    ) -> Result<T, Miss> {
        let mut patience = Patience::until(self.stop);
        let mut is_first = true;
        while let Miss::NotYet = miss {
            let waited = match self.wait {
                Wait::Pauses(pauses) => patience.pause(pauses),
                Wait::Blocking if is_first => Ok(()),
                Wait::Yielding | Wait::Blocking => patience.look(),
            };
            waited.map_err(Miss::Never)?;
            is_first = false;
            match attempt((self.wait == Wait::Blocking).then_some(BLOCKED)) {
                Ok(done) => return Ok(done),
                Err(next) => miss = next.into(),
            }
        }
        Err(miss)
    }
}
