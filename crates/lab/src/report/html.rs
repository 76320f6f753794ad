//! The report as one HTML page: no script, nothing fetched, light or dark as the reader's system is.

use super::chart::{Chart, Mark, Series, escape};
use super::conclusions::{Conclusion, Sign, by_topic, conclusions, limits};
use super::data::{Answers, Data, rate, reader_p999, writer_p999};
use super::ladder::{Ladder, Rung};
use super::markdown::about;
use super::number;
use super::tables::{Table, WITHOUT_SWEEP, has, tables, x_label};
use crate::compare::figures::Figures;
use crate::engines::EngineName;
use std::fmt::Write;

/// Engines with a colour of their own; the others share one, and are told apart by their dashes.
const COLOURED: [EngineName; 6] = [
    EngineName::Seqring,
    EngineName::SemaphoreRwlock,
    EngineName::MutexCondvar,
    EngineName::PthreadRwlock,
    EngineName::SlotLocks,
    EngineName::Ticket,
];

/// The whole page.
pub(crate) fn page(data: &Data) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>seqring beside the locks that it replaces</title>\n<style>\n{}</style>\n</head>\n<body><main>\n\
         <h1>seqring beside the locks that it replaces</h1>\n",
        include_str!("style.css")
    );
    top(&mut page, data);
    let tables = tables(data);
    for answers in &data.sweeps {
        section(&mut page, answers, &tables);
    }
    for name in WITHOUT_SWEEP.into_iter().chain(["repetitions"]) {
        for table in tables.iter().filter(|table| table.name == name) {
            let _ = write!(page, "<h2>{}</h2>\n{}", escape(&table.title), note(&table.note));
            page.push_str(&rows(table));
        }
    }
    page.push_str("</main></body>\n</html>\n");
    page
}

fn top(page: &mut String, data: &Data) {
    for paragraph in about(data).split("\n\n") {
        let is_banner = paragraph.contains("**");
        let class = if is_banner { "banner" } else { "note" };
        let text = escape(&paragraph.replace("**", "").replace('`', ""));
        let _ = writeln!(page, "<p class=\"{class}\">{text}</p>");
    }
    page.push_str(
        "<h2>What follows</h2>\n<p class=\"note\">Of seqring: ahead or behind in every round of at least three; open, \
         if not. In charts, points are medians and bars reach from the lowest to the highest run; point at a line for its name.</p>\n<ul>\n",
    );
    for topic in by_topic(&conclusions(data)) {
        let about = escape(&topic[0].topic);
        let _ = match topic {
            [one] => writeln!(page, "<li>{about}: {}</li>", stated(one)),
            several => {
                let items: Vec<String> =
                    several.iter().map(|one| format!("<li>{}</li>", stated(one))).collect();
                writeln!(page, "<li>{about}<ul class=\"several\">{}</ul></li>", items.concat())
            }
        };
    }
    page.push_str("</ul>\n<h2>What does not follow</h2>\n<ul>\n");
    for limit in limits(data) {
        let _ = writeln!(page, "<li>{}</li>", escape(&limit));
    }
    page.push_str("</ul>\n");
}

/// A conclusion, with its sign in front.
fn stated(conclusion: &Conclusion) -> String {
    let class = match conclusion.sign {
        Sign::Better => "better",
        Sign::Worse => "worse",
        Sign::Open => "open",
    };
    format!("<b class=\"{class}\">{}</b> {}", conclusion.sign, escape(&conclusion.text))
}

fn section(page: &mut String, answers: &Answers, tables: &[Table]) {
    let sweep = answers.sweep;
    let _ = write!(page, "<h2>{}</h2>\n{}", escape(sweep.title), note(&format!("{}.", sweep.fixed)));
    let charts = charts(answers);
    if !charts.is_empty() {
        page.push_str(&legend(answers));
        let _ = writeln!(page, "<div class=\"charts\">{}</div>", charts.concat());
    }
    for table in tables.iter().filter(|table| sweep.has_table(&table.name)) {
        if sweep.name == "scenario" {
            let _ = write!(page, "{}{}", note(&table.note), rows(table));
        } else {
            let title =
                escape(table.title.strip_prefix(&format!("{}: ", sweep.title)).unwrap_or(&table.title));
            let _ = writeln!(page, "<details><summary>Table: {title}</summary>{}</details>", rows(table));
        }
    }
}

fn charts(answers: &Answers) -> Vec<String> {
    let lines = |title: &str, value: fn(&Figures) -> f64, format: fn(f64) -> String| {
        has(answers, value).then(|| figure(title, lines(answers, title, value, format))).flatten()
    };
    let rates = || lines("Writes a second", rate, number::count);
    let writers = || lines("The writer's 99.9th percentile", writer_p999, number::nanos);
    let found = match answers.sweep.name {
        "scenario" => vec![],
        "alone" => vec![figure("Time to write and read a message", cost_ladder(answers))],
        "stalled-writer" => vec![rates()],
        "rate" => {
            let readers = lines("The slower reader's 99.9th percentile", reader_p999, number::nanos);
            vec![
                readers,
                figure("From the intended start of a write to the end of its read", latency_ladder(answers)),
            ]
        }
        "slow-readers" => {
            vec![lines("Lost by readers, in percent", |f| 100.0 * f.lost_share, number::count), writers()]
        }
        _ => vec![rates(), writers()],
    };
    found.into_iter().flatten().collect()
}

