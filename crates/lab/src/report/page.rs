//! The report as one HTML page: no script, no other file, light or dark as the system of the reader
//! is.

use super::chart::{Chart, Mark, Unit, ladder, style};
use super::conclusions::{Conclusion, Sign, by_topic, conclusions, limits};
use super::markdown::about;
use super::tables::{Table, WITHOUT_SWEEP, tables, x_label};
use super::{Answers, Data, OURS, lost_percent, rate, reader_p999, writer_p999};
use crate::compare::figures::Figures;
use crate::engines::EngineName;
use harness::latency::Quantiles;
use maud::{DOCTYPE, Markup, PreEscaped, html};

pub(crate) fn page(data: &Data) -> String {
    let title = "seqring beside the locks that it replaces";
    let tables = tables(data);
    let conclusions = conclusions(data);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body { main {
                h1 { (title) }
                @for paragraph in about(data).split("\n\n") {
                    p class=(if paragraph.contains("**") { "banner" } else { "note" }) {
                        (paragraph.replace("**", "").replace('`', ""))
                    }
                }
                h2 { "What follows" }
                p.note {
                    "For seqring: ahead or behind in every round of at least three; otherwise open. In charts, points are "
                    "medians, and bars reach from the lowest to the highest run. The figures are in the tables below them."
                }
                ul {
                    @for topic in by_topic(&conclusions) {
                        li { (topic[0].topic) ": "
                            @if let [one] = topic { (stated(one)) } @else {
                                ul.several { @for one in topic { li { (stated(one)) } } }
                            }
                        }
                    }
                }
                h2 { "What does not follow" }
                ul { @for limit in limits(data) { li { (limit) } } }
                @for answers in &data.sweeps { (section(answers, &tables)) }
                @for name in WITHOUT_SWEEP.into_iter().chain(["repetitions"]) {
                    @for table in tables.iter().filter(|table| table.name == name) {
                        h2 { (table.title) }
                        p.note { (table.note) }
                        (rows(table))
                    }
                }
            } }
        }
    }
    .into_string()
}

fn stated(conclusion: &Conclusion) -> Markup {
    let class = match conclusion.sign {
        Sign::Better => "better",
        Sign::Worse => "worse",
        Sign::Open => "open",
    };
    // No line begins with "×".
    html! { b class=(class) { (conclusion.sign) } " " (conclusion.text.replace(" ×", "\u{a0}×")) }
}

fn section(answers: &Answers, all: &[Table]) -> Markup {
    let sweep = answers.sweep;
    let tables = || all.iter().filter(|table| sweep.has_table(&table.name));
    let charts = charts(answers);
    html! {
        h2 { (sweep.title) }
        p.note { (sweep.fixed) "." }
        @if !charts.is_empty() {
            (legend(answers))
            div.charts {
                @for (title, svg) in &charts { figure { h3 { (title) } (PreEscaped(svg)) } }
            }
        }
        @for table in tables() {
            @if sweep.name == "scenario" {
                p.note { (table.note) }
                (rows(table))
            } @else {
                details {
                    summary { "Table: " (table.title.trim_start_matches(sweep.title).trim_start_matches(": ")) }
                    (rows(table))
                }
            }
        }
    }
}

/// The charts of a sweep that have a point, with their titles.
fn charts(answers: &Answers) -> Vec<(&'static str, String)> {
    const ON_TIME: &str = "From the intended start of a write to the end of its read";
    let rates = || lines(answers, "Writes a second", "writes a second", Unit::Count, rate);
    let writer =
        || lines(answers, "The writer's 99.9th percentile", "p99.9 of a write", Unit::Nanos, writer_p999);
    let found = match answers.sweep.name {
        "scenario" => vec![],
        "alone" => vec![costs(answers).map(|svg| ("Time to write and read a message", svg))],
        "stalled-writer" => vec![rates()],
        "rate" => {
            let reader = "The slower reader's 99.9th percentile";
            let reader = lines(answers, reader, "p99.9 of a read", Unit::Nanos, reader_p999);
            vec![reader, latencies(answers).map(|svg| (ON_TIME, svg))]
        }
        "slow-readers" => {
            let lost =
                lines(answers, "Lost by readers", "share of the messages", Unit::Percent, lost_percent);
            vec![lost, writer()]
        }
        _ => vec![rates(), writer()],
    };
    found.into_iter().flatten().collect()
}

/// A line for each engine, over all points.
fn lines(
    answers: &Answers,
    title: &'static str,
    y: &str,
    unit: Unit,
    value: fn(&Figures) -> f64,
) -> Option<(&'static str, String)> {
    let of = |engine| (engine, answers.points.iter().map(|point| point.spread(engine, value)).collect());
    let chart = Chart {
        x: answers.sweep.axis,
        y,
        unit,
        labels: answers.points.iter().map(|point| x_label(answers.sweep.name, point.x)).collect(),
        lines: answers.engines().into_iter().map(of).collect(),
    };
    chart.svg().map(|svg| (title, svg))
}

/// Lowest, median and highest cost of each engine without contention.
fn costs(answers: &Answers) -> Option<String> {
    let point = answers.at(64.0)?;
    let rung = |engine: EngineName| {
        let spread = point.spread(engine, |figures| figures.cpu_ns_per_message)?;
        Some((engine, vec![spread.min, spread.median, spread.max]))
    };
    let rungs: Vec<_> = answers.engines().into_iter().filter_map(rung).collect();
    ladder("time of 64 bytes: lowest, median and highest run", Unit::Nanos, &rungs)
}

/// Quantiles of each engine at 1000 messages a second.
fn latencies(answers: &Answers) -> Option<String> {
    let point = answers.at(1000.0)?;
    let quantiles: [fn(&Quantiles) -> u64; 4] = [|all| all.p50, |all| all.p99, |all| all.p999, |all| all.max];
    let rung = |engine: EngineName| {
        let median = |of: fn(&Quantiles) -> u64| {
            let value = |figures: &Figures| figures.reader_ns.as_ref().map_or(f64::NAN, |all| of(all) as f64);
            point.spread(engine, value).map(|spread| spread.median)
        };
        let values: Vec<f64> = quantiles.into_iter().filter_map(median).collect();
        (!values.is_empty()).then_some((engine, values))
    };
    let rungs: Vec<_> = answers.engines().into_iter().filter_map(rung).collect();
    ladder("latency at 1000 writes a second: p50, p99, p99.9, maximum", Unit::Nanos, &rungs)
}

fn legend(answers: &Answers) -> Markup {
    html! {
        ul.legend {
            @for engine in answers.engines() {
                @let (colour, mark) = style(engine);
                li {
                    i style=(format!("color: rgb({}, {}, {})", colour.0, colour.1, colour.2)) {
                        (match mark { Mark::Circle => "●", Mark::Triangle => "▲", Mark::Cross => "✕" })
                    }
                    @if engine == OURS { b { (engine) } } @else { (engine) }
                }
            }
        }
    }
}

fn rows(table: &Table) -> Markup {
    html! {
        div.scroll { table {
            thead { tr { @for head in &table.head { th { (head) } } } }
            tbody {
                @for row in &table.rows {
                    tr.ours[row.first().is_some_and(|cell| cell.text == OURS.name())] {
                        @for cell in row {
                            td.met[cell.is_met == Some(true)].missed[cell.is_met == Some(false)] { (cell.text) }
                        }
                    }
                }
            }
        } }
    }
}
