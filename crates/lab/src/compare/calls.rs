//! How many system calls a message costs: counted from outside, in a run of its own that is not timed.
//!
//! ```text
//! comparison                             counted process
//! starts                        ───▶     makes a ring, joins it
//!                               ◀───     "ready"
//! attaches to it (ptrace), "go" ───▶     starts readers and a writer, each a thread
//! is told of every call of each thread, and counts those between two marks
//! ```
//! The kernel stops a thread at each call and asks us: a call then takes some ten µs longer. At a pace with room for that
//! the number of calls is what it would be without us, but that whoever looks again every so often does so less often.
#![allow(unsafe_code, reason = "what the kernel says of a system call is a union")]

use super::counted::{COMMAND, MESSAGES, READERS, READY};
use crate::engines::EngineName;
use crate::reenter;
use anyhow::{Context, Result, bail};
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};

/// The system calls of an engine, by their names: those of the writer, and those of all readers together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Calls {
    pub(crate) engine: EngineName,
    pub(crate) messages: u64,
    pub(crate) readers: usize,
    pub(crate) of_writer: BTreeMap<String, u64>,
    pub(crate) of_readers: BTreeMap<String, u64>,
}

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let a_message =
            |calls: &BTreeMap<String, u64>| calls.values().sum::<u64>() as f64 / self.messages as f64;
        write!(
            f,
            "{}: system calls a message: {:.2} of the writer, {:.2} of {} readers",
            self.engine,
            a_message(&self.of_writer),
            a_message(&self.of_readers),
            self.readers
        )
    }
}

/// Counts the system calls of `engine`.
///
/// # Errors
/// If processes may not be traced here, or the counted one fails.
pub(crate) fn count(engine: EngineName) -> Result<Calls> {
    let mut child = reenter::command()
        .args([COMMAND, engine.name()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting a process")?;
    let counted = attach(&mut child).and_then(|process| Trace::new(process).follow());
    if counted.is_err() {
        let _ = child.kill(); // It may be gone already.
        let _ = child.wait();
    }
    let mut threads = counted.with_context(|| format!("counting the system calls of {engine}"))?;
    // Around every write there is a mark before and one behind, around the reads of a reader there are two in all.
    let writer = threads.iter().position(|thread| thread.marks == 2 * MESSAGES);
    let of_writer = threads.remove(writer.context("no thread wrote all messages")?).calls;
    if threads.len() != READERS || threads.iter().any(|thread| thread.marks != 2) {
        bail!("not every reader of {engine} got all messages");
    }
    let mut of_readers = BTreeMap::new();
    for (name, calls) in threads.into_iter().flat_map(|thread| thread.calls) {
        *of_readers.entry(name).or_default() += calls;
    }
    Ok(Calls { engine, messages: MESSAGES, readers: READERS, of_writer, of_readers })
}

/// Waits until the process is ready, attaches to it, and lets it go.
fn attach(child: &mut Child) -> Result<Pid> {
    let mut said = String::new();
    BufReader::new(child.stdout.as_mut().context("it has no output")?).read_line(&mut said)?;
    if said.trim_end() != READY {
        bail!("the process to be counted did not get ready");
    }
    let process = Pid::from_raw(i32::try_from(child.id())?);
    let options = Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_EXITKILL;
    ptrace::seize(process, options).context("this process may not trace another")?;
    writeln!(child.stdin.as_mut().context("it has no input")?, "go")?;
    Ok(process)
}

/// What a thread did.
#[derive(Default)]
struct Thread {
    marks: u64,
    calls: BTreeMap<String, u64>,
}

/// A process that is being followed.
struct Trace {
    process: Pid,
    threads: HashMap<Pid, Thread>,
}

impl Trace {
    fn new(process: Pid) -> Self {
        Self { process, threads: HashMap::new() }
    }

    /// Follows the process to its end. Returns its threads that came by a mark.
    fn follow(mut self) -> Result<Vec<Thread>> {
        loop {
            let status = waitpid(None, Some(WaitPidFlag::__WALL))?;
            match status {
                WaitStatus::Exited(who, code) if who == self.process => {
                    if code != 0 {
                        bail!("the counted process ended with {code}");
                    }
                    return Ok(self.threads.into_values().filter(|thread| thread.marks > 0).collect());
                }
                WaitStatus::Signaled(who, signal, _) if who == self.process => {
                    bail!("it was killed by {signal}")
                }
                WaitStatus::PtraceSyscall(who) => {
                    self.note(who)?;
                    go_on(who, None);
                }
                WaitStatus::Stopped(who, signal) => go_on(who, Some(signal)),
                WaitStatus::PtraceEvent(who, ..) => go_on(who, None),
                _ => {} // A thread has ended.
            }
        }
    }

    /// A thread enters a system call, or comes back from it.
    fn note(&mut self, who: Pid) -> Result<()> {
        let info = ptrace::syscall_info(who)?;
        if info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
            return Ok(());
        }
        // SAFETY: by `op` the kernel has filled this member of the union in.
        let number = unsafe { info.u.entry.nr }.cast_signed();
        let thread = self.threads.entry(who).or_default();
        if number == libc::SYS_getppid {
            thread.marks += 1;
        } else if thread.marks % 2 == 1 {
            *thread.calls.entry(name_of(number)).or_default() += 1;
        }
        Ok(())
    }
}

/// Lets a stopped thread go on to its next system call.
fn go_on(who: Pid, signal: Option<Signal>) {
    let _ = ptrace::syscall(who, signal); // It may have been killed meanwhile: then its end is told.
}

/// The calls that rings make; others are named by their number.
fn name_of(number: libc::c_long) -> String {
    let name = match number {
        libc::SYS_futex => "futex",
        libc::SYS_sched_yield => "sched_yield",
        libc::SYS_clock_nanosleep | libc::SYS_nanosleep => "nanosleep",
        libc::SYS_membarrier => "membarrier",
        libc::SYS_semop | libc::SYS_semtimedop => "semop",
        libc::SYS_flock => "flock",
        libc::SYS_prctl => "prctl",
        libc::SYS_clock_gettime => "clock_gettime",
        _ => return format!("call {number}"),
    };
    name.into()
}
