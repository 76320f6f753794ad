//! Ctrl-C: the first ends the run with its results, the second without, the third at once.

use super::team::Event;
use anyhow::Result;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::Sender;
use std::thread;

const SIGNALS: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// The run was given up on request.
#[derive(Debug)]
pub struct Interrupted;

impl Interrupted {
    /// What a shell reports for a command that Ctrl-C ended.
    pub const EXIT_CODE: u8 = 130;
}

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("interrupted: there are no results")
    }
}

impl std::error::Error for Interrupted {}

/// From now on signals that ask this process to end are events. The coordinator cleans up for the first two;
/// if it does not come to that, the third ends the process, and the workers with it.
pub(crate) fn forward(events: Sender<Event>) -> Result<()> {
    let mut signals = Signals::new(SIGNALS)?;
    thread::Builder::new().name("signals".into()).spawn(move || {
        for (earlier, _) in signals.forever().enumerate() {
            if earlier == 2 || events.send(Event::Interrupted).is_err() {
                std::process::exit(Interrupted::EXIT_CODE.into());
            }
        }
    })?;
    Ok(())
}

/// In a worker: the same signals do nothing. A terminal sends them to all processes of a run, and it is the
/// coordinator who decides what they mean.
pub(crate) fn leave_to_coordinator() -> Result<()> {
    for signal in SIGNALS {
        flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    Ok(())
}
