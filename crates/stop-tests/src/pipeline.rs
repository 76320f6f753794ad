//! Workers of a pipeline that die at a point. A producer: each item comes once all the same, made by another, or the word
//! that it died in its place. The commander: what it issued comes, and then the word that it died.

use crate::victim;
use seqring::failpoints::Failpoint;
use seqring::pipeline::{
    Activity, Commands, Filling, ItemOrder, Items, OnFailure, Pipeline, PipelineError, ProcessExit, Spawner,
    WorkerError, WorkerProcess, WorkerRole, WorkerTicket,
};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const ORDERS: [ItemOrder; 2] = [ItemOrder::Ordered, ItemOrder::Unordered];
const ITEMS: u64 = 300;
/// The victim gets to its point so often before it dies there.
const PASSES_BEFORE: u64 = 3;

/// Whether a producer certainly gets there. It sleeps only if there happens to be no command.
pub(crate) fn passes(stop: Failpoint) -> bool {
    matches!(
        stop,
        Failpoint::SeatTaken
            | Failpoint::ExchangeLooked
            | Failpoint::ExchangeArmed
            | Failpoint::ExchangeDone
            | Failpoint::ExchangeOwned
            | Failpoint::TakeArmed
            | Failpoint::TakeDone
            | Failpoint::TakeOwned
            | Failpoint::BellCleared
    )
}

/// Whether the commander does. How many commands it has issued there, all of which producers find.
fn issued_at(stop: Failpoint) -> Option<u64> {
    match stop {
        Failpoint::SeatTaken => Some(0),
        Failpoint::ExchangeLooked | Failpoint::ExchangeArmed => Some(PASSES_BEFORE),
        Failpoint::ExchangeDone | Failpoint::ExchangeOwned => Some(PASSES_BEFORE + 1),
        _ => None,
    }
}

pub(crate) fn commander_passes(stop: Failpoint) -> bool {
    issued_at(stop).is_some()
}

/// A worker process; with a point, the victim.
pub(crate) fn be_worker(stop: Option<usize>, ticket: &str) {
    if let Some(stop) = stop.map(|stop| Failpoint::ALL[stop]) {
        victim::die_at(stop, if stop == Failpoint::SeatTaken { 0 } else { PASSES_BEFORE });
    }
    let ticket: WorkerTicket = ticket.parse().expect("the parent's");
    let worker = ticket.join().expect("the parent lives");
    let worked = match worker.role() {
        WorkerRole::Commander => worker.run_commander(Commands((0..ITEMS).map(u64::to_le_bytes))),
        WorkerRole::Producer(_) => worker.run_producer(make),
    };
    worked.expect("nobody else joins in its place");
}

/// Slowly enough for everybody to go to sleep now and then.
fn make(command: &[u8], item: &mut Filling<'_>) -> Result<(), WorkerError> {
    std::thread::sleep(Duration::from_micros(200));
    item.array(0).copy_from_slice(command);
    Ok(())
}

/// Starts this program again; the first process of that role is the victim.
#[derive(Debug)]
struct Victims {
    role: WorkerRole,
    stop: Option<usize>,
    victim: Arc<AtomicU32>,
}

impl Victims {
    fn new(role: WorkerRole, stop: Failpoint) -> Self {
        Victims { role, stop: Some(victim::number_of(stop)), victim: Arc::default() }
    }
}

impl Spawner for Victims {
    fn spawn(&mut self, ticket: &WorkerTicket) -> Result<Box<dyn WorkerProcess>, WorkerError> {
        let stop = if ticket.role() == self.role { self.stop.take() } else { None };
        let name = stop.map_or("-".into(), |stop| stop.to_string());
        let mut command = Command::new(std::env::current_exe()?);
        let child = command.args(["pipeline-worker", &name, &ticket.to_string()]).spawn()?;
        if stop.is_some() {
            self.victim.store(child.id(), Ordering::Relaxed);
        }
        Ok(Box::new(Process(child)))
    }
}

#[derive(Debug)]
struct Process(Child);

