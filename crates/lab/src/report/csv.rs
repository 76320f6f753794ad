//! A record as comma-separated values: a line for each repetition, comparable or not.

use crate::compare::record::{Record, Run};
use harness::latency::Quantiles;
use serde_json::{Map, Value, json};

/// The values of a repetition by the names of their columns, in order: those of the record, and the
/// class of each line round trip.
fn columns(run: &Run, classes: [String; 2]) -> Vec<(String, Value)> {
    let [before, after] = classes;
    let place = [
        ("sweep", json!(run.sweep)),
        ("x", json!(run.x)),
        ("engine", json!(run.engine)),
        ("round", json!(run.round)),
        ("line_before_ns", json!(run.line_ns[0])),
        ("line_after_ns", json!(run.line_ns[1])),
        ("class_before", json!(before)),
        ("class_after", json!(after)),
        ("elapsed_seconds", json!(run.elapsed_seconds)),
        ("others_seconds", json!(run.others_seconds)),
        ("failure", json!(run.outcome.as_ref().err())),
    ];
    let mut columns: Vec<_> = place.map(|(name, value)| (name.to_owned(), value)).into();
    let figures = json!(run.outcome.clone().unwrap_or_default());
    for (name, value) in figures.as_object().unwrap_or(&Map::new()) {
        // What has parts has a column for each: also where a repetition lacks it.
        let parts = if name.ends_with("latency_ns") {
            json!(Quantiles { count: 0, p50: 0, p99: None, p999: None, max: 0 })
        } else if name == "harness_ns" {
            json!({"write": null, "read": null})
        } else {
            let is_known = run.outcome.is_ok();
            columns.push((name.clone(), if is_known { value.clone() } else { Value::Null }));
            continue;
        };
        for (index, part) in parts.as_object().into_iter().flatten().map(|(part, _)| part).enumerate() {
            let found = value.get(part).or_else(|| value.get(index)).cloned();
            columns.push((format!("{name}_{part}"), found.unwrap_or_default()));
        }
    }
    columns
}

pub(crate) fn lines(record: &Record) -> String {
    let bounds = record.bounds();
    let line = |cells: Vec<String>| cells.join(",") + "\n";
    let mut lines = String::new();
    for run in &record.runs {
        let columns = columns(run, run.line_ns.map(|nanos| bounds.class(nanos).to_string()));
        if lines.is_empty() {
            lines.push_str(&line(columns.iter().map(|(name, _)| name.clone()).collect()));
        }
        lines.push_str(&line(columns.into_iter().map(|(_, value)| cell(value)).collect()));
    }
    lines
}

fn cell(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if text.contains([',', '"', '\n']) => {
            format!("\"{}\"", text.replace('"', "\"\""))
        }
        Value::String(text) => text,
        other => other.to_string(),
    }
}
