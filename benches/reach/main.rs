//! What the ring must reach, measured and judged: one row of a table for each requirement.
//!
//! ```text
//! cargo build --release --workspace && cargo bench --bench reach
//! cargo bench --bench reach -- --quick threads  # rows whose names contain "threads", as a trial
//! cargo bench --bench reach -- --json           # every repetition; the table: standard error
//! ```
//! A row ends with *reached*, *not reached*, or *not measured* and why; the exit code is 0 in each
//! case. Contestants and floors run in turn, in the same rounds, and only rounds of one class of
//! cache-line round trip are compared (`harness::repeat`). Every repetition also checks what it
//! received.

mod fan_in;
mod idle;
mod many_readers;
mod memory;
mod perf;
mod recovery;
mod round_trips;
mod scaling;
mod scenarios;
mod streams;
mod tables;
mod wait_sets;
mod wakeups;
mod zero_copy;

use harness::table::{self, Row};
use std::fmt;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut rows: Vec<Row> = scenarios::rows().collect();
    rows.extend(streams::between_processes());
    rows.extend(streams::between_threads());
    rows.extend(round_trips::rows());
    rows.push(zero_copy::row());
    rows.extend(many_readers::rows());
    rows.extend(scaling::rows());
    rows.extend(fan_in::rows());
    rows.push(wakeups::row());
    rows.extend(wait_sets::rows());
    rows.extend(tables::rows());
    rows.extend(idle::rows());
    rows.extend(recovery::rows());
    rows.push(memory::row());
    table::bench_main(rows, harness::commit!())
}

fn text(error: impl fmt::Display) -> String {
    error.to_string()
}
