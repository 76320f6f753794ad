//! Round trips: a message through one ring, and the same message back through another.

use super::end::{End, Miss};
use super::other_end::{OtherEnd, create, serve};
use super::{Mode, Peers, Repetition, Transfer, Wait, joined, text};
use crate::content::Content;
use crate::engine::{Engine, EngineReader, EngineWriter};
use crate::patience::Stop;
use crate::payload::mix;
use crate::pin::pin_to;
use crate::ring_spec::{Place, RingSpec};
use crate::spread::median_of;
use crate::table::Figures;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A round trip to be measured.
#[derive(Clone, Copy, Debug)]
pub struct RoundTrip {
    /// Of each of the two rings.
    pub spec: RingSpec,
    /// Where the two sides are.
    pub peers: Peers,
    /// What a nanosecond there and back is in the row's unit.
    pub scale: f64,
}

/// The two ends of one side.
struct Side<W, R, C> {
    writer: W,
    reader: R,
    content: C,
}

fn side<E: Engine, C: Content>(to: &E, from: &E) -> Result<Side<E::Writer, E::Reader, C>, String> {
    let (reader, writer) = (from.reader().map_err(text)?, to.writer().map_err(text)?);
    Ok(Side { writer, reader, content: C::new() })
}

impl RoundTrip {
    /// Nanoseconds there and back, times the scale.
    pub(super) fn measure<E: Engine, C: Content>(
        &self,
        run: &Repetition<'_>,
        mode: Mode,
        name: &[&str],
    ) -> Result<Figures, String> {
        let stop = AtomicBool::new(false);
        let end = End { wait: mode.wait, stop: &stop };
        let nanos = match self.peers {
            Peers::Threads => self.in_threads::<E, C>(run, mode.transfer, end),
            // In one thread: the ends of some engines stay on the thread that made them.
            Peers::Processes => thread::scope(|scope| {
                let ours = || self.in_processes::<E, C>(run, mode.transfer, end, name);
                joined(scope.spawn(ours).join())
            }),
        };
        Ok(Figures::main(nanos? * self.scale))
    }

    fn in_threads<E: Engine, C: Content>(
        &self,
        run: &Repetition<'_>,
        transfer: Transfer,
        end: End<'_>,
    ) -> Result<f64, String> {
        let create = || E::create(&self.spec, &Place::Heap).map_err(text);
        let (asks, answers) = (create()?, create()?);
        let theirs = side::<E, C>(&answers, &asks)?;
        let ours = side::<E, C>(&asks, &answers)?;
        let (nanos, echo) = thread::scope(|scope| {
            let echo = scope.spawn(|| {
                pin_to(run.cores.theirs()).map_err(text)?;
                theirs.echo(transfer, end)
            });
            let ours = scope.spawn(|| {
                let nanos = pin_to(run.cores.ours()).map_err(text);
                let nanos = nanos.and_then(|()| ours.ask(transfer, end, run.duration));
                end.stop.store(true, Ordering::Relaxed); // Relaxed: a request, orders nothing.
                nanos
            });
            (joined(ours.join()), joined(echo.join()))
        });
        echo.and(nanos)
    }

    fn in_processes<E: Engine, C: Content>(
        &self,
        run: &Repetition<'_>,
        transfer: Transfer,
        end: End<'_>,
        name: &[&str],
    ) -> Result<f64, String> {
        let ((asks, ask), (answers, answer)) = (create::<E>(&self.spec)?, create::<E>(&self.spec)?);
        let mut ours = side::<E, C>(&asks, &answers)?;
        let other = OtherEnd::start(name, &[ask, answer])?;
        pin_to(run.cores.ours()).map_err(text)?;
        // The other process starts meanwhile.
        let patient = End { wait: Wait::Yielding, ..end };
        let greeting = patient.until(|timeout| ours.reader.get(ours.content.out(), timeout));
        let greeting = greeting.map_err(|miss| Stop::from(miss).unexpected());
        let nanos = greeting.and_then(|_| ours.ask(transfer, end, run.duration));
        other.end().and(nanos)
    }

    /// The other end of a repetition between processes.
    pub(super) fn other_end<E: Engine, C: Content>(mode: Mode, rings: &[String]) -> Result<(), String> {
        let [ask, answer] = rings else { return Err("a round trip has two rings".into()) };
        serve(|stop| {
            let (asks, answers) = (E::open(ask).map_err(text)?, E::open(answer).map_err(text)?);
            let mut side = side::<E, C>(&answers, &asks)?;
            let end = End { wait: mode.wait, stop };
            let Side { writer, content, .. } = &mut side;
            let greeting = end.until(|timeout| writer.put(content.message(0), timeout));
            greeting.map_err(|miss| Stop::from(miss).unexpected())?;
            side.echo(mode.transfer, end)
        })
    }
}

impl<W: EngineWriter, R: EngineReader, C: Content> Side<W, R, C> {
    /// Answers until it is to stop.
    fn echo(mut self, transfer: Transfer, end: End<'_>) -> Result<(), String> {
        let Err(miss) = match transfer {
            Transfer::InPlace => self.echo_in_place(end),
            Transfer::Copied | Transfer::Gathered => self.echo_copies(end),
        };
        super::failure(Err(miss.into()))
    }

