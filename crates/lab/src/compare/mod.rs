//! `seqring compare`: engines × workloads, interleaved, as a record of every repetition.
//!
//! ```text
//! options ──▶ schedule: sweeps, their points ──▶ who goes on when a peer is killed in the middle  ──▶ record
//!                                                system calls, counted                                JSON lines
//!                                                a round of each point: every engine once
//!                                                  a repetition is a run of `seqring perf`
//!                                                … and again, until each point has its rounds,
//!                                                and enough of them can be compared, or time is up
//! ```
//! A record that is there already is continued: whole rounds in it are not repeated.

mod alone;
pub(crate) mod calls;
mod counted;
pub(crate) mod death;
pub(crate) mod figures;
mod measure;
mod options;
mod progress;
pub(crate) mod record;
pub(crate) mod repetitions;
mod rounds;
mod schedule;
pub(crate) mod sweep;

pub use counted::{CountedOptions, serve_counted};
pub(crate) use death::Death;
pub use death::{VictimOptions, serve_victim};
pub use options::Options;

use crate::perf::Interrupts;
use anyhow::{Context, Result};
use progress::Progress;
use record::{Journal, Line};
use schedule::Schedule;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

/// Measures what the flags ask for. Says whether nobody stopped it.
///
/// # Errors
/// [`BadInput`](crate::perf::BadInput), and whatever keeps the machine from being probed or the record from being
/// written. An engine that fails is no error: the record says so.
pub fn run(options: &Options) -> Result<bool> {
    let schedule = Schedule::of(options)?;
    let end = Instant::now() + schedule.limit;
    let mut journal = Journal::open(&options.record, &schedule.header()?)?;
    let interrupts = Interrupts::catch()?;
    let mut progress = Progress::start(&schedule, &journal);
    kill_peers(&schedule, &mut journal, &interrupts, &progress)?;
    count_calls(&schedule, &mut journal, &interrupts, &progress)?;
    let lacks = measure_rounds(&schedule, end, &mut journal, &interrupts, &mut progress)?;
    progress.finish();
    let record = options.record.display();
    if interrupts.asked().load(Relaxed) {
        eprintln!(
            "seqring compare: stopped; {record} has what is done, and the same command goes on from there"
        );
        return Ok(false);
    }
    match lacks {
        0 => eprintln!("seqring compare: complete"),
        points => eprintln!(
            "seqring compare: the time is up, and {points} points lack rounds that can be compared: the same command \
             goes on for as long again"
        ),
    }
    eprintln!("seqring compare: seqring report {record} makes pages of it");
    Ok(true)
}

fn kill_peers(
    schedule: &Schedule,
    journal: &mut Journal,
    interrupts: &Interrupts,
    progress: &Progress,
) -> Result<()> {
    for (engine, who) in schedule.deaths() {
        if !interrupts.asked().load(Relaxed) && !journal.has_death(engine, who) {
            let death = death::kill_one(engine, who)?;
            progress.say(&death);
            journal.append(Line::Death(death))?;
        }
    }
    Ok(())
}

/// Where processes may not be traced, nothing is counted, and the comparison goes on.
fn count_calls(
    schedule: &Schedule,
    journal: &mut Journal,
    interrupts: &Interrupts,
    progress: &Progress,
) -> Result<()> {
    for engine in schedule.counted() {
        if !interrupts.asked().load(Relaxed) && !journal.has_calls(engine) {
            match calls::count(engine) {
                Ok(calls) => {
                    progress.say(&calls);
                    journal.append(Line::Calls(calls))?;
                }
                Err(error) => progress.say(&format_args!("{error:#}")),
            }
        }
    }
    Ok(())
}

/// Measures rounds until no point lacks one, the time is up, or somebody stops it. Says how many points lack one then.
fn measure_rounds(
    schedule: &Schedule,
    end: Instant,
    journal: &mut Journal,
    interrupts: &Interrupts,
    progress: &mut Progress,
) -> Result<usize> {
    while let Some(round) = rounds::next(schedule, journal) {
        let left = end.saturating_duration_since(Instant::now());
        if left < round.time() || interrupts.asked().load(Relaxed) {
            return Ok(rounds::lacking(schedule, journal).count());
        }
        progress.begins(&round, left);
        measure::round(&round, interrupts, |run| {
            progress.ran(&run);
            journal.append(Line::Run(run))
        })
        .with_context(|| format!("measuring {}", round.point))?;
    }
    Ok(0)
}
