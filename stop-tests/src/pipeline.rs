//! Producers of a pipeline that die at a point: each item comes once all the same, made by another.

use crate::victim;
use seqring::pipeline::{
    Commands, Exit, Filling, Launch, OnFailure, Order, Pipeline, Worker, WorkerError, WorkerRole,
    WorkerTicket,
};
use seqring::stopping::Stop;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

const ITEMS: u64 = 300;
/// The victim gets to its point so often before it dies there.
const PASSES_BEFORE: u64 = 3;

/// Whether it certainly gets there. It sleeps only if there happens to be no command.
pub(crate) fn passes(stop: Stop) -> bool {
    matches!(
        stop,
        Stop::SeatTaken
            | Stop::ExchangeLooked
            | Stop::ExchangeArmed
            | Stop::ExchangeDone
            | Stop::ExchangeOwned
            | Stop::TakeArmed
            | Stop::TakeDone
            | Stop::TakeOwned
            | Stop::BellCleared
    )
}

/// A worker process; with a point, the victim.
pub(crate) fn be_worker(stop: Option<usize>, ticket: &str) {
    if let Some(stop) = stop.map(|stop| Stop::ALL[stop]) {
        victim::die_at(stop, if stop == Stop::SeatTaken { 0 } else { PASSES_BEFORE });
    }
    let ticket: WorkerTicket = ticket.parse().expect("the parent's");
    let place = ticket.join().expect("the parent lives");
    let worked = match place.role() {
        WorkerRole::Commander => place.command(Commands((0..ITEMS).map(u64::to_le_bytes))),
        WorkerRole::Producer(_) => place.produce(make),
    };
    worked.expect("nobody else joins in its place");
}

/// Slowly enough for everybody to go to sleep now and then.
fn make(command: &[u8], item: &mut Filling<'_>) -> Result<(), WorkerError> {
    std::thread::sleep(Duration::from_micros(200));
    item.array(0).copy_from_slice(command);
    Ok(())
}

/// Starts this program again; the first process of the first producer is the victim.
#[derive(Debug)]
struct Victims {
    stop: Option<usize>,
}

impl Launch for Victims {
    fn start(&mut self, ticket: &WorkerTicket) -> Result<Box<dyn Worker>, WorkerError> {
        let stop = if ticket.role() == WorkerRole::Producer(0) { self.stop.take() } else { None };
        let stop = stop.map_or("-".into(), |stop| stop.to_string());
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["pipeline-worker", &stop, &ticket.to_string()]);
        Ok(Box::new(Process(command.spawn()?)))
    }
}

#[derive(Debug)]
struct Process(Child);

impl Worker for Process {
    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn wait(&mut self, timeout: Duration) -> std::io::Result<Option<Exit>> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(status) = self.0.try_wait()? {
                let code = Exit::Code(status.code().unwrap_or_default());
                return Ok(Some(status.signal().map_or(code, Exit::Signal)));
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

/// In both orders. Says how many items came.
pub(crate) fn run(stop: Stop) -> Result<u64, String> {
    for order in [Order::Ordered, Order::Unordered] {
        run_in(order, stop).map_err(|error| format!("{order:?}: {error}"))?;
    }
    Ok(2 * ITEMS)
}

fn run_in(order: Order, stop: Stop) -> Result<(), String> {
    let pipeline =
        Pipeline::new().bytes(8).producers(2).in_flight(6).order(order).on_failure(OnFailure::Retry(2));
    let victims = Victims { stop: Some(victim::number_of(stop)) };
    let mut items = pipeline.start_with(victims).map_err(|error| error.to_string())?;
    let mut came = vec![false; ITEMS as usize];
    let mut count = 0;
    while let Some(item) = items.next_timeout(victim::NEVER).map_err(|error| error.to_string())? {
        let number = item.number();
        if item.array(0) != number.to_le_bytes() || std::mem::replace(&mut came[number as usize], true) {
            return Err(format!("item {number} came twice, or is another"));
        }
        if order == Order::Ordered && number != count {
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
