//! `seqring-lab compare`: engines × workloads, interleaved, as a record of every repetition.
//!
//! ```text
//! options ──▶ schedule: sweeps, points ──▶ a peer is killed: do the others go on?    ──▶ record
//!                                          system calls, counted                         JSON
//!                                          a round of each point: every engine once
//!                                            a repetition is a run of `perf`
//!                                          … repeated until each point has its rounds,
//!                                          and enough are comparable, or time is up
//! ```
//! An existing record is continued: its complete rounds are not repeated.

pub(crate) mod calls;
pub(crate) mod death;
pub(crate) mod figures;
mod measure;
pub(crate) mod record;
pub(crate) mod repetitions;
mod schedule;
pub(crate) mod sweep;

pub(crate) use calls::serve as serve_counted;
pub(crate) use death::{VictimOptions, serve as serve_victim};

use crate::engines::EngineName;
use anyhow::{Context, Result};
use clap::Args;
use harness::line::LineProbe;
use harness::pin::CorePair;
use harness::surroundings::{Surroundings, ThisMachine, is_disturbed};
use indicatif::{ProgressBar, ProgressStyle};
use record::{Journal, Line};
use schedule::Schedule;
use seqring_cli::output;
use seqring_cli::perf::{Interrupted, Interrupts};
use std::fmt::Display;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

/// Compares the ring of this library with ten lock-based rings.
///
/// Every repetition becomes a line of JSON in the record, with the round trip of a cache line
/// before and after it and the CPU time that other processes took meanwhile. Within a round every
/// engine runs once; summaries (`seqring-lab report`) use rounds of one class only. An existing
/// record is continued.
#[derive(Args, Clone, Debug)]
pub(crate) struct CompareOptions {
    /// The record; it is continued if it exists
    #[arg(long, value_name = "FILE", default_value = "compare.jsonl")]
    record: PathBuf,

    /// Fewer points, shorter repetitions: at most five minutes
    #[arg(long)]
    quick: bool,

    /// Only sweeps whose names contain one of these; "deaths" are the killed peers, "calls" the
    /// system calls a message
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    only: Vec<String>,

    /// Only these engines
    #[arg(long, value_enum, value_name = "NAME", value_delimiter = ',')]
    engines: Vec<EngineName>,

    /// Measure exactly so many rounds of each point
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: Option<u32>,
}

impl CompareOptions {
    /// All sweeps, quickly, into this record.
    pub(crate) fn quick(record: PathBuf) -> Self {
        Self { record, quick: true, only: Vec::new(), engines: Vec::new(), rounds: None }
    }
}

struct Comparison {
    schedule: Schedule,
    journal: Journal,
    interrupts: Interrupts,
    bar: ProgressBar,
}

/// Measures what the flags ask for.
///
/// # Errors
/// [`BadInput`](seqring_cli::perf::BadInput), [`Interrupted`], and a failure to probe the machine
/// or write the record. An engine that fails is no error: it is in the record.
pub(crate) fn run(options: &CompareOptions) -> Result<()> {
    let schedule = Schedule::of(options)?;
    if !schedule.is_exact && !schedule.points.is_empty() {
        warn_of_others()?;
    }
    let end = Instant::now() + schedule.limit;
    let journal = Journal::open(&options.record, &schedule.header()?)?;
    let bar = progress(&schedule, &journal);
    let mut comparison = Comparison { schedule, journal, interrupts: Interrupts::catch()?, bar };
    comparison.kill_peers()?;
    comparison.count_calls()?;
    let lacking = comparison.measure_rounds(end)?;
    comparison.bar.finish_and_clear();
    let record = options.record.display();
    if comparison.is_stopped() {
        output::report(format_args!(
            "compare: stopped; {record} has the results so far, and the same command continues it"
        ));
        return Err(Interrupted.into());
    }
    match lacking {
        0 => output::report(format_args!("compare: complete")),
        points => output::report(format_args!(
            "compare: the time is up, and {points} points lack comparable rounds: the same command continues for as \
             long again"
        )),
    }
    output::report(format_args!("compare: `seqring-lab report {record}` makes pages of it"));
    Ok(())
}

