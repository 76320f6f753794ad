//! Pipelines whose worker processes do not do what the host asks of them: they survive a kill,
//! return late, never join, or do not report their state.
//!
//! The workers are threads, or this test binary, run again for the test `child`.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

#[path = "common/items.rs"]
mod items;
#[path = "common/workers.rs"]
mod workers;

use items::{check, endless, fill, number, numbers, two_arrays};
use seqring::pipeline::{
    self, Filling, ItemOrder, OnFailure, Pipeline, PipelineError, ProcessExit, Spawner, WorkerError,
    WorkerProcess, WorkerRole, WorkerTicket,
};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;
use workers::{NEVER, Recorded, hang, lives, wait_until};

#[test]
#[ignore = "the workers of the other tests run this"]
fn child() {
    pipeline::worker_main("hangs once", || numbers(50), |_| hangs_at_seven::<1>);
    pipeline::worker_main("hangs", endless, |_| hangs_at_seven::<{ u32::MAX }>);
}

/// Hangs at item 7, for its first `TRIES` tries.
fn hangs_at_seven<const TRIES: u32>(command: &[u8], item: &mut Filling<'_>) -> Result<(), WorkerError> {
    if number(command) == 7 && item.tries() <= TRIES {
        hang();
    }
    fill(command, item)
}

fn pair() -> Pipeline {
    two_arrays().producers(2)
}

/// Starts threads that join by their tickets. A producer returns from its first try of item 7 when
/// it is killed; the kill has no other effect.
#[derive(Debug)]
struct ThreadSpawner;

#[derive(Debug)]
struct WorkerThread {
    kill: Sender<()>,
    /// Disconnected when it has ended.
    ended: Receiver<()>,
}

impl Spawner for ThreadSpawner {
    fn spawn(&mut self, ticket: &WorkerTicket) -> Result<Box<dyn WorkerProcess>, WorkerError> {
        let ((kill, killed), (alive, ended)) = (channel(), channel::<()>());
        let ticket = ticket.clone();
        std::thread::spawn(move || {
            let _alive = alive;
            let worker = ticket.join().unwrap();
            let late_at_seven = move |command: &[u8], item: &mut Filling<'_>| {
                if number(command) == 7 && item.tries() == 1 {
                    let _ = killed.recv(); // An error means that the test is over.
                }
                fill(command, item)
            };
            match worker.role() {
                WorkerRole::Commander => worker.run_commander(numbers(50)).unwrap(),
                WorkerRole::Producer(_) => worker.run_producer(late_at_seven).unwrap(),
            }
        });
        Ok(Box::new(WorkerThread { kill, ended }))
    }
}

