//! Rows: a ring for each writer, read as one, beside a ring for many writers.

use crate::text;
use harness::repeat::Contestant;
use harness::table::judge::{Bound, by_ratio};
use harness::table::{Figures, Finding, Row, Session};
use seqring::fan_in::{FanIn, FanInWriter};
use seqring::{Config, ReadError, Ring, Start, Writer, Writers};
use std::thread;
use std::time::Instant;

/// Messages of one repetition, of all writers together.
const MESSAGES: u64 = 4_000_000;
const BYTES: usize = 64;
/// Of each ring.
const SLOTS: usize = 1024;
const READERS: usize = 2;
const BATCH: usize = 64;
const UNIT: &str = "M writes/s";
/// The rate of the ring for many writers, so often.
const LEAST: f64 = 2.0;
const GOAL: f64 = 3.0;

pub(crate) fn rows() -> [Row; 2] {
    [("fan-in-2-2", 2), ("fan-in-8-2", 8)].map(|(name, writers)| {
        let what = format!(
            "{writers} writers, {READERS} readers that read by {BATCH}, threads, heap, not pinned, {BYTES} B, gated, \
             {SLOTS} slots a ring; the writer and number of every message checked"
        );
        let required = format!(">= {LEAST} x a ring for many writers; the goal is {GOAL}");
        Row::new(name, what, required, move |session| measure(session, name, writers))
    })
}

fn measure(session: &Session, name: &str, writers: usize) -> Result<Finding, String> {
    let mut contestants = [
        Contestant::new("many writers", || many_writers(writers)),
        Contestant::new("fan-in", || fan_in(writers)),
    ];
    let record = session.interleave(name, UNIT, None, &mut contestants)?;
    by_ratio(session, &record, Bound::at_least(LEAST), UNIT)
}

fn config(slots: usize) -> Config {
    Config::slots(slots).of_bytes(BYTES).await_readers(READERS as u32)
}

fn many_writers(count: usize) -> Result<Figures, String> {
    let ring = Ring::heap(&config(SLOTS).writers(Writers::Many)).map_err(text)?;
    let writers = (0..count).map(|_| ring.writer());
    let writers = writers.collect::<Result<Vec<_>, _>>().map_err(text)?;
    let readers = (0..READERS).map(|_| ring.reader(Start::Next).map_err(text));
    rate(writers, readers.collect::<Result<Vec<_>, _>>()?, |reader, out| reader.read_batch(BYTES, out))
}

fn fan_in(count: usize) -> Result<Figures, String> {
    let set = FanIn::heap(&config(SLOTS), count).map_err(text)?;
    let writers = (0..count).map(|_| set.writer());
    let writers = writers.collect::<Result<Vec<_>, _>>().map_err(text)?;
    let readers = (0..READERS).map(|_| set.reader(Start::Next).map_err(text));
    rate(writers, readers.collect::<Result<Vec<_>, _>>()?, |reader, out| reader.read_batch(BYTES, out))
}

trait AsWriter {
    fn writer(&mut self) -> &mut Writer;
}

impl AsWriter for Writer {
    fn writer(&mut self) -> &mut Writer {
        self
    }
}

impl AsWriter for FanInWriter {
    fn writer(&mut self) -> &mut Writer {
        self
    }
}

/// Writes and reads all messages. The writers leave at the end.
fn rate<W, R>(
    writers: Vec<W>,
    readers: Vec<R>,
    read: impl Fn(&mut R, &mut [u8]) -> Result<usize, ReadError> + Sync,
) -> Result<Figures, String>
where
    W: AsWriter + Send,
    R: Send,
{
    let (count, each) = (writers.len(), MESSAGES / writers.len() as u64);
    let begin = Instant::now();
    thread::scope(|scope| {
        for (number, mut writer) in (0..).zip(writers) {
            scope.spawn(move || {
                let mut message = [0; BYTES];
                message[..8].copy_from_slice(&u64::to_le_bytes(number));
                for n in 0..each {
                    message[8..16].copy_from_slice(&n.to_le_bytes());
                    writer.writer().write(&message).expect("the ring stays open");
                }
            });
        }
        let read = &read;
        let reading =
            readers.into_iter().map(|reader| scope.spawn(move || read_all(reader, read, count, each)));
        let reading: Vec<_> = reading.collect();
        reading.into_iter().try_for_each(|reading| reading.join().map_err(|_| "a reader panicked")?)
    })?;
    Ok(Figures::main(MESSAGES as f64 / 1e6 / begin.elapsed().as_secs_f64()))
}

fn read_all<R>(
    mut reader: R,
    read: impl Fn(&mut R, &mut [u8]) -> Result<usize, ReadError>,
    writers: usize,
    each: u64,
) -> Result<(), String> {
    let (mut next, mut out) = (vec![0; writers], [0; BATCH * BYTES]);
    loop {
        match read(&mut reader, &mut out) {
            Ok(messages) => {
                for message in out[..messages * BYTES].chunks_exact(BYTES) {
                    let word =
                        |at: usize| u64::from_le_bytes(message[at..at + 8].try_into().expect("8 bytes"));
                    let expected = next.get_mut(word(0) as usize).ok_or("a writer that there is not")?;
                    if word(8) != *expected {
                        return Err(format!("message {} of a writer instead of {expected}", word(8)));
                    }
                    *expected += 1;
                }
            }
            Err(ReadError::Closed) if next.iter().all(|next| *next == each) => return Ok(()),
            Err(error) => return Err(format!("{error}, after {next:?}")),
        }
    }
}
