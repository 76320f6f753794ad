//! The report as Markdown, whole or by blocks.

use super::conclusions::{Conclusion, by_topic, conclusions, limits};
use super::data::Data;
use super::tables::{Table, tables};
use crate::compare::record::Header;
use std::fmt::Write;

/// The whole page.
pub(crate) fn page(data: &Data) -> String {
    let mut page = String::from("# seqring beside the locks that it replaces\n\n");
    for (name, title, text) in blocks(data) {
        let heading = if name == "about" { String::new() } else { format!("## {title}\n\n") };
        page.push_str(&heading);
        page.push_str(&text);
        page.push('\n');
    }
    page
}

/// Every block: its name, its title, its text.
pub(crate) fn blocks(data: &Data) -> Vec<(String, String, String)> {
    let mut blocks = vec![
        ("about".into(), "About".into(), about(data)),
        ("conclusions".into(), "What follows".into(), list(by_topic(&conclusions(data)).map(together))),
        ("limits".into(), "What does not follow".into(), list(limits(data).into_iter())),
    ];
    for table in tables(data) {
        let text = format!("{}\n\n{}", table.note, rows(&table));
        blocks.push((table.name, table.title, text));
    }
    blocks
}

/// Where the figures come from, in sentences.
pub(crate) fn about(data: &Data) -> String {
    let Header { command, commit, program, machine, .. } = &data.header;
    let gibibytes = machine.memory_bytes as f64 / f64::from(1 << 30);
    let mut text = format!(
        "{}, {} cores, {gibibytes:.0} GiB{}, {}. `{command}` of seqring {program} at commit {commit}.\n",
        machine.cpu_model,
        machine.allowed_cores,
        if machine.virtual_machine { ", a virtual machine" } else { "" },
        machine.kernel
    );
    if data.with_disturbed {
        text.push_str("\n**With repetitions that cannot be compared: others used the machine meanwhile. No evidence.**\n");
    }
    text
}

/// Conclusions on one topic, as a sentence. What is not stated says so.
fn together(conclusions: &[Conclusion]) -> String {
    let texts: Vec<String> = conclusions.iter().map(|one| format!("{} ({})", one.text, one.sign)).collect();
    format!("{}: {}", conclusions[0].topic, texts.join("; "))
}

fn list(lines: impl Iterator<Item = String>) -> String {
    lines.fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "- {line}"); // Writing to a string does not fail.
        text
    })
}

fn rows(table: &Table) -> String {
    let line = |cells: Vec<&str>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(table.head.iter().map(String::as_str).collect());
    let _ = writeln!(text, "|---|{}", "--:|".repeat(table.head.len() - 1)); // Writing to a string does not fail.
    for row in &table.rows {
        text.push_str(&line(row.iter().map(|cell| cell.text.as_str()).collect()));
    }
    text
}
