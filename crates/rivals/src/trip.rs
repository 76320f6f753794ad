//! Round trips: a message through one ring, and the same one back through another.

use crate::end::{End, Miss, Wait};
use crate::entrant::Run;
use crate::manner::{Form, Manner};
use crate::payload::Payload;
use crate::stream::joined;
use harness::engine::{Engine, EngineReader, EngineWriter};
use harness::patience::Stop;
use harness::pin::pin_to;
use harness::ring_spec::{Place, RingSpec};
use harness::sink::Scratch;
use harness::table::Figures;
use harness::trips::nanos_a_trip;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// A round trip to be measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trip {
    pub(crate) spec: RingSpec,
    /// What a nanosecond there and back is in the row's unit.
    pub(crate) scale: f64,
}

/// The two ends that one side has.
pub(crate) struct Side<W, R, C> {
    pub(crate) writer: W,
    pub(crate) reader: R,
    content: C,
    read: Scratch,
    written: Scratch,
}

impl Trip {
    /// Nanoseconds there and back, times the scale.
    pub(crate) fn in_threads<E: Engine, C: Payload>(
        &self,
        run: &Run<'_>,
        manner: Manner,
    ) -> Result<Figures, String> {
        let create = || E::create(&self.spec, &Place::Heap).map_err(|error| error.to_string());
        let (asks, answers) = (create()?, create()?);
        let failed = |error: harness::refusal::EngineError| error.to_string();
        let theirs: Side<_, _, C> =
            Side::new(answers.writer().map_err(failed)?, asks.reader().map_err(failed)?);
        let ours: Side<_, _, C> =
            Side::new(asks.writer().map_err(failed)?, answers.reader().map_err(failed)?);
        let stop = AtomicBool::new(false);
        let end = End { wait: manner.wait, stop: &stop };
        let (nanos, echo) = thread::scope(|scope| {
            let echo = scope.spawn(|| {
                pin_to(run.cores.theirs()).map_err(|error| error.to_string())?;
                theirs.echo(manner.form, end)
            });
            let ours = scope.spawn(|| {
                let nanos = pin_to(run.cores.ours()).map_err(|error| error.to_string());
                let nanos = nanos.and_then(|()| ours.ask(manner.form, end, run.duration));
                stop.store(true, Ordering::Relaxed); // Relaxed: a request, orders nothing.
                nanos
            });
            (joined(ours.join()), joined(echo.join()))
        });
        echo?;
        Ok(Figures::main(nanos? * self.scale))
    }
}

impl<W: EngineWriter, R: EngineReader, C: Payload> Side<W, R, C> {
    pub(crate) fn new(writer: W, reader: R) -> Self {
        let (read, written) = (Scratch::new(C::BYTES), Scratch::new(C::BYTES));
        Self { writer, reader, content: C::fresh(), read, written }
    }

    /// Says that this side is there.
    pub(crate) fn greet(&mut self, end: End<'_>) -> Result<(), Stop> {
        Ok(end.put(&mut self.writer, self.content.message(0))?)
    }

    /// Waits until the other side is there: its process starts meanwhile.
    pub(crate) fn await_greeting(&mut self, stop: &AtomicBool) -> Result<(), Stop> {
        let end = End { wait: Wait::Yielding, stop };
        Ok(end.get(&mut self.reader, self.content.out()).map(drop)?)
    }

    /// Answers until it is told to stop.
    pub(crate) fn echo(mut self, form: Form, end: End<'_>) -> Result<(), String> {
        let echoed = match form {
            Form::InPlace => self.echo_in_place(end),
            Form::Copied | Form::Gathered => self.echo_copies(end),
        };
        match echoed.into() {
            Stop::Closed => Ok(()),
            Stop::Failed(error) => Err(error),
        }
    }

    fn echo_copies(&mut self, end: End<'_>) -> Miss {
        loop {
            let bytes = match end.get(&mut self.reader, self.content.out()) {
                Ok(bytes) => bytes,
                Err(miss) => return miss,
            };
            if let Err(miss) = end.put(&mut self.writer, &self.content.out()[..bytes]) {
                return miss;
            }
        }
    }

    fn echo_in_place(&mut self, end: End<'_>) -> Miss {
        let Self { writer, reader, read, written, .. } = self;
        loop {
            let answered = end.get_with(reader, read, |bytes| {
                end.put_with(writer, bytes.len(), written, |sink| sink.put(0, bytes))
            });
            if let Err(miss) | Ok(Err(miss)) = answered {
                return miss;
            }
        }
    }

    /// Asks for `duration`; nanoseconds there and back.
    pub(crate) fn ask(mut self, form: Form, end: End<'_>, duration: Duration) -> Result<f64, String> {
        let nanos = match form {
            Form::InPlace => nanos_a_trip(duration, |trip| self.ask_in_place(trip, end)),
            Form::Copied | Form::Gathered => nanos_a_trip(duration, |trip| self.ask_with_copies(trip, end)),
        };
        nanos.map_err(Stop::unexpected)
    }

    #[inline(always)]
    fn ask_with_copies(&mut self, trip: u64, end: End<'_>) -> Result<(), Stop> {
        end.put(&mut self.writer, self.content.message(trip))?;
        let bytes = end.get(&mut self.reader, self.content.out())?;
        if self.content.is_whole(trip, bytes) { Ok(()) } else { Err(wrong(trip)) }
    }

    #[inline(always)]
    fn ask_in_place(&mut self, trip: u64, end: End<'_>) -> Result<(), Stop> {
        end.put_with(&mut self.writer, C::BYTES, &mut self.written, |sink| C::fill(sink, trip))?;
        let right = end.get_with(&mut self.reader, &mut self.read, |bytes| C::shows(bytes, trip))?;
        if right { Ok(()) } else { Err(wrong(trip)) }
    }
}

#[cold]
fn wrong(trip: u64) -> Stop {
    Stop::Failed(format!("the answer to message {trip} is missing or torn"))
}
