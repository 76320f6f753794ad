//! `perf`: writers and readers move verified messages through a ring.
//!
//! ```text
//! flags ──▶ plan ─────▶ coordinator ──▶ record ──▶ JSON, or text
//!           checked     │  ▲            + verdict
//!                 orders│  │replies, a line of JSON each
//!                       ▼  │
//!                     worker × (writers + readers): writer, reader
//! ```
//! Everything is generic over the engine; [`run`] and [`serve`] must be called with the same one.

mod coordinator;
mod cost;
mod interrupt;
mod message;
mod plan;
mod protocol;
mod reader;
mod record;
mod verdict;
mod worker;
mod workers;
mod writer;

pub use coordinator::{Outcome, Verbosity, measure};
pub use cost::own_cost;
pub use interrupt::{Interrupted, Interrupts};
pub use plan::{OnFull, PerfOptions, Pinning, Plan, Transport};
pub use protocol::{Reading, WorkerResult, Writing};
pub use verdict::failures;
pub(crate) use worker::follow_parent;
pub use worker::serve;

use crate::output;
use anyhow::Result;
use harness::engine::Engine;
use record::RunRecord;
use std::io::Write;

/// Flags that ask for something impossible.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadInput(pub String);

/// Runs what the flags ask for on a ring of the kind `E`, and prints the results. Returns whether
/// they add up.
///
/// # Errors
/// [`BadInput`]; [`Interrupted`] if there are no results; the failure of a worker.
pub fn run<E: Engine + 'static>(options: &PerfOptions) -> Result<bool> {
    let plan = &options.plan;
    plan.check()?;
    let verbosity = if options.debug { Verbosity::Debug } else { Verbosity::Normal };
    let outcome = measure::<E>(plan, verbosity, &Interrupts::catch()?)?;
    let record = RunRecord::new(E::NAME, plan, &outcome);
    let mut output = output::stdout();
    if options.json {
        writeln!(output, "{}", serde_json::to_string_pretty(&record)?)?;
        record.failures.iter().for_each(|failure| output::report(format_args!("perf: FAILED: {failure}")));
    } else {
        write!(output, "{record}")?;
    }
    Ok(record.ok)
}
