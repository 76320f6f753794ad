//! Streams: writers and readers as fast as they go, each tied to a core.

use super::end::{End, Miss};
use super::other_end::{OtherEnd, create, serve};
use super::receive::{BATCH, Receiver, Tally, WRITER_SHIFT};
use super::{Mode, Peers, Repetition, Transfer, failure, joined, text};
use crate::content::Content;
use crate::engine::{Engine, EngineReader, EngineWriter};
use crate::patience::{LONGEST, Stop};
use crate::pin::{Core, pin_to};
use crate::ring_spec::{Delivery, Place, RingSpec};
use crate::table::Figures;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Each end checks whether it is to stop, and readers publish their counts, once in so many bytes
/// or messages.
const BLOCK_BYTES: usize = 1 << 20;
const BLOCK_MESSAGES: usize = 1024;

/// All readers together get so many times the ring's slots before the clock starts.
const WARM_UP_LAPS: usize = 2;

/// Which ends share a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pinning {
    /// Readers on one core, writers on the other.
    Split,
    /// The n-th reader and the n-th writer on the n-th core, in turn.
    Mixed,
}

/// A stream to be measured.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    /// The ring, and how many ends it has.
    pub spec: RingSpec,
    /// Between processes there is one writer, in the other process, and one reader.
    pub peers: Peers,
    /// Which ends share a core.
    pub pinning: Pinning,
    /// Whether messages are written 64 by one call.
    pub in_batches: bool,
    /// What a million messages a second are in the row's unit.
    pub scale: f64,
}

const fn block(bytes: usize) -> u64 {
    match BLOCK_BYTES / bytes {
        0 => 1,
        messages if messages > BLOCK_MESSAGES => BLOCK_MESSAGES as u64,
        messages => messages as u64,
    }
}

/// A reader's count, on lines of its own.
#[derive(Default)]
#[repr(align(128))]
struct Count(AtomicU64);

/// What the threads of a repetition have in common.
struct Control {
    stop: AtomicBool,
    writing: AtomicUsize,
    counts: Vec<Count>,
}

impl Control {
    // Relaxed: a request, orders nothing.
    fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Runs `part` on `core`; a failure stops all ends.
    fn pinned<T>(&self, core: Core, part: impl FnOnce() -> Result<T, Stop>) -> Result<T, String> {
        let done = pin_to(core).map_err(Stop::failed).and_then(|()| part());
        if done.is_err() {
            self.stop();
        }
        done.map_err(Stop::unexpected)
    }
}

impl Stream {
    /// Between two threads, one each of writer and reader.
    pub fn new(spec: RingSpec) -> Self {
        Self { spec, peers: Peers::Threads, pinning: Pinning::Split, in_batches: false, scale: 1.0 }
    }

    /// Million messages a second that all readers got together, times the scale; what was lost
    /// beside it.
    pub(super) fn measure<E: Engine, C: Content>(
        &self,
        run: &Repetition<'_>,
        mode: Mode,
        name: &[&str],
    ) -> Result<Figures, String> {
        let control = Control {
            stop: AtomicBool::new(false),
            writing: AtomicUsize::new(self.spec.writers),
            counts: (0..self.spec.readers).map(|_| Count::default()).collect(),
        };
        let (rate, read) = match self.peers {
            Peers::Threads => self.in_threads::<E, C>(run, mode, &control),
            Peers::Processes => self.in_processes::<E, C>(run, mode, &control, name),
        }?;
        let share = read.messages as f64 / (read.messages + read.missed).max(1) as f64;
        let also = vec![("share", share), ("lags", read.lags as f64), ("missed", read.missed as f64)];
        Ok(Figures { main: rate * self.scale, also })
    }

