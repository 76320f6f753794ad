//! What the ring must reach, measured and judged: one row of a table for each requirement.
//!
//! ```text
//! cargo build --release --workspace && cargo bench --bench reach
//! cargo bench --bench reach -- --quick threads     # rows whose names contain "threads", as a trial
//! cargo bench --bench reach -- --json > runs.jsonl # every repetition; the table goes to standard error
//! ```
//! A row says *reached*, *not reached*, or *not measured* and why; the exit code is 0 in each case. Contestants
//! and floors run in turn, in the same rounds, and only rounds of one class of cache-line round trip are
//! compared (`bench_support::repeat`). Every repetition also checks what it received.

mod audience;
mod content;
mod crowd;
mod idle;
mod journal;
mod judge;
mod large;
mod memory;
mod options;
mod part;
mod place;
mod row;
mod scenarios;
mod session;
mod stream;
mod streams;
mod tool;
mod trips;
mod wait;
mod wakes;
mod zero_copy;

use bench_support::machine::Machine;
use options::{Options, Task};
use row::Row;
use session::Session;
use std::process::ExitCode;

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
    rows.push(memory::row());
    rows
}

fn measure(options: &Options) -> Result<(), String> {
    let rows: Vec<Row> = rows().into_iter().filter(|row| options.wants(row.name)).collect();
    if rows.is_empty() {
        return Err("no row has such a name".into());
    }
    let session = Session::new(options)?;
    let say = |line: &str| if options.json { eprintln!("{line}") } else { println!("{line}") };
    say(&Machine::this().map_err(|error| error.to_string())?.to_string());
    if options.quick {
        say("--quick: two rounds a row. No evidence, only a sign that everything runs.");
    }
    say("\n| row | what | required | measured: median (lowest to highest, runs) | verdict |");
    say("|---|---|---|---|---|");
    for row in rows {
        if session.is_stopped() {
            break;
        }
        say(&row.line(&session));
    }
    Ok(())
}
