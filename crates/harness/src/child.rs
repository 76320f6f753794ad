//! Another program of a measurement: it dies with its parent, and its parent does not wait for it
//! for ever.

use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Signal, set_parent_process_death_signal};

/// The first argument of this program where it is to play the other end of a row
/// ([`crate::table`]).
pub(crate) const OTHER_END: &str = "--other-end";

/// This program again, to play the other end of `row`; the caller adds what that needs.
///
/// # Errors
/// That this program has no path.
pub fn other_end_of(row: &str) -> Result<Command, String> {
    let program = std::env::current_exe().map_err(|error| format!("this program has no path: {error}"))?;
    let mut command = Command::new(program);
    command.args([OTHER_END, row]);
    Ok(command)
}

/// Runs `command` under `tool flags…`; returns what the tool prints on standard error.
///
/// # Errors
/// That the tool is not installed, or how it or the command failed.
pub fn under(tool: &str, flags: &[&str], command: &Command) -> Result<String, String> {
    let output = Command::new(tool).args(flags).arg(command.get_program()).args(command.get_args()).output();
    let output = output.map_err(|error| format!("{tool} does not start: {error}"))?;
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(printed) } else { Err(format!("{tool}: {}: {printed}", output.status)) }
}

/// The instructions that `command` executes, counted by valgrind.
///
/// # Errors
/// As [`under`].
pub fn instructions(command: &Command) -> Result<u64, String> {
    let printed = under("valgrind", &["--tool=callgrind", "--callgrind-out-file=/dev/null"], command)?;
    let total = printed.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
    total.ok_or_else(|| format!("valgrind printed no count: {printed}"))
}

/// For the child: a child whose parent is killed must not spin on. Ctrl-C reaches the whole process
/// group; only the parent acts on it.
///
/// # Errors
/// What the system reports.
pub fn die_with_parent() -> Result<(), String> {
    ctrlc::set_handler(|| ()).map_err(|error| error.to_string())?;
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| error.to_string())
}

/// For the parent: waits for a child that is to end, and kills it if it does not.
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
    Err(format!("still running after {LONGEST:?}"))
}
