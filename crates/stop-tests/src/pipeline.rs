//! Workers of a pipeline die at a point. If a producer dies, each item still comes once, made by
//! another producer, or the death is reported in the item's worker. If the commander dies, the
//! items that it issued come, and then its death.

use crate::victim::{self, TIMEOUT, text};
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
/// The victim passes its point so often before it dies there.
const PASSES_BEFORE: u64 = 3;

/// Whether a producer certainly reaches the point. (It sleeps only if there is no command.)
pub(crate) fn reaches(point: Failpoint) -> bool {
    matches!(
        point,
        Failpoint::EntryTaken
            | Failpoint::ExchangeLoaded
            | Failpoint::ExchangeIntended
            | Failpoint::ExchangeDone
            | Failpoint::ExchangeOwned
            | Failpoint::ExchangeSettled
            | Failpoint::TakeIntended
            | Failpoint::TakeDone
            | Failpoint::TakeOwned
            | Failpoint::TakeSettled
            | Failpoint::SleepCleared
    )
}

/// How many commands the commander has issued at the point, if it reaches it. Producers find all of
/// them.
fn issued_at(point: Failpoint) -> Option<u64> {
    match point {
        Failpoint::EntryTaken => Some(0),
        Failpoint::ExchangeLoaded | Failpoint::ExchangeIntended => Some(PASSES_BEFORE),
        Failpoint::ExchangeDone | Failpoint::ExchangeOwned | Failpoint::ExchangeSettled => {
            Some(PASSES_BEFORE + 1)
        }
        _ => None,
    }
}

pub(crate) fn commander_reaches(point: Failpoint) -> bool {
    issued_at(point).is_some()
}

/// A worker process; with a point, the victim.
pub(crate) fn be_worker(point: Option<Failpoint>, ticket: &str) {
    if let Some(point) = point {
        // It passes the first point once, and the second only if another worker sleeps.
        let rare = matches!(point, Failpoint::EntryTaken | Failpoint::SleepCleared);
        victim::die_at(point, if rare { 0 } else { PASSES_BEFORE });
    }
    let ticket: WorkerTicket = ticket.parse().expect("a ticket of the parent");
    let worker = ticket.join().expect("the parent lives");
    let worked = match worker.role() {
        WorkerRole::Commander => worker.run_commander(Commands((0..ITEMS).map(u64::to_le_bytes))),
        WorkerRole::Producer(_) => worker.run_producer(make),
    };
    worked.expect("no other process takes its place");
}

/// Slow enough for the other workers to sleep sometimes.
fn make(command: &[u8], item: &mut Filling<'_>) -> Result<(), WorkerError> {
    std::thread::sleep(Duration::from_micros(200));
    item.array(0).copy_from_slice(command);
    Ok(())
}

/// Starts this program again; the first process of that role is the victim.
#[derive(Debug)]
struct Victims {
    role: WorkerRole,
    point: Option<usize>,
    victim: Arc<AtomicU32>,
}

impl Victims {
    fn new(role: WorkerRole, point: Failpoint) -> Self {
        Victims { role, point: Some(victim::number_of(point)), victim: Arc::default() }
    }
}

