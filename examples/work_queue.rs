//! A queue of tasks for worker processes, one of which is killed. Each task goes to one worker; the
//! task that the killed worker had not finished goes to another. The results come by a second
//! queue, so every task has a result.
//!
//! `cargo run --release --example work_queue`

use seqring::{Config, Delivery, ReadError, Ring, WaitStrategy};
use std::collections::BTreeSet;
use std::error::Error;
use std::process::{Child, Command};

const WORKERS: usize = 3;
const TASKS: u64 = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(id) = std::env::args().nth(1) {
        return work(&id);
    }
    let id = std::process::id().to_string();
    let [tasks, results] = names(&id);
    // With 64 tasks in the queue the feeder waits for the workers.
    let config = Config::slots(64).of_bytes(8).delivery(Delivery::Queue);
    let (tasks, results) = (Ring::create(tasks, &config)?, Ring::create(results, &config)?);
    let mut collector = results.taker()?;
    let start = |_| Command::new(std::env::current_exe()?).arg(&id).spawn();
    let mut workers = (0..WORKERS).map(start).collect::<Result<Vec<Child>, _>>()?;

    let mut writer = tasks.writer()?;
    let feeding =
        std::thread::spawn(move || (0..TASKS).try_for_each(|n| writer.write(&n.to_le_bytes()).map(drop)));
    let (mut done, mut results) = (BTreeSet::new(), 0);
    while done.len() < TASKS as usize {
        done.insert(u64::from_le_bytes(collector.take()?[..].try_into()?));
        results += 1;
        if results == TASKS / 2 {
            workers[0].kill()?; // In the middle of a task, perhaps between its result and its end.
        }
    }
    feeding.join().expect("the feeder does not panic")?; // Its writer has left: the queue is closed.
    let ends = workers.iter_mut().map(Child::wait).collect::<Result<Vec<_>, _>>()?;
    assert_eq!(ends.iter().filter(|end| end.success()).count(), WORKERS - 1);
    println!("{TASKS} tasks done by {WORKERS} workers, one of them killed; {} done twice", results - TASKS);
    Ok(())
}

fn names(id: &str) -> [String; 2] {
    [format!("tasks-{id}"), format!("results-{id}")]
}

fn work(id: &str) -> Result<(), Box<dyn Error>> {
    let [tasks, results] = names(id);
    let (mut taker, mut writer) = (Ring::open(tasks)?.taker()?, Ring::open(results)?.writer()?);
    taker.set_wait_strategy(WaitStrategy::SLEEPING); // There may be more workers than cores.
    loop {
        match taker.take() {
            // The task is finished when `task` is dropped: after its result is written.
            Ok(task) => _ = writer.write(&task)?,
            Err(ReadError::Closed) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}
