//! Pipelines of processes whose workers fail, hang and die: what the consumer is told, and what goes on.
//!
//! The workers are this very test binary, run again for the one test `child`.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

#[path = "common/crew.rs"]
mod crew;
#[path = "common/items.rs"]
mod items;

use crew::{NEVER, Recorded, die, hang, kill, lives, wait_until, workers};
use items::{check, delivered_sorted, endless, fill, number, numbers, two_arrays};
use rustix::process::Signal;
use seqring::pipeline::{
    self, Commander, Doing, Exit, Filling, Items, Launch, OnFailure, Order, Pipeline, PipelineError,
    Producer, Worker, WorkerError, WorkerRole, WorkerTicket,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

const ORDERS: [Order; 2] = [Order::Ordered, Order::Unordered];

#[test]
#[ignore = "this is what the workers of the other tests run"]
fn child() {
    let at_seven = |what: What| move |_| Faulty { at: Place::Item { once: true }, what };
    let always_at_seven = |what: What| move |_| Faulty { at: Place::Item { once: false }, what };
    let in_build = |what: What| move |_| Faulty { at: Place::Build, what };
    pipeline::worker_main("a producer fails", endless, always_at_seven(fail));
    pipeline::worker_main("a producer panics", endless, always_at_seven(panic));
    pipeline::worker_main("a producer dies once", || numbers(50), at_seven(die_here));
    pipeline::worker_main("a producer dies", || numbers(50), always_at_seven(die_here));
    pipeline::worker_main("a producer aborts", endless, always_at_seven(abort));
    pipeline::worker_main("a producer exits", endless, always_at_seven(exit));
    pipeline::worker_main("a producer hangs once", || numbers(50), at_seven(hang_here));
    pipeline::worker_main("a producer hangs", endless, always_at_seven(hang_here));
    pipeline::worker_main("a producer's build fails", endless, in_build(fail));
    pipeline::worker_main("a producer dies in its build", endless, in_build(die_here));
    pipeline::worker_main("a producer's build hangs", endless, in_build(hang_here));
    let commander = |what: What, at| move || FaultyCommander { at, what, next: 0 };
    let three = Place::Item { once: true };
    pipeline::worker_main("the commander fails", commander(fail, three), |_| fill);
    pipeline::worker_main("the commander panics", commander(panic, three), |_| fill);
    pipeline::worker_main("the commander dies", commander(die_here, three), |_| fill);
    pipeline::worker_main("the commander's build fails", commander(fail, Place::Build), |_| fill);
    pipeline::worker_main("the commander dies in its build", commander(die_here, Place::Build), |_| fill);
    pipeline::worker_main("the commander's build hangs", commander(hang_here, Place::Build), |_| fill);
    pipeline::worker_main("nobody fails", || numbers(3000), |_| fill);
    pipeline::worker_main("all at work", endless, |_| fill);
}

/// What goes wrong.
type What = fn() -> Result<(), WorkerError>;

fn fail() -> Result<(), WorkerError> {
    Err("out of paint".into())
}

fn panic() -> Result<(), WorkerError> {
    panic!("out of paint")
}

fn die_here() -> Result<(), WorkerError> {
    die()
}

fn abort() -> Result<(), WorkerError> {
    std::process::abort()
}

fn exit() -> Result<(), WorkerError> {
    std::process::exit(5)
}

fn hang_here() -> Result<(), WorkerError> {
    hang()
}

/// Where it goes wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Build,
    /// Item 7 of a producer, at its first try or always; command 3 of a commander.
    Item {
        once: bool,
    },
}

struct Faulty {
    at: Place,
    what: What,
}

impl Producer for Faulty {
    fn build(&mut self) -> Result<(), WorkerError> {
        if self.at == Place::Build { (self.what)() } else { Ok(()) }
    }

    fn produce(&mut self, command: &[u8], item: &mut Filling<'_>) -> Result<(), WorkerError> {
        match self.at {
            Place::Item { once } if number(command) == 7 && (item.tries() == 1 || !once) => (self.what)()?,
            _ => {}
        }
        fill(command, item)
    }
}

struct FaultyCommander {
    at: Place,
    what: What,
    next: u64,
}

impl Commander for FaultyCommander {
    fn build(&mut self) -> Result<(), WorkerError> {
        if self.at == Place::Build { (self.what)() } else { Ok(()) }
    }

    fn next(&mut self, command: &mut Vec<u8>) -> Result<bool, WorkerError> {
        if self.next == 3 {
            (self.what)()?;
        }
        command.extend_from_slice(&self.next.to_le_bytes());
        self.next += 1;
        Ok(true)
    }
}

