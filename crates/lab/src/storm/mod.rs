//! `seqring-lab storm`: processes killed, stopped and restarted at random, and a ledger of what each mode promises.
//!
//! ```text
//! seed ──▶ schedule ──▶ act: a ring of one mode, writers, readers, takers, observers as processes
//!                        │  SIGKILL, SIGSTOP, SIGCONT, restarts, as the schedule says
//!                        ▼
//!          ledger: a file that every worker maps; what it says there outlives it
//! ```
//!
//! An act lasts two seconds; then everybody who is stopped goes on, writers finish and leave, readers read to the end,
//! and each compares what it got with what the ledger says was written (`ledger`). The same seed makes the same
//! schedule: the same acts, and in them the same faults for the same workers at the same times. Where in a worker's work
//! they strike is the machine's.

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
use clap::Args;
use ledger::Part;
use mode::Mode;
use std::fmt;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// Kills, stops and restarts processes that share rings, and checks what each mode promises.
///
/// Every second act of a kind of ring has observers, too.
///
/// Ends with 1 if anything was torn, foreign, doubled, out of order, lost where the mode promises otherwise, if a death was
/// told twice or of somebody who lives, or, with one writer, not told to the reader that was there throughout, if anybody
/// hangs, or if anything is left behind.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct StormOptions {
    /// How long to go on, in seconds; the act in progress is finished
    #[arg(long, default_value_t = 20)]
    seconds: u64,

    /// What the schedule is made of
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What a worker process is started with.
pub(crate) const COMMAND: &str = "storm-worker";

/// How often something was done to whom.
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

/// What was done, and what came of it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) kills: Counts,
    pub(crate) stops: u64,
    pub(crate) restarts: Counts,
    pub(crate) written: u64,
    pub(crate) read: u64,
    pub(crate) missed: u64,
    pub(crate) deaths_told: u64,
    /// Each a sentence; the promise that was broken.
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
        self.deaths_told += other.deaths_told;
        self.breaches.extend(other.breaches);
    }
}

/// Runs acts until the time is over or a promise is broken. Says whether all were kept.
///
/// # Errors
/// What keeps an act from being run at all.
pub(crate) fn run(options: &StormOptions) -> Result<bool> {
    let begin = Instant::now();
    let mut output = io::stdout().lock();
    writeln!(
        output,
        "{:<14} {:>6} {:>6} {:>8} {:>10} {:>10} {:>9} {:>6}  ledger",
        "act", "kills", "stops", "restarts", "written", "read", "missed", "deaths"
    )?;
    let mut total = Tally::default();
    let modes = std::iter::repeat(Mode::ALL).flatten();
    for (number, mode) in modes.enumerate() {
        let tally = act::run(mode, options.seed, number as u64)?;
        print_line(&mut output, mode.name(), &tally)?;
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
    let Tally { kills, stops, restarts, written, read, missed, deaths_told, breaches } = tally;
    let (kills, restarts) = (kills.total(), restarts.total());
    let verdict = if breaches.is_empty() { "balanced" } else { "BROKEN" };
    writeln!(
        output,
        "{name:<14} {kills:>6} {stops:>6} {restarts:>8} {written:>10} {read:>10} {missed:>9} {deaths_told:>6}  {verdict}"
    )?;
    output.flush()
}

/// What a worker process does: see [`run`]. False after a breach, which it said on standard error.
///
/// # Errors
/// What keeps it from working.
pub(crate) fn serve(assignment: &StormAssignment) -> Result<bool> {
    worker::run(assignment)
}
