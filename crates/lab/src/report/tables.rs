//! The tables of a record, without their form.

use super::chart::Chart;
use super::number::{Unit, count, nanos};
use super::{Answers, Data, known, lost_percent, number, rate, reader_p999, target_percent, writer_p999};
use crate::compare::calls::Calls;
use crate::compare::death::Role;
use crate::compare::figures::Figures;
use crate::compare::repetitions::Repetitions;
use crate::engines::EngineName;
use harness::spread::Spread;
use harness::summary::Dropped;
use std::collections::BTreeMap;

#[derive(Clone)]
pub(crate) struct Table {
    /// Its name in documents.
    pub(crate) name: String,
    pub(crate) title: String,
    /// The fixed parameters, or the meaning of the columns.
    pub(crate) note: String,
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Vec<Cell>>,
    /// As SVG, where the columns are points of an axis.
    pub(crate) chart: Option<String>,
}

/// A cell, and whether it meets its target, if there is one.
#[derive(Clone)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) is_met: Option<bool>,
}

impl<T: ToString> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.to_string(), is_met: None }
    }
}

/// A figure, and its unit.
type Column = (fn(&Figures) -> f64, Unit);

const NOTHING: &str = "–";

/// The tolerated deviation of a rate from its target, in percent.
const TOLERANCE_PERCENT: f64 = 1.5;

/// Tables that are not of one sweep and may be missing.
pub(crate) const WITHOUT_SWEEP: [&str; 5] = ["ratios", "costs", "harness", "calls", "deaths"];

pub(crate) fn tables(data: &Data) -> Vec<Table> {
    let mut tables = Vec::new();
    for answers in &data.sweeps {
        let mut add = |suffix, what, figure: Column| tables.push(by_engine(answers, suffix, what, figure));
        match answers.sweep.name {
            "scenario" => tables.push(scenarios(answers)),
            "alone" => add("", "time a message", (|f| f.cpu_ns_per_message, Unit::Nanos)),
            name => {
                add("", "writes a second", (rate, Unit::Count));
                if answers.has(writer_p999) {
                    add("-p999", "the writer's p99.9", (writer_p999, Unit::Nanos));
                }
                if name == "rate" {
                    add("-reader", "the reader's p99.9", (reader_p999, Unit::Nanos));
                }
                if name == "slow-readers" {
                    add("-lost", "lost by readers", (lost_percent, Unit::Percent));
                }
            }
        }
    }
    tables.extend(costs(data));
    let is_known = |row: &Vec<Cell>| row.iter().skip(1).any(|cell| cell.text != NOTHING);
    tables.retain(|table: &Table| table.rows.iter().any(is_known));
    tables.extend(harness(data));
    tables.extend(calls(data));
    tables.extend(deaths(data));
    tables.extend(data.rivals.clone());
    tables.push(repetitions(data));
    tables
}

/// A head, of the first cell and the others.
fn head(first: &str, others: impl Iterator<Item = String>) -> Vec<String> {
    std::iter::once(first.to_owned()).chain(others).collect()
}

fn rows(answers: &Answers, cells: impl Fn(EngineName) -> Vec<Cell>) -> Vec<Vec<Cell>> {
    let row = |engine| std::iter::once(Cell::from(engine)).chain(cells(engine)).collect();
    answers.engines().into_iter().map(row).collect()
}

/// A row for each engine, a column for each point; and a chart of the same.
fn by_engine(answers: &Answers, suffix: &str, what: &str, (value, unit): Column) -> Table {
    let sweep = answers.sweep;
    let cell = |point: &Repetitions, engine| cell(point, engine, point.spread(engine, value), unit);
    let labels: Vec<_> = answers.points.iter().map(|point| x_label(sweep.name, point.x)).collect();
    let line = |engine| (engine, answers.points.iter().map(|point| point.spread(engine, value)).collect());
    let lines = answers.engines().into_iter().map(line).collect();
    let xs = answers.points.iter().map(|point| answers.sweep.place(point.x)).collect();
    Table {
        name: format!("{}{suffix}", sweep.name),
        title: format!("{}: {what}", sweep.title),
        note: format!(
            "{}. Median (lowest to highest){}.",
            sweep.fixed,
            if ["-p999", "-reader"].contains(&suffix) { TAILS } else { "" }
        ),
        chart: Chart { sweep, y: what, unit, xs, lines }.svg(),
        head: head(sweep.axis, labels.into_iter()),
        rows: rows(answers, |engine| answers.points.iter().map(|point| cell(point, engine)).collect()),
    }
}