fn pair() -> Pipeline {
    two_arrays().producers(2)
}

fn start(pipeline: &Pipeline, task: &str) -> Items {
    pipeline.start_with(workers(task)).unwrap()
}

/// The first error, after which there is nothing more.
fn first_error(mut items: Items) -> PipelineError {
    let error = items.by_ref().find_map(Result::err).unwrap();
    assert!(items.next().is_none());
    error
}

fn is_producer(worker: &str) -> bool {
    ["producer 0", "producer 1"].contains(&worker)
}

#[test]
fn what_a_producer_says_or_panics_with_comes_with_the_item_s_number() {
    for (task, said) in
        [("a producer fails", "out of paint"), ("a producer panics", "panicked: out of paint")]
    {
        for order in ORDERS {
            let error = first_error(start(&pair().order(order), task));
            assert!(
                matches!(&error, PipelineError::Failed { number: 7, tries: 1, message, .. } if message == said),
                "{error}"
            );
        }
    }
}

#[test]
fn a_producer_that_dies_at_an_item_is_named_with_number_process_and_signal() {
    for (task, how, text) in [
        ("a producer dies", Exit::Signal(9), "was killed by signal 9 (SIGKILL)"),
        ("a producer aborts", Exit::Signal(6), "was killed by signal 6 (SIGABRT)"),
        ("a producer exits", Exit::Code(5), "ended with code 5"),
    ] {
        for order in ORDERS {
            let workers = Recorded::new(task);
            let error = first_error(pair().order(order).start_with(workers.clone()).unwrap());
            assert!(error.to_string().contains(text), "{error}");
            let PipelineError::Died { worker, pid, exit, doing } = error else { panic!("{error}") };
            assert!(is_producer(&worker) && workers.pids().contains(&pid));
            assert_eq!((exit, doing), (how, Doing::Item { number: 7, tries: 1 }));
            assert!(!workers.pids().into_iter().any(lives), "the others have ended, too");
        }
    }
}

/// Fails if a dead producer's command is lost, made twice, or left to the dead one's own place.
#[test]
fn the_command_of_a_dead_producer_is_tried_again_by_the_other_one() {
    for order in ORDERS {
        let pipeline = pair().order(order).on_failure(OnFailure::Retry(1)).held_items(50);
        let mut items = start(&pipeline, "a producer dies once");
        let mut seen: Vec<u64> = items.by_ref().map(|item| check(&item.unwrap())).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..50).collect::<Vec<_>>());
        let replaced: u64 = items.progress().producers.iter().map(|producer| producer.replaced).sum();
        assert_eq!(replaced, 1);
    }
}

#[test]
fn a_command_that_kills_whoever_tries_it_is_tried_so_many_times_and_not_more() {
    let error = first_error(start(&pair().on_failure(OnFailure::Retry(2)), "a producer dies"));
    let PipelineError::Died { doing, .. } = &error else { panic!("{error}") };
    assert_eq!(*doing, Doing::Item { number: 7, tries: 3 });
}

#[test]
fn the_item_of_a_dead_producer_is_skipped_and_reported_in_its_place() {
    for order in ORDERS {
        let items = start(&pair().order(order).on_failure(OnFailure::Skip), "a producer dies");
        let all: Vec<Option<u64>> = items
            .map(|item| match item {
                Ok(item) => Some(check(&item)),
                Err(PipelineError::Died { doing: Doing::Item { number: 7, .. }, .. }) => None,
                Err(other) => panic!("{other}"),
            })
            .collect();
        assert_eq!(all.len(), 50);
        assert!(order == Order::Unordered || all[7].is_none());
        assert_eq!(all.iter().flatten().sum::<u64>(), (0..50).sum::<u64>() - 7);
    }
}

/// A pipeline whose buffers are all full, so that everybody waits; and the number of the next item.
fn all_idle(pipeline: &Pipeline, workers: &Recorded) -> (Items, u64) {
    let mut items = pipeline.clone().in_flight(6).start_with(workers.clone()).unwrap();
    let mut next = 0;
    while items.progress().producers.iter().any(|producer| producer.made == 0) {
        assert_eq!(check(&items.next().unwrap().unwrap()), next);
        next += 1;
    }
    wait_until("all buffers are full", || {
        items.progress().producers.iter().map(|producer| producer.made).sum::<u64>() == next + 6
    });
    (items, next)
}

