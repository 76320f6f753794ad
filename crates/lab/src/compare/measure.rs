//! A round of one point: every engine once, with the surroundings of each repetition.
#![allow(clippy::cast_sign_loss, reason = "bytes of a message are no fewer than 0")]

use super::figures::Figures;
use super::record::Run;
use super::schedule::{Point, Round};
use super::sweep::Work;
use crate::engines::{EngineName, Task};
use anyhow::{Context, Result};
use harness::engine::{Engine, EngineReader, EngineWriter};
use harness::line::LineProbe;
use harness::pin::{CorePair, pin_to};
use harness::repeat::{self, Contestant, interleave};
use harness::ring_spec::{Delivery, Place, RingSpec};
use harness::surroundings::ThisMachine;
use seqring_cli::perf::{Interrupts, Plan, Verbosity, failures, measure, own_cost};
use std::error::Error;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// Measures a round, and passes each repetition to `ran`.
///
/// # Errors
/// What probing the machine or `ran` reports. A repetition that fails is no error: it is in its
/// run.
pub(crate) fn round(
    round: &Round,
    interrupts: &Interrupts,
    mut ran: impl FnMut(Run) -> Result<()>,
) -> Result<()> {
    let Round { point, number, engines } = round;
    let contestants = engines.iter().map(|&engine| contestant(point, engine, interrupts));
    let mut contestants = contestants.collect::<Result<Vec<_>>>()?;
    let cores = CorePair::first_allowed().context("a comparison needs two cores")?;
    let mut machine = ThisMachine::new(LineProbe::new(cores));
    let mut written = Ok(());
    interleave(&mut contestants, &repeat::Plan::rounds(1), &mut machine, interrupts.asked(), |progress| {
        // A repetition that Ctrl-C cut short does not count.
        if written.is_err() || interrupts.asked().load(Relaxed) {
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
    let &Point { x, duration, .. } = point;
    Ok(match point.sweep.work {
        Work::Alone => Contestant::new(engine.name(), move || {
            // A thread of its own, because it is pinned.
            let alone = std::thread::spawn(move || engine.run(Alone { bytes: x as usize, duration }));
            let measured = alone.join().map_err(|_| "the measurement panicked")?;
            measured.map(Figures::alone).map_err(|error| error.to_string())
        }),
        Work::Perf(flags) => {
            let plan = Plan::of_flags(&format!("{} --duration {}", flags(x), duration.as_secs_f64()));
            plan.check()?;
            Contestant::new(engine.name(), move || engine.run(Repetition { plan: &plan, interrupts }))
        }
    })
}

struct Repetition<'r> {
    plan: &'r Plan,
    interrupts: &'r Interrupts,
}

impl Task for Repetition<'_> {
    type Output = Result<Figures, String>;

    fn run<E: Engine + 'static>(self) -> Self::Output {
        let outcome = measure::<E>(self.plan, Verbosity::Silent, self.interrupts);
        let outcome = outcome.map_err(|error| format!("{error:#}"))?;
        match &failures(self.plan, &outcome)[..] {
            [] if outcome.interrupted => Err("cut short".into()),
            [] => {
                let harness_ns = own_cost(self.plan).map_err(|error| error.to_string())?;
                Ok(Figures { harness_ns, ..Figures::of(self.plan, &outcome) })
            }
            [first, ..] => Err(first.clone()),
        }
    }
}

/// Nanoseconds for writing and reading one message without contention, in one pinned thread.
struct Alone {
    bytes: usize,
    duration: Duration,
}

impl Task for Alone {
    type Output = Result<f64, Box<dyn Error + Send + Sync>>;

    fn run<E: Engine + 'static>(self) -> Self::Output {
        const MESSAGES_BETWEEN_CLOCKS: u64 = 256;
        pin_to(CorePair::first_allowed()?.ours())?;
        let spec =
            RingSpec { slots: 64, slot_bytes: self.bytes, delivery: Delivery::Gated, writers: 1, readers: 1 };
        let ring = E::create(&spec, &Place::Heap)?;
        let (mut reader, mut writer) = (ring.reader()?, ring.writer()?);
        let (mut message, mut buffer) = (vec![7; self.bytes], vec![0; self.bytes]);
        let mut lap = || -> Result<(), Box<dyn Error + Send + Sync>> {
            for n in 0..MESSAGES_BETWEEN_CLOCKS {
                message[..8].copy_from_slice(&n.to_le_bytes());
                writer.put(&message, None)?;
                reader.get(&mut buffer, None)?;
                if buffer[..8] != n.to_le_bytes() {
                    return Err("another message came".into());
                }
            }
            Ok(())
        };
        lap()?;
        let (begin, mut messages) = (Instant::now(), 0);
        while begin.elapsed() < self.duration {
            lap()?;
            messages += MESSAGES_BETWEEN_CLOCKS;
        }
        Ok(begin.elapsed().as_nanos() as f64 / messages as f64)
    }
}
