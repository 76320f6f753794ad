//! What the ring must reach, measured and judged: one row of a table for each requirement.
//!
//! ```text
//! cargo build --release --workspace && cargo bench --bench reach
//! cargo bench --bench reach -- --quick threads     # rows whose names contain "threads", as a trial
//! cargo bench --bench reach -- --json > runs.jsonl # every repetition; the table goes to standard error
//! ```
//! A row says *reached*, *not reached*, or *not measured* and why; the exit code is 0 in each case. Contestants
//! and floors run in turn, in the same rounds, and only rounds of one class of cache-line round trip are
//! compared (`harness::repeat`). Every repetition also checks what it received.

mod audience;
mod crowd;
mod idle;
mod large;
mod memory;
mod options;
mod part;
mod place;
mod recovery;
mod scenarios;
mod stream;
mod streams;
mod tool;
mod trips;
mod wait;
mod wakes;
mod zero_copy;

use harness::table::{self, Options, Row};
use options::Task;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn main() -> ExitCode {
    let done = match options::parse(std::env::args().skip(1)) {
        Ok(Task::Measure(options)) => measure(&options),
        Ok(Task::Play(part, arguments)) => part.play_here(&arguments),
        Ok(Task::Nothing) => Ok(()),
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("reach: {error}");
            ExitCode::FAILURE
        }
    }
}

fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = scenarios::rows().collect();
    rows.extend(large::rows());
    rows.extend(streams::rows());
    rows.extend(trips::rows());
    rows.push(zero_copy::row());
    rows.extend(audience::rows());
    rows.extend(crowd::rows());
    rows.push(wakes::row());
    rows.extend(idle::rows());
    rows.extend(recovery::rows());
    rows.push(memory::row());
    rows
}

fn measure(options: &Options) -> Result<(), String> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    // Relaxed: a request, orders nothing.
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed)).map_err(|error| error.to_string())?;
    table::print(rows(), options, stop)
}
