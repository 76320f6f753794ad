//! A round of one point: every engine once, and what was around each repetition.
#![allow(clippy::cast_sign_loss, reason = "bytes of a message are no fewer than 0")]

use super::alone;
use super::figures::Figures;
use super::record::Run;
use super::rounds::Round;
use super::schedule::{Point, plan};
use super::sweep::Work;
use crate::engines::EngineName;
use crate::perf::{Interrupts, Plan, Voice, failures, measure};
use anyhow::{Context, Result};
use harness::line::LineProbe;
use harness::pin::CorePair;
use harness::plan::Plan as Rounds;
use harness::repeat::{Contestant, interleave};
use harness::surroundings::ThisMachine;

/// Measures a round, and gives each repetition to `ran`.
///
/// # Errors
/// What probing the machine reports, or `ran`. A repetition that fails is none: its run says so.
pub(crate) fn round(
    round: &Round<'_>,
    interrupts: &Interrupts,
    mut ran: impl FnMut(Run) -> Result<()>,
) -> Result<()> {
    let Round { point, number, engines } = round;
    let mut contestants = Vec::new();
    for &engine in engines {
        contestants.push(contestant(point, engine, interrupts)?);
    }
    let cores = CorePair::first_allowed().context("a comparison needs two cores")?;
    let mut machine = ThisMachine::new(LineProbe::new(cores));
    let mut written = Ok(());
    interleave(&mut contestants, &Rounds::rounds(1), &mut machine, interrupts.asked(), |progress| {
        // A repetition that Ctrl-C has cut short is not one.
        let is_cut = interrupts.asked().load(std::sync::atomic::Ordering::Relaxed);
        if written.is_err() || is_cut {
            return;
        }
        let run = progress.run;
        written = ran(Run {
            sweep: point.sweep.name.into(),
            x: point.x,
            engine: engines[run.contestant],
            round: *number as usize,
            line_ns: [run.line_before, run.line_after],
            elapsed_seconds: run.elapsed.as_secs_f64(),
            others_seconds: run.others.as_secs_f64(),
            outcome: run.outcome.clone(),
        });
    })?;
    written
}

fn contestant<'i>(
    point: &Point,
    engine: EngineName,
    interrupts: &'i Interrupts,
) -> Result<Contestant<'i, Figures>> {
    let (x, duration) = (point.x, point.duration);
    Ok(match point.sweep.work {
        Work::Alone => Contestant::new(engine.name(), move || {
            alone::nanos_a_message(engine, x as usize, duration).map(Figures::alone)
        }),
        Work::Perf(flags) => {
            let plan = plan(point, flags, engine)?;
            Contestant::new(engine.name(), move || repetition(&plan, interrupts))
        }
    })
}

fn repetition(plan: &Plan, interrupts: &Interrupts) -> Result<Figures, String> {
    let outcome = measure(plan, Voice::Silent, interrupts).map_err(|error| format!("{error:#}"))?;
    match &failures(plan, &outcome)[..] {
        [] if outcome.interrupted => Err("cut short".into()),
        [] => Ok(Figures::of(plan, &outcome)),
        [first, ..] => Err(first.clone()),
    }
}
