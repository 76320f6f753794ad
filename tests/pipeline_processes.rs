//! Pipelines of processes: the same items as from threads, and no process or segment left behind.
//!
//! The workers are this test binary, run again for the test `child`.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

#[path = "common/items.rs"]
mod items;
#[path = "common/peer.rs"]
mod peer;
#[path = "common/workers.rs"]
mod workers;

use items::{check, delivered, delivered_sorted, endless, fill, number, numbers, two_arrays};
use peer::{Peer, answer, order};
use seqring::pipeline::{
    self, Filling, Item, ItemOrder, Items, OnFailure, PipelineError, ProcessExit, Programs, WorkerError,
    WorkerTicket,
};
use std::process::Command;
use std::time::{Duration, Instant};
use workers::{NEVER, Recorded, hang, lives, wait_until, workers};

#[test]
#[ignore = "the workers of the other tests run this"]
fn child() {
    pipeline::worker_main("count", || numbers(200), |_| fill);
    pipeline::worker_main("endless", endless, |_| fill);
    pipeline::worker_main("of any speed", || numbers(300), of_any_speed);
    pipeline::worker_main("hangs", endless, |_| hangs_at_five);
    match order() {
        Some((host, task)) => be_host(&host, &task),
        None => start_again(),
    }
}

/// The first producer is a hundred times slower than the others; all fail at every seventh command,
/// once.
fn of_any_speed(index: usize) -> impl FnMut(&[u8], &mut Filling<'_>) -> Result<(), WorkerError> {
    move |command, item| {
        let until = Instant::now() + Duration::from_micros(if index == 0 { 2000 } else { 20 });
        while Instant::now() < until {}
        if number(command).is_multiple_of(7) && item.tries() == 1 {
            return Err("try again".into());
        }
        fill(command, item)
    }
}

fn hangs_at_five(command: &[u8], item: &mut Filling<'_>) -> Result<(), WorkerError> {
    if number(command) == 5 {
        hang();
    }
    fill(command, item)
}