impl Spawner for Victims {
    fn spawn(&mut self, ticket: &WorkerTicket) -> Result<Box<dyn WorkerProcess>, WorkerError> {
        let point = if ticket.role() == self.role { self.point.take() } else { None };
        let name = point.map_or("-".into(), |point| point.to_string());
        let mut command = Command::new(std::env::current_exe()?);
        let child = command.args(["pipeline-worker", &name, &ticket.to_string()]).spawn()?;
        if point.is_some() {
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

/// Whether a single producer reaches the point with the result that fills the results' ring, while
/// none is consumed.
fn fills(point: Failpoint) -> bool {
    reaches(point) && !matches!(point, Failpoint::EntryTaken | Failpoint::SleepCleared)
}

/// Runs in both orders, and with skipped items. Returns how many items came.
pub(crate) fn run(point: Failpoint) -> Result<u64, String> {
    for order in ORDERS {
        run_in(order, point).map_err(|error| format!("{order:?}: {error}"))?;
    }
    if !fills(point) {
        return Ok(2 * ITEMS);
    }
    let skipped = run_full(point).map_err(|error| format!("skipped: {error}"))?;
    Ok(3 * ITEMS - skipped)
}

fn pipeline(order: ItemOrder) -> Pipeline {
    Pipeline::new().bytes(8).producers(2).in_flight(6).order(order).on_failure(OnFailure::Retry(2))
}

fn run_in(order: ItemOrder, point: Failpoint) -> Result<(), String> {
    let victims = Victims::new(WorkerRole::Producer(0), point);
    let mut items = pipeline(order).start_with(victims).map_err(text)?;
    let mut came = vec![false; ITEMS as usize];
    let mut count = 0;
    while let Some(item) = items.next_timeout(TIMEOUT).map_err(text)? {
        let number = item.number();
        if item.array(0) != number.to_le_bytes() || std::mem::replace(&mut came[number as usize], true) {
            return Err(format!("item {number} came twice, or is another"));
        }
        if order == ItemOrder::Ordered && number != count {
            return Err(format!("item {number} came where {count} was next"));
        }
        count += 1;
    }
    match (count == ITEMS, items.progress().producers[0].replaced) {
        (true, 1) => Ok(()),
        (true, 0) => Err("the victim did not reach its point".into()),
        (_, deaths) => Err(format!("{count} of {ITEMS} items came, after {deaths} deaths")),
    }
}

/// The consumer takes nothing before the victim is dead. The last result of the victim, if it is
/// published, fills the results' ring. Returns how many items did not come.
fn run_full(point: Failpoint) -> Result<u64, String> {
    let pipeline = pipeline(ItemOrder::Unordered).producers(1).in_flight(PASSES_BEFORE as usize + 1);
    let victims = Victims::new(WorkerRole::Producer(0), point);
    let dead = victims.victim.clone();
    let items = pipeline.on_failure(OnFailure::Skip).start_with(victims);
    let mut items = items.map_err(text)?;
    victim::await_death(dead.load(Ordering::Relaxed))?;
    let (mut numbers, mut skipped) = (Vec::new(), 0);
    loop {
        match items.next_timeout(TIMEOUT) {
            Ok(Some(item)) => numbers.push(item.number()),
            Ok(None) => break,
            Err(PipelineError::Died { activity: Activity::Item { number, .. }, .. }) => {
                numbers.push(number);
                skipped += 1;
            }
            Err(error) => return Err(text(error)),
        }
    }
    numbers.sort_unstable();
    if numbers.iter().copied().eq(0..ITEMS) && skipped <= 1 {
        return Ok(skipped);
    }
    Err(format!("{} of {ITEMS} were reported, {skipped} as skipped", numbers.len()))
}

/// The commander is the victim. The consumer takes nothing before it is dead and all results are
/// complete. Returns how many items came.
pub(crate) fn run_commander(point: Failpoint) -> Result<u64, String> {
    let mut came = 0;
    for order in ORDERS {
        came += run_commander_in(order, point).map_err(|error| format!("{order:?}: {error}"))?;
    }
    Ok(came)
}

fn run_commander_in(order: ItemOrder, point: Failpoint) -> Result<u64, String> {
    let issued = issued_at(point).expect("the commander reaches the point");
    let victims = Victims::new(WorkerRole::Commander, point);
    let dead = victims.victim.clone();
    let mut items = pipeline(order).start_with(victims).map_err(text)?;
    victim::await_death(dead.load(Ordering::Relaxed))?;
    await_made(&items, issued)?;
    let mut numbers = Vec::new();
    let last = loop {
        match items.next_timeout(TIMEOUT) {
            Ok(Some(item)) => numbers.push(item.number()),
            Ok(None) => return Err("the death was not reported".into()),
            Err(error) => break error,
        }
    };
    numbers.sort_unstable();
    match last {
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
        if begin.elapsed() > TIMEOUT {
            return Err(format!("not all of {count} were made"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
