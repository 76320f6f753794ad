//! The report as Markdown: whole, or as blocks of a document.
//!
//! A block of a document stands between `<!-- record: NAME -->` and `<!-- end -->`, and is replaced
//! by the block of that name. If this record lacks it and another record could have it, the block
//! says so.

use super::Data;
use super::conclusions::{Conclusion, by_topic, conclusions, limits, ratios};
use super::tables::{Table, WITHOUT_SWEEP, tables};
use crate::compare::record::Header;
use crate::compare::sweep::SWEEPS;
use anyhow::{Context, Result, bail, ensure};
use std::fmt::Write;
use std::fs;
use std::path::Path;

const BEGIN: &str = "<!-- record: ";
const END: &str = "<!-- end -->";

pub(crate) fn page(data: &Data) -> String {
    let mut page = String::from("# seqring beside the locks that it replaces\n\n");
    for (name, title, text) in blocks(data) {
        let heading = if name == "about" { String::new() } else { format!("## {title}\n\n") };
        page.extend([heading, text, "\n".into()]);
    }
    page
}

/// Every block: its name, its title, its text.
fn blocks(data: &Data) -> Vec<(String, String, String)> {
    let list = |lines: Vec<String>| format!("- {}\n", lines.join("\n- "));
    let mut blocks = vec![
        ("about".into(), "About".into(), about(data)),
        (
            "conclusions".into(),
            "What follows".into(),
            list(by_topic(&conclusions(data)).map(together).collect()),
        ),
        ("limits".into(), "What does not follow".into(), list(limits(data))),
    ];
    for table in ratios(&conclusions(data)).into_iter().chain(tables(data)) {
        let text = format!("{}\n\n{}", table.note, rows(&table));
        blocks.push((table.name, table.title, text));
    }
    blocks
}

/// The origin of the figures, in sentences.
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
    if let Some(why) = data.nothing_comparable() {
        let _ = writeln!(text, "\n**{why}**"); // As below.
    }
    if data.with_disturbed {
        text.push_str(
            "\n**With repetitions that are not comparable: other processes used the machine meanwhile. No evidence.**\n",
        );
    }
    text
}

/// Conclusions on one topic, as a sentence.
fn together(conclusions: &[Conclusion]) -> String {
    let texts: Vec<String> = conclusions.iter().map(|one| format!("{} ({})", one.text, one.sign)).collect();
    format!("{}: {}", conclusions[0].topic, texts.join("; "))
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

/// Replaces the blocks of `document`, or checks that none would change.
///
/// # Errors
/// A name that no record has a block for, a block without an end; with `check`, the first line that
/// differs.
pub(crate) fn splice(document: &Path, data: &Data, check: bool) -> Result<()> {
    let name = document.display();
    let text = fs::read_to_string(document).with_context(|| format!("reading {name}"))?;
    let spliced = replace(&text, data).with_context(|| name.to_string())?;
    if !check {
        return fs::write(document, spliced).with_context(|| format!("writing {name}"));
    }
    for (number, (is, should)) in text.lines().zip(spliced.lines()).enumerate() {
        ensure!(is == should, "{name} is not what its record says, from line {}: {should}", number + 1);
    }
    ensure!(text == spliced, "{name} is not what its record says: it is longer or shorter");
    Ok(())
}

fn replace(text: &str, data: &Data) -> Result<String> {
    let blocks = blocks(data);
    let mut spliced = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once(BEGIN) {
        let (name, behind) = behind.split_once(" -->").context("the name of a record without an end")?;
        let (_, after) = behind.split_once(END).with_context(|| format!("the block {name} without {END}"))?;
        let could_be_there =
            || WITHOUT_SWEEP.contains(&name) || SWEEPS.iter().any(|sweep| sweep.has_table(name));
        let block = match blocks.iter().find(|block| block.0 == name) {
            Some((_, _, block)) => block,
            None if could_be_there() => "Not measured in this record.\n",
            None => bail!("no record has a block {name}"),
        };
        spliced.extend([before, BEGIN, name, " -->\n", block, END]);
        rest = after;
    }
    Ok(spliced + rest)
}