    fn in_threads<E: Engine, C: Content>(
        &self,
        run: &Repetition<'_>,
        mode: Mode,
        control: &Control,
    ) -> Result<(f64, Tally), String> {
        let engine = E::create(&self.spec, &Place::Heap).map_err(text)?;
        // Readers first: each sees every message.
        let readers: Result<Vec<_>, _> = (0..self.spec.readers).map(|_| engine.reader()).collect();
        let writers: Result<Vec<_>, _> = (0..self.spec.writers).map(|_| engine.writer()).collect();
        let (readers, writers) = (readers.map_err(text)?, writers.map_err(text)?);
        let end = End { wait: mode.wait, stop: &control.stop };
        let (rate, written, read) = thread::scope(|scope| {
            let write = |(number, writer)| {
                let core = self.core(run, true, number);
                scope.spawn(move || {
                    let write = || self.write::<_, C>(writer, number, mode.transfer, end);
                    let written = control.pinned(core, write);
                    // PAIRS(written): a taker that sees no writer left finds every message.
                    control.writing.fetch_sub(1, Ordering::Release);
                    written
                })
            };
            let read = |(number, reader)| {
                let core = self.core(run, false, number);
                let read = move || self.read::<_, C>(reader, number, mode.transfer, end, control);
                scope.spawn(move || control.pinned(core, read))
            };
            let writing: Vec<_> = (0..).zip(writers).map(write).collect();
            let reading: Vec<_> = (0..).zip(readers).map(read).collect();
            let rate = self.watch(run, control);
            control.stop();
            let written: Result<Vec<_>, _> = writing.into_iter().map(|end| joined(end.join())).collect();
            let read: Result<Vec<_>, _> = reading.into_iter().map(|end| joined(end.join())).collect();
            (rate, written, read)
        });
        let (written, read): (Tally, Tally) = (written?.into_iter().sum(), read?.into_iter().sum());
        let of = |tally: Tally| (tally.messages, tally.sum);
        if self.spec.delivery == Delivery::Queue && of(read) != of(written) {
            return Err(format!("written were {written:?}, taken {read:?}"));
        }
        Ok((rate?, read))
    }

    fn core(&self, run: &Repetition<'_>, writes: bool, number: usize) -> Core {
        let is_ours = match self.pinning {
            Pinning::Split => !writes,
            Pinning::Mixed => number.is_multiple_of(2),
        };
        if is_ours { run.cores.ours() } else { run.cores.theirs() }
    }

    fn in_processes<E: Engine, C: Content>(
        &self,
        run: &Repetition<'_>,
        mode: Mode,
        control: &Control,
        name: &[&str],
    ) -> Result<(f64, Tally), String> {
        let end = End { wait: mode.wait, stop: &control.stop };
        // In one thread: the ends of some engines stay on the thread that made them.
        let read = || {
            let (engine, ring) = create::<E>(&self.spec)?;
            let reader = engine.reader().map_err(text)?;
            let other = OtherEnd::start(name, &[ring])?;
            let read = control
                .pinned(run.cores.ours(), || self.read::<_, C>(reader, 0, mode.transfer, end, control));
            other.end().and(read)
        };
        thread::scope(|scope| {
            let reading = scope.spawn(|| read().inspect_err(|_| control.stop()));
            let rate = self.watch(run, control);
            control.stop();
            let read = joined(reading.join())?;
            Ok((rate?, read))
        })
    }

    /// The other end of a repetition between processes.
    pub(super) fn other_end<E: Engine, C: Content>(
        &self,
        mode: Mode,
        rings: &[String],
    ) -> Result<(), String> {
        let [ring] = rings else { return Err("a stream has one ring".into()) };
        serve(|stop| {
            let engine = E::open(ring).map_err(text)?;
            let writer = engine.writer().map_err(text)?;
            let end = End { wait: mode.wait, stop };
            failure(self.write::<_, C>(writer, 0, mode.transfer, end).map(drop))
        })
    }