/// Hosts a pipeline, in a process of its own.
fn be_host(what: &str, task: &str) {
    let workers = Recorded::new(task);
    match what {
        "host" => {
            let mut items = two_arrays().producers(2).start_with(workers.clone()).unwrap();
            check(&items.next().unwrap().unwrap());
            let pids: Vec<String> = workers.pids().iter().map(u32::to_string).collect();
            answer(&pids.join(" "));
            hang();
        }
        "count-descriptors" => {
            let before = descriptors();
            let mut items = two_arrays().producers(5).start_with(workers).unwrap();
            let item = items.next().unwrap().unwrap();
            answer(&format!("{} at work", descriptors() - before));
            let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
            let mut segments: Vec<_> = maps
                .lines()
                .filter(|map| map.contains("memfd:seqring"))
                .filter_map(|map| map.split_ascii_whitespace().nth(4))
                .collect();
            segments.dedup();
            answer(&format!("{} segments", segments.len()));
            answer(&format!("{} of /dev/shm", maps.matches("/dev/shm").count()));
            items.stop().unwrap();
            drop(item);
            answer(&format!("{} left", descriptors() - before));
        }
        other => panic!("unknown order {other}"),
    }
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// A worker whose `worker_main` is missing gets here.
fn start_again() {
    let refused = two_arrays().start_with(workers("lost")).unwrap_err().to_string();
    let threads_too = two_arrays().start(numbers(1), |_| fill).unwrap_err().to_string();
    assert_eq!(refused, threads_too);
    std::process::exit(if refused.contains("call pipeline::worker_main(\"lost\", …)") { 42 } else { 1 });
}

#[test]
fn processes_deliver_what_threads_do_in_the_order_of_the_commands() {
    let items = two_arrays().producers(3).start_with(workers("count")).unwrap();
    assert_eq!(delivered(items), (0..200).collect::<Vec<_>>());
}

#[test]
fn order_and_numbers_hold_with_producers_that_differ_a_hundred_times_in_speed_and_retries() {
    let pipeline = two_arrays().producers(3).in_flight(12).on_failure(OnFailure::Retry(1));
    let items = pipeline.start_with(workers("of any speed")).unwrap();
    assert_eq!(delivered(items), (0..300).collect::<Vec<_>>());
    let items = pipeline.order(ItemOrder::Unordered).start_with(workers("of any speed")).unwrap();
    assert_eq!(delivered_sorted(items), (0..300).collect::<Vec<_>>());
}

#[test]
fn no_more_commands_are_issued_than_may_be_in_flight() {
    let mut items = two_arrays().producers(2).in_flight(3).start_with(workers("endless")).unwrap();
    for taken in 1..200 {
        drop(items.next().unwrap().unwrap());
        assert!(items.progress().issued <= taken + 3);
    }
    let progress = items.progress();
    assert!(progress.done == 199 && progress.producers.iter().map(|p| p.made).sum::<u64>() >= 199);
    items.stop().unwrap();
}

#[test]
fn a_wait_for_readiness_takes_nothing_and_includes_the_end() {
    let mut items = two_arrays().start_with(workers("count")).unwrap();
    for n in 0..200 {
        while !items.ready_within(NEVER) {}
        assert_eq!(check(&items.next_timeout(Duration::ZERO).unwrap().unwrap()), n);
    }
    assert!(items.ready_within(NEVER), "the end is ready, too");
    assert!(items.next().is_none() && items.ready_within(Duration::ZERO));
}

#[test]
fn stopping_early_ends_all_processes_and_items_that_are_held_stay() {
    let workers = Recorded::new("endless");
    let mut items = two_arrays().producers(3).start_with(workers.clone()).unwrap();
    let held: Vec<Item> = items.by_ref().take(4).map(Result::unwrap).collect();
    assert!(matches!(items.next(), Some(Err(PipelineError::AllHeld { max: 4 }))));
    drop(items);
    assert_eq!(workers.pids().len(), 4);
    assert!(!workers.pids().into_iter().any(lives));
    assert_eq!(held.iter().map(check).sum::<u64>(), 1 + 2 + 3);
}

/// Fails if `stop` waits for the user's code, which does not return.
#[test]
fn stopping_ends_processes_that_are_in_the_user_s_code() {
    let workers = Recorded::new("hangs");
    let mut items = two_arrays().producers(2).start_with(workers.clone()).unwrap();
    assert_eq!(items.by_ref().take(5).map(|item| check(&item.unwrap())).sum::<u64>(), 1 + 2 + 3 + 4);
    items.stop().unwrap();
    assert!(!workers.pids().into_iter().any(lives));
}

/// Fails if workers outlive their host, while they wait or in the user's code.
#[test]
fn processes_end_when_their_host_is_killed() {
    for task in ["endless", "hangs"] {
        let mut host = Peer::start("host", task);
        let pids: Vec<u32> = host.answer().split(' ').map(|pid| pid.parse().unwrap()).collect();
        assert!(pids.len() == 3 && pids.iter().copied().all(lives));
        host.kill();
        wait_until("all workers end", || !pids.iter().copied().any(lives));
    }
}

#[test]
fn a_pipeline_has_one_segment_four_descriptors_and_one_a_worker_and_leaves_none() {
    let mut host = Peer::start("count-descriptors", "endless");
    assert_eq!(host.answer(), format!("{} at work", 2 * 2 + 6));
    assert_eq!(host.answer(), "1 segments");
    assert_eq!(host.answer(), "0 of /dev/shm");
    // A held item keeps the results ring mapped until it is dropped.
    assert_eq!(host.answer(), "0 left");
    host.finish();
}

fn not_joined(items: Items) -> (String, Option<ProcessExit>) {
    let error = items.into_iter().find_map(Result::err).unwrap();
    let text = error.to_string();
    assert!(text.contains("pipeline::worker_main"), "{text}");
    let PipelineError::NotJoined { worker, exit, .. } = error else { panic!("{error}") };
    (worker, exit)
}

/// Fails if a worker without `worker_main` starts workers of its own.
#[test]
fn a_program_without_worker_main_is_refused_where_it_starts_a_pipeline_and_named() {
    let (_, exit) = not_joined(two_arrays().start_with(workers("lost")).unwrap());
    assert_eq!(exit, Some(ProcessExit::Code(42)), "`start_again` checks the message");
}

#[test]
fn a_program_that_does_not_join_in_time_is_killed_and_named() {
    let pipeline = two_arrays().start_timeout(Duration::from_millis(100));
    let sleep = Programs::new("none").program("sleep").argument("1000");
    let (worker, exit) = not_joined(pipeline.start_with(sleep).unwrap());
    assert_eq!((worker.as_str(), exit), ("producer 0", None));
}

#[test]
fn a_program_that_is_not_there_is_an_error_at_the_start() {
    let error = two_arrays().start_with(Programs::new("none").program("/no/such/program")).unwrap_err();
    assert!(matches!(&error, PipelineError::Spawn { worker, .. } if worker == "producer 0"), "{error}");
    assert!(error.to_string().contains("/no/such/program"), "{error}");
}

#[test]
fn a_ticket_is_refused_when_its_host_is_gone() {
    let mut sleep = Command::new("sleep").arg("1000").spawn().unwrap();
    let ticket = |host| format!("seqring-worker-1:{host}:1:3:4096:0").parse::<WorkerTicket>().unwrap();
    let gone = ticket(sleep.id()).join().unwrap_err().to_string();
    assert!(gone.contains("has ended"), "another process of that number: {gone}");
    sleep.kill().unwrap();
    sleep.wait().unwrap();
    let gone = ticket(sleep.id()).join().unwrap_err().to_string();
    assert!(gone.contains("has ended"), "{gone}");
}
