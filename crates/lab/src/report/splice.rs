//! Tables of a document that come from a record.
//!
//! A block stands between `<!-- record: NAME -->` and `<!-- end -->`; what is between them is replaced. Of a block that
//! this record has nothing for, but another could have, it says that.

use super::data::Data;
use super::markdown::blocks;
use super::tables::WITHOUT_SWEEP;
use crate::compare::sweep::SWEEPS;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;

const END: &str = "<!-- end -->";

/// Replaces the blocks of `document`, or checks that there is nothing to replace.
///
/// # Errors
/// A name that no record has a block for, a block without an end; with `check`, blocks that differ, by line.
pub(crate) fn splice(document: &Path, data: &Data, check: bool) -> Result<()> {
    let text = fs::read_to_string(document).with_context(|| format!("reading {}", document.display()))?;
    let spliced = replace(&text, data).with_context(|| document.display().to_string())?;
    if check {
        let differs = text.lines().zip(spliced.lines()).position(|(is, should)| is != should);
        if let Some(line) = differs {
            let should = spliced.lines().nth(line).unwrap_or_default();
            bail!("{} is not what its record says, from line {}: {should}", document.display(), line + 1);
        }
        if text != spliced {
            bail!("{} is not what its record says: it is longer or shorter", document.display());
        }
        return Ok(());
    }
    fs::write(document, spliced).with_context(|| format!("writing {}", document.display()))
}

fn replace(text: &str, data: &Data) -> Result<String> {
    let blocks = blocks(data);
    let mut spliced = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("<!-- record: ") {
        let (name, behind) = behind.split_once(" -->").context("a record's name without an end")?;
        let (_, after) = behind.split_once(END).with_context(|| format!("the block {name} without {END}"))?;
        let block = blocks.iter().find(|block| block.0 == name);
        let block = match block {
            Some((_, _, block)) => block,
            None if could_be_there(name) => "Not measured in this record.\n",
            None => bail!("no record has a block {name}"),
        };
        for part in [before, "<!-- record: ", name, " -->\n", block, END] {
            spliced.push_str(part);
        }
        rest = after;
    }
    spliced.push_str(rest);
    Ok(spliced)
}

/// Whether a record that has measured more has such a block.
fn could_be_there(name: &str) -> bool {
    WITHOUT_SWEEP.contains(&name) || SWEEPS.iter().any(|sweep| sweep.has_table(name))
}
