//! Messages through an engine: streams, and round trips, between threads or between processes.
//!
//! A [`Stream`] or a [`RoundTrip`] says what is measured; with an engine and a content it is a
//! [`Candidate`], which measures itself in each of its [`Mode`]s. Each message is checked when it
//! arrives: its number, its length, its bytes.
//!
//! Between processes the other end is this program, started again with `--other-end`
//! ([`crate::table`]), the row, the candidate, the mode and the names of the rings. It ends when
//! its standard input ends, which its parent holds.

mod call;
mod end;
mod other_end;
mod receive;
mod round_trip;
mod stream;

pub use call::CallEngine;
pub use round_trip::{DITHERED, RoundTrip};
pub use stream::{Pinning, Stream};

use crate::content::Content;
use crate::engine::Engine;
use crate::patience::Stop;
use crate::pin::CorePair;
use crate::repeat::Contestant;
use crate::ring_spec::Delivery;
use crate::table::Figures;
use std::fmt;
use std::thread;
use std::time::Duration;

/// What the two ends of a measurement are to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peers {
    /// Two threads of one process.
    Threads,
    /// Two processes.
    Processes,
}

/// How messages get into and out of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// One at a time, copied in and out.
    Copied,
    /// One at a time, filled and looked at where they lie.
    InPlace,
    /// Written one at a time, read up to 64 by one call.
    Gathered,
}

/// What an end does when it finds no message, or no room. Both ends of a measurement do the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// `try_` calls, with so many PAUSE instructions after one that found nothing.
    Pauses(u32),
    /// `try_` calls, with a `sched_yield` after one that found nothing: for ends that share a core.
    Yielding,
    /// A `try_` call; if it found nothing, the engine's own waiting call.
    Blocking,
}

/// How an engine is used in a repetition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    /// How messages get in and out.
    pub transfer: Transfer,
    /// How the ends wait.
    pub wait: Wait,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.transfer {
            Transfer::Copied => "copied, ",
            Transfer::InPlace => "in place, ",
            Transfer::Gathered => "reads up to 64, ",
        })?;
        match self.wait {
            Wait::Pauses(1) => f.write_str("1 pause"),
            Wait::Pauses(pauses) => write!(f, "{pauses} pauses"),
            Wait::Yielding => f.write_str("yielding"),
            Wait::Blocking => f.write_str("blocking"),
        }
    }
}

/// One repetition.
#[derive(Clone, Copy, Debug)]
pub struct Repetition<'a> {
    /// The row that it is for.
    pub row: &'a str,
    /// Where the ends run.
    pub cores: CorePair,
    /// The timed part.
    pub duration: Duration,
}

