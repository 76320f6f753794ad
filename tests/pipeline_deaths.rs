//! Pipelines of processes whose workers fail, hang or die: the errors, and how the pipeline
//! recovers.
//!
//! The workers are this test binary, run again for the test `child`.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

#[path = "common/items.rs"]
mod items;
#[path = "common/workers.rs"]
mod workers;

use items::{check, delivered_sorted, endless, fill, number, numbers, two_arrays};
use rustix::process::Signal;
use seqring::pipeline::{
    self, Activity, Commander, Filling, ItemOrder, Items, OnFailure, Pipeline, PipelineError, ProcessExit,
    Producer, WorkerError, WorkerRole,
};
use std::time::Duration;
use workers::{Recorded, die, hang, kill, lives, wait_until, workers};

const ORDERS: [ItemOrder; 2] = [ItemOrder::Ordered, ItemOrder::Unordered];

#[test]
#[ignore = "the workers of the other tests run this"]
fn child() {
    let at_seven = |fault: Fault| move |_| Faulty { site: Site::Call { once: true }, fault };
    let always_at_seven = |fault: Fault| move |_| Faulty { site: Site::Call { once: false }, fault };
    let in_build = |fault: Fault| move |_| Faulty { site: Site::Build, fault };
    pipeline::worker_main("a producer fails", endless, always_at_seven(fail));
    pipeline::worker_main("a producer panics", endless, always_at_seven(panic));
    pipeline::worker_main("a producer dies once", || numbers(50), at_seven(|| die()));
    pipeline::worker_main("a producer dies", || numbers(50), always_at_seven(|| die()));
    pipeline::worker_main("a producer aborts", endless, always_at_seven(|| std::process::abort()));
    pipeline::worker_main("a producer exits", endless, always_at_seven(|| std::process::exit(5)));
    pipeline::worker_main("a producer hangs once", || numbers(50), at_seven(|| hang()));
    pipeline::worker_main("a producer hangs", endless, always_at_seven(|| hang()));
    pipeline::worker_main("a producer's build fails", endless, in_build(fail));
    pipeline::worker_main("a producer dies in its build", endless, in_build(|| die()));
    pipeline::worker_main("a producer's build hangs", endless, in_build(|| hang()));
    let at_three =
        |fault: Fault| move || FaultyCommander { site: Site::Call { once: false }, fault, next: 0 };
    let in_build = |fault: Fault| move || FaultyCommander { site: Site::Build, fault, next: 0 };
    pipeline::worker_main("the commander fails", at_three(fail), |_| fill);
    pipeline::worker_main("the commander panics", at_three(panic), |_| fill);
    pipeline::worker_main("the commander dies", at_three(|| die()), |_| fill);
    pipeline::worker_main("the commander's build fails", in_build(fail), |_| fill);
    pipeline::worker_main("the commander dies in its build", in_build(|| die()), |_| fill);
    pipeline::worker_main("the commander's build hangs", in_build(|| hang()), |_| fill);
    pipeline::worker_main("no fault", || numbers(3000), |_| fill);
    pipeline::worker_main("no fault, no end", endless, |_| fill);
}

/// What goes wrong.
type Fault = fn() -> Result<(), WorkerError>;

fn fail() -> Result<(), WorkerError> {
    Err("out of paint".into())
}

fn panic() -> Result<(), WorkerError> {
    panic!("out of paint")
}

/// Where it goes wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Site {
    Build,
    /// Item 7 of a producer, at its first try or always; command 3 of a commander.
    Call {
        once: bool,
    },
}

struct Faulty {
    site: Site,
    fault: Fault,
}

impl Producer for Faulty {
    fn build(&mut self) -> Result<(), WorkerError> {
        if self.site == Site::Build { (self.fault)() } else { Ok(()) }
    }

    fn produce(&mut self, command: &[u8], item: &mut Filling<'_>) -> Result<(), WorkerError> {
        match self.site {
            Site::Call { once } if number(command) == 7 && (item.tries() == 1 || !once) => (self.fault)()?,
            _ => {}
        }
        fill(command, item)
    }
}

struct FaultyCommander {
    site: Site,
    fault: Fault,
    next: u64,
}