const TAILS: &str = ", of at least 1,000 latencies in each run; – where a run timed fewer";

fn cell(point: &Repetitions, engine: EngineName, found: Option<Spread>, unit: Unit) -> Cell {
    match (found, point.failure(engine)) {
        (Some(found), _) => unit.spread(&found).into(),
        (None, Some(_)) => Cell { text: "failed".into(), is_met: Some(false) },
        (None, None) => NOTHING.into(),
    }
}

/// The label of a point on its axis.
pub(crate) fn x_label(sweep: &str, x: f64) -> String {
    match sweep {
        "bytes" | "alone" => number::bytes(x),
        "rate" if x == 0.0 || x.is_infinite() => "unlimited".into(),
        "scenario" => x.to_string(),
        _ => count(x),
    }
}

fn scenarios(answers: &Answers) -> Table {
    let sweep = answers.sweep;
    let cells = |engine: EngineName| {
        let cell = |point: &Repetitions| {
            let reached = point.spread(engine, target_percent);
            let is_met = reached.as_ref().map(is_met);
            let late = |quantile| {
                let late = point.spread(engine, |figures| known(figures.reader_latency_ns, quantile));
                late.map_or_else(String::new, |late| format!(", {}", nanos(late.median)))
            };
            let late = late(|latency| Some(latency.p50)) + &late(|latency| Some(latency.max));
            let rate = cell(point, engine, reached, Unit::Percent);
            Cell { text: format!("{}{late}", rate.text), is_met: rate.is_met.or(is_met) }
        };
        answers.points.iter().map(cell).collect()
    };
    Table {
        name: sweep.name.into(),
        title: format!("{}: the rate, in percent of the target", sweep.title),
        note: format!(
            "Behind the comma: the worst reader's median and longest latency, from the intended start of the write. (1) 1 MB × 50 slots, \
             24 writes/s, 5 readers; (2) × 10, 24/s, 100 readers; (3) × 10, 2000/s, 1 reader; (4) 100 MB × 3, 24/s, 1 \
             reader; (5) 1 MB × 10, 24/s, 4 readers busy 100 ms a message. Met: within {TOLERANCE_PERCENT} %.",
        ),
        head: head("engine", answers.points.iter().map(|point| format!("({})", point.x))),
        rows: rows(answers, cells),
        chart: None,
    }
}

/// Whether every run reached its target.
pub(crate) fn is_met(spread: &Spread) -> bool {
    [spread.min, spread.max].iter().all(|percent| (percent - 100.0).abs() <= TOLERANCE_PERCENT)
}

/// The cost of a message, with eight readers that wait.
fn costs(data: &Data) -> Option<Table> {
    let columns: [(&str, Column); 5] = [
        ("CPU of all", (|f| f.cpu_ns_per_message, Unit::Nanos)),
        ("sleeps of all", (|f| f.sleeps_per_message, Unit::Count)),
        ("writers waited for room", (|f| 100.0 * f.writers_waited_share, Unit::Percent)),
        ("readers waited", (|f| 100.0 * f.readers_waited_share, Unit::Percent)),
        ("lost by readers", (lost_percent, Unit::Percent)),
    ];
    let answers = data.sweep("readers-blocking")?;
    let point = answers.at(8.0)?;
    let cells = |engine| {
        let cell =
            |(_, (value, unit)): &(&str, Column)| cell(point, engine, point.spread(engine, *value), *unit);
        columns.iter().map(cell).collect()
    };
    Some(Table {
        name: "costs".into(),
        title: "The cost of a message, with 8 readers that wait for it".into(),
        note: format!("{}. For each message that was written.", answers.sweep.fixed),
        head: head("engine", columns.iter().map(|column| column.0.into())),
        rows: rows(answers, cells),
        chart: None,
    })
}

