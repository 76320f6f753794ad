//! Streams: writers and readers as fast as they go, each tied to a core, everything checked that arrives.

use crate::end::{End, Miss};
use crate::entrant::Run;
use crate::manner::{Form, Manner};
use crate::payload::Payload;
use crate::receive::{Account, BATCH, Copying, Gathering, Looking, Receive, Seen, Taking, WRITER_SHIFT};
use harness::engine::{Engine, EngineWriter};
use harness::patience::{LONGEST, Stop};
use harness::pin::{Core, pin_to};
use harness::receiver::{Receiver, Tally};
use harness::ring_spec::{Delivery, Place, RingSpec};
use harness::sink::Scratch;
use harness::table::Figures;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Everybody looks at the stop flag, and readers publish their counts, once in so many bytes or messages.
const BLOCK_BYTES: usize = 1 << 20;
const BLOCK_MESSAGES: usize = 1024;

/// Each reader gets so many times the ring's slots before the clock starts.
const WARM_UP_LAPS: usize = 2;

/// Which ends share a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pinning {
    /// Readers on one core, writers on the other.
    Split,
    /// The n-th reader and the n-th writer on the n-th core, in turn.
    Mixed,
}

/// A stream to be measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    pub(crate) spec: RingSpec,
    pub(crate) pinning: Pinning,
    /// Whether messages are written 64 by one call.
    pub(crate) in_batches: bool,
    /// What a million messages a second are in the row's unit.
    pub(crate) scale: f64,
}

pub(crate) const fn block(bytes: usize) -> u64 {
    let messages = BLOCK_BYTES / bytes;
    if messages == 0 {
        1
    } else if messages > BLOCK_MESSAGES {
        BLOCK_MESSAGES as u64
    } else {
        messages as u64
    }
}

// Relaxed: a request, orders nothing.
fn is_set(stop: &AtomicBool) -> bool {
    stop.load(Ordering::Relaxed)
}

/// A reader's count, on lines of its own.
#[derive(Default)]
#[repr(align(128))]
struct Count(AtomicU64);

/// What the threads of a repetition share.
struct Shared {
    stop: AtomicBool,
    writing: AtomicUsize,
    counts: Vec<Count>,
}

impl Stream {
    fn core(&self, run: &Run<'_>, writes: bool, number: usize) -> Core {
        let on_ours = match self.pinning {
            Pinning::Split => !writes,
            Pinning::Mixed => number.is_multiple_of(2),
        };
        if on_ours { run.cores.ours() } else { run.cores.theirs() }
    }

    /// Messages a second that all readers got together, times the scale; how many were lost beside it.
    pub(crate) fn in_threads<E: Engine, C: Payload>(
        &self,
        run: &Run<'_>,
        manner: Manner,
    ) -> Result<Figures, String> {
        let engine = E::create(&self.spec, &Place::Heap).map_err(|error| error.to_string())?;
        let (writers, readers) = (self.spec.writers.most(), self.spec.readers);
        let shared = Shared {
            stop: AtomicBool::new(false),
            writing: AtomicUsize::new(writers),
            counts: (0..readers).map(|_| Count::default()).collect(),
        };
        // Readers first: each sees every message.
        let reading: Result<Vec<_>, _> = (0..readers).map(|_| engine.reader()).collect();
        let writing: Result<Vec<_>, _> = (0..writers).map(|_| engine.writer()).collect();
        let reading = reading.map_err(|error| error.to_string())?;
        let writing = writing.map_err(|error| error.to_string())?;
        let (rate, written, read) = thread::scope(|scope| {
            let shared = &shared;
            let writing = (0..).zip(writing).map(|(number, writer)| {
                let core = self.core(run, true, number);
                scope.spawn(move || {
                    let end = End { wait: manner.wait, stop: &shared.stop };
                    let written = pinned(core, shared, || self.write::<_, C>(writer, number, manner, end));
                    // PAIRS(written): a taker that sees none left finds every message.
                    shared.writing.fetch_sub(1, Ordering::Release);
                    written
                })
            });
            let writing: Vec<_> = writing.collect();
            let reading = (0..).zip(reading).map(|(number, reader)| {
                let core = self.core(run, false, number);
                scope
                    .spawn(move || pinned(core, shared, || self.read::<_, C>(reader, number, manner, shared)))
            });
            let reading: Vec<_> = reading.collect();
            let rate = self.watch(run, shared);
            shared.stop.store(true, Ordering::Relaxed); // Relaxed: a request, orders nothing.
            let written: Vec<_> = writing.into_iter().map(|end| joined(end.join())).collect();
            let read: Vec<_> = reading.into_iter().map(|end| joined(end.join())).collect();
            (rate, written, read)
        });
        let read: Vec<(Tally, Account)> = read.into_iter().collect::<Result<_, _>>()?;
        let written: Account = written.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().sum();
        self.add_up(written, &read)?;
        Ok(figures(rate? * self.scale, read.iter().map(|(tally, _)| *tally)))
    }

    /// Messages a second, in millions, by the readers' counts at two moments.
    fn watch(&self, run: &Run<'_>, shared: &Shared) -> Result<f64, String> {
        let count = |count: &Count| count.0.load(Ordering::Relaxed); // Relaxed: a count, orders nothing.
        let total = || shared.counts.iter().map(count).sum::<u64>();
        let warm = (WARM_UP_LAPS * self.spec.slots) as u64;
        let begin = Instant::now();
        while shared.counts.iter().any(|reader| count(reader) < warm.min(1)) || total() < warm {
            if is_set(&shared.stop) || begin.elapsed() > LONGEST {
                return Err("a reader got nothing".into());
            }
            thread::sleep(Duration::from_millis(1));
        }
        let (before, begin) = (total(), Instant::now());
        thread::sleep(run.duration);
        let (after, elapsed) = (total(), begin.elapsed());
        Ok((after - before) as f64 / elapsed.as_secs_f64() / 1e6)
    }

