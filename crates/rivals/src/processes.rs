//! Streams and round trips between two processes: the other end is this program again.
//!
//! It is told the row, the entrant, the manner and the names of the rings, and ends when its standard input does, which its
//! parent holds.

use crate::end::End;
use crate::entrant::Run;
use crate::manner::{Form, Manner};
use crate::payload::Payload;
use crate::receive::{Copying, Looking, Receive, Seen};
use crate::stream::{Stream, block, figures, joined};
use crate::trip::{Side, Trip};
use harness::child::{die_with_parent, ended};
use harness::engine::{Engine, EngineReader};
use harness::patience::Stop;
use harness::pin::{CorePair, pin_to};
use harness::receiver::{Receiver, Tally};
use harness::refusal::EngineError;
use harness::ring_spec::{Place, RingSpec};
use harness::table::Figures;
use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

fn failed(error: EngineError) -> String {
    error.to_string()
}

/// A ring, and the name by which the other end opens it.
fn create<E: Engine>(spec: &RingSpec) -> Result<(E, String), String> {
    static CREATED: AtomicUsize = AtomicUsize::new(0);
    // Relaxed: a number of its own for each name, orders nothing.
    let number = CREATED.fetch_add(1, Ordering::Relaxed);
    let name = format!("seqring-rivals-{}-{number}", std::process::id());
    Ok((E::create(spec, &Place::Named(name.clone())).map_err(failed)?, name))
}

/// The other end, told to end when this is dropped.
struct Other(Child);

impl Other {
    /// Starts the other end, and only then ties this one to its core: a child inherits what its parent may run on.
    fn start(run: &Run<'_>, manner: Manner, rings: &[String]) -> Result<Self, String> {
        let program =
            std::env::current_exe().map_err(|error| format!("this program has no path: {error}"))?;
        let arguments = ["--part", run.row, run.entrant, &manner.to_string()];
        let child = Command::new(program).args(arguments).args(rings).stdin(Stdio::piped()).spawn();
        let child = child.map(Self).map_err(|error| error.to_string())?;
        pin_to(run.cores.ours()).map_err(|error| error.to_string())?;
        Ok(child)
    }

    fn end(mut self) -> Result<(), String> {
        drop(self.0.stdin.take());
        ended(self.0).map_err(|error| format!("the other end: {error}"))
    }
}

/// Runs `ours` in a thread of its own: some engines' ends stay on the thread that made them, and it pins itself.
fn apart<T: Send>(ours: impl FnOnce() -> Result<T, String> + Send) -> Result<T, String> {
    thread::scope(|scope| joined(scope.spawn(ours).join()))
}

impl Stream {
    /// As [`Stream::in_threads`], with the writer in a process of its own; the reader takes the time.
    pub(crate) fn in_processes<E: Engine, C: Payload>(
        &self,
        run: &Run<'_>,
        manner: Manner,
    ) -> Result<Figures, String> {
        apart(|| {
            let (engine, name) = create::<E>(&self.spec)?;
            let reader = engine.reader().map_err(failed)?;
            let other = Other::start(run, manner, &[name])?;
            let figures = self.receive::<_, C>(reader, manner, run.duration);
            other.end()?;
            figures.map_err(Stop::unexpected)
        })
    }

    fn receive<R: EngineReader, C: Payload>(
        &self,
        reader: R,
        manner: Manner,
        duration: Duration,
    ) -> Result<Figures, Stop> {
        let stop = AtomicBool::new(false);
        let end = End { wait: manner.wait, stop: &stop };
        match manner.form {
            Form::InPlace => {
                self.timed::<C>(Receiver::new(Seen, Looking::<_, C>::new(reader, end)), duration)
            }
            Form::Copied | Form::Gathered => {
                self.timed::<C>(Receiver::new(C::fresh(), Copying(reader, end)), duration)
            }
        }
    }

    fn timed<C: Payload>(&self, mut receiver: impl Receive, duration: Duration) -> Result<Figures, Stop> {
        receiver.receive(2 * self.spec.slots as u64)?;
        let (before, begin) = (receiver.tally(), Instant::now());
        let mut elapsed = Duration::ZERO;
        while elapsed < duration {
            receiver.receive(block(C::BYTES))?;
            elapsed = begin.elapsed();
        }
        let after = receiver.tally();
        let received = after.received - before.received;
        let millions = received as f64 / elapsed.as_secs_f64() / 1e6;
        let tally = Tally { received, missed: after.missed - before.missed, lags: after.lags - before.lags };
        Ok(figures(millions * self.scale, [tally].into_iter()))
    }

    /// The other end of [`Stream::in_processes`].
    pub(crate) fn play<E: Engine, C: Payload>(&self, manner: Manner, rings: &[String]) -> Result<(), String> {
        let [ring] = rings else { return Err("a stream has one ring".into()) };
        as_other(|stop| {
            let engine = E::open(ring).map_err(failed)?;
            let writer = engine.writer().map_err(failed)?;
            let end = End { wait: manner.wait, stop };
            self.write::<_, C>(writer, 0, manner, end).map(drop).map_err(Stop::unexpected)
        })
    }
}

impl Trip {
    /// As [`Trip::in_threads`], with the other side in a process of its own.
    pub(crate) fn in_processes<E: Engine, C: Payload>(
        &self,
        run: &Run<'_>,
        manner: Manner,
    ) -> Result<Figures, String> {
        apart(|| {
            let ((asks, ask), (answers, answer)) = (create::<E>(&self.spec)?, create::<E>(&self.spec)?);
            let reader = answers.reader().map_err(failed)?;
            let mut ours: Side<_, _, C> = Side::new(asks.writer().map_err(failed)?, reader);
            let other = Other::start(run, manner, &[ask, answer])?;
            let stop = AtomicBool::new(false);
            let end = End { wait: manner.wait, stop: &stop };
            let nanos = ours.await_greeting(&stop).map_err(Stop::unexpected);
            let nanos = nanos.and_then(|()| ours.ask(manner.form, end, run.duration));
            other.end()?;
            Ok(Figures::main(nanos? * self.scale))
        })
    }

    /// The other end of [`Trip::in_processes`].
    pub(crate) fn play<E: Engine, C: Payload>(manner: Manner, rings: &[String]) -> Result<(), String> {
        let [ask, answer] = rings else { return Err("a round trip has two rings".into()) };
        as_other(|stop| {
            let (asks, answers) = (E::open(ask).map_err(failed)?, E::open(answer).map_err(failed)?);
            let reader = asks.reader().map_err(failed)?;
            let mut side: Side<_, _, C> = Side::new(answers.writer().map_err(failed)?, reader);
            let end = End { wait: manner.wait, stop };
            side.greet(end).map_err(Stop::unexpected)?;
            side.echo(manner.form, end)
        })
    }
}

/// Runs `part` on the other core until standard input ends.
fn as_other(part: impl FnOnce(&AtomicBool) -> Result<(), String>) -> Result<(), String> {
    // Ctrl-C reaches the whole process group; only the parent acts on it.
    ctrlc::set_handler(|| ()).map_err(|error| error.to_string())?;
    die_with_parent().map_err(|error| error.to_string())?;
    let cores = CorePair::first_allowed().map_err(|error| error.to_string())?;
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    thread::spawn(move || {
        // A failure is an end, too.
        let _ = io::stdin().read(&mut [0]);
        flag.store(true, Ordering::Relaxed); // Relaxed: a request, orders nothing.
    });
    pin_to(cores.theirs()).map_err(|error| error.to_string())?;
    part(&stop)
}