type Measure = dyn Fn(&Repetition<'_>, Mode, &[&str]) -> Result<Figures, String>;
type PlayMode = dyn Fn(Mode, &[String]) -> Result<(), String>;

/// An engine in a row, and the modes in which it is measured there.
pub struct Candidate {
    /// The name of the engine, unless the row gave another.
    pub name: &'static str,
    /// At least one.
    pub modes: Vec<Mode>,
    measure: Box<Measure>,
    other_end: Box<PlayMode>,
}

/// Filling and looking in place can pay from here on: a smaller message is a few registers.
const LEAST_IN_PLACE: usize = 64;

fn is_in_place<E: Engine, C: Content>() -> bool {
    E::CAPABILITIES.writes_in_place && E::CAPABILITIES.reads_in_place && C::BYTES >= LEAST_IN_PLACE
}

impl Candidate {
    /// A stream through `E` of messages `C`.
    pub fn stream<E: Engine + 'static, C: Content + 'static>(stream: Stream, waits: &[Wait]) -> Self {
        let mut transfers = vec![Transfer::Copied];
        if stream.spec.delivery != Delivery::Queue {
            transfers.push(Transfer::Gathered);
        }
        if is_in_place::<E, C>() {
            transfers.push(Transfer::InPlace);
        }
        if stream.in_batches {
            transfers = vec![Transfer::Gathered];
        }
        Self::new(
            E::NAME,
            modes(&transfers, waits),
            move |run, mode, name| stream.measure::<E, C>(run, mode, name),
            move |mode, rings| stream.other_end::<E, C>(mode, rings),
        )
    }

    /// A round trip through two `E` of messages `C`.
    pub fn round_trip<E: Engine + 'static, C: Content + 'static>(trip: RoundTrip, waits: &[Wait]) -> Self {
        let in_place = is_in_place::<E, C>().then_some(Transfer::InPlace);
        let transfers: Vec<_> = [Transfer::Copied].into_iter().chain(in_place).collect();
        Self::new(
            E::NAME,
            modes(&transfers, waits),
            move |run, mode, name| trip.measure::<E, C>(run, mode, name),
            |mode, rings| RoundTrip::other_end::<E, C>(mode, rings),
        )
    }

    fn new(
        name: &'static str,
        modes: Vec<Mode>,
        measure: impl Fn(&Repetition<'_>, Mode, &[&str]) -> Result<Figures, String> + 'static,
        other_end: impl Fn(Mode, &[String]) -> Result<(), String> + 'static,
    ) -> Self {
        Self { name, modes, measure: Box::new(measure), other_end: Box::new(other_end) }
    }

    /// The same candidate by another name.
    #[must_use]
    pub fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// The same candidate in the modes of one transfer.
    #[must_use]
    pub fn only(mut self, transfer: Transfer) -> Self {
        self.modes.retain(|mode| mode.transfer == transfer);
        self
    }

    /// The candidate and its mode, as tables name them.
    pub fn label(&self, mode: Mode) -> String {
        format!("{} ({mode})", self.name)
    }

    /// One repetition.
    ///
    /// # Errors
    /// What the engine reports, and messages that are lost or torn.
    pub fn measure(&self, run: &Repetition<'_>, mode: Mode) -> Result<Figures, String> {
        let index = self.modes.iter().position(|known| *known == mode).ok_or("not a mode of this engine")?;
        (self.measure)(run, mode, &[run.row, self.name, &index.to_string()])
    }
}

/// Every candidate in every mode.
pub fn contestants<'a>(candidates: &'a [Candidate], run: &'a Repetition<'_>) -> Vec<Contestant<'a, Figures>> {
    let of = |candidate: &'a Candidate| {
        candidate
            .modes
            .iter()
            .map(move |&mode| Contestant::new(candidate.label(mode), move || candidate.measure(run, mode)))
    };
    candidates.iter().flat_map(of).collect()
}

/// Plays the other end of a repetition in this process. `arguments` are a candidate's name, the
/// index of its mode, and the names of rings.
///
/// # Errors
/// What the engine reports, and a candidate or mode that there is not.
pub fn other_end(candidates: &[Candidate], arguments: &[String]) -> Result<(), String> {
    let [name, mode, rings @ ..] = arguments else { return Err("a candidate and a mode".into()) };
    let candidate = candidates.iter().find(|known| known.name == name);
    let candidate = candidate.ok_or_else(|| format!("no such engine: {name}"))?;
    let mode = mode.parse().ok().and_then(|index: usize| candidate.modes.get(index));
    (candidate.other_end)(*mode.ok_or("no such mode")?, rings)
}

fn modes(transfers: &[Transfer], waits: &[Wait]) -> Vec<Mode> {
    transfers.iter().flat_map(|&transfer| waits.iter().map(move |&wait| Mode { transfer, wait })).collect()
}

pub(crate) fn joined<T>(result: thread::Result<Result<T, String>>) -> Result<T, String> {
    result.unwrap_or_else(|_| Err("an end panicked".into()))
}

fn text(error: impl fmt::Display) -> String {
    error.to_string()
}

/// The failure of an end that was not asked to stop.
fn failure(end: Result<(), Stop>) -> Result<(), String> {
    match end {
        Ok(()) | Err(Stop::Closed) => Ok(()),
        Err(Stop::Failed(error)) => Err(error),
    }
}