fn figure(title: &str, svg: Option<String>) -> Option<String> {
    Some(format!("<figure><h3>{}</h3>{}</figure>\n", escape(title), svg?))
}

/// A line for each engine, over all points.
fn lines(
    answers: &Answers,
    title: &str,
    value: fn(&Figures) -> f64,
    format: fn(f64) -> String,
) -> Option<String> {
    let of = |engine: EngineName| {
        let mark = |(x, point): (usize, &super::data::Answer)| {
            let spread = point.spread(engine, value)?;
            let says =
                format!("{} at {}", number::spread(&spread, format), x_label(answers.sweep.name, point.x));
            Some(Mark { x, median: spread.median, min: spread.min, max: spread.max, says })
        };
        let points = answers.points.iter().enumerate().filter_map(mark).collect();
        Series { name: engine.to_string(), points }
    };
    let labels = answers.points.iter().map(|point| x_label(answers.sweep.name, point.x)).collect();
    let mut engines = answers.engines();
    engines.sort_by_key(|engine| !COLOURED.contains(engine)); // These are drawn first, below the others.
    let series = engines.into_iter().map(of).collect();
    Chart { title, axis: answers.sweep.axis, labels, series, format }.svg()
}

/// Lowest, median and highest cost of each engine where nobody contends.
fn cost_ladder(answers: &Answers) -> Option<String> {
    let point = answers.at(64.0)?;
    let rung = |engine: EngineName| {
        let spread = point.spread(engine, |figures| figures.cpu_ns_per_message)?;
        let says = |what: &str, value: f64| (value, format!("{what} {}", number::nanos(value)));
        let marks =
            vec![says("lowest", spread.min), says("median", spread.median), says("highest", spread.max)];
        Some(Rung { name: engine.to_string(), marks })
    };
    Ladder {
        title: "Time to write and read a message",
        axis: "64 bytes; lowest, median and highest run",
        rungs: answers.engines().into_iter().filter_map(rung).collect(),
        format: number::nanos,
    }
    .svg()
}

/// Quantiles of each engine at 1000 messages a second.
fn latency_ladder(answers: &Answers) -> Option<String> {
    let point = answers.at(1000.0)?;
    let rung = |engine: EngineName| {
        let quantile = |name: &str, of: fn(&crate::perf::Latency) -> u64| {
            let value = |figures: &Figures| figures.reader_ns.as_ref().map_or(f64::NAN, |all| of(all) as f64);
            let median = point.spread(engine, value)?.median;
            Some((median, format!("{name} {}", number::nanos(median))))
        };
        let marks: Vec<_> = [
            quantile("p50", |all| all.p50),
            quantile("p99", |all| all.p99),
            quantile("p99.9", |all| all.p999),
            quantile("max", |all| all.max),
        ]
        .into_iter()
        .flatten()
        .collect();
        (!marks.is_empty()).then(|| Rung { name: engine.to_string(), marks })
    };
    Ladder {
        title: "From the intended start of a write to the end of its read",
        axis: "at 1000 writes a second: p50, p99, p99.9, maximum",
        rungs: answers.engines().into_iter().filter_map(rung).collect(),
        format: number::nanos,
    }
    .svg()
}

fn legend(answers: &Answers) -> String {
    let mut engines = answers.engines();
    engines.sort_by_key(|engine| !COLOURED.contains(engine));
    let entries: Vec<String> =
        engines.iter().map(|name| format!("<li class=\"{name}\"><i></i>{name}</li>")).collect();
    format!("<ul class=\"legend\">{}</ul>\n", entries.concat())
}

fn note(text: &str) -> String {
    format!("<p class=\"note\">{}</p>\n", escape(text))
}

fn rows(table: &Table) -> String {
    let mut html = String::from("<div class=\"scroll\"><table><thead><tr>");
    for head in &table.head {
        let _ = write!(html, "<th>{}</th>", escape(head));
    }
    html.push_str("</tr></thead><tbody>\n");
    for row in &table.rows {
        let is_ours = row.first().is_some_and(|cell| cell.text == EngineName::Seqring.name());
        html.push_str(if is_ours { "<tr class=\"seqring\">" } else { "<tr>" });
        for cell in row {
            let class = match cell.is_met {
                Some(true) => " class=\"met\"",
                Some(false) => " class=\"missed\"",
                None => "",
            };
            let _ = write!(html, "<td{class}>{}</td>", escape(&cell.text));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
    html
}
