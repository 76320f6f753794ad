//! `seqring-lab storm`: processes killed, stopped and restarted at random, and a ledger of what
//! each mode promises.
//!
//! ```text
//! seed ──▶ schedule ──▶ act: a ring of one mode, writers, readers, takers, observers as processes
//!                        │  SIGKILL, SIGSTOP, SIGCONT, restarts, by the schedule
//!                        ▼
//!          ledger: a file that every worker maps; its entries outlive it
//! ```
//!
//! An act lasts two seconds; then stopped workers continue, writers finish and leave, readers drain
//! the ring, and each compares its messages with those in the ledger (`ledger`). The
//! same seed makes the same schedule: the same acts, and in them the same faults for the same
//! workers at the same times. The exact points where they strike depend on the machine.

mod act;
mod ledger;
mod mode;
mod reading;
mod schedule;
mod source;
mod taking;
mod worker;
mod writing;

pub(crate) use worker::StormAssignment;

use anyhow::Result;
use clap::{Args, ValueEnum};
use ledger::Part;
use mode::Mode;
use seqring_cli::output;
use std::fmt;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// Kills, stops and restarts processes that share rings, and checks what each mode promises.
///
/// Every second act of a kind of ring has observers, too.
///
/// Ends with 1 if a message was torn, foreign, doubled, out of order, or lost although the mode
/// promises otherwise; if a death was reported twice, of a live process, or, with one writer, not
/// to the first reader; if a call hangs; or if anything is left behind.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct StormOptions {
    /// Duration in seconds; the act in progress is finished
    #[arg(long, default_value_t = 20)]
    seconds: u64,

    /// Seed of the schedule
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The hidden command of a worker.
pub(crate) const COMMAND: &str = "storm-worker";

/// Counts by part.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts([u64; Part::ALL.len()]);

impl Counts {
    pub(crate) fn count(&mut self, part: Part) {
        self.0[part as usize] += 1;
    }

    fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    fn add(&mut self, other: Counts) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, count)| *sum += count);
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = Part::ALL.map(|part| format!("{} {}s", self.0[part as usize], part.name()));
        f.write_str(&counts.join(", "))
    }
}

/// The faults and results of an act.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) kills: Counts,
    pub(crate) stops: u64,
    pub(crate) restarts: Counts,
    pub(crate) written: u64,
    pub(crate) read: u64,
    pub(crate) missed: u64,
    pub(crate) deaths_reported: u64,
    /// The broken promises, a sentence each.
    pub(crate) breaches: Vec<String>,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.kills.add(other.kills);
        self.stops += other.stops;
        self.restarts.add(other.restarts);
        self.written += other.written;
        self.read += other.read;
        self.missed += other.missed;
        self.deaths_reported += other.deaths_reported;
        self.breaches.extend(other.breaches);
    }
}

/// Runs acts until the time is over or a promise is broken. Says whether all were kept.
///
/// # Errors
/// If an act cannot be run.
pub(crate) fn run(options: &StormOptions) -> Result<bool> {
    let begin = Instant::now();
    let mut output = output::stdout();
    writeln!(
        output,
        "{:<14} {:>6} {:>6} {:>8} {:>10} {:>10} {:>9} {:>6}  ledger",
        "act", "kills", "stops", "restarts", "written", "read", "missed", "deaths"
    )?;
    let mut total = Tally::default();
    let modes = std::iter::repeat(Mode::value_variants()).flatten();
    for (number, &mode) in modes.enumerate() {
        let tally = act::run(mode, options.seed, number as u64)?;
        print_line(&mut output, &mode.name(), &tally)?;
        total.add(tally);
        if !total.breaches.is_empty() || begin.elapsed() >= Duration::from_secs(options.seconds) {
            break;
        }
    }
    print_line(&mut output, "all", &total)?;
    writeln!(output, "killed: {}", total.kills)?;
    writeln!(output, "restarted: {}", total.restarts)?;
    for breach in &total.breaches {
        writeln!(output, "BREACH: {breach}")?;
    }
    writeln!(
        output,
        "seed {}, {} s: {}",
        options.seed,
        begin.elapsed().as_secs(),
        if total.breaches.is_empty() { "every promise was kept" } else { "NOT SOUND" }
    )?;
    Ok(total.breaches.is_empty())
}

fn print_line(output: &mut impl Write, name: &str, tally: &Tally) -> io::Result<()> {
    let Tally { kills, stops, restarts, written, read, missed, deaths_reported, breaches } = tally;
    let (kills, restarts) = (kills.total(), restarts.total());
    let verdict = if breaches.is_empty() { "balanced" } else { "BROKEN" };
    writeln!(
        output,
        "{name:<14} {kills:>6} {stops:>6} {restarts:>8} {written:>10} {read:>10} {missed:>9} {deaths_reported:>6}  {verdict}"
    )?;
    output.flush()
}

/// Runs a worker process. False after a breach, which it prints on standard error.
///
/// # Errors
/// If it cannot work.
pub(crate) fn serve(assignment: &StormAssignment) -> Result<bool> {
    worker::run(assignment)
}
