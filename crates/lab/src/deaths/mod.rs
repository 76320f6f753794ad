//! `seqring-lab deaths`: what the others see when a participant dies, in rings, queues and pipes of
//! this library and of other authors.
//!
//! ```text
//! contestants × cells (fault, victim) ──▶ run, many times ──▶ record ──▶ claims, tables, picture
//! ```
//! Participants are programs with one small interface ([`harness::deaths`]). What they cannot
//! report themselves is in the accounts that they leave.

mod analysis;
mod cell;
pub(crate) mod contestants;
mod left;
mod ours;
mod page;
mod picture;
pub(crate) mod record;
mod run;
mod team;

pub(crate) use ours::{WorkerOptions, work};
pub(crate) use page::{Claim, claims};

use anyhow::{Context, Result};
use cell::{Cell, Fault};
use clap::Args;
use contestants::{CONTESTANTS, Programs, source};
use fastrand::Rng;
use record::{Failure, Header, Journal, Outcome, Record, Run};
use run::{BOUND, Bench};
use seqring_cli::output;
use seqring_cli::perf::{BadInput, Interrupted, Interrupts};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;

/// The hidden command of a participant.
pub(crate) const WORKER: &str = "deaths-worker";

/// Kills, stops and breaks participants of rings and queues, and records what the others see.
///
/// Each run is a line of JSON in the record, which is continued if it exists.
#[derive(Args, Clone, Debug)]
pub(crate) struct DeathsOptions {
    /// The record
    #[arg(long, value_name = "FILE", default_value = "deaths.jsonl")]
    record: PathBuf,

    /// Runs of each cell
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    runs: u64,

    /// Only contestants whose names contain one of these
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    only: Vec<String>,

    /// Only these faults
    #[arg(long, value_enum, value_name = "FAULT", value_delimiter = ',')]
    faults: Vec<Fault>,

    /// Seed of the victims and of the moments of their faults
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// The participants of crates/rivals
    #[arg(long, value_name = "PROGRAM", default_value_os_t = source("crates/rivals/target/release/rivals"))]
    rivals: PathBuf,

    /// A Python that has the packages of the contestants in Python
    #[arg(long, value_name = "PROGRAM", default_value_os_t = source("target/deaths/venv/bin/python"))]
    python: PathBuf,

    /// No runs: put claims, tables and the picture of the record into this document
    #[arg(long, value_name = "DOCUMENT")]
    splice: Option<PathBuf>,

    /// With --splice: change nothing, and fail if anything would change
    #[arg(long, requires = "splice")]
    check: bool,
}

/// Runs what the flags ask for.
///
/// # Errors
/// Bad input, an interruption, a record that cannot be written. A run that fails is in the record.
pub(crate) fn run(options: &DeathsOptions) -> Result<()> {
    match &options.splice {
        Some(document) => page::splice(document, &Record::read(&options.record)?, options.check),
        None => measure(options),
    }
}

fn measure(options: &DeathsOptions) -> Result<()> {
    let programs = Programs { rivals: options.rivals.clone(), python: options.python.clone() };
    let is_asked =
        |name: &str| options.only.is_empty() || options.only.iter().any(|part| name.contains(&**part));
    let versions = CONTESTANTS.iter().map(|one| (one.name.into(), programs.version(one))).collect();
    let header = Header::new(BOUND.as_millis() as u64, versions)?;
    let (mut asked, mut absent) = (Vec::new(), Vec::new());
    for one in CONTESTANTS.iter().filter(|one| is_asked(one.name)) {
        match &header.contestants[one.name] {
            Ok(_) => asked.push(one),
            Err(why) => absent.push(format!("{}: {why}", one.name)),
        }
    }
    for line in &absent {
        output::report(format_args!("deaths: {line}"));
    }
    if asked.is_empty() {
        let names: Vec<&str> = CONTESTANTS.iter().map(|one| one.name).collect();
        return Err(BadInput(format!("nothing to run; there are {}", names.join(", "))).into());
    }
    let cells = Cell::ALL
        .into_iter()
        .filter(|cell| options.faults.is_empty() || options.faults.contains(&cell.fault));
    let cells: Vec<Cell> = cells.collect();
    let mut journal = Journal::open(&options.record, &header)?;
    let (bench, interrupts) = (Bench::new(programs)?, Interrupts::catch()?);
    output::report(format_args!("deaths: seed {}, {} runs of each cell", options.seed, options.runs));
    for contestant in asked {
        for &cell in cells.iter().filter(|cell| cell.is_for(contestant)) {
            let (mut bad, mut failed) = (0, 0);
            for number in journal.count(contestant.name, cell)..options.runs {
                if interrupts.asked().load(Relaxed) {
                    output::report("deaths: stopped; the same command continues the record");
                    return Err(Interrupted.into());
                }
                let seed = seed(options.seed, contestant.name, cell, number);
                let (delay_us, found) = bench.run(contestant, cell, &mut Rng::with_seed(seed));
                bad += u64::from(found.as_ref().is_ok_and(|found| found.outcome != Outcome::WentOn));
                failed += u64::from(found.is_err());
                let result = found.map_err(|error| Failure { failure: format!("{error:#}") });
                journal.add(Run {
                    contestant: contestant.name.into(),
                    cell,
                    number,
                    seed,
                    delay_us,
                    result,
                })?;
            }
            output::report(format_args!("deaths: {}: {cell}: {bad} hung, {failed} failed", contestant.name));
        }
    }
    Ok(())
}

/// The seed of a run: the same for the same run, whatever ran before.
fn seed(seed: u64, contestant: &str, cell: Cell, number: u64) -> u64 {
    let words = contestant.bytes().chain([cell.fault as u8, cell.victim as u8]).map(u64::from);
    words.chain([number]).fold(seed, |seed, word| Rng::with_seed(seed ^ word).u64(..))
}

/// A record of a few runs of some contestants in `directory`, for a comparison with another one.
///
/// # Errors
/// As [`run`].
pub(crate) fn trial(directory: &Path, only: &[&str], runs: u64) -> Result<Record> {
    let record = directory.join("deaths.jsonl");
    fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
    let defaults = Programs {
        rivals: source("crates/rivals/target/release/rivals"),
        python: source("target/deaths/venv/bin/python"),
    };
    measure(&DeathsOptions {
        record: record.clone(),
        runs,
        only: only.iter().map(ToString::to_string).collect(),
        faults: vec![Fault::Kill, Fault::Stop],
        seed: 1,
        rivals: defaults.rivals,
        python: defaults.python,
        splice: None,
        check: false,
    })?;
    Record::read(&record)
}