    fn echo_copies(&mut self, end: End<'_>) -> Result<std::convert::Infallible, Miss> {
        loop {
            let Self { writer, reader, content } = self;
            let bytes = end.until(|timeout| reader.get(content.out(), timeout))?;
            let message = &content.out()[..bytes];
            end.until(|timeout| writer.put(message, timeout))?;
        }
    }

    fn echo_in_place(&mut self, end: End<'_>) -> Result<std::convert::Infallible, Miss> {
        let Self { writer, reader, .. } = self;
        loop {
            end.until(|timeout| {
                reader.get_with(timeout, |bytes| {
                    end.until(|timeout| writer.put_with(bytes.len(), timeout, |sink| sink.put(0, bytes)))
                })
            })??;
        }
    }

    /// Asks for `duration`; nanoseconds there and back.
    fn ask(mut self, transfer: Transfer, end: End<'_>, duration: Duration) -> Result<f64, String> {
        let steps = steps(end.wait);
        let nanos = match transfer {
            Transfer::InPlace => nanos_a_trip(duration, steps, |trip| self.ask_in_place(trip, end)),
            Transfer::Copied | Transfer::Gathered => {
                nanos_a_trip(duration, steps, |trip| self.ask_with_copies(trip, end))
            }
        };
        nanos.map_err(Stop::unexpected)
    }

    #[inline(always)]
    fn ask_with_copies(&mut self, trip: u64, end: End<'_>) -> Result<(), Stop> {
        let Self { writer, reader, content } = self;
        let message = content.message(trip);
        end.until(|timeout| writer.put(message, timeout))?;
        let bytes = end.until(|timeout| reader.get(content.out(), timeout))?;
        if self.content.is_whole(trip, bytes) { Ok(()) } else { Err(wrong(trip)) }
    }

    #[inline(always)]
    fn ask_in_place(&mut self, trip: u64, end: End<'_>) -> Result<(), Stop> {
        let Self { writer, reader, .. } = self;
        end.until(|timeout| writer.put_with(C::BYTES, timeout, |sink| C::fill(sink, trip)))?;
        let right = end.until(|timeout| reader.get_with(timeout, |bytes| C::shows(bytes, trip)))?;
        if right { Ok(()) } else { Err(wrong(trip)) }
    }
}

/// How rows describe the pauses of a round trip.
pub const DITHERED: &str = "a random pause before each question, subtracted";

/// Bursts of a repetition.
const BURSTS: u32 = 9;

/// Between two readings of the clock.
const TRIPS: u64 = 1000;

/// The longest [`dither`] for each PAUSE between two polls, in its steps: about twice as long.
const STEPS_A_PAUSE: u32 = 24;

/// Nanoseconds for each round trip: the median of [`BURSTS`] means, taken in `duration`. `trip`
/// makes the trip of that number, from 0.
///
/// Before each trip is a random pause of up to `steps`: without it the polls of the two ends fall
/// into step, and the same code takes 82 or 125 ns by that alone. The same pauses are timed without
/// trips, between any two thousand trips, and subtracted.
///
/// # Errors
/// Why a trip failed.
pub(super) fn nanos_a_trip(
    duration: Duration,
    steps: u32,
    mut trip: impl FnMut(u64) -> Result<(), Stop>,
) -> Result<f64, Stop> {
    let mut trips = 0;
    let mut burst = |length: Duration| {
        let (first, mut spent, begin) = (trips, Duration::ZERO, Instant::now());
        while begin.elapsed() < length {
            let numbers = trips..trips + TRIPS;
            let asking = Instant::now();
            for number in numbers.clone() {
                dither(number, steps);
                trip(number)?;
            }
            let pausing = Instant::now();
            numbers.for_each(|number| dither(number, steps));
            spent += (pausing - asking).saturating_sub(pausing.elapsed());
            trips += TRIPS;
        }
        Ok(spent.as_nanos() as f64 / (trips - first) as f64)
    };
    let length = duration / BURSTS;
    burst(length / 10)?;
    let means: Result<Vec<f64>, Stop> = (0..BURSTS).map(|_| burst(length)).collect();
    median_of(&means?).ok_or_else(|| Stop::failed("no bursts"))
}

/// The longest [`dither`] for ends that wait so.
pub(super) fn steps(wait: Wait) -> u32 {
    let pauses = if let Wait::Pauses(pauses) = wait { pauses } else { 1 };
    STEPS_A_PAUSE * pauses.max(1)
}

/// A pause of 0 to `steps` steps of some 2 ns, at random by `number`. Finer than a PAUSE, which is
/// what the polls fall into step by.
#[inline(always)]
fn dither(number: u64, steps: u32) {
    let random = mix(number) >> 32;
    for step in 0..(random * u64::from(steps)) >> 32 {
        black_box(step);
    }
}

#[cold]
pub(super) fn wrong(trip: u64) -> Stop {
    Stop::Failed(format!("the answer to message {trip} is missing or torn"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trip_that_fails_ends_it() {
        let mut next = 0;
        let end = nanos_a_trip(Duration::from_secs(1), 24, |trip| {
            assert_eq!(trip, next);
            next += 1;
            if trip == TRIPS - 1 { Err(Stop::Closed) } else { Ok(()) }
        });
        assert!(matches!(end, Err(Stop::Closed)));
        assert_eq!(next, TRIPS);
    }
}
