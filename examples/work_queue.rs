//! A queue of tasks with two feeders and three workers: each task goes to exactly one worker. The
//! unfinished task of a killed worker is redelivered to another. With `Ring::create` and
//! `Ring::open` it works the same between processes.
//!
//! `cargo run --release --example work_queue`

use seqring::{Config, Delivery, ReadError, Ring, Taker, WaitStrategy, WriteError, Writer};
use std::error::Error;
use std::thread;

const FEEDERS: u64 = 2;
const WORKERS: u64 = 3;
const TASKS_EACH: u64 = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    // With 64 tasks in the queue the feeders wait for the workers.
    let ring = Ring::heap(&Config::new(64, 8).delivery(Delivery::Queue))?;
    let (mut feeding, mut working) = (Vec::new(), Vec::new());
    for _ in 0..WORKERS {
        let mut taker = ring.taker()?;
        taker.set_wait_strategy(WaitStrategy::SLEEPING); // There may be more workers than cores.
        working.push(thread::spawn(move || work(taker)));
    }
    // All writers register before the first leaves: a queue without a writer is closed.
    let writers = (0..FEEDERS).map(|_| ring.writer()).collect::<Result<Vec<_>, _>>()?;
    for (feeder, writer) in (0..).zip(writers) {
        feeding.push(thread::spawn(move || feed(writer, feeder * TASKS_EACH)));
    }

    for feeder in feeding {
        feeder.join().expect("no feeder panics")?;
    }
    let (mut done, mut sum) = (0, 0);
    for worker in working {
        let (tasks, of_them) = worker.join().expect("no worker panics")?;
        println!("a worker did {tasks} tasks");
        (done, sum) = (done + tasks, sum + of_them);
    }
    let tasks = FEEDERS * TASKS_EACH;
    assert_eq!((done, sum), (tasks, tasks * (tasks - 1) / 2), "each task once");
    Ok(())
}

fn feed(mut writer: Writer, first: u64) -> Result<(), WriteError> {
    for task in first..first + TASKS_EACH {
        writer.write(&task.to_le_bytes())?;
    }
    Ok(()) // The writer leaves here. When all have left and all tasks are taken, the queue is closed.
}

/// Returns how many tasks the worker did, and the sum of their numbers.
fn work(mut taker: Taker) -> Result<(u64, u64), ReadError> {
    let (mut done, mut sum) = (0, 0);
    loop {
        match taker.take() {
            Ok(task) => {
                sum += u64::from_le_bytes(task[..].try_into().expect("a task is a number of 8 bytes"));
                done += 1; // The drop of `task` finishes it.
            }
            Err(ReadError::Closed) => return Ok((done, sum)),
            Err(error) => return Err(error),
        }
    }
}