#[test]
fn a_producer_that_is_killed_while_it_waits_is_named_or_replaced() {
    let workers = Recorded::new("all at work");
    let (items, _) = all_idle(&pair(), &workers);
    let killed = workers.pid(WorkerRole::Producer(1));
    kill(killed, Signal::KILL);
    let error = first_error(items);
    let PipelineError::Died { worker, pid, exit: Exit::Signal(9), doing: Doing::Nothing } = &error else {
        panic!("{error}")
    };
    assert_eq!((worker.as_str(), *pid), ("producer 1", killed));

    for on_failure in [OnFailure::Skip, OnFailure::Retry(0)] {
        let workers = Recorded::new("all at work");
        let (mut items, next) = all_idle(&pair().on_failure(on_failure), &workers);
        kill(workers.pid(WorkerRole::Producer(1)), Signal::KILL);
        let mut numbers = next..;
        while items.progress().producers[1].replaced == 0 {
            assert_eq!(items.next().map(|item| check(&item.unwrap())), numbers.next());
        }
        // The new one takes part.
        let made = items.progress().producers[1].made;
        while items.progress().producers[1].made == made {
            assert_eq!(items.next().map(|item| check(&item.unwrap())), numbers.next());
        }
    }
}

/// Fails if a command is lost or made twice, at whatever instruction its producer dies. The commands are shorter than a
/// death takes to be found, so nearly all places of a producer's work are hit.
#[test]
fn every_item_comes_once_however_often_producers_are_killed() {
    for order in ORDERS {
        let workers = Recorded::new("nobody fails");
        let pipeline = two_arrays().producers(3).order(order).in_flight(12).on_failure(OnFailure::Retry(100));
        let mut items = pipeline.start_with(workers.clone()).unwrap();
        let (mut seen, mut killed_at) = (Vec::new(), [0; 3]);
        while let Some(item) = items.next() {
            seen.push(check(&item.unwrap()));
            let victim = seen.len() / 50 % 3;
            let made = items.progress().producers[victim].made;
            // Not before it was built: that is another test's.
            if seen.len() % 50 == 0 && made > killed_at[victim] {
                kill(workers.pid(WorkerRole::Producer(victim)), Signal::KILL);
                killed_at[victim] = made;
            }
        }
        let replaced: u64 = items.progress().producers.iter().map(|producer| producer.replaced).sum();
        println!("{order:?}: {replaced} producers were killed");
        assert!(replaced > 3, "the test kills");
        assert!(order == Order::Unordered || seen.is_sorted());
        seen.sort_unstable();
        assert_eq!(seen, (0..3000).collect::<Vec<_>>());
    }
}

#[test]
fn a_producer_that_hangs_is_killed_and_its_command_tried_again() {
    for order in ORDERS {
        let timeout = Duration::from_millis(200);
        let pipeline = pair().order(order).on_failure(OnFailure::Retry(20)).produce_timeout(timeout);
        let workers = Recorded::new("a producer hangs once");
        let items = pipeline.start_with(workers.clone()).unwrap();
        assert_eq!(delivered_sorted(items), (0..50).collect::<Vec<_>>());
        assert!(workers.pids().len() > 3, "it was replaced");
    }
}

/// Fails if a process is waited for that the system has stopped.
#[test]
fn a_producer_that_hangs_ends_the_pipeline_and_its_process_with_it() {
    let workers = Recorded::new("a producer hangs");
    let pipeline = pair().produce_timeout(Duration::from_millis(200));
    let error = first_error(pipeline.start_with(workers.clone()).unwrap());
    // On a busy machine another may be late before.
    assert!(matches!(error, PipelineError::Hung { tries: 1, .. }), "{error}");
    assert!(!workers.pids().into_iter().any(lives));

    let workers = Recorded::new("all at work");
    let mut items = pair().start_with(workers.clone()).unwrap();
    check(&items.next().unwrap().unwrap());
    kill(workers.pid(WorkerRole::Producer(0)), Signal::STOP);
    items.stop().unwrap();
    assert!(!workers.pids().into_iter().any(lives));
}

/// Starts threads that join by their tickets. A producer comes back from its first try of item 7 when it is killed, and not
/// before; nothing else comes of that.
#[derive(Debug)]
struct BackWhenKilled;

#[derive(Debug)]
struct Thread {
    kill: Sender<()>,
    /// Disconnected when it has ended.
    ended: Receiver<()>,
}

