//! A process that stops or kills itself at a failpoint, and its control by the parent.

use crate::message::message;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, getpid, kill_process, waitid, waitpid,
};
use seqring::Ring;
use seqring::failpoints::{Failpoint, on_failpoint};
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Limit for an event that must happen. A longer wait fails the case.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(180);

/// What happens to a stopped victim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It continues once the others have made their progress.
    Continued,
    Killed,
}

static TARGET: AtomicUsize = AtomicUsize::new(usize::MAX);
static PASSES_BEFORE: AtomicU64 = AtomicU64::new(0);
static PASSES: AtomicU64 = AtomicU64::new(0);

/// This process stops itself at `point`, after it has passed the point so often.
pub(crate) fn stop_at(point: Failpoint, passes_before: u64) {
    set_target(point, passes_before);
    on_failpoint(|point| signal_at(point, Signal::STOP));
}

/// As [`stop_at`], but the process kills itself.
pub(crate) fn die_at(point: Failpoint, passes_before: u64) {
    set_target(point, passes_before);
    on_failpoint(|point| signal_at(point, Signal::KILL));
}

fn set_target(point: Failpoint, passes_before: u64) {
    TARGET.store(number_of(point), Ordering::Relaxed);
    PASSES_BEFORE.store(passes_before, Ordering::Relaxed);
}

fn signal_at(point: Failpoint, signal: Signal) {
    if TARGET.load(Ordering::Relaxed) == number_of(point)
        && PASSES.fetch_add(1, Ordering::Relaxed) == PASSES_BEFORE.load(Ordering::Relaxed)
    {
        kill_process(getpid(), signal).expect("a process may signal itself");
    }
}

/// How often this process has reached its point.
pub(crate) fn passes() -> u64 {
    PASSES.load(Ordering::Relaxed)
}

/// The index of a point in [`Failpoint::ALL`].
pub(crate) fn number_of(point: Failpoint) -> usize {
    Failpoint::ALL.iter().position(|one| *one == point).expect("it is one of all")
}

/// The point with a number from the command line.
pub(crate) fn point_of(number: &str) -> Failpoint {
    Failpoint::ALL[number.parse::<usize>().expect("a number")]
}

/// Starts this program as the victim `verb`, which gets the number of a point and more arguments.
pub(crate) fn start(verb: &str, point: Failpoint, arguments: &[&str]) -> Result<Child, String> {
    let program = std::env::current_exe().map_err(text)?;
    let mut command = Command::new(program);
    command.arg(verb).arg(number_of(point).to_string()).args(arguments).stdout(Stdio::piped());
    command.spawn().map_err(text)
}

/// Waits for the first output of a victim.
pub(crate) fn await_output(victim: &mut Child) -> Result<(), String> {
    let output = victim.stdout.as_mut().map(|output| output.read_exact(&mut [0]));
    output.ok_or("it has no output")?.map_err(|_| "the victim ended without output".into())
}

/// Waits until a victim has stopped itself.
pub(crate) fn await_stop(victim: &mut Child) -> Result<(), String> {
    let (pid, begin) = (Pid::from_child(victim), Instant::now());
    loop {
        match waitpid(Some(pid), WaitOptions::UNTRACED | WaitOptions::NOHANG) {
            Ok(Some((_, status))) if status.stopped() => return Ok(()),
            Ok(Some((_, status))) => return Err(format!("the victim was not stopped: {status:?}")),
            Ok(None) if begin.elapsed() > TIMEOUT => {
                kill(victim)?;
                return Err("the victim did not reach its point".into());
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(1)),
            Err(error) => return Err(text(error)),
        }
    }
}

/// Waits until a child has died. Does not collect its status.
pub(crate) fn await_death(pid: u32) -> Result<(), String> {
    let (pid, begin) = (Pid::from_raw(pid.cast_signed()).ok_or("no process")?, Instant::now());
    let is_dead = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    while waitid(WaitId::Pid(pid), is_dead).map_err(text)?.is_none() {
        if begin.elapsed() > TIMEOUT {
            return Err("the victim did not reach its point".into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Continues a stopped victim.
pub(crate) fn resume(victim: &Child) -> Result<(), String> {
    kill_process(Pid::from_child(victim), Signal::CONT).map_err(text)
}

/// Waits until a victim has ended, which must be with success.
pub(crate) fn ends_well(victim: &mut Child) -> Result<(), String> {
    match victim.wait().map_err(text)? {
        status if status.success() => Ok(()),
        status => Err(format!("the victim continued and ended with {status}")),
    }
}

/// Kills a victim and waits for its end.
pub(crate) fn kill(victim: &mut Child) -> Result<(), String> {
    victim.kill().and_then(|()| victim.wait()).map(drop).map_err(text)
}

/// Continues a stopped victim until it ends with success, or kills it.
pub(crate) fn end(victim: &mut Child, fate: Fate) -> Result<(), String> {
    match fate {
        Fate::Continued => resume(victim).and_then(|()| ends_well(victim)),
        Fate::Killed => kill(victim),
    }
}

/// A successor registers as writer and writes so many messages under its number.
pub(crate) fn succeed(ring: &Ring, number: u64, messages: u64) -> Result<(), String> {
    let mut successor = ring.writer().map_err(|error| format!("no successor: {error}"))?;
    (0..messages).try_for_each(|n| {
        let written = successor.write_timeout(&message(number, n), TIMEOUT);
        written.map(drop).map_err(|error| format!("the successor: {error}"))
    })
}

pub(crate) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
