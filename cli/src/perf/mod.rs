//! `seqring perf`: a writer and many readers move verified messages through a ring.
//!
//! ```text
//! options ──▶ plan ──▶ coordinator ──▶ record ──▶ JSON, or report
//!   flags     checked   │  ▲            + verdict
//!                 orders│  │replies, a line of JSON each
//!                       ▼  │
//!                     worker × (writers + readers): writing, reading
//! ```

mod coordinator;
mod interrupt;
mod message;
mod options;
mod plan;
mod progress;
mod protocol;
mod reading;
mod record;
mod report;
mod scenario;
mod tally;
mod team;
mod verdict;
mod worker;
mod writing;

pub use interrupt::Interrupted;
pub use options::{Delivery, EngineName, OnFull, Options, Transport};

use anyhow::Result;
use plan::Plan;
use record::Record;
use report::Report;
use seqring_engine::Seqring;
use std::io::{self, Write};

/// Flags that ask for what cannot be.
#[derive(Debug)]
pub struct BadInput(String);

impl std::fmt::Display for BadInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadInput {}

/// Runs what the flags ask for and prints the results. Says whether they add up.
///
/// # Errors
/// [`BadInput`]; [`Interrupted`] if there are no results; and whatever a worker failed with.
pub fn run(options: &Options) -> Result<bool> {
    let plan = Plan::new(options)?;
    let outcome = match plan.engine {
        EngineName::Seqring => coordinator::run::<Seqring>(&plan, options.debug)?,
    };
    let record = Record::new(&plan, &outcome);
    // Not `print!`, which panics if nobody listens.
    let mut output = io::stdout().lock();
    if options.json {
        writeln!(output, "{}", serde_json::to_string_pretty(&record)?)?;
        record.failures.iter().for_each(|failure| eprintln!("seqring perf: FAILED: {failure}"));
    } else {
        write!(output, "{}", Report(&record))?;
    }
    Ok(record.ok)
}

/// What a worker process does: see [`run`].
///
/// # Errors
/// Whatever goes wrong; who started the worker reports it.
pub fn serve() -> Result<()> {
    worker::serve_process()
}
