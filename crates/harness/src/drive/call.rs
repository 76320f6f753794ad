//! Calls: a question, and its answer in the same place; and the one line that they need.

use super::other_end::{OtherEnd, serve};
use super::round_trip::{nanos_a_trip, steps, wrong};
use super::{Candidate, Mode, Peers, Repetition, Transfer, Wait, joined, text};
use crate::content::Content;
use crate::line::LineProbe;
use crate::patience::Stop;
use crate::pin::pin_to;
use crate::refusal::EngineError;
use crate::ring_spec::Place;
use crate::table::Figures;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// What answers calls. Each end waits by itself, in the way that it was made with.
pub trait CallEngine: Sized + Sync {
    /// The name in tables.
    const NAME: &'static str;
    /// Asks.
    type Caller: Send;
    /// Answers.
    type Server: Send;

    /// A place for one caller and one server, with payloads of so many bytes.
    ///
    /// # Errors
    /// What the library reports; so for the others.
    fn create(bytes: usize, place: &Place) -> Result<Self, EngineError>;

    /// The place of that name.
    ///
    /// # Errors
    /// See [`Self::create`].
    fn open(name: &str) -> Result<Self, EngineError>;

    /// The end that asks.
    ///
    /// # Errors
    /// See [`Self::create`].
    fn caller(&self, wait: Wait) -> Result<Self::Caller, EngineError>;

    /// The end that answers.
    ///
    /// # Errors
    /// See [`Self::create`].
    fn server(&self, wait: Wait) -> Result<Self::Server, EngineError>;

    /// Asks, and waits for the answer. Returns its length.
    ///
    /// # Errors
    /// What the library reports, as a text.
    fn call(caller: &mut Self::Caller, question: &[u8], out: &mut [u8]) -> Result<usize, String>;

    /// Answers every question with its own bytes, until [`Self::close`].
    ///
    /// # Errors
    /// See [`Self::call`].
    fn echo(server: &mut Self::Server) -> Result<(), String>;

    /// Ends the server.
    fn close(&self);
}

impl Candidate {
    /// Calls of `E` with questions and answers `C`: nanoseconds a call.
    pub fn call<E: CallEngine + 'static, C: Content + 'static>(peers: Peers, waits: &[Wait]) -> Self {
        let measure = move |run: &Repetition<'_>, mode: Mode, name: &[&str]| {
            let nanos = match peers {
                Peers::Threads => in_threads::<E, C>(run, mode.wait),
                Peers::Processes => in_processes::<E, C>(run, mode.wait, name),
            };
            nanos.map(Figures::main)
        };
        let other_end = |mode: Mode, rings: &[String]| {
            let [name] = rings else { return Err("calls have one ring".into()) };
            serve(|_| E::echo(&mut E::open(name).and_then(|calls| calls.server(mode.wait)).map_err(text)?))
        };
        Self::new(E::NAME, super::modes(&[Transfer::Copied], waits), measure, other_end)
    }

    /// The round trip of one cache line between two threads.
    pub fn line() -> Self {
        /// 9 bursts of near cores take some 0.4 s.
        const TRIPS: u64 = 700_000;
        let measure = |run: &Repetition<'_>, _: Mode, _: &[&str]| {
            LineProbe::new(run.cores).with_trips(TRIPS).measure().map(Figures::main).map_err(text)
        };
        let no_other_end = |_: Mode, _: &[String]| Err("both ends are threads".into());
        Self::new("one line", super::modes(&[Transfer::Copied], &[Wait::Pauses(1)]), measure, no_other_end)
    }
}

fn in_threads<E: CallEngine, C: Content>(run: &Repetition<'_>, wait: Wait) -> Result<f64, String> {
    let calls = E::create(C::BYTES, &Place::Heap).map_err(text)?;
    let mut server = calls.server(wait).map_err(text)?;
    let mut caller = calls.caller(wait).map_err(text)?;
    let (nanos, echo) = thread::scope(|scope| {
        let echo = scope.spawn(|| {
            pin_to(run.cores.theirs()).map_err(text)?;
            E::echo(&mut server)
        });
        let ours = scope.spawn(|| {
            let nanos = pin_to(run.cores.ours()).map_err(text);
            let nanos = nanos.and_then(|()| ask::<E, C>(&mut caller, run, wait));
            calls.close();
            nanos
        });
        (joined(ours.join()), joined(echo.join()))
    });
    echo.and(nanos)
}

fn in_processes<E: CallEngine, C: Content>(
    run: &Repetition<'_>,
    wait: Wait,
    name: &[&str],
) -> Result<f64, String> {
    static CREATED: AtomicUsize = AtomicUsize::new(0);
    // Relaxed: a number of its own for each name, orders nothing.
    let ring = format!("seqring-calls-{}-{}", std::process::id(), CREATED.fetch_add(1, Ordering::Relaxed));
    let calls = E::create(C::BYTES, &Place::Named(ring.clone())).map_err(text)?;
    let other = OtherEnd::start(name, &[ring])?;
    let nanos = thread::scope(|scope| {
        let ours = scope.spawn(|| {
            pin_to(run.cores.ours()).map_err(text)?;
            ask::<E, C>(&mut calls.caller(wait).map_err(text)?, run, wait)
        });
        joined(ours.join())
    });
    calls.close();
    other.end().and(nanos)
}

/// Asks for as long as the repetition says; nanoseconds a call. The first one waits for the server.
fn ask<E: CallEngine, C: Content>(
    caller: &mut E::Caller,
    run: &Repetition<'_>,
    wait: Wait,
) -> Result<f64, String> {
    let (mut question, mut answer) = (C::new(), C::new());
    let mut call = |number: u64| {
        let bytes = E::call(caller, question.message(number), answer.out()).map_err(Stop::Failed)?;
        if answer.is_whole(number, bytes) { Ok(()) } else { Err(wrong(number)) }
    };
    call(0).map_err(Stop::unexpected)?;
    nanos_a_trip(run.duration, steps(wait), call).map_err(Stop::unexpected)
}