/// Measures for 2 s what other processes take, and says if that leaves nothing comparable.
fn warn_of_others() -> Result<()> {
    const SPAN: Duration = Duration::from_secs(2);
    let mut machine = ThisMachine::new(LineProbe::new(CorePair::first_allowed()?));
    machine.begin()?;
    thread::sleep(SPAN);
    let others = machine.others()?;
    if is_disturbed(others, SPAN) {
        output::report(format_args!(
            "compare: other processes use {:.0} % of a core. If they go on, few repetitions can be compared, or none: end \
             them, or see what there is, without evidence, by `seqring-lab report --with-disturbed`",
            100.0 * others.as_secs_f64() / SPAN.as_secs_f64()
        ));
    }
    Ok(())
}

/// Prints the length of the comparison, and returns a bar over its repetitions, which shows on a
/// terminal only.
fn progress(schedule: &Schedule, journal: &Journal) -> ProgressBar {
    let repetitions = |point| schedule.first_rounds(point, journal) * schedule.engines_of(point).len();
    let repetitions: usize = schedule.points.iter().map(repetitions).sum();
    output::report(format_args!(
        "compare: {repetitions} repetitions at {} points; with repeated ones at most {} minutes",
        schedule.points.len(),
        schedule.limit.as_secs().div_ceil(60)
    ));
    let bar = ProgressBar::new(repetitions as u64);
    match ProgressStyle::with_template("{bar:40} {percent} %, {eta} left  {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

impl Comparison {
    fn is_stopped(&self) -> bool {
        self.interrupts.asked().load(Relaxed) // Relaxed: a request, orders nothing.
    }

    fn say(&self, what: &dyn Display) {
        self.bar.suspend(|| output::report(format_args!("compare: {what}")));
    }

    fn kill_peers(&mut self) -> Result<()> {
        for (engine, role) in self.schedule.deaths() {
            if !self.is_stopped() && !self.journal.has_death(engine, role) {
                let death = death::kill_one(engine, role)?;
                self.say(&death);
                self.journal.append(Line::Death(death))?;
            }
        }
        Ok(())
    }

    /// Where processes may not be traced, the comparison continues without counts.
    fn count_calls(&mut self) -> Result<()> {
        for engine in self.schedule.counted() {
            if !self.is_stopped() && !self.journal.has_calls(engine) {
                match calls::count(engine) {
                    Ok(calls) => {
                        self.say(&calls);
                        self.journal.append(Line::Calls(calls))?;
                    }
                    Err(error) => self.say(&format_args!("{error:#}")),
                }
            }
        }
        Ok(())
    }

    /// Measures rounds until no point lacks one, the time is up, or the user stops it. Returns how
    /// many points lack one.
    fn measure_rounds(&mut self, end: Instant) -> Result<usize> {
        let mut sweep = "";
        while let Some(round) = self.schedule.next_round(&self.journal) {
            if end.saturating_duration_since(Instant::now()) < round.time() || self.is_stopped() {
                return Ok(self.schedule.lacking(&self.journal).len());
            }
            if self.bar.is_hidden() && round.point.sweep.name != sweep {
                sweep = round.point.sweep.name;
                output::report(format_args!("compare: round {}, {sweep}", round.number + 1));
            }
            let Self { journal, interrupts, bar, .. } = self;
            measure::round(&round, interrupts, |run| {
                bar.inc(1);
                let at = format!("{} {}: {}", run.sweep, run.x, run.engine);
                if let Err(failure) = &run.outcome {
                    bar.suspend(|| output::report(format_args!("compare: {at} failed: {failure}")));
                }
                bar.set_message(at);
                journal.append(Line::Run(run))
            })
            .with_context(|| format!("measuring {}", round.point.sweep.name))?;
        }
        Ok(0)
    }
}
