//! What pipelines must reach, measured and judged: one row of a table for each requirement.
//!
//! ```text
//! cargo bench --bench pipeline
//! cargo bench --bench pipeline -- --quick idle        # rows whose names contain "idle", as a trial
//! cargo bench --bench pipeline -- --json > runs.jsonl # every repetition; the table goes to standard error
//! ```
//! A row says *reached*, *not reached*, or *not measured* and why; the exit code is 0 in each case. Contestants and floors
//! run in turn, in the same rounds. Every repetition also checks what it received. Worker processes are this program, run
//! again.

mod idle;
mod large;
mod latency;
mod order;
mod resources;
mod small;
mod work;

use harness::table::{self, Options, Row};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn main() -> ExitCode {
    work::be_worker();
    let (mut options, mut is_bench) = (Options::default(), false);
    for argument in std::env::args().skip(1) {
        let taken = match argument.as_str() {
            "--bench" => {
                is_bench = true;
                Ok(())
            }
            _ => options.take(argument),
        };
        if let Err(error) = taken {
            return failed(&error);
        }
    }
    // `cargo test --benches` runs this without that flag: then there is nothing to measure.
    let measured = if is_bench { measure(&options) } else { Ok(()) };
    measured.map_or_else(|error| failed(&error), |()| ExitCode::SUCCESS)
}

fn failed(error: &str) -> ExitCode {
    eprintln!("pipeline: {error}");
    ExitCode::FAILURE
}

fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = small::rows().into();
    rows.extend(large::rows());
    rows.extend(order::rows());
    rows.extend(latency::rows());
    rows.extend(idle::rows());
    rows.push(resources::row());
    rows
}

fn measure(options: &Options) -> Result<(), String> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    // Relaxed: a request, orders nothing.
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed)).map_err(|error| error.to_string())?;
    table::print(rows(), options, stop)
}
