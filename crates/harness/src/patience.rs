//! What an end of a measurement does while it finds nothing, and that it does not wait for ever.

use std::fmt;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::yield_now;
use std::time::{Duration, Instant};

/// Why an end stops.
#[derive(Debug)]
pub enum Stop {
    /// The ring was closed, or the stop flag was set.
    Closed,
    /// Something that must not be.
    Failed(String),
}

impl Stop {
    /// Something that must not be.
    pub fn failed(error: impl fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }

    /// As an error of a measurement, whose own end never expects to be stopped.
    pub fn unexpected(self) -> String {
        match self {
            Self::Closed => "the other end left early".into(),
            Self::Failed(error) => error,
        }
    }
}

/// After so many empty polls an end reads the clock, and lets others have its core: the peer may
/// need it.
const POLLS_BETWEEN_LOOKS: u32 = 1 << 14;

/// After so long the peer is taken for dead.
pub const LONGEST: Duration = Duration::from_secs(10);

/// Waits between polls that find nothing, up to [`LONGEST`].
#[derive(Debug, Default)]
pub struct Patience<'a> {
    polls: u32,
    since: Option<Instant>,
    stop: Option<&'a AtomicBool>,
}

impl<'a> Patience<'a> {
    /// Patience that ends when `stop` is set.
    pub fn until(stop: &'a AtomicBool) -> Self {
        Self { stop: Some(stop), ..Self::default() }
    }

    /// Waits a little, after a poll that found nothing.
    ///
    /// # Errors
    /// [`Stop::Closed`] if it is to stop, [`Stop::Failed`] after [`LONGEST`]; both are checked
    /// once in many polls.
    #[inline(always)]
    pub fn pause(&mut self, pauses: u32) -> Result<(), Stop> {
        for _ in 0..pauses {
            spin_loop();
        }
        self.polls += 1;
        if self.polls.is_multiple_of(POLLS_BETWEEN_LOOKS) { self.look() } else { Ok(()) }
    }

    /// Lets others have the core, after a poll that found nothing.
    ///
    /// # Errors
    /// As [`pause`](Self::pause), checked each time.
    #[cold]
    pub fn look(&mut self) -> Result<(), Stop> {
        yield_now();
        // Relaxed: a request, orders nothing.
        if self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            return Err(Stop::Closed);
        }
        if self.since.get_or_insert_with(Instant::now).elapsed() < LONGEST {
            return Ok(());
        }
        Err(Stop::failed(format_args!("the other end did nothing for {LONGEST:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_ends_with_its_stop_flag() {
        let stop = AtomicBool::new(false);
        let mut patience = Patience::until(&stop);
        assert!(patience.look().is_ok());
        stop.store(true, Ordering::Relaxed);
        assert!(matches!(patience.look(), Err(Stop::Closed)));
        let polls = (0..=POLLS_BETWEEN_LOOKS).map(|_| patience.pause(0));
        assert_eq!(polls.filter(Result::is_err).count(), 1, "a pause looks once in so many polls");
    }
}
