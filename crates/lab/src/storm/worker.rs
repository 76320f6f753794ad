//! The worker processes of the storm.

use super::ledger::{Account, Ledger, Part};
use super::mode::Mode;
use super::source::Source;
use super::{reading, taking, writing};
use anyhow::{Context, Result};
use clap::Args;
use seqring::Ring;
use seqring_cli::output;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a call may take that nothing hinders.
pub(crate) const NEVER: Duration = Duration::from_secs(20);
/// The timeout of one wait; the worker then checks whether it is to leave.
pub(crate) const PATIENCE: Duration = Duration::from_millis(50);

/// The arguments of a worker process.
#[derive(Args, Clone, Debug)]
pub(crate) struct StormAssignment {
    #[arg(long)]
    pub(crate) mode: Mode,
    #[arg(long)]
    pub(crate) part: Part,
    /// The name of the ring.
    #[arg(long)]
    pub(crate) ring: String,
    #[arg(long)]
    pub(crate) ledger: PathBuf,
    #[arg(long)]
    pub(crate) account: usize,
    /// It joins before anything is written, and is never killed.
    #[arg(long)]
    pub(crate) first: bool,
}

pub(crate) struct Work<'a> {
    pub(crate) assignment: &'a StormAssignment,
    pub(crate) ledger: &'a Ledger,
}

impl Work<'_> {
    pub(crate) fn account(&self) -> Account<'_> {
        self.ledger.account(self.assignment.account)
    }

    pub(crate) fn is_dismissed(&self) -> bool {
        self.account().dismissed().get() != 0
    }
}

/// A promise of the ring that was broken.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Breach(pub(crate) String);

/// Ends the work with a breach unless the condition holds.
macro_rules! hold {
    ($condition:expr, $($text:tt)*) => {
        if !$condition {
            return Err($crate::storm::worker::Breach(format!($($text)*)));
        }
    };
}
pub(crate) use hold;

/// Tries again until it succeeds; a breach after so long that a process must hang.
pub(crate) fn insist<T, E: std::fmt::Display>(
    what: &str,
    mut attempt: impl FnMut() -> std::result::Result<T, E>,
) -> std::result::Result<T, Breach> {
    let begin = Instant::now();
    loop {
        match attempt() {
            Ok(done) => return Ok(done),
            Err(error) if begin.elapsed() > NEVER => {
                return Err(Breach(format!("{what} was not possible for {NEVER:?}: {error}")));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

pub(crate) fn run(assignment: &StormAssignment) -> Result<bool> {
    let ledger = Ledger::open(&assignment.ledger)?;
    let work = Work { assignment, ledger: &ledger };
    work.account().pid().set(std::process::id().into());
    linger_at_points();
    let ring = || Ring::open(&assignment.ring).context("opening the ring");
    let worked = match assignment.part {
        Part::Writer => writing::run(&work, &ring()?),
        Part::Reader => reading::run(&work, Source::join(&ring()?)),
        // Without the right to write.
        Part::Observer => reading::run(&work, Source::observe(&assignment.ring)),
        Part::Taker => taking::run(&work, &ring()?),
    };
    if let Err(Breach(breach)) = &worked {
        let (part, account) = (assignment.part, assignment.account);
        output::report(format_args!("{}: {part:?} {account}: {breach}", assignment.mode.name()));
    }
    Ok(worked.is_ok())
}

/// In a test build, workers sometimes sleep between two steps of a protocol, so that most kills
/// strike there.
#[cfg(seqring_failpoints)]
fn linger_at_points() {
    seqring::failpoints::on_failpoint(|_| {
        if fastrand::u8(..) == 0 {
            std::thread::sleep(Duration::from_micros(500));
        }
    });
}

#[cfg(not(seqring_failpoints))]
fn linger_at_points() {}
