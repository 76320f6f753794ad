//! A process that stops itself at a point, and its parent's hold on it.

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, getpid, kill_process, waitid, waitpid,
};
use seqring::failpoints::{Failpoint, on_failpoint};
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long something that must come may take before it is said that it does not.
pub(crate) const NEVER: Duration = Duration::from_secs(180);

static TARGET: AtomicUsize = AtomicUsize::new(usize::MAX);
static PASSES_BEFORE: AtomicU64 = AtomicU64::new(0);
static PASSES: AtomicU64 = AtomicU64::new(0);

/// This process stops itself when it comes to `stop`, after it has passed there so often.
pub(crate) fn stop_at(stop: Failpoint, passes_before: u64) {
    aim_at(stop, passes_before);
    on_failpoint(|stop| {
        if is_there(stop) {
            kill_process(getpid(), Signal::STOP).expect("a process may stop itself");
        }
    });
}

/// As [`stop_at`], but there it dies.
pub(crate) fn die_at(stop: Failpoint, passes_before: u64) {
    aim_at(stop, passes_before);
    on_failpoint(|stop| {
        if is_there(stop) {
            kill_process(getpid(), Signal::KILL).expect("a process may kill itself");
        }
    });
}

fn aim_at(stop: Failpoint, passes_before: u64) {
    TARGET.store(number_of(stop), Ordering::Relaxed);
    PASSES_BEFORE.store(passes_before, Ordering::Relaxed);
}

fn is_there(stop: Failpoint) -> bool {
    TARGET.load(Ordering::Relaxed) == number_of(stop)
        && PASSES.fetch_add(1, Ordering::Relaxed) == PASSES_BEFORE.load(Ordering::Relaxed)
}

/// How often it came there.
pub(crate) fn passes() -> u64 {
    PASSES.load(Ordering::Relaxed)
}

/// The place of a point among all.
pub(crate) fn number_of(stop: Failpoint) -> usize {
    Failpoint::ALL.iter().position(|one| *one == stop).expect("one of them")
}

/// This program again, with such arguments.
pub(crate) fn start(arguments: &[&str]) -> Result<Child, String> {
    let itself = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(itself);
    command.args(arguments).stdout(Stdio::piped());
    command.spawn().map_err(|error| error.to_string())
}

/// Waits until a victim says something.
pub(crate) fn await_word(victim: &mut Child) -> Result<(), String> {
    let said = victim.stdout.as_mut().map(|said| said.read_exact(&mut [0]));
    said.ok_or("it has no output")?.map_err(|_| "the victim ended without a word".into())
}

/// Waits until a victim has stopped itself.
pub(crate) fn await_stop(victim: &mut Child) -> Result<(), String> {
    let (pid, begin) = (Pid::from_child(victim), Instant::now());
    loop {
        match waitpid(Some(pid), WaitOptions::UNTRACED | WaitOptions::NOHANG) {
            Ok(Some((_, status))) if status.stopped() => return Ok(()),
            Ok(Some((_, status))) => return Err(format!("the victim was not stopped: {status:?}")),
            Ok(None) if begin.elapsed() > NEVER => {
                victim.kill().and_then(|()| victim.wait()).map_err(|error| error.to_string())?;
                return Err("the victim never got there".into());
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(1)),
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Waits until a child has died, and leaves it to others to see how.
pub(crate) fn await_death(pid: u32) -> Result<(), String> {
    let (pid, begin) = (Pid::from_raw(pid.cast_signed()).ok_or("no process")?, Instant::now());
    let is_dead = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    while waitid(WaitId::Pid(pid), is_dead).map_err(|error| error.to_string())?.is_none() {
        if begin.elapsed() > NEVER {
            return Err("the victim never got there".into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Has a stopped victim go on.
pub(crate) fn resume(victim: &Child) -> Result<(), String> {
    kill_process(Pid::from_child(victim), Signal::CONT).map_err(|error| error.to_string())
}

/// Waits until a victim has ended, and says whether it ended well.
pub(crate) fn ends_well(victim: &mut Child) -> Result<(), String> {
    match victim.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the victim went on and ended with {status}")),
        Err(error) => Err(error.to_string()),
    }
}

/// Kills a victim, and sees it dead.
pub(crate) fn kill(victim: &mut Child) -> Result<(), String> {
    victim.kill().and_then(|()| victim.wait()).map(drop).map_err(|error| error.to_string())
}