/// What the measurement itself costs, beside the fastest engine of each sweep.
fn harness(data: &Data) -> Option<Table> {
    let row = |answers: &Answers| {
        let engines = || answers.engines().into_iter();
        let all = answers.points.iter().flat_map(|point| engines().map(move |engine| (point, engine)));
        // Rates of several writers are those of all of them.
        let of_writer = all.filter(|_| answers.sweep.has_one_writer());
        let (point, engine, fastest) = of_writer
            .filter_map(|(point, engine)| Some((point, engine, point.spread(engine, rate)?.median)))
            .max_by(|one, other| one.2.total_cmp(&other.2))?;
        let part = |index: usize| {
            let of = |figures: &Figures| figures.harness_ns.map_or(f64::NAN, |nanos| nanos[index]);
            point.spread(engine, of)
        };
        let (write, read) = (part(0)?, part(1)?);
        let share = 100.0 * write.median * fastest / 1e9;
        let engine = format!("{engine}, {} ({})", nanos(1e9 / fastest), x_label(answers.sweep.name, point.x));
        let [write, read] = [write, read].map(|part| Unit::Nanos.spread(&part));
        Some(vec![
            answers.sweep.name.into(),
            write.into(),
            read.into(),
            engine.into(),
            Unit::Percent.format(share).into(),
        ])
    };
    let rows: Vec<_> = data.sweeps.iter().filter_map(row).collect();
    (!rows.is_empty()).then(|| Table {
        name: "harness".into(),
        title: "What the measurement itself costs".into(),
        note: "For each message: stamps, checks, counts and clock readings, measured by the same loops over a ring that does \
               nothing, after each repetition. A processor does a part of it while it waits for the ring, so it is the most \
               that a measurement adds. Beside it the fastest engine of each sweep with one writer, at its point."
            .into(),
        head: ["sweep", "a write", "a read", "fastest engine, a write", "share of the measurement, at most"]
            .map(Into::into)
            .into(),
        rows,
        chart: None,
    })
}

fn calls(data: &Data) -> Option<Table> {
    let of = |calls: &BTreeMap<String, u64>, for_each: u64| {
        let each = |calls: u64| count(calls as f64 / for_each as f64);
        // A call that a thread makes once has no name here; it is in the sum, and in the record.
        let often = calls.iter().filter(|(_, calls)| 100 * **calls >= for_each);
        let named: Vec<String> = often.map(|(name, calls)| format!("{name} {}", each(*calls))).collect();
        let sum = each(calls.values().sum());
        if named.is_empty() { sum } else { format!("{sum} ({})", named.join(", ")) }
    };
    let row = |calls: &Calls| {
        let received = calls.messages * calls.readers as u64;
        vec![
            calls.engine.into(),
            of(&calls.of_writer, calls.messages).into(),
            of(&calls.of_readers, received).into(),
        ]
    };
    let counted = |engine: &EngineName| data.calls.iter().find(|calls| calls.engine == *engine);
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
        chart: None,
    })
}

fn deaths(data: &Data) -> Option<Table> {
    let cell = |engine, role| match data.death(engine, role) {
        None => NOTHING.into(),
        Some(death) if death.went_on => Cell { text: "the others go on".into(), is_met: Some(true) },
        Some(_) => Cell { text: "not recovered".into(), is_met: Some(false) },
    };
    let killed = |engine: &&EngineName| data.deaths.iter().any(|death| death.engine == **engine);
    let row = |engine: &EngineName| {
        std::iter::once((*engine).into()).chain(Role::ALL.map(|role| cell(*engine, role))).collect()
    };
    (!data.deaths.is_empty()).then(|| Table {
        name: "deaths".into(),
        title: "A peer is killed in the middle of its work".into(),
        note: "Processes, a lossy ring. Not recovered: the others made no progress within 1.5 s, where going on takes \
               milliseconds."
            .into(),
        head: ["engine", "a writer, in its write", "a reader, in its read"].map(Into::into).into(),
        rows: EngineName::ALL.iter().filter(killed).map(row).collect(),
        chart: None,
    })
}

/// How many repetitions are used, and why others are not.
fn repetitions(data: &Data) -> Table {
    let row = |answers: &Answers| {
        let (mut used, mut dropped) = (0, Dropped::default());
        for (here, not) in answers.points.iter().map(Repetitions::counts) {
            used += here;
            dropped += not;
        }
        let mut row: Vec<Cell> = vec![answers.sweep.name.into(), used.into()];
        row.extend(dropped.0.map(Cell::from));
        row.push(if used > 0 { answers.points[0].class.into() } else { NOTHING.into() });
        row
    };
    Table {
        name: "repetitions".into(),
        title: "Repetitions: used, and left out".into(),
        note: "A repetition counts if the round trip of a cache line before and after it is of one class, and other \
               processes took no more than 5 % of a core meanwhile. Of each sweep only the class with most comparable \
               rounds is used."
            .into(),
        head: ["sweep", "used", "another class", "the cores moved", "disturbed", "failed", "class"]
            .map(Into::into)
            .into(),
        rows: data.sweeps.iter().map(row).collect(),
        chart: None,
    }
}
