//! Tables, before anybody decides how they look.

use super::data::{Answer, Answers, Data, rate, reader_p999, writer_p999};
use super::number;
use crate::compare::calls::Calls;
use crate::compare::death::Who;
use crate::compare::figures::Figures;
use crate::engines::EngineName;
use harness::spread::Spread;
use std::collections::BTreeMap;

/// A table with a heading.
pub(crate) struct Table {
    /// Its name in documents.
    pub(crate) name: String,
    pub(crate) title: String,
    /// What was held fixed, or what the columns mean.
    pub(crate) note: String,
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Vec<Cell>>,
}

/// A cell, and whether it is good or bad news where there is a target.
#[derive(Clone)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) is_met: Option<bool>,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, is_met: None }
    }
}

const NOTHING: &str = "–";

/// How far a rate may be from its target, in percent.
pub(crate) const TOLERANCE_PERCENT: f64 = 1.5;

/// Tables that are not of one sweep and may be missing.
pub(crate) const WITHOUT_SWEEP: [&str; 3] = ["costs", "calls", "deaths"];

/// All tables of a record.
pub(crate) fn tables(data: &Data) -> Vec<Table> {
    let mut tables = Vec::new();
    for answers in &data.sweeps {
        match answers.sweep.name {
            "scenario" => tables.push(scenarios(answers)),
            "alone" => {
                tables.push(by_engine(
                    answers,
                    "",
                    "time a message",
                    |f| f.cpu_ns_per_message,
                    number::nanos,
                ));
            }
            _ => {
                tables.push(by_engine(answers, "", "writes a second", rate, number::count));
                if has(answers, writer_p999) {
                    tables.push(by_engine(
                        answers,
                        "-p999",
                        "the writer's p99.9",
                        writer_p999,
                        number::nanos,
                    ));
                }
                if answers.sweep.name == "rate" {
                    tables.push(by_engine(
                        answers,
                        "-reader",
                        "the reader's p99.9",
                        reader_p999,
                        number::nanos,
                    ));
                }
                if answers.sweep.name == "slow-readers" {
                    let lost = |figures: &Figures| 100.0 * figures.lost_share;
                    tables.push(by_engine(answers, "-lost", "lost by readers", lost, percent));
                }
            }
        }
    }
    tables.extend(costs(data));
    tables.extend(calls(data));
    tables.extend(deaths(data));
    tables.push(repetitions(data));
    tables
}

fn percent(value: f64) -> String {
    format!("{} %", number::count(value))
}

/// Whether anybody has such a figure, comparable or not.
pub(crate) fn has(answers: &Answers, value: impl Fn(&Figures) -> f64) -> bool {
    answers.points.iter().any(|point| point.has(&value))
}

/// A row for each engine, a column for each point.
fn by_engine(
    answers: &Answers,
    suffix: &str,
    what: &str,
    value: impl Fn(&Figures) -> f64 + Copy,
    format: impl Fn(f64) -> String + Copy,
) -> Table {
    let sweep = answers.sweep;
    let head = std::iter::once(sweep.axis.to_owned());
    let row = |engine: EngineName| {
        let cell = |point: &Answer| cell(point, engine, point.spread(engine, value), format);
        std::iter::once(engine.to_string().into()).chain(answers.points.iter().map(cell)).collect()
    };
    Table {
        name: format!("{}{suffix}", sweep.name),
        title: format!("{}: {what}", sweep.title),
        note: format!("{}. Median (lowest to highest).", sweep.fixed),
        head: head.chain(answers.points.iter().map(|point| x_label(sweep.name, point.x))).collect(),
        rows: answers.engines().into_iter().map(row).collect(),
    }
}

fn cell(point: &Answer, engine: EngineName, spread: Option<Spread>, format: impl Fn(f64) -> String) -> Cell {
    match (spread, point.failure(engine)) {
        (Some(spread), _) => number::spread(&spread, format).into(),
        (None, Some(_)) => Cell { text: "failed".into(), is_met: Some(false) },
        (None, None) => NOTHING.to_owned().into(),
    }
}

/// A point's name on its axis.
pub(crate) fn x_label(sweep: &str, x: f64) -> String {
    match sweep {
        "bytes" | "alone" => number::bytes(x),
        "rate" if x == 0.0 => "unlimited".into(),
        "scenario" => x.to_string(),
        _ => number::count(x),
    }
}

fn scenarios(answers: &Answers) -> Table {
    let row = |engine: EngineName| {
        let cell = |point: &Answer| {
            let spread = point.spread(engine, |figures| figures.target_percent.unwrap_or(f64::NAN));
            let is_met = spread.as_ref().map(is_met);
            let late = point.spread(engine, reader_p999);
            let late = late.map_or_else(String::new, |late| format!(", {}", number::nanos(late.median)));
            let rate = cell(point, engine, spread, |value| format!("{value:.1} %"));
            Cell { text: format!("{}{late}", rate.text), is_met: rate.is_met.or(is_met) }
        };
        std::iter::once(engine.to_string().into()).chain(answers.points.iter().map(cell)).collect()
    };
    let sweep = answers.sweep;
    Table {
        name: sweep.name.into(),
        title: format!("{}: the rate, of the one that was asked for", sweep.title),
        note: format!(
            "Behind the comma: the worst reader's p99.9, from the intended start of the write. (1) 1 MB × 50 slots, \
             24 writes/s, 5 readers; (2) × 10, 24/s, 100 readers; (3) × 10, 2000/s, 1 reader; (4) 100 MB × 3, 24/s, 1 \
             reader; (5) 1 MB × 10, 24/s, 4 readers busy 100 ms a message. Met: within {TOLERANCE_PERCENT} %.",
        ),
        head: std::iter::once("engine".into())
            .chain(answers.points.iter().map(|point| format!("({})", point.x)))
            .collect(),
        rows: answers.engines().into_iter().map(row).collect(),
    }
}

