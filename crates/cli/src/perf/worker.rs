//! A worker: it receives its assignment, joins the ring, replies, waits for the start, works, and
//! reports.

use super::interrupt;
use super::plan::Pinning;
use super::protocol::{Assignment, Order, Reply, Role, WorkerResult, receive, send};
use super::reader::MessageReader;
use super::writer::MessageWriter;
use anyhow::{Context, Result, bail};
use harness::clock::Moment;
use harness::engine::Engine;
use harness::latency::Latencies;
use harness::pin::{allowed_cores, pin_to};
use harness::usage::{Usage, Who};
use rustix::process::{Signal, set_parent_process_death_signal};
use std::io::{self, BufRead, BufReader, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// The hidden command that makes a process a worker.
pub(crate) const COMMAND: &str = "worker";

/// Serves the coordinator at the other end of standard input and output, on a ring of the kind `E`.
///
/// # Errors
/// The failure of the worker. The coordinator reads it from standard error.
pub fn serve<E: Engine>() -> Result<()> {
    // If the coordinator died before this call, the orders end instead.
    follow_parent()?;
    let mut orders = BufReader::new(io::stdin());
    let assignment = assignment(&mut orders)?;
    work(&E::open(&assignment.ring)?, &assignment, orders, io::stdout())
}

/// This process ends with its parent, and leaves the signals of the terminal to it. The parent
/// starts processes from its main thread: the kernel reports the death of that thread.
pub(crate) fn follow_parent() -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    interrupt::leave_to_coordinator()
}

/// Serves the coordinator at the other end of two pipes, with its ring.
pub(crate) fn serve_thread<E: Engine>(
    ring: &E,
    mut orders: impl BufRead + Send + 'static,
    replies: impl Write,
) -> Result<()> {
    let assignment = assignment(&mut orders)?;
    work(ring, &assignment, orders, replies)
}

fn assignment(orders: &mut impl BufRead) -> Result<Assignment> {
    match receive(orders)? {
        Some(Order::Take(assignment)) => Ok(assignment),
        Some(other) => bail!("expected an assignment, not {other:?}"),
        None => bail!("no assignment came: `perf` starts workers"),
    }
}

fn work<E: Engine>(
    ring: &E,
    assignment: &Assignment,
    mut orders: impl BufRead + Send + 'static,
    mut replies: impl Write,
) -> Result<()> {
    let Assignment { plan, role, .. } = assignment;
    if let Some(pinning) = plan.pin {
        pin(*role, pinning, plan.writers)?;
    }
    let report = match *role {
        Role::Writer(number) => {
            let writer = MessageWriter::new(plan, number, ring.writer()?);
            start(&mut orders, &mut replies)?;
            let stop = watch(orders)?;
            Reply::Wrote(writer.run(&stop, || send(&mut replies, &Reply::Inside))?)
        }
        Role::Reader(number) => {
            let reader = MessageReader::new(plan, number, ring.reader()?);
            start(&mut orders, &mut replies)?;
            Reply::Read(reader.run()?)
        }
    };
    send(&mut replies, &report)
}

fn pin(role: Role, pinning: Pinning, writers: usize) -> Result<()> {
    let cores = allowed_cores()?;
    let (of_writers, of_readers) = cores.split_at(cores.len() / 2);
    let (cores, turn) = match (pinning, role) {
        (Pinning::Apart, Role::Writer(index)) if !of_writers.is_empty() => (of_writers, index),
        (Pinning::Apart, Role::Reader(index)) => (of_readers, index),
        (_, Role::Writer(index)) => (&*cores, index),
        (_, Role::Reader(index)) => (&*cores, writers + index),
    };
    let core = cores[turn % cores.len()];
    pin_to(core).with_context(|| format!("pinning {role} to {core}"))
}

/// Replies that this worker is ready, and waits for the start.
fn start(orders: &mut impl BufRead, replies: &mut impl Write) -> Result<()> {
    send(replies, &Reply::Ready)?;
    match receive(orders)? {
        Some(Order::Go) => Ok(()),
        Some(other) => bail!("expected the start, not {other:?}"),
        None => bail!("the coordinator is gone"),
    }
}

/// A flag that is set when the coordinator orders a stop, or is gone.
fn watch(mut orders: impl BufRead + Send + 'static) -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    thread::Builder::new().name("orders".into()).spawn(move || {
        // Any input now, even a garbled line, means the end.
        let _ = receive::<Order>(&mut orders);
        flag.store(true, Relaxed); // Relaxed: a request, orders nothing.
    })?;
    Ok(stop)
}

/// Measures a worker: its time, the cost of its thread, and its messages.
#[derive(Debug)]
pub(crate) struct Meter {
    number: usize,
    begin: Moment,
    usage: Usage,
    /// Messages written, or read.
    pub(crate) messages: u64,
    /// Time spent waiting for room, or for messages.
    pub(crate) waited: Duration,
    pub(crate) latencies: Latencies,
}

impl Meter {
    /// That of worker `number`, with its memory.
    pub(crate) fn new(number: usize) -> Self {
        let (begin, usage, latencies) = (Moment::now(), Usage::default(), Latencies::new());
        Meter { number, begin, usage, messages: 0, waited: Duration::ZERO, latencies }
    }

    /// Starts the clock; returns the moment.
    pub(crate) fn start(&mut self) -> Moment {
        (self.usage, self.begin) = (Usage::of(Who::Thread), Moment::now());
        self.begin
    }

    /// The results up to now.
    pub(crate) fn result(&self) -> WorkerResult {
        let seconds = self.begin.elapsed().as_secs_f64();
        let used = Usage::of(Who::Thread).since(&self.usage);
        WorkerResult {
            number: self.number,
            pid: std::process::id(),
            messages: self.messages,
            seconds,
            waited_seconds: self.waited.as_secs_f64(),
            latency_ns: self.latencies.quantiles(),
            cpu_seconds: used.cpu.as_secs_f64(),
            voluntary_switches: used.voluntary_switches,
            involuntary_switches: used.involuntary_switches,
        }
    }
}
