//! Ctrl-C: the first ends the run with its results, the second without, the third at once.

use super::workers::Event;
use anyhow::Result;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

const SIGNALS: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// The run was given up on request.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

impl Interrupted {
    /// What a shell reports for a command that Ctrl-C ended.
    pub const EXIT_CODE: u8 = 130;
}

/// Signals that ask this process to end, as events. The run cleans up after the first two; the
/// third ends the process, and the workers with it.
pub struct Interrupts {
    listener: Arc<Mutex<Option<Sender<Event>>>>,
    asked: Arc<AtomicBool>,
}

impl Interrupts {
    /// Catches those signals from now on.
    ///
    /// # Errors
    /// What installing the handlers reports.
    pub fn catch() -> Result<Self> {
        let interrupts = Interrupts { listener: Arc::default(), asked: Arc::default() };
        let (listener, asked) = (Arc::clone(&interrupts.listener), Arc::clone(&interrupts.asked));
        let mut signals = Signals::new(SIGNALS)?;
        thread::Builder::new().name("signals".into()).spawn(move || {
            for (earlier, _) in signals.forever().enumerate() {
                if earlier == 2 {
                    std::process::exit(Interrupted::EXIT_CODE.into());
                }
                asked.store(true, Relaxed); // Relaxed: a request, orders nothing.
                if let Some(listener) = &*listener.lock().unwrap_or_else(PoisonError::into_inner) {
                    let _ = listener.send(Event::Interrupted); // The run may be over.
                }
            }
        })?;
        Ok(interrupts)
    }

    /// Sends them to `events`, and to no earlier listener any more.
    pub(crate) fn send_to(&self, events: Sender<Event>) {
        *self.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(events);
    }

    /// Set by the first of them.
    pub fn asked(&self) -> &AtomicBool {
        &self.asked
    }
}

/// In a worker: the same signals do nothing. A terminal sends them to all processes of a run; the
/// coordinator decides what they mean.
pub(crate) fn leave_to_coordinator() -> Result<()> {
    for signal in SIGNALS {
        flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    Ok(())
}
