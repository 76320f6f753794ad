//! Another program of a measurement: it dies with its parent, and its parent does not wait for it
//! for ever.

use std::io;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Signal, set_parent_process_death_signal};

/// For the child: a child whose parent is killed must not spin on.
///
/// # Errors
/// What `prctl` reports.
pub fn die_with_parent() -> io::Result<()> {
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// For the parent: waits for a child that is to end, and kills it after a timeout.
///
/// # Errors
/// How it ended, if not well.
pub fn ended(mut child: Child) -> Result<(), String> {
    const LONGEST: Duration = Duration::from_secs(10);
    let begin = Instant::now();
    loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(format!("{status}")),
            None if begin.elapsed() > LONGEST => break,
            None => thread::sleep(Duration::from_millis(1)),
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    Err(format!("still running {LONGEST:?} after it was to end"))
}