impl Launch for BackWhenKilled {
    fn start(&mut self, ticket: &WorkerTicket) -> Result<Box<dyn Worker>, WorkerError> {
        let ((kill, killed), (alive, ended)) = (channel(), channel::<()>());
        let ticket = ticket.clone();
        std::thread::spawn(move || {
            let _alive = alive;
            let place = ticket.join().unwrap();
            let late_at_seven = move |command: &[u8], item: &mut Filling<'_>| {
                if number(command) == 7 && item.tries() == 1 {
                    let _ = killed.recv(); // Nobody is left to kill it: the test is over.
                }
                fill(command, item)
            };
            match place.role() {
                WorkerRole::Commander => place.command(numbers(50)).unwrap(),
                WorkerRole::Producer(_) => place.produce(late_at_seven).unwrap(),
            }
        });
        Ok(Box::new(Thread { kill, ended }))
    }
}

impl Worker for Thread {
    fn pid(&self) -> u32 {
        std::process::id()
    }

    fn wait(&mut self, timeout: Duration) -> std::io::Result<Option<Exit>> {
        let is_over = self.ended.recv_timeout(timeout) == Err(RecvTimeoutError::Disconnected);
        Ok(is_over.then_some(Exit::Code(0)))
    }

    fn kill(&mut self) {
        let _ = self.kill.send(()); // It has ended.
    }
}

/// Starts programs that a wrapper stands before.
#[derive(Debug)]
struct Wrapped(Recorded, fn(Box<dyn Worker>) -> Box<dyn Worker>);

impl Launch for Wrapped {
    fn start(&mut self, ticket: &WorkerTicket) -> Result<Box<dyn Worker>, WorkerError> {
        Ok((self.1)(self.0.start(ticket)?))
    }
}

/// A process of which nobody can tell whether it has ended, when asked for the first time with time to wait.
#[derive(Debug)]
struct Unknown(Box<dyn Worker>, bool);

impl Worker for Unknown {
    fn pid(&self) -> u32 {
        self.0.pid()
    }

    fn wait(&mut self, timeout: Duration) -> std::io::Result<Option<Exit>> {
        if !timeout.is_zero() && !std::mem::replace(&mut self.1, true) {
            return Err(std::io::Error::other("nobody knows"));
        }
        self.0.wait(timeout)
    }

    fn kill(&mut self) {
        self.0.kill();
    }
}

/// Fails if a worker counts as ended because nobody could tell.
#[test]
fn workers_of_which_nobody_can_tell_at_the_end_are_killed() {
    let workers = Recorded::new("a producer hangs");
    let wrapped = Wrapped(workers.clone(), |worker| Box::new(Unknown(worker, false)));
    let mut items = pair().start_with(wrapped).unwrap();
    for _ in 0..7 {
        check(&items.next().unwrap().unwrap());
    }
    items.stop().unwrap();
    assert!(!workers.pids().into_iter().any(lives));
}

/// A process that does not die at the first time that it is killed.
#[derive(Debug)]
struct Tough(Box<dyn Worker>, bool);

impl Worker for Tough {
    fn pid(&self) -> u32 {
        self.0.pid()
    }

    fn wait(&mut self, timeout: Duration) -> std::io::Result<Option<Exit>> {
        self.0.wait(timeout)
    }

    fn kill(&mut self) {
        if std::mem::replace(&mut self.1, true) {
            self.0.kill();
        }
    }
}

/// Fails if nobody looks any more at one that was given up.
#[test]
fn a_producer_that_was_given_up_and_is_not_dead_is_killed_again() {
    let wrapped = Wrapped(Recorded::new("a producer hangs once"), |worker| Box::new(Tough(worker, false)));
    let timeout = Duration::from_millis(500);
    let pipeline = pair().on_failure(OnFailure::Retry(20)).produce_timeout(timeout);
    let mut items = pipeline.start_with(wrapped).unwrap();
    for expected in 0..50 {
        let item = items.next_timeout(NEVER).unwrap().unwrap();
        assert_eq!(check(&item), expected);
    }
}