/// Whether every run was at its target.
pub(crate) fn is_met(spread: &Spread) -> bool {
    [spread.min, spread.max].iter().all(|percent| (percent - 100.0).abs() <= TOLERANCE_PERCENT)
}

/// What a message costs, with eight readers that wait.
fn costs(data: &Data) -> Option<Table> {
    type Column = (&'static str, fn(&Figures) -> f64, fn(f64) -> String);
    let columns: [Column; 5] = [
        ("CPU of all", |f| f.cpu_ns_per_message, number::nanos),
        ("sleeps of all", |f| f.sleeps_per_message, number::count),
        ("writers waited for room", |f| 100.0 * f.writers_waited_share, percent),
        ("readers waited", |f| 100.0 * f.readers_waited_share, percent),
        ("lost by readers", |f| 100.0 * f.lost_share, percent),
    ];
    let answers = data.sweep("readers-blocking")?;
    let point = answers.at(8.0)?;
    let row = |engine: EngineName| {
        let cell = |(_, value, format): &Column| cell(point, engine, point.spread(engine, value), format);
        std::iter::once(engine.to_string().into()).chain(columns.iter().map(cell)).collect()
    };
    Some(Table {
        name: "costs".into(),
        title: "What a message costs, with 8 readers that wait for it".into(),
        note: format!("{}. For each message that was written.", answers.sweep.fixed),
        head: std::iter::once("engine")
            .chain(columns.iter().map(|column| column.0))
            .map(Into::into)
            .collect(),
        rows: answers.engines().into_iter().map(row).collect(),
    })
}

fn calls(data: &Data) -> Option<Table> {
    let counted = |engine: &EngineName| data.calls.iter().find(|calls| calls.engine == *engine);
    let of = |calls: &BTreeMap<String, u64>, for_each: u64| {
        let each = |calls: u64| number::count(calls as f64 / for_each as f64);
        // What a thread calls once is not worth a name here; it is in the sum, and in the record.
        let often = calls.iter().filter(|(_, calls)| 100 * **calls >= for_each);
        let named: Vec<String> = often.map(|(name, calls)| format!("{name} {}", each(*calls))).collect();
        let sum = each(calls.values().sum());
        let text = if named.is_empty() { sum } else { format!("{sum} ({})", named.join(", ")) };
        text.into()
    };
    let row = |calls: &Calls| {
        let received = calls.messages * calls.readers as u64;
        vec![
            calls.engine.to_string().into(),
            of(&calls.of_writer, calls.messages),
            of(&calls.of_readers, received),
        ]
    };
    let first = data.calls.first()?;
    Some(Table {
        name: "calls".into(),
        title: "System calls a message, where messages are rare".into(),
        note: format!(
            "64-byte messages, 1024 slots, gated, a write every ms, {} readers that wait, threads: {} messages, counted by \
             ptrace in a run that is not timed. The writer's pace is not counted.",
            first.readers, first.messages
        ),
        head: ["engine", "a write", "a read, of each reader"].map(Into::into).into(),
        rows: EngineName::ALL.iter().filter_map(counted).map(row).collect(),
    })
}

fn deaths(data: &Data) -> Option<Table> {
    let cell = |engine, who| {
        data.death(engine, who).map_or_else(
            || NOTHING.to_owned().into(),
            |death| Cell {
                text: if death.went_on { "the others go on".into() } else { "not recovered".to_owned() },
                is_met: Some(death.went_on),
            },
        )
    };
    let engines =
        EngineName::ALL.iter().filter(|engine| data.deaths.iter().any(|death| death.engine == **engine));
    let row = |engine: &EngineName| {
        let mut row = vec![engine.to_string().into()];
        row.extend(Who::ALL.map(|who| cell(*engine, who)));
        row
    };
    (!data.deaths.is_empty()).then(|| Table {
        name: "deaths".into(),
        title: "A peer is killed in the middle of its work".into(),
        note: "Processes, a lossy ring. Not recovered: the others had done nothing after 1.5 s, where going on takes \
               milliseconds."
            .into(),
        head: ["engine", "a writer, in its write", "a reader, in its read"].map(Into::into).into(),
        rows: engines.map(row).collect(),
    })
}

/// How many repetitions are used, and why others are not.
fn repetitions(data: &Data) -> Table {
    let row = |answers: &Answers| {
        let (mut used, mut sums) = (0, [0; 4]);
        for point in &answers.points {
            let (here, dropped) = point.counts();
            used += here;
            let reasons = [dropped.other_class, dropped.moved, dropped.disturbed, dropped.failed];
            sums.iter_mut().zip(reasons).for_each(|(sum, reason)| *sum += reason);
        }
        let mut row: Vec<Cell> = vec![answers.sweep.name.to_owned().into(), used.to_string().into()];
        row.extend(sums.map(|sum| sum.to_string().into()));
        row.push(if used > 0 { answers.class.to_string().into() } else { NOTHING.to_owned().into() });
        row
    };
    Table {
        name: "repetitions".into(),
        title: "Repetitions: used, and left out".into(),
        note: "A repetition counts if the round trip of a cache line before and after it is of one class, and others \
               took no more than 5 % of a core meanwhile. Of each sweep only the class with most comparable rounds is \
               used."
            .into(),
        head: ["sweep", "used", "another class", "the cores moved", "disturbed", "failed", "class"]
            .map(Into::into)
            .into(),
        rows: data.sweeps.iter().map(row).collect(),
    }
}