impl WorkerProcess for Process {
    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn wait(&mut self, timeout: Duration) -> std::io::Result<Option<ProcessExit>> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(status) = self.0.try_wait()? {
                let code = ProcessExit::Code(status.code().unwrap_or_default());
                return Ok(Some(status.signal().map_or(code, ProcessExit::Signal)));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn kill(&mut self) {
        let _ = self.0.kill(); // It has ended.
    }
}

/// Whether a lone producer, whose results nobody takes, gets there when it makes the one that fills their ring.
fn fills(stop: Failpoint) -> bool {
    passes(stop) && !matches!(stop, Failpoint::SeatTaken | Failpoint::BellCleared)
}

/// In both orders; and where the item is skipped. Says how many items came.
pub(crate) fn run(stop: Failpoint) -> Result<u64, String> {
    for order in ORDERS {
        run_in(order, stop).map_err(|error| format!("{order:?}: {error}"))?;
    }
    if !fills(stop) {
        return Ok(2 * ITEMS);
    }
    let skipped = run_full(stop).map_err(|error| format!("skipped: {error}"))?;
    Ok(3 * ITEMS - skipped)
}

fn pipeline(order: ItemOrder) -> Pipeline {
    Pipeline::new().bytes(8).producers(2).in_flight(6).order(order).on_failure(OnFailure::Retry(2))
}

fn run_in(order: ItemOrder, stop: Failpoint) -> Result<(), String> {
    let victims = Victims::new(WorkerRole::Producer(0), stop);
    let mut items = pipeline(order).start_with(victims).map_err(|error| error.to_string())?;
    let mut came = vec![false; ITEMS as usize];
    let mut count = 0;
    while let Some(item) = items.next_timeout(victim::NEVER).map_err(|error| error.to_string())? {
        let number = item.number();
        if item.array(0) != number.to_le_bytes() || std::mem::replace(&mut came[number as usize], true) {
            return Err(format!("item {number} came twice, or is another"));
        }
        if order == ItemOrder::Ordered && number != count {
            return Err(format!("item {number} came in the place of {count}"));
        }
        count += 1;
    }
    match (count == ITEMS, items.progress().producers[0].replaced) {
        (true, 1) => Ok(()),
        (true, 0) => Err("the victim never got there".into()),
        (_, deaths) => Err(format!("{count} of {ITEMS} items came, after {deaths} deaths")),
    }
}

/// The consumer takes nothing before the victim is dead, whose last result, if it came to that, fills their ring. Says how
/// many items did not come.
fn run_full(stop: Failpoint) -> Result<u64, String> {
    let pipeline = pipeline(ItemOrder::Unordered).producers(1).in_flight(PASSES_BEFORE as usize + 1);
    let victims = Victims::new(WorkerRole::Producer(0), stop);
    let dead = victims.victim.clone();
    let items = pipeline.on_failure(OnFailure::Skip).start_with(victims);
    let mut items = items.map_err(|error| error.to_string())?;
    victim::await_death(dead.load(Ordering::Relaxed))?;
    let (mut told, mut skipped) = (Vec::new(), 0);
    loop {
        match items.next_timeout(victim::NEVER) {
            Ok(Some(item)) => told.push(item.number()),
            Ok(None) => break,
            Err(PipelineError::Died { activity: Activity::Item { number, .. }, .. }) => {
                told.push(number);
                skipped += 1;
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    told.sort_unstable();
    if told.iter().copied().eq(0..ITEMS) && skipped <= 1 {
        return Ok(skipped);
    }
    Err(format!("{} of {ITEMS} were told of, {skipped} as skipped", told.len()))
}

/// The commander is the victim; the consumer takes nothing before it is dead and all results are there. Says how many came.
pub(crate) fn run_commander(stop: Failpoint) -> Result<u64, String> {
    let mut came = 0;
    for order in ORDERS {
        came += run_commander_in(order, stop).map_err(|error| format!("{order:?}: {error}"))?;
    }
    Ok(came)
}

fn run_commander_in(order: ItemOrder, stop: Failpoint) -> Result<u64, String> {
    let issued = issued_at(stop).expect("it gets there");
    let victims = Victims::new(WorkerRole::Commander, stop);
    let dead = victims.victim.clone();
    let mut items = pipeline(order).start_with(victims).map_err(|error| error.to_string())?;
    victim::await_death(dead.load(Ordering::Relaxed))?;
    await_made(&items, issued)?;
    let mut numbers = Vec::new();
    let told = loop {
        match items.next_timeout(victim::NEVER) {
            Ok(Some(item)) => numbers.push(item.number()),
            Ok(None) => return Err("nobody told of the death".into()),
            Err(error) => break error,
        }
    };
    numbers.sort_unstable();
    match told {
        PipelineError::Died { worker, .. }
            if worker == "the commander" && numbers.iter().copied().eq(0..issued) =>
        {
            Ok(issued)
        }
        error => Err(format!("{numbers:?} came, of {issued}, and then: {error}")),
    }
}

fn await_made(items: &Items, count: u64) -> Result<(), String> {
    let begin = Instant::now();
    while items.progress().producers.iter().map(|producer| producer.made).sum::<u64>() < count {
        if begin.elapsed() > victim::NEVER {
            return Err(format!("not all of {count} were made"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