/// Fails if a producer that comes back before it is dead drops its command, or takes the next one.
#[test]
fn the_command_of_a_producer_that_comes_back_when_it_was_given_up_is_not_lost() {
    for order in ORDERS {
        for on_failure in [OnFailure::Skip, OnFailure::Retry(20)] {
            let pipeline = pair().order(order).on_failure(on_failure).held_items(50);
            let pipeline = pipeline.produce_timeout(Duration::from_millis(100));
            let mut items = pipeline.start_with(BackWhenKilled).unwrap();
            let (mut made, mut late) = (Vec::new(), Vec::new());
            loop {
                match items.next_timeout(NEVER) {
                    Ok(Some(item)) => made.push(check(&item)),
                    Ok(None) => break,
                    Err(PipelineError::Hung { number, .. }) => late.push(number), // On a busy machine others, too.
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

/// Starts a commander, and says of producers that there are some. The first of them is as dead as it is said to be.
#[derive(Debug)]
struct NeverThere {
    first_is_dead: Arc<AtomicBool>,
    started: bool,
}

#[derive(Debug)]
struct Nobody {
    is_dead: Arc<AtomicBool>,
}

impl Launch for NeverThere {
    fn start(&mut self, ticket: &WorkerTicket) -> Result<Box<dyn Worker>, WorkerError> {
        if ticket.role() == WorkerRole::Commander {
            return BackWhenKilled.start(ticket);
        }
        let is_first = !std::mem::replace(&mut self.started, true);
        let is_dead = if is_first { self.first_is_dead.clone() } else { Arc::default() };
        Ok(Box::new(Nobody { is_dead }))
    }
}

impl Worker for Nobody {
    fn pid(&self) -> u32 {
        std::process::id()
    }

    fn wait(&mut self, _: Duration) -> std::io::Result<Option<Exit>> {
        Ok(self.is_dead.load(Relaxed).then_some(Exit::Signal(9)))
    }

    fn kill(&mut self) {
        self.is_dead.store(true, Relaxed);
    }
}

/// Fails if the time that the first one took counts.
#[test]
fn a_producer_that_takes_the_place_of_one_that_never_joined_has_all_the_time_to_join() {
    let first_is_dead = Arc::new(AtomicBool::new(false));
    let launch = NeverThere { first_is_dead: first_is_dead.clone(), started: false };
    let timeout = Duration::from_millis(100);
    let pipeline = two_arrays().on_failure(OnFailure::Skip).start_timeout(timeout);
    let mut items = pipeline.start_with(launch).unwrap();
    wait_until("the commander is there", || items.progress().issued > 0);
    for replaced in 0..2 {
        let nothing = items.next_timeout(Duration::ZERO);
        assert!(matches!(nothing, Err(PipelineError::TimedOut { .. })), "{nothing:?}");
        assert_eq!(items.progress().producers[0].replaced, replaced);
        first_is_dead.store(true, Relaxed);
        std::thread::sleep(timeout); // The time of the one that is there is over.
    }
}

#[test]
fn a_producer_that_is_not_built_ends_the_pipeline_and_is_named() {
    let error = first_error(start(&pair(), "a producer's build fails"));
    assert!(
        matches!(&error, PipelineError::Build { worker, message }
        if is_producer(worker) && message == "out of paint"),
        "{error}"
    );
    let pipeline = pair().build_timeout(Duration::from_millis(100));
    let error = first_error(start(&pipeline, "a producer's build hangs"));
    assert!(
        matches!(&error, PipelineError::Build { worker, message }
        if is_producer(worker) && message.contains("100ms")),
        "{error}"
    );
    // Also where the dead are replaced: not for ever.
    for on_failure in [OnFailure::Fail, OnFailure::Retry(9)] {
        let error = first_error(start(&pair().on_failure(on_failure), "a producer dies in its build"));
        let PipelineError::Died { worker, exit: Exit::Signal(9), doing: Doing::Build, .. } = &error else {
            panic!("{error}")
        };
        assert!(is_producer(worker));
    }
}

#[test]
fn a_commander_that_fails_or_dies_is_told_of_after_the_items_before() {
    for order in ORDERS {
        for (task, said) in [
            ("the commander fails", "command 3: out of paint"),
            ("the commander panics", "command 3: panicked: out of paint"),
            ("the commander dies", "was killed by signal 9 (SIGKILL), at command 3"),
        ] {
            let mut items = start(&pair().order(order), task);
            let mut seen: Vec<u64> = items.by_ref().map_while(Result::ok).map(|item| check(&item)).collect();
            assert!(items.next().is_none());
            seen.sort_unstable();
            let after_all = order == Order::Ordered || task.ends_with("dies");
            assert!(!after_all || seen == [0, 1, 2], "{task}: {seen:?}");
            let error = start(&pair().order(order), task).find_map(Result::err).unwrap().to_string();
            assert!(error.contains("the commander") && error.contains(said), "{error}");
        }
    }
}

#[test]
fn a_commander_that_is_not_built_ends_the_pipeline_and_is_named() {
    let pipeline = pair().build_timeout(Duration::from_secs(1));
    for (task, said) in [
        ("the commander's build fails", "out of paint"),
        ("the commander dies in its build", "was killed by signal 9 (SIGKILL), before it was built"),
        ("the commander's build hangs", "still at it after 1s"),
    ] {
        let error = first_error(start(&pipeline, task)).to_string();
        assert!(error.contains("the commander") && error.contains(said), "{error}");
    }
}
