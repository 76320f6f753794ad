//! Pipelines of processes: the same items as from threads, and every way in which a process fails.
//!
//! The workers are this very test binary, run again for the one test `child`.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

use rustix::process::{Signal, getpid, kill_process};
use seqring::Frame;
use seqring::pipeline::{
    self, Commands, Doing, Exit, Filling, Item, Items, OnFailure, Order, Pipeline, PipelineError, Programs,
    WorkerError,
};

#[test]
#[ignore = "this is what the workers of the other tests run"]
fn child() {
    pipeline::worker_main("count", || numbers(200), |_| fill);
    pipeline::worker_main("dies at 7", || numbers(50), |_| dies_at_seven);
}

fn workers(task: &str) -> Programs {
    ["child", "--exact", "--ignored", "--nocapture"].into_iter().fold(Programs::new(task), Programs::argument)
}

fn numbers(count: u64) -> Commands<impl Iterator<Item = [u8; 8]> + Send> {
    Commands((0..count).map(u64::to_le_bytes))
}

fn number(command: &[u8]) -> u64 {
    u64::from_le_bytes(command.try_into().unwrap())
}

fn two_arrays() -> Pipeline {
    Pipeline::new().bytes(5).array(Frame::of::<u64>(&[3, 4]).unwrap()).metadata_bytes(8).producers(2)
}

/// Fills both arrays and the metadata with the command's number.
fn fill(command: &[u8], item: &mut Filling<'_>) -> Result<(), WorkerError> {
    let n = number(command);
    item.array(0).fill(n as u8);
    item.elements(1)?.fill(n);
    item.set_metadata(command);
    Ok(())
}

fn check(item: &Item) -> u64 {
    let n = item.number();
    assert_eq!(item.array(0), [n as u8; 5]);
    assert_eq!(item.elements::<u64>(1).unwrap(), [n; 12]);
    assert_eq!(item.extents(1), Some(&[3, 4][..]));
    assert_eq!(item.metadata(), n.to_le_bytes());
    n
}

fn delivered(items: Items) -> Vec<u64> {
    items.map(|item| check(&item.unwrap())).collect()
}

fn die() {
    kill_process(getpid(), Signal::KILL).unwrap();
}

fn dies_at_seven(command: &[u8], item: &mut Filling<'_>) -> Result<(), WorkerError> {
    if number(command) == 7 && item.tries() == 1 {
        die();
    }
    fill(command, item)
}

#[test]
fn processes_deliver_what_threads_do_in_the_order_of_the_commands() {
    let items = two_arrays().producers(3).start_with(workers("count")).unwrap();
    assert_eq!(delivered(items), (0..200).collect::<Vec<_>>());
}

#[test]
fn a_producer_that_is_killed_ends_the_pipeline_with_its_number_pid_and_signal() {
    let mut items = two_arrays().start_with(workers("dies at 7")).unwrap();
    let error = items.by_ref().find_map(Result::err).unwrap();
    let PipelineError::Died { worker, pid, exit: Exit::Signal(9), doing } = &error else { panic!("{error}") };
    assert!(worker.starts_with("producer ") && *pid > 1, "{error}");
    assert_eq!(*doing, Doing::Item { number: 7, tries: 1 });
    assert!(items.next().is_none());
}

#[test]
fn the_command_of_a_killed_producer_is_tried_again_and_all_items_come_once() {
    for order in [Order::Ordered, Order::Unordered] {
        let pipeline = two_arrays().order(order).on_failure(OnFailure::Retry(1));
        let mut seen = delivered(pipeline.start_with(workers("dies at 7")).unwrap());
        seen.sort_unstable();
        assert_eq!(seen, (0..50).collect::<Vec<_>>());
    }
}