impl WorkerProcess for WorkerThread {
    fn pid(&self) -> u32 {
        std::process::id()
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<Option<ProcessExit>> {
        let has_ended = self.ended.recv_timeout(timeout) == Err(RecvTimeoutError::Disconnected);
        Ok(has_ended.then_some(ProcessExit::Code(0)))
    }

    fn kill(&mut self) {
        let _ = self.kill.send(()); // An error means that it has ended.
    }
}

/// Fails if a producer that returns before it is dead drops its command, or takes the next one.
#[test]
fn the_command_of_a_producer_that_returns_after_it_was_given_up_is_not_lost() {
    for order in [ItemOrder::Ordered, ItemOrder::Unordered] {
        for on_failure in [OnFailure::Skip, OnFailure::Retry(20)] {
            let pipeline = pair().order(order).on_failure(on_failure).held_items(50);
            let pipeline = pipeline.produce_timeout(Duration::from_millis(100));
            let mut items = pipeline.start_with(ThreadSpawner).unwrap();
            let (mut made, mut late) = (Vec::new(), Vec::new());
            loop {
                match items.next_timeout(NEVER) {
                    Ok(Some(item)) => made.push(check(&item)),
                    Ok(None) => break,
                    // On a busy machine other items, too.
                    Err(PipelineError::Hung { number, .. }) => late.push(number),
                    Err(error) => panic!("{order:?}, {on_failure:?}: {error}"),
                }
            }
            assert_eq!(late.contains(&7), on_failure == OnFailure::Skip);
            made.append(&mut late);
            made.sort_unstable();
            assert_eq!(made, (0..50).collect::<Vec<_>>(), "each once");
        }
    }
}

/// Starts programs, and wraps each process.
#[derive(Debug)]
struct Wrapping(Recorded, Wrap);

type Wrap = fn(Box<dyn WorkerProcess>) -> Box<dyn WorkerProcess>;

impl Spawner for Wrapping {
    fn spawn(&mut self, ticket: &WorkerTicket) -> Result<Box<dyn WorkerProcess>, WorkerError> {
        Ok((self.1)(self.0.spawn(ticket)?))
    }
}

/// A process whose first `wait` with a timeout fails.
#[derive(Debug)]
struct UnknownOnce(Box<dyn WorkerProcess>, bool);

impl WorkerProcess for UnknownOnce {
    fn pid(&self) -> u32 {
        self.0.pid()
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<Option<ProcessExit>> {
        if !timeout.is_zero() && !std::mem::replace(&mut self.1, true) {
            return Err(io::Error::other("unknown"));
        }
        self.0.wait(timeout)
    }

    fn kill(&mut self) {
        self.0.kill();
    }
}

/// Fails if a worker counts as ended because its state is unknown.
#[test]
fn workers_whose_state_is_unknown_at_the_end_are_killed() {
    let workers = Recorded::new("hangs");
    let wrapping = Wrapping(workers.clone(), |process| Box::new(UnknownOnce(process, false)));
    let mut items = pair().start_with(wrapping).unwrap();
    for _ in 0..7 {
        check(&items.next().unwrap().unwrap());
    }
    items.stop().unwrap();
    assert!(!workers.pids().into_iter().any(lives));
}

/// A process that survives its first kill.
#[derive(Debug)]
struct Tough(Box<dyn WorkerProcess>, bool);

impl WorkerProcess for Tough {
    fn pid(&self) -> u32 {
        self.0.pid()
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<Option<ProcessExit>> {
        self.0.wait(timeout)
    }

    fn kill(&mut self) {
        if std::mem::replace(&mut self.1, true) {
            self.0.kill();
        }
    }
}

/// Fails if the host forgets a process that it killed.
#[test]
fn a_producer_that_survives_a_kill_is_killed_again() {
    let wrapping = Wrapping(Recorded::new("hangs once"), |process| Box::new(Tough(process, false)));
    let timeout = Duration::from_millis(500);
    let pipeline = pair().on_failure(OnFailure::Retry(20)).produce_timeout(timeout);
    let mut items = pipeline.start_with(wrapping).unwrap();
    for expected in 0..50 {
        let item = items.next_timeout(NEVER).unwrap().unwrap();
        assert_eq!(check(&item), expected);
    }
}

/// Starts the commander. Of producers it only pretends that there are processes; the first of them
/// dies when `first_is_dead` is set.
#[derive(Debug)]
struct NeverJoining {
    first_is_dead: Arc<AtomicBool>,
    started: bool,
}

#[derive(Debug)]
struct NoProcess {
    is_dead: Arc<AtomicBool>,
}

impl Spawner for NeverJoining {
    fn spawn(&mut self, ticket: &WorkerTicket) -> Result<Box<dyn WorkerProcess>, WorkerError> {
        if ticket.role() == WorkerRole::Commander {
            return ThreadSpawner.spawn(ticket);
        }
        let is_first = !std::mem::replace(&mut self.started, true);
        let is_dead = if is_first { self.first_is_dead.clone() } else { Arc::default() };
        Ok(Box::new(NoProcess { is_dead }))
    }
}

impl WorkerProcess for NoProcess {
    fn pid(&self) -> u32 {
        std::process::id()
    }

    fn wait(&mut self, _: Duration) -> io::Result<Option<ProcessExit>> {
        Ok(self.is_dead.load(Relaxed).then_some(ProcessExit::Signal(9)))
    }

    fn kill(&mut self) {
        self.is_dead.store(true, Relaxed);
    }
}

/// Fails if the time that the first process took counts for its replacement.
#[test]
fn a_process_that_replaces_one_that_never_joined_has_its_own_time_to_join() {
    let first_is_dead = Arc::new(AtomicBool::new(false));
    let spawner = NeverJoining { first_is_dead: first_is_dead.clone(), started: false };
    let timeout = Duration::from_millis(100);
    let pipeline = two_arrays().on_failure(OnFailure::Skip).start_timeout(timeout);
    let mut items = pipeline.start_with(spawner).unwrap();
    wait_until("the commander has joined", || items.progress().issued > 0);
    for replaced in 0..2 {
        let nothing = items.next_timeout(Duration::ZERO);
        assert!(matches!(nothing, Err(PipelineError::TimedOut { .. })), "{nothing:?}");
        assert_eq!(items.progress().producers[0].replaced, replaced);
        first_is_dead.store(true, Relaxed);
        std::thread::sleep(timeout); // The present process has used up its time.
    }
}
