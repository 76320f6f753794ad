//! Rows: several writers and readers, beside a ticket ring, by the command itself.
//!
//! A ticket ring (`fetch_add`, then wait for one's turn at the slot) is the usual way to let many
//! writers into a ring. It has the same payload layout and copies as this library's; what differs
//! is the protocol.

use crate::perf;
use harness::repeat::{Contestant, Record};
use harness::spread::Spread;
use harness::table::judge::{Bound, by_ratio, too_few};
use harness::table::{Figures, Finding, Row, Session};

const UNIT: &str = "M writes/s";

/// What all rows have in common: threads, small messages, no bytes but the first eight made and
/// checked.
const COMMON: &str = "--transport thread --no-verify-writes";

/// Of their rate, writers keep so much beside one that is stopped.
const LEAST_KEPT: f64 = 0.8;

pub(crate) fn rows() -> Vec<Row> {
    let beside = |name, bytes: usize, writers: usize, least| {
        let flags = format!(
            "--delivery gated --on-full wait --slots 1024 --slot-bytes {bytes} --writers {writers} --readers 2"
        );
        let what = format!("seqring-lab perf {flags}: threads, not pinned; against --engine ticket");
        Row::new(name, what, format!(">= {least} of the ticket ring's"), move |session| {
            beside_tickets(session, name, &flags, least)
        })
    };
    vec![
        beside("ticket-2-writers", 64, 2, 0.9),
        beside("ticket-8-writers", 64, 8, 1.2),
        beside("ticket-4-kib", 4096, 2, 0.95),
        Row::new(
            "stopped-writer",
            "seqring-lab perf --stall-last-writer: 2 writers and 2 readers, 64 B, lossy, threads, and a third writer that \
             stands in the middle of a write; against the same without it; a ticket ring beside it",
            format!("the others keep >= {LEAST_KEPT} of their rate"),
            stopped_writer,
        ),
        Row::new(
            "polled-gated",
            "seqring-lab perf --pin=apart --writes-per-second 100000: gated, 64 B, the writer alone on its core, 8 readers that \
             poll every 10 µs on the other against 1 (without a rate, the core that reads everything 8 times sets the pace)",
            ">= 0.9 of the rate with 1",
            polled,
        ),
    ]
}

fn beside_tickets(session: &Session, name: &str, flags: &str, least: f64) -> Result<Finding, String> {
    let engines = ["ticket", "seqring"];
    let runs = engines.map(|engine| (engine.to_owned(), format!("{flags} --engine {engine}"), 0));
    let record = measure(session, name, &runs)?;
    by_ratio(session, &record, Bound::at_least(least), UNIT)
}

fn polled(session: &Session) -> Result<Finding, String> {
    let runs = [1, 8].map(|readers| {
        let flags = "--delivery gated --on-full wait --slots 1024 --slot-bytes 64 --pin=apart \
                     --writes-per-second 100000";
        let polls = format!("--reader-polls-every 10 --readers {readers}");
        (format!("{readers} polling"), format!("{flags} {polls}"), 0)
    });
    by_ratio(session, &measure(session, "polled-gated", &runs)?, Bound::at_least(0.9), UNIT)
}

fn stopped_writer(session: &Session) -> Result<Finding, String> {
    let of = |engine: &str, stalled: usize| {
        let stall = if stalled > 0 { "--stall-last-writer" } else { "" };
        let ends = format!("--writers {} {stall} --readers 2", 2 + stalled);
        let name = format!("{engine}, {stalled} stopped");
        (name, format!("--delivery lossy --slots 1024 --slot-bytes 64 --engine {engine} {ends}"), stalled)
    };
    let runs = [of("seqring", 0), of("seqring", 1), of("ticket", 0), of("ticket", 1)];
    let record = measure(session, "stopped-writer", &runs)?;
    let class = record.best_class();
    let kept = |without: usize, with: usize| record.ratio(with, without, class, |figures| figures.main);
    let enough = |kept: &Spread| kept.runs.len() >= session.effort.enough;
    match (kept(0, 1).filter(enough), kept(2, 3).filter(enough)) {
        (Some(ours), Some(theirs)) => {
            let measured = format!("seqring keeps {ours}, ticket {theirs:.4}, {class}");
            Ok(Finding::new(ours.median >= LEAST_KEPT, measured))
        }
        _ => Err(too_few(&record, class, UNIT)),
    }
}

/// Runs of the command in turn: a name, its flags, and how many of its last writers do not count.
fn measure(
    session: &Session,
    row: &str,
    runs: &[(String, String, usize)],
) -> Result<Record<Figures>, String> {
    let seconds = session.effort.repetition.as_secs_f64();
    let contestant = |(name, flags, stalled): &(String, String, usize)| {
        let (flags, stalled) = (format!("{COMMON} --duration {seconds} {flags}"), *stalled);
        Contestant::new(name.clone(), move || rate(&flags, stalled))
    };
    let mut contestants: Vec<_> = runs.iter().map(contestant).collect();
    session.interleave(row, UNIT, None, &mut contestants)
}

/// Million messages a second of all writers but the last `stalled`.
fn rate(flags: &str, stalled: usize) -> Result<Figures, String> {
    let record = perf::run(flags)?;
    let writers = record["writers"].as_array().ok_or("no writers in the record")?;
    let active = &writers[..writers.len() - stalled];
    let rates = active.iter().map(|writer| writer["messages_per_second"].as_f64().unwrap_or(f64::NAN));
    Ok(Figures::main(rates.sum::<f64>() / 1e6))
}
