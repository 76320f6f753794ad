//! The report as Markdown: whole, or as blocks of a document.
//!
//! A block of a document stands between `<!-- record: NAME -->` and `<!-- end -->`, and is replaced
//! by the block of that name. If this record lacks it and another record could have it, the block
//! says so.

use super::Data;
use super::conclusions::{Conclusion, by_topic, conclusions, limits, ratios};
use super::tables::{Cell, Table, WITHOUT_SWEEP, tables};
use crate::compare::record::Header;
use crate::compare::sweep::SWEEPS;
use anyhow::{Context, Result, bail, ensure};
use std::fmt::Write;
use std::fs;
use std::path::Path;

const BEGIN: &str = "<!-- record: ";
const END: &str = "<!-- end -->";

pub(super) fn page(data: &Data) -> String {
    let mut page = String::from("# seqring beside the locks that it replaces\n\n");
    for (name, title, text) in blocks(data) {
        let heading = if name == "about" { String::new() } else { format!("## {title}\n\n") };
        page.extend([heading, text, "\n".into()]);
    }
    page
}

/// Replaces the blocks of `document` by those of a record of `compare`, or checks them.
///
/// # Errors
/// As [`splice`].
pub(super) fn splice_data(document: &Path, data: &Data, check: bool) -> Result<()> {
    let blocks: Vec<_> = blocks(data).into_iter().map(|(name, _, text)| (name, text)).collect();
    let could_be_there =
        |name: &str| WITHOUT_SWEEP.contains(&name) || SWEEPS.iter().any(|sweep| sweep.has_table(name));
    splice(document, &blocks, could_be_there, check)
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
        let text = format!("{}\n\n{}", table.note, of_table(&table));
        blocks.push((table.name, table.title, text));
    }
    blocks
}

/// The origin of the figures, in sentences.
pub(super) fn about(data: &Data) -> String {
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

fn of_table(table: &Table) -> String {
    let texts = |row: &Vec<Cell>| row.iter().map(|cell| cell.text.clone()).collect();
    rows(table.head.clone(), table.rows.iter().map(texts).collect())
}

/// A table.
pub(crate) fn rows(head: Vec<String>, body: Vec<Vec<String>>) -> String {
    let rule = format!("|---|{}\n", "--:|".repeat(head.len() - 1));
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    std::iter::once(line(head)).chain([rule]).chain(body.into_iter().map(line)).collect()
}

/// Names, separated by commas; `none` if there are none.
pub(crate) fn list<T: ToString>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

/// Replaces the blocks of `document`, by their names, or checks that none would change.
///
/// # Errors
/// A name that no record has a block for, unless it `could_be_there`; a block without an end; with
/// `check`, the first line that differs.
pub(crate) fn splice(
    document: &Path,
    blocks: &[(String, String)],
    could_be_there: impl Fn(&str) -> bool,
    check: bool,
) -> Result<()> {
    let name = document.display();
    let text = fs::read_to_string(document).with_context(|| format!("reading {name}"))?;
    let spliced = replace(&text, blocks, could_be_there).with_context(|| name.to_string())?;
    if !check {
        return fs::write(document, spliced).with_context(|| format!("writing {name}"));
    }
    for (number, (is, should)) in text.lines().zip(spliced.lines()).enumerate() {
        ensure!(is == should, "{name} is not what its record says, from line {}: {should}", number + 1);
    }
    ensure!(text == spliced, "{name} is not what its record says: it is longer or shorter");
    Ok(())
}

fn replace(text: &str, blocks: &[(String, String)], could_be_there: impl Fn(&str) -> bool) -> Result<String> {
    let mut spliced = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once(BEGIN) {
        let (name, behind) = behind.split_once(" -->").context("the name of a record without an end")?;
        let (_, after) = behind.split_once(END).with_context(|| format!("the block {name} without {END}"))?;
        let block = match blocks.iter().find(|block| block.0 == name) {
            Some((_, block)) => block,
            None if could_be_there(name) => "Not measured in this record.\n",
            None => bail!("no record has a block {name}"),
        };
        spliced.extend([before, BEGIN, name, " -->\n", block, END]);
        rest = after;
    }
    Ok(spliced + rest)
}
