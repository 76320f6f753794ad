//! How many system calls a message costs: counted from outside, in a separate run that is not
//! timed.
//!
//! ```text
//! comparison                             counted process
//! starts                        ───▶     makes a ring, joins it
//!                               ◀───     "ready"
//! attaches to it (ptrace), "go" ───▶     starts two readers and a writer, each a thread
//! counts the calls of each thread between two marks
//! ```
//! A mark is `getppid`, which no engine calls: around every write, and around all reads of a
//! reader. So neither the pace of the writer nor the harness is counted. The kernel stops a thread
//! at each call, which then takes some ten µs longer. The pace leaves room for that, so only
//! engines that poll make fewer calls than otherwise.
#![allow(unsafe_code, reason = "the kernel describes a system call by a union")]

use crate::engines::{EngineName, Task};
use anyhow::{Context, Result, bail};
use harness::engine::{Engine, EngineReader, EngineWriter};
use harness::refusal::Refusal;
use harness::ring_spec::{Delivery, Place, RingSpec};
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::process::getppid;
use seqring_cli::reenter;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const READY: &str = "ready";
const READERS: usize = 2;
const MESSAGES: u64 = 200;
/// Between two writes.
const PERIOD: Duration = Duration::from_millis(1);
/// The process gives up after it; a run takes a fraction of it.
const TIMEOUT: Duration = Duration::from_secs(10);
const SPEC: RingSpec =
    RingSpec { slots: 1024, slot_bytes: 64, delivery: Delivery::Gated, writers: 1, readers: READERS };

/// The system calls of an engine, by name: those of the writer, and those of all readers together.
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
        let (writer, readers) = (a_message(&self.of_writer), a_message(&self.of_readers));
        let engine = self.engine;
        write!(f, "{engine}: system calls a message: {writer:.2} of the writer, {readers:.2} of the readers")
    }
}

/// Counts the system calls of `engine`.
///
/// # Errors
/// If processes may not be traced here, or the counted one fails.
pub(crate) fn count(engine: EngineName) -> Result<Calls> {
    let mut child = reenter::command()
        .args(["counted", engine.name()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting a process")?;
    let counted = attach(&mut child).and_then(follow);
    if counted.is_err() {
        let _ = child.kill(); // It may be gone already.
        let _ = child.wait();
    }
    let mut threads = counted.with_context(|| format!("counting the system calls of {engine}"))?;
    // A writer passes two marks a message, a reader two in all.
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

/// Waits until the process is ready, attaches to it, and lets it start.
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

/// The marks and calls of a thread.
#[derive(Default)]
struct Thread {
    marks: u64,
    calls: BTreeMap<String, u64>,
}

/// Follows the process to its end. Returns its threads that passed a mark.
fn follow(process: Pid) -> Result<Vec<Thread>> {
    // A thread may have been killed meanwhile: then its end is reported.
    let resume = |thread, signal: Option<Signal>| {
        let _ = ptrace::syscall(thread, signal);
    };
    let mut threads: HashMap<Pid, Thread> = HashMap::new();
    loop {
        match waitpid(None, Some(WaitPidFlag::__WALL))? {
            WaitStatus::Exited(pid, 0) if pid == process => {
                return Ok(threads.into_values().filter(|thread| thread.marks > 0).collect());
            }
            WaitStatus::Exited(pid, code) if pid == process => bail!("the process ended with {code}"),
            WaitStatus::Signaled(pid, signal, _) if pid == process => bail!("{signal} killed the process"),
            WaitStatus::PtraceSyscall(pid) => {
                let info = ptrace::syscall_info(pid)?;
                // A stop at the entry of a call, not at its return.
                if info.op == libc::PTRACE_SYSCALL_INFO_ENTRY {
                    // SAFETY: by `op` the kernel has filled in this member of the union.
                    let number = unsafe { info.u.entry.nr }.cast_signed();
                    let thread = threads.entry(pid).or_default();
                    if number == libc::SYS_getppid {
                        thread.marks += 1;
                    } else if thread.marks % 2 == 1 {
                        *thread.calls.entry(name_of(number)).or_default() += 1;
                    }
                }
                resume(pid, None);
            }
            WaitStatus::Stopped(pid, signal) => resume(pid, Some(signal)),
            WaitStatus::PtraceEvent(pid, ..) => resume(pid, None),
            _ => {} // A thread has ended.
        }
    }
}

/// The name of a call that rings make; the number of another one.
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

/// The counted process: a writer and readers that wait, as threads.
///
/// # Errors
/// What the engine reports. The comparison then sees fewer messages than were written.
pub(crate) fn serve(engine: EngineName) -> Result<()> {
    engine.run(Counted)
}

struct Counted;

impl Task for Counted {
    type Output = Result<()>;

    fn run<E: Engine + 'static>(self) -> Result<()> {
        let ring = E::create(&SPEC, &Place::Heap)?;
        let readers: Vec<_> = (0..READERS).map(|_| ring.reader()).collect::<Result<_, _>>()?;
        let writer = ring.writer()?;
        let mut output = io::stdout();
        writeln!(output, "{READY}").and_then(|()| output.flush())?;
        io::stdin().read_line(&mut String::new())?; // The comparison traces this process from here on.
        thread::scope(|scope| {
            let reading: Vec<_> =
                readers.into_iter().map(|reader| scope.spawn(move || read(reader))).collect();
            scope.spawn(move || write(writer)).join().expect("no panic")?;
            reading.into_iter().try_for_each(|reading| reading.join().expect("no panic"))
        })
    }
}

fn mark() {
    let _ = getppid(); // Only the call matters.
}

fn write(mut writer: impl EngineWriter) -> Result<()> {
    for _ in 0..MESSAGES {
        thread::sleep(PERIOD);
        mark();
        writer.put(&[7; 64], Some(TIMEOUT))?;
        mark();
    }
    Ok(())
}

fn read(mut reader: impl EngineReader) -> Result<()> {
    let (begin, mut buffer, mut messages) = (Instant::now(), [0; 64], 0);
    mark();
    while messages < MESSAGES {
        match reader.get(&mut buffer, Some(TIMEOUT)) {
            Ok(_) => messages += 1,
            Err(Refusal::TimedOut { .. }) if begin.elapsed() < TIMEOUT => {}
            Err(error) => bail!("after {messages} messages: {error}"),
        }
    }
    mark();
    Ok(())
}
