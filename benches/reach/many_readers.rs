//! Rows: readers that are attached and busy elsewhere cost a lossy writer nothing.

use crate::text;
use harness::child::{instructions, other_end_of};
use harness::pin::pin_to;
use harness::repeat::Contestant;
use harness::table::judge::too_few;
use harness::table::{Figures, Finding, Row, Session};
use seqring::{Config, Delivery, Reader, Ring, SlotClass, Start, TryReadError, Writer};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

const SLOTS: usize = 1024;
const BYTES: usize = 64;
const READERS: [usize; 2] = [1, 100];
const MESSAGES_BETWEEN_CLOCKS: u64 = 4096;

const COUNTED_ROW: &str = "audience-instructions";

/// Messages of the shorter run under valgrind; the longer one has [`COUNTED`] more.
const UNCOUNTED: u64 = 10_000;
const COUNTED: u64 = 100_000;

pub(crate) fn rows() -> [Row; 2] {
    let layout = format!("lossy, heap, {SLOTS} slots x {BYTES} B, lines");
    [
        Row::new(
            "audience",
            format!(
                "writer alone on its core, 100 attached readers against 1, each in a parked thread; {layout}; \
                 afterwards each reader's messages and losses must add up"
            ),
            "overlapping ranges",
            measure,
        ),
        Row::new(
            COUNTED_ROW,
            format!("instructions a message, 100 attached readers against 1, counted by valgrind; {layout}"),
            "equal",
            |_| count(),
        )
        .with_other_end(write_counted),
    ]
}

fn measure(session: &Session) -> Result<Finding, String> {
    let mut contestants = READERS
        .map(|readers| Contestant::new(format!("{readers} attached"), move || repetition(session, readers)));
    let record = session.interleave("audience", "M msg/s", None, &mut contestants)?;
    let class = record.best_class();
    let [one, hundred] = [0, 1].map(|contestant| record.summary(contestant, class, |figures| figures.main));
    let enough = |runs: usize| runs >= session.effort.enough;
    match (one.spread, hundred.spread) {
        (Some(one), Some(hundred)) if enough(one.runs.len()) && enough(hundred.runs.len()) => {
            let overlap = one.min <= hundred.max && hundred.min <= one.max;
            let measured = format!("100: {hundred:.1} M msg/s, 1: {one:.1} M msg/s, {class}");
            Ok(Finding::new(overlap, measured))
        }
        _ => Err(too_few(&record, class, "M msg/s")),
    }
}

fn ring() -> Result<Ring, String> {
    let config = Config::slots(SLOTS).of_bytes(BYTES).slot_class(SlotClass::Lines).delivery(Delivery::Lossy);
    Ring::heap(&config).map_err(text)
}

fn join(ring: &Ring, readers: usize) -> Result<(Writer, Vec<Reader>), String> {
    let readers: Result<_, _> = (0..readers).map(|_| ring.reader(Start::Next)).collect();
    Ok((ring.writer().map_err(text)?, readers.map_err(text)?))
}

fn repetition(session: &Session, readers: usize) -> Result<Figures, String> {
    let (mut writer, readers) = join(&ring()?, readers)?;
    let write = || write_for(&mut writer, session.effort.repetition);
    let (rate, count, accounted) = beside_parked(session, readers, write, accounted)?;
    match accounted.into_iter().find(|accounted| *accounted != count) {
        Some(other) => Err(format!("{count} messages were written and a reader accounts for {other}")),
        None => Ok(Figures::main(rate)),
    }
}

/// What `write` returns, on a core of its own, beside readers that do nothing meanwhile; and what
/// `look` then finds for each of these.
pub(crate) fn beside_parked<R: Send>(
    session: &Session,
    readers: Vec<R>,
    write: impl FnOnce() -> Result<(f64, u64), String> + Send,
    look: impl Fn(&mut R) -> Result<u64, String> + Sync,
) -> Result<(f64, u64, Vec<u64>), String> {
    let (parked, written) = (Barrier::new(readers.len() + 1), Barrier::new(readers.len() + 1));
    let (parked, written, look) = (&parked, &written, &look);
    thread::scope(|scope| {
        let start = |mut reader: R| {
            scope.spawn(move || {
                parked.wait();
                written.wait();
                look(&mut reader)
            })
        };
        let readers: Vec<_> = readers.into_iter().map(start).collect();
        let writing = scope.spawn(move || {
            parked.wait();
            let figures = pin_to(session.cores.ours()).map_err(text).and_then(|()| write());
            written.wait();
            figures
        });
        let (figure, count) = writing.join().map_err(|_| "the writer panicked")??;
        let found = readers.into_iter().map(|reader| reader.join().map_err(|_| "a reader panicked")?);
        Ok((figure, count, found.collect::<Result<_, String>>()?))
    })
}

/// Writes flat out; returns million messages a second, and how many there were.
fn write_for(writer: &mut Writer, duration: Duration) -> Result<(f64, u64), String> {
    write(writer, MESSAGES_BETWEEN_CLOCKS)?;
    let (begin, mut written) = (Instant::now(), 0);
    while begin.elapsed() < duration {
        write(writer, MESSAGES_BETWEEN_CLOCKS)?;
        written += MESSAGES_BETWEEN_CLOCKS;
    }
    Ok((written as f64 / begin.elapsed().as_secs_f64() / 1e6, writer.next_sequence()))
}

fn write(writer: &mut Writer, messages: u64) -> Result<(), String> {
    let message = [7; BYTES];
    for _ in 0..messages {
        writer.try_write(&message).map_err(text)?;
    }
    Ok(())
}

/// Messages read and messages lost, until nothing is left.
fn accounted(reader: &mut Reader) -> Result<u64, String> {
    let (mut out, mut accounted) = ([0; BYTES], 0);
    loop {
        match reader.try_read(&mut out) {
            Ok(_) => accounted += 1,
            Err(TryReadError::Lagged(lagged)) => accounted += lagged.lost,
            Err(TryReadError::Empty | TryReadError::Closed) => return Ok(accounted),
            Err(other) => return Err(other.to_string()),
        }
    }
}

/// The program under valgrind: so many readers, so many messages.
fn write_counted(arguments: &[String]) -> Result<(), String> {
    let [readers, messages] = arguments else { return Err("readers and messages".into()) };
    let number = |text: &String| text.parse::<u64>().map_err(|error| error.to_string());
    let (mut writer, _readers) = join(&ring()?, number(readers)? as usize)?;
    write(&mut writer, number(messages)?)
}

/// Instructions a message: the difference of two runs, divided by the difference of their messages.
fn count() -> Result<Finding, String> {
    let of = |readers: usize, messages: u64| {
        let mut command = other_end_of(COUNTED_ROW)?;
        instructions(command.args([readers.to_string(), messages.to_string()]))
    };
    let a_message = |readers| -> Result<f64, String> {
        Ok((of(readers, UNCOUNTED + COUNTED)? - of(readers, UNCOUNTED)?) as f64 / COUNTED as f64)
    };
    let [one, hundred] = READERS.map(a_message);
    let (one, hundred) = (one?, hundred?);
    // Start-up differs by a few instructions between any two runs (addresses, environment); 0.05 a
    // message are 5000 of them.
    let is_equal = (one - hundred).abs() < 0.05;
    Ok(Finding::new(is_equal, format!("100: {hundred:.2}, 1: {one:.2} instructions a message")))
}
