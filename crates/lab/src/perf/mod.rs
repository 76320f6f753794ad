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

pub(crate) use coordinator::{Outcome, Voice};
pub use interrupt::Interrupted;
pub(crate) use interrupt::Interrupts;
pub use options::{Delivery, OnFull, Options, Pinning, Transport};

use crate::engines::Task;
use anyhow::Result;
use harness::engine::Engine;
pub(crate) use plan::Plan;
pub(crate) use protocol::Latency;
use record::Record;
use report::Report;
use std::io::{self, Write};
pub(crate) use verdict::failures;

/// Flags that ask for what cannot be.
#[derive(Debug)]
pub struct BadInput(String);

impl BadInput {
    /// What is wrong with it, in words.
    pub(crate) fn new(what: String) -> Self {
        Self(what)
    }
}

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
    let voice = if options.debug { Voice::Debug } else { Voice::Normal };
    let outcome = measure(&plan, voice, &Interrupts::catch()?)?;
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

/// Runs `plan` on the engine that it names.
pub(crate) fn measure(plan: &Plan, voice: Voice, interrupts: &Interrupts) -> Result<Outcome> {
    struct Measure<'m>(&'m Plan, Voice, &'m Interrupts);
    impl Task for Measure<'_> {
        type Output = Result<Outcome>;
        fn run<E: Engine + 'static>(self) -> Result<Outcome> {
            coordinator::run::<E>(self.0, self.1, self.2)
        }
    }
    plan.engine.run(Measure(plan, voice, interrupts))
}

/// What a worker process does: see [`run`].
///
/// # Errors
/// Whatever goes wrong; who started the worker reports it.
pub fn serve() -> Result<()> {
    worker::serve_process()
}