    /// Million messages a second, by the readers' counts at two moments.
    fn watch(&self, run: &Repetition<'_>, control: &Control) -> Result<f64, String> {
        let count = |count: &Count| count.0.load(Ordering::Relaxed); // Relaxed: a count, orders nothing.
        let total = || control.counts.iter().map(count).sum::<u64>();
        let warm = (WARM_UP_LAPS * self.spec.slots) as u64;
        let begin = Instant::now();
        while control.counts.iter().any(|reader| count(reader) == 0) || total() < warm {
            if control.stop.load(Ordering::Relaxed) || begin.elapsed() > LONGEST {
                return Err("a reader got nothing".into());
            }
            thread::sleep(Duration::from_millis(1));
        }
        let (before, begin) = (total(), Instant::now());
        thread::sleep(run.duration);
        let (after, elapsed) = (total(), begin.elapsed());
        Ok((after - before) as f64 / elapsed.as_secs_f64() / 1e6)
    }

    fn read<R: EngineReader, C: Content>(
        &self,
        reader: R,
        number: usize,
        transfer: Transfer,
        end: End<'_>,
        control: &Control,
    ) -> Result<Tally, Stop> {
        let mut receiver = Receiver::<_, C>::new(reader, end, transfer, &self.spec);
        while !end.is_stopped() {
            match receiver.receive(block(C::BYTES)) {
                Ok(()) => {}
                Err(Stop::Closed) if end.is_stopped() => break,
                Err(other) => return Err(other),
            }
            // Relaxed: a count, orders nothing.
            control.counts[number].0.store(receiver.tally().messages, Ordering::Relaxed);
        }
        if self.spec.delivery == Delivery::Queue {
            // PAIRS(written)
            return receiver.drain(|| control.writing.load(Ordering::Acquire) == 0);
        }
        Ok(receiver.tally())
    }

    /// Writes until the end is to stop; returns what it wrote.
    fn write<W: EngineWriter, C: Content>(
        &self,
        mut writer: W,
        number: usize,
        transfer: Transfer,
        end: End<'_>,
    ) -> Result<Tally, Stop> {
        let first = (number as u64) << WRITER_SHIFT;
        let mut written = Tally::default();
        let ended = match transfer {
            _ if self.in_batches => write_batches::<_, C>(&mut writer, end),
            Transfer::InPlace => write_on(first, C::BYTES, end, &mut written, |word| {
                end.until(|timeout| writer.put_with(C::BYTES, timeout, |sink| C::fill(sink, word)))
            }),
            Transfer::Copied | Transfer::Gathered => {
                let mut content = C::new();
                write_on(first, C::BYTES, end, &mut written, |word| {
                    let message = content.message(word);
                    end.until(|timeout| writer.put(message, timeout))
                })
            }
        };
        match ended.map_err(Stop::from) {
            Ok(()) | Err(Stop::Closed) => Ok(written),
            Err(failed) => Err(failed),
        }
    }
}

#[inline(always)]
fn write_on(
    first: u64,
    bytes: usize,
    end: End<'_>,
    written: &mut Tally,
    mut write: impl FnMut(u64) -> Result<(), Miss>,
) -> Result<(), Miss> {
    let mut word = first;
    while !end.is_stopped() {
        for _ in 0..block(bytes) {
            write(word)?;
            written.add(word);
            word += 1;
        }
    }
    Ok(())
}

fn write_batches<W: EngineWriter, C: Content>(writer: &mut W, end: End<'_>) -> Result<(), Miss> {
    let words = C::BYTES / size_of::<u64>();
    let mut batch = vec![0_u64; BATCH * words];
    let mut next = 0;
    while !end.is_stopped() {
        for _ in 0..block(C::BYTES) / BATCH as u64 {
            for message in batch.chunks_exact_mut(words) {
                message.fill(next);
                next += 1;
            }
            let mut rest = zerocopy::IntoBytes::as_bytes(&batch[..]);
            while !rest.is_empty() {
                let written = end.until(|_| writer.put_batch(C::BYTES, rest))?;
                rest = &rest[written * C::BYTES..];
            }
        }
    }
    Ok(())
}
