//! Rows: a table of latest values.

use crate::many_readers::beside_parked;
use crate::text;
use harness::pin::pin_to;
use harness::repeat::Contestant;
use harness::table::judge::{Bound, by_figure, too_few};
use harness::table::{Figures, Finding, Row, Session};
use seqring::table::{TableReader, TableWriter};
use seqring::{Config, Delivery, Ring};
use std::hint::black_box;
use std::time::{Duration, Instant};

const KEYS: usize = 64;
const BYTES: usize = 8;
const CALLS_BETWEEN_CLOCKS: u64 = 4096;
const READERS: [usize; 2] = [0, 100];

pub(crate) fn rows() -> [Row; 2] {
    let layout = format!("heap, {KEYS} keys, {BYTES} B each with its time stamp");
    [
        Row::new(
            "table-get",
            format!(
                "a get of one thread, key after key, of values that no writer changes meanwhile; {layout}"
            ),
            "<= 15 ns",
            |session| {
                let mut contestants = [Contestant::new("get", || get_alone(session))];
                let record = session.interleave("table-get", "ns", None, &mut contestants)?;
                let class = record.best_class();
                by_figure(session, &record, class, (Bound::at_most(15.0), "ns"), |_| (true, String::new()))
            },
        ),
        Row::new(
            "table-set",
            format!(
                "a set of a thread alone on its core, 100 attached readers against none, each in a parked thread; \
                 {layout}; afterwards each reader gets the last values"
            ),
            "overlapping ranges",
            attached,
        ),
    ]
}

fn table() -> Result<Ring, String> {
    Ring::heap(&Config::slots(KEYS).of_bytes(BYTES).delivery(Delivery::Latest)).map_err(text)
}

fn get_alone(session: &Session) -> Result<Figures, String> {
    let table = table()?;
    let mut writer = table.table_writer().map_err(text)?;
    for key in 0..KEYS {
        writer.set(key, &key.to_ne_bytes()).map_err(text)?;
    }
    let mut reader = table.table_reader().map_err(text)?;
    pin_to(session.cores.ours()).map_err(text)?;
    let mut key = 0;
    per_call(session.effort.repetition, || {
        key = (key + 1) % KEYS;
        let mut value = [0; BYTES];
        let latest = reader.get(key, &mut value).map_err(text)?;
        if latest.is_none_or(|latest| latest.len != BYTES) || black_box(value) != key.to_ne_bytes() {
            return Err(format!("key {key} has {latest:?}, {value:?}"));
        }
        Ok(())
    })
    .map(|(ns, _)| Figures::main(ns))
}

fn attached(session: &Session) -> Result<Finding, String> {
    let mut contestants = READERS
        .map(|readers| Contestant::new(format!("{readers} attached"), move || set_beside(session, readers)));
    let record = session.interleave("table-set", "ns", None, &mut contestants)?;
    let class = record.best_class();
    let [none, hundred] = [0, 1].map(|contestant| record.summary(contestant, class, |figures| figures.main));
    let enough = |runs: usize| runs >= session.effort.enough;
    match (none.spread, hundred.spread) {
        (Some(none), Some(hundred)) if enough(none.runs.len()) && enough(hundred.runs.len()) => {
            let overlap = none.min <= hundred.max && hundred.min <= none.max;
            Ok(Finding::new(overlap, format!("100: {hundred:.1} ns, none: {none:.1} ns, {class}")))
        }
        _ => Err(too_few(&record, class, "ns")),
    }
}

fn set_beside(session: &Session, readers: usize) -> Result<Figures, String> {
    let table = table()?;
    let readers: Vec<_> =
        (0..readers).map(|_| table.table_reader()).collect::<Result<_, _>>().map_err(text)?;
    let mut writer = table.table_writer().map_err(text)?;
    let set = || set_for(&mut writer, session.effort.repetition);
    let (ns, count, sums) = beside_parked(session, readers, set, values)?;
    let expected: u64 = (count - KEYS as u64..count).sum();
    match sums.into_iter().find(|sum| *sum != expected) {
        Some(sum) => Err(format!("the last values have the sum {expected}, and a reader got {sum}")),
        None => Ok(Figures::main(ns)),
    }
}

/// The sum of the values of all keys.
fn values(reader: &mut TableReader) -> Result<u64, String> {
    let get = |key| {
        let mut value = [0; BYTES];
        reader.get(key, &mut value).map_err(text)?;
        Ok::<_, String>(u64::from_ne_bytes(value))
    };
    (0..KEYS).map(get).sum()
}

fn set_for(writer: &mut TableWriter, duration: Duration) -> Result<(f64, u64), String> {
    let mut number = 0_u64;
    per_call(duration, || {
        let set = writer.set(number as usize % KEYS, &number.to_ne_bytes()).map_err(text);
        number += 1;
        set.map(drop)
    })
}

/// ns a call, and how many calls there were.
fn per_call(duration: Duration, mut call: impl FnMut() -> Result<(), String>) -> Result<(f64, u64), String> {
    let (begin, mut calls) = (Instant::now(), 0);
    while begin.elapsed() < duration {
        for _ in 0..CALLS_BETWEEN_CLOCKS {
            call()?;
        }
        calls += CALLS_BETWEEN_CLOCKS;
    }
    Ok((begin.elapsed().as_secs_f64() * 1e9 / calls as f64, calls))
}
