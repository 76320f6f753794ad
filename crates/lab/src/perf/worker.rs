//! A worker's life: it takes its assignment, joins the ring, says so, waits for the start, works, reports.

use super::interrupt;
use super::options::Pinning;
use super::protocol::{Assignment, Effort, Order, Reply, Role, receive, send};
use super::reading::Witness;
use super::writing::Scribe;
use crate::engines::Task;
use anyhow::{Context, Result, bail};
use harness::engine::Engine;
use harness::pin::{allowed_cores, pin_to};
use harness::usage::{Usage, Who};
use rustix::process::{Signal, set_parent_process_death_signal};
use std::io::{self, BufRead, BufReader, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

/// The hidden command that makes a process a worker.
pub(crate) const COMMAND: &str = "worker";

/// Serves the coordinator at the other end of standard input and output.
///
/// # Errors
/// Whatever goes wrong: the coordinator gets it from our standard error.
pub(crate) fn serve_process() -> Result<()> {
    // The coordinator starts workers from its main thread, whose death the kernel tells us of. Had it died
    // before this call, the orders would end instead.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    interrupt::leave_to_coordinator()?;
    let mut orders = BufReader::new(io::stdin());
    let assignment = assignment(&mut orders)?;
    let engine = assignment.plan.engine;
    engine.run(Work { assignment, orders })
}

/// The work of a process, on whichever engine.
struct Work<O> {
    assignment: Assignment,
    orders: O,
}

impl<O: BufRead + Send + 'static> Task for Work<O> {
    type Output = Result<()>;

    fn run<E: Engine + 'static>(self) -> Result<()> {
        work(&E::open(&self.assignment.ring)?, &self.assignment, self.orders, io::stdout())
    }
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
        None => bail!("no assignment came: workers are started by `seqring perf`"),
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
            let scribe = Scribe::new(plan, number, ring.writer()?);
            start(&mut orders, &mut replies)?;
            let stop = watch(orders)?;
            Reply::Wrote(scribe.run(&stop, || send(&mut replies, &Reply::Inside))?)
        }
        Role::Reader(number) => {
            let witness = Witness::new(plan, number, ring.reader()?);
            start(&mut orders, &mut replies)?;
            Reply::Read(witness.run()?)
        }
    };
    send(&mut replies, &report)
}

/// Ties this thread to its core.
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

/// Says that we are ready, and waits for the start.
fn start(orders: &mut impl BufRead, replies: &mut impl Write) -> Result<()> {
    send(replies, &Reply::Ready)?;
    match receive(orders)? {
        Some(Order::Go) => Ok(()),
        Some(other) => bail!("expected the start, not {other:?}"),
        None => bail!("the coordinator is gone"),
    }
}

/// A flag that is set when the coordinator wants us to stop, or is gone.
fn watch(mut orders: impl BufRead + Send + 'static) -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    thread::Builder::new().name("orders".into()).spawn(move || {
        // Whatever comes now, even something garbled, means the end.
        let _ = receive::<Order>(&mut orders);
        flag.store(true, Relaxed); // Relaxed: a request, orders nothing.
    })?;
    Ok(stop)
}

/// Measures what this thread costs.
#[derive(Debug)]
pub(crate) struct Meter(Usage);

impl Meter {
    pub(crate) fn start() -> Self {
        Meter(Usage::of(Who::Thread))
    }

    pub(crate) fn read(&self) -> Effort {
        let used = Usage::of(Who::Thread).since(&self.0);
        Effort {
            cpu_seconds: used.cpu().as_secs_f64(),
            voluntary_switches: used.voluntary_switches,
            involuntary_switches: used.involuntary_switches,
        }
    }
}
