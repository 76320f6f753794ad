//! What pipelines must reach, measured and judged: one row of a table for each requirement.
//!
//! ```text
//! cargo bench --bench pipeline
//! cargo bench --bench pipeline -- --quick idle   # rows whose names contain "idle", as a trial
//! cargo bench --bench pipeline -- --json         # every repetition; the table: standard error
//! ```
//! A row ends with *reached*, *not reached*, or *not measured* and why; the exit code is 0 in each
//! case. Contestants and floors run in turn, in the same rounds. Every repetition also checks what
//! it received. Worker processes are this program, run again.

mod idle;
mod latency;
mod rates;
mod resources;
mod work;

use harness::table::{self, Row};
use std::process::ExitCode;

fn main() -> ExitCode {
    work::be_worker();
    let mut rows: Vec<Row> = rates::rows().into();
    rows.extend(latency::rows());
    rows.extend(idle::rows());
    rows.push(resources::row());
    table::bench_main(rows, harness::commit!())
}
