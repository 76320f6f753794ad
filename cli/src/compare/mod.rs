//! `seqring compare`: engines × workloads, interleaved, as a record of every repetition.
//!
//! ```text
//! options ──▶ schedule: sweeps, their points ──▶ for each point, in rounds: every engine once ──▶ record
//!                                                  a repetition is a run of `seqring perf`      JSON lines
//!             then: who goes on when a peer is killed in the middle
//! ```
//! A record that is there already is continued: whole rounds in it are not repeated.

mod alone;
pub(crate) mod death;
pub(crate) mod figures;
mod measure;
mod options;
mod progress;
pub(crate) mod record;
mod schedule;
pub(crate) mod sweep;

pub(crate) use death::Death;
pub use death::{VictimOptions, serve_victim};
pub use options::Options;

use crate::perf::Interrupts;
use anyhow::{Context, Result};
use progress::Progress;
use record::{Journal, Line};
use schedule::Schedule;
use std::sync::atomic::Ordering::Relaxed;

/// Measures what the flags ask for. Says whether all of it is in the record.
///
/// # Errors
/// [`BadInput`](crate::perf::BadInput), and whatever keeps the machine from being probed or the record from being
/// written. An engine that fails is no error: the record says so.
pub fn run(options: &Options) -> Result<bool> {
    let schedule = Schedule::of(options)?;
    let mut journal = Journal::open(&options.record, &schedule.header()?)?;
    let interrupts = Interrupts::catch()?;
    let mut progress = Progress::start(&schedule, &journal);
    for point in &schedule.points {
        let done = journal.whole_rounds(point, &schedule.engines_of(point));
        if done < point.rounds {
            measure::point(&schedule, point, done, &interrupts, |run| {
                progress.ran(&run);
                journal.append(&Line::Run(run))
            })
            .with_context(|| format!("measuring {point}"))?;
        }
        if interrupts.asked().load(Relaxed) {
            return Ok(stopped(options, &progress));
        }
    }
    for (engine, who) in schedule.deaths() {
        if interrupts.asked().load(Relaxed) {
            return Ok(stopped(options, &progress));
        }
        if !journal.has_death(engine, who) {
            let death = death::kill_one(engine, who)?;
            progress.killed(&death);
            journal.append(&Line::Death(death))?;
        }
    }
    progress.finish();
    eprintln!("seqring compare: complete; seqring report {} makes pages of it", options.record.display());
    Ok(true)
}

fn stopped(options: &Options, progress: &Progress) -> bool {
    progress.finish();
    let record = options.record.display();
    eprintln!("seqring compare: stopped; {record} has what is done, and the same command goes on from there");
    false
}