impl Commander for FaultyCommander {
    fn build(&mut self) -> Result<(), WorkerError> {
        if self.site == Site::Build { (self.fault)() } else { Ok(()) }
    }

    fn next(&mut self, command: &mut Vec<u8>) -> Result<bool, WorkerError> {
        if self.next == 3 {
            (self.fault)()?;
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
fn an_error_or_panic_of_a_producer_has_the_item_s_number() {
    for (task, expected) in
        [("a producer fails", "out of paint"), ("a producer panics", "panicked: out of paint")]
    {
        for order in ORDERS {
            let error = first_error(start(&pair().order(order), task));
            assert!(
                matches!(&error, PipelineError::Failed { number: 7, tries: 1, message, .. } if message == expected),
                "{error}"
            );
        }
    }
}

#[test]
fn a_producer_that_dies_at_an_item_is_named_with_number_process_and_signal() {
    for (task, how, text) in [
        ("a producer dies", ProcessExit::Signal(9), "was killed by signal 9 (SIGKILL)"),
        ("a producer aborts", ProcessExit::Signal(6), "was killed by signal 6 (SIGABRT)"),
        ("a producer exits", ProcessExit::Code(5), "ended with code 5"),
    ] {
        for order in ORDERS {
            let workers = Recorded::new(task);
            let error = first_error(pair().order(order).start_with(workers.clone()).unwrap());
            assert!(error.to_string().contains(text), "{error}");
            let PipelineError::Died { worker, pid, exit, activity } = error else { panic!("{error}") };
            assert!(is_producer(&worker) && workers.pids().contains(&pid));
            assert_eq!((exit, activity), (how, Activity::Item { number: 7, tries: 1 }));
            assert!(!workers.pids().into_iter().any(lives), "the other processes have ended");
        }
    }
}

/// Fails if a dead producer's command is lost, made twice, or left to the process that replaces it.
#[test]
fn the_command_of_a_dead_producer_is_retried_by_the_other_one() {
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
fn a_command_that_kills_its_producers_is_retried_a_limited_number_of_times() {
    let error = first_error(start(&pair().on_failure(OnFailure::Retry(2)), "a producer dies"));
    let PipelineError::Died { activity, .. } = &error else { panic!("{error}") };
    assert_eq!(*activity, Activity::Item { number: 7, tries: 3 });
}

#[test]
fn the_item_of_a_dead_producer_is_skipped_and_reported_in_its_place() {
    for order in ORDERS {
        let items = start(&pair().order(order).on_failure(OnFailure::Skip), "a producer dies");
        let all: Vec<Option<u64>> = items
            .map(|item| match item {
                Ok(item) => Some(check(&item)),
                Err(PipelineError::Died { activity: Activity::Item { number: 7, .. }, .. }) => None,
                Err(other) => panic!("{other}"),
            })
            .collect();
        assert_eq!(all.len(), 50);
        assert!(order == ItemOrder::Unordered || all[7].is_none());
        assert_eq!(all.iter().flatten().sum::<u64>(), (0..50).sum::<u64>() - 7);
    }
}

/// A pipeline whose buffers are all full, so that all workers wait; and the number of the next
/// item.
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
    let workers = Recorded::new("no fault, no end");
    let (items, _) = all_idle(&pair(), &workers);
    let killed = workers.pid(WorkerRole::Producer(1));
    kill(killed, Signal::KILL);
    let error = first_error(items);
    let PipelineError::Died { worker, pid, exit: ProcessExit::Signal(9), activity: Activity::Waiting } =
        &error
    else {
        panic!("{error}")
    };
    assert_eq!((worker.as_str(), *pid), ("producer 1", killed));

    for on_failure in [OnFailure::Skip, OnFailure::Retry(0)] {
        let workers = Recorded::new("no fault, no end");
        let (mut items, next) = all_idle(&pair().on_failure(on_failure), &workers);
        kill(workers.pid(WorkerRole::Producer(1)), Signal::KILL);
        let mut numbers = next..;
        while items.progress().producers[1].replaced == 0 {
            assert_eq!(items.next().map(|item| check(&item.unwrap())), numbers.next());
        }
        // The new process makes items.
        let made = items.progress().producers[1].made;
        while items.progress().producers[1].made == made {
            assert_eq!(items.next().map(|item| check(&item.unwrap())), numbers.next());
        }
    }
}

/// Fails if a command is lost or made twice when a producer dies, at any instruction. An item takes
/// less time than the detection of a death, so the deaths hit nearly all places of a producer's
/// loop.
#[test]
fn every_item_comes_once_however_often_producers_are_killed() {
    for order in ORDERS {
        let workers = Recorded::new("no fault");
        let pipeline = two_arrays().producers(3).order(order).in_flight(12).on_failure(OnFailure::Retry(100));
        let mut items = pipeline.start_with(workers.clone()).unwrap();
        let (mut seen, mut killed_at) = (Vec::new(), [0; 3]);
        while let Some(item) = items.next() {
            seen.push(check(&item.unwrap()));
            let victim = seen.len() / 50 % 3;
            let made = items.progress().producers[victim].made;
            // Not before it was built: another test covers that.
            if seen.len() % 50 == 0 && made > killed_at[victim] {
                kill(workers.pid(WorkerRole::Producer(victim)), Signal::KILL);
                killed_at[victim] = made;
            }
        }
        let replaced: u64 = items.progress().producers.iter().map(|producer| producer.replaced).sum();
        println!("{order:?}: {replaced} producers were killed");
        assert!(replaced > 3, "the test kills");
        assert!(order == ItemOrder::Unordered || seen.is_sorted());
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

/// Fails if `stop` waits for a process that is suspended (`SIGSTOP`).
#[test]
fn a_producer_that_hangs_ends_the_pipeline_and_its_process_with_it() {
    let workers = Recorded::new("a producer hangs");
    let pipeline = pair().produce_timeout(Duration::from_millis(200));
    let error = first_error(pipeline.start_with(workers.clone()).unwrap());
    // On a busy machine another item may be late before.
    assert!(matches!(error, PipelineError::Hung { tries: 1, .. }), "{error}");
    assert!(!workers.pids().into_iter().any(lives));

    let workers = Recorded::new("no fault, no end");
    let mut items = pair().start_with(workers.clone()).unwrap();
    check(&items.next().unwrap().unwrap());
    kill(workers.pid(WorkerRole::Producer(0)), Signal::STOP);
    items.stop().unwrap();
    assert!(!workers.pids().into_iter().any(lives));
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
    // Even where dead processes are replaced, the number of replacements is limited.
    for on_failure in [OnFailure::Fail, OnFailure::Retry(9)] {
        let error = first_error(start(&pair().on_failure(on_failure), "a producer dies in its build"));
        let PipelineError::Died { worker, exit: ProcessExit::Signal(9), activity: Activity::Build, .. } =
            &error
        else {
            panic!("{error}")
        };
        assert!(is_producer(worker));
    }
}

#[test]
fn a_commander_that_fails_or_dies_is_reported_after_the_items_before() {
    for order in ORDERS {
        for (task, expected) in [
            ("the commander fails", "command 3: out of paint"),
            ("the commander panics", "command 3: panicked: out of paint"),
            ("the commander dies", "was killed by signal 9 (SIGKILL), at command 3"),
        ] {
            let mut items = start(&pair().order(order), task);
            let mut seen: Vec<u64> = items.by_ref().map_while(Result::ok).map(|item| check(&item)).collect();
            assert!(items.next().is_none());
            seen.sort_unstable();
            let after_all = order == ItemOrder::Ordered || task.ends_with("dies");
            assert!(!after_all || seen == [0, 1, 2], "{task}: {seen:?}");
            let error = start(&pair().order(order), task).find_map(Result::err).unwrap().to_string();
            assert!(error.contains("the commander") && error.contains(expected), "{error}");
        }
    }
}

#[test]
fn a_commander_that_is_not_built_ends_the_pipeline_and_is_named() {
    let pipeline = pair().build_timeout(Duration::from_secs(1));
    for (task, expected) in [
        ("the commander's build fails", "out of paint"),
        ("the commander dies in its build", "was killed by signal 9 (SIGKILL), before it was built"),
        ("the commander's build hangs", "did not finish within 1s"),
    ] {
        let error = first_error(start(&pipeline, task)).to_string();
        assert!(error.contains("the commander") && error.contains(expected), "{error}");
    }
}