    /// That each message of a queue was taken once.
    fn add_up(&self, written: Account, read: &[(Tally, Account)]) -> Result<(), String> {
        let taken: Account = read.iter().map(|(_, account)| *account).sum();
        if self.spec.delivery == Delivery::Queue && taken != written {
            return Err(format!("written were {written:?}, taken {taken:?}"));
        }
        Ok(())
    }

    fn read<R: harness::engine::EngineReader, C: Payload>(
        &self,
        reader: R,
        number: usize,
        manner: Manner,
        shared: &Shared,
    ) -> Result<(Tally, Account), Stop> {
        let end = End { wait: manner.wait, stop: &shared.stop };
        let (block, count) = (block(C::BYTES), &shared.counts[number]);
        if self.spec.delivery == Delivery::Queue {
            let mut taking = Taking::<_, C>::new(reader, end, self.spec.writers.most());
            let tally = read_on(&mut taking, block, count, &shared.stop)?;
            // PAIRS(written)
            let account = taking.drain(|| shared.writing.load(Ordering::Acquire) == 0)?;
            return Ok((tally, account));
        }
        let tally = match manner.form {
            Form::Copied => {
                let mut receiver = Receiver::new(C::fresh(), Copying(reader, end));
                read_on(&mut receiver, block, count, &shared.stop)
            }
            Form::InPlace => {
                let mut receiver = Receiver::new(Seen, Looking::<_, C>::new(reader, end));
                read_on(&mut receiver, block, count, &shared.stop)
            }
            Form::Gathered => read_on(&mut Gathering::<_, C>::new(reader, end), block, count, &shared.stop),
        };
        Ok((tally?, Account::default()))
    }

    /// Writes until it is told to stop; returns what it wrote.
    pub(crate) fn write<W: EngineWriter, C: Payload>(
        &self,
        mut writer: W,
        number: usize,
        manner: Manner,
        end: End<'_>,
    ) -> Result<Account, Stop> {
        let first = (number as u64) << WRITER_SHIFT;
        let mut account = Account::default();
        let written = match (self.in_batches, manner.form) {
            (true, _) => write_batches::<_, C>(&mut writer, end),
            (false, Form::InPlace) => {
                let mut scratch = Scratch::new(C::BYTES);
                write_on(first, C::BYTES, end, &mut account, |word| {
                    end.put_with(&mut writer, C::BYTES, &mut scratch, |sink| C::fill(sink, word))
                })
            }
            (false, Form::Copied | Form::Gathered) => {
                let mut content = C::fresh();
                write_on(first, C::BYTES, end, &mut account, |word| {
                    end.put(&mut writer, content.message(word))
                })
            }
        };
        match written.map_err(Stop::from) {
            Ok(()) | Err(Stop::Closed) => Ok(account),
            Err(failed) => Err(failed),
        }
    }
}

#[inline(always)]
fn write_on(
    first: u64,
    bytes: usize,
    end: End<'_>,
    account: &mut Account,
    mut write: impl FnMut(u64) -> Result<(), Miss>,
) -> Result<(), Miss> {
    let mut word = first;
    while !is_set(end.stop) {
        for _ in 0..block(bytes) {
            write(word)?;
            account.add(word);
            word += 1;
        }
    }
    Ok(())
}

fn write_batches<W: EngineWriter, C: Payload>(writer: &mut W, end: End<'_>) -> Result<(), Miss> {
    let words = C::BYTES / 8;
    let mut batch = vec![0_u64; BATCH * words];
    let mut next = 0;
    while !is_set(end.stop) {
        for _ in 0..block(C::BYTES) / BATCH as u64 {
            for message in batch.chunks_exact_mut(words) {
                message.fill(next);
                next += 1;
            }
            end.put_all(writer, C::BYTES, zerocopy::IntoBytes::as_bytes(&batch[..]))?;
        }
    }
    Ok(())
}

#[inline(always)]
fn read_on(receiver: &mut impl Receive, block: u64, count: &Count, stop: &AtomicBool) -> Result<Tally, Stop> {
    while !is_set(stop) {
        match receiver.receive(block) {
            Ok(()) => {}
            Err(Stop::Closed) if is_set(stop) => break,
            Err(other) => return Err(other),
        }
        count.0.store(receiver.tally().received, Ordering::Relaxed); // Relaxed: a count, orders nothing.
    }
    Ok(receiver.tally())
}

pub(crate) fn figures(main: f64, tallies: impl Iterator<Item = Tally>) -> Figures {
    let mut all = Tally::default();
    for tally in tallies {
        all.received += tally.received;
        all.missed += tally.missed;
        all.lags += tally.lags;
    }
    let share = all.received as f64 / (all.received + all.missed).max(1) as f64;
    Figures { main, also: vec![("share", share), ("lags", all.lags as f64), ("missed", all.missed as f64)] }
}

/// Runs `part` on `core`; a failure stops everybody.
fn pinned<T>(core: Core, shared: &Shared, part: impl FnOnce() -> Result<T, Stop>) -> Result<T, String> {
    let done = pin_to(core).map_err(Stop::failed).and_then(|()| part());
    if done.is_err() {
        shared.stop.store(true, Ordering::Relaxed); // Relaxed: a request, orders nothing.
    }
    done.map_err(Stop::unexpected)
}

pub(crate) fn joined<T>(result: thread::Result<Result<T, String>>) -> Result<T, String> {
    result.unwrap_or_else(|_| Err("an end panicked".into()))
}
