//! The finals of `crates/rivals --json` as a table of the page: every contestant in each class.

use super::number::Unit;
use super::tables::{Cell, Table};
use anyhow::{Context, Result};
use harness::class::LineClass;
use harness::spread::Spread;
use serde::Deserialize;
use std::fs;
use std::path::Path;

/// What is used of a line.
#[derive(Deserialize)]
struct Line {
    row: String,
    contestant: String,
    /// The class, if the repetition can be compared.
    standing: String,
    unit: String,
    #[serde(default)]
    value: Option<f64>,
}

/// # Errors
/// A file that cannot be read, or has another form.
pub(crate) fn table(path: &Path) -> Result<Table> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let lines = text.lines().map(|line| Ok(serde_json::from_str::<Line>(line)?));
    let lines: Result<Vec<Line>> = lines.collect();
    let lines = lines.with_context(|| format!("{} is no output of `rivals --json`", path.display()))?;
    let mut contestants: Vec<(&str, &str, &str)> = Vec::new();
    for Line { row, contestant, unit, .. } in &lines {
        if !contestants.contains(&(&**row, &**contestant, &**unit)) {
            contestants.push((row, contestant, unit));
        }
    }
    let cells = |(row, contestant, unit): &(&str, &str, &str)| {
        let in_class = |class: LineClass| {
            let of = |line: &&Line| {
                line.row == *row && line.contestant == *contestant && line.standing == class.to_string()
            };
            let values = lines.iter().filter(of).filter_map(|line| line.value).collect();
            Spread::of(values).map_or_else(|| "–".into(), |spread| Cell::from(Unit::Count.spread(&spread)))
        };
        let mut cells: Vec<Cell> = [row, contestant, unit].map(|text| Cell::from(*text)).into();
        cells.extend(LineClass::ALL.map(in_class));
        cells
    };
    let head = ["row", "contestant", "unit"].map(str::to_owned).into_iter();
    Ok(Table {
        name: "rivals".into(),
        title: "Beside rings and channels of other authors".into(),
        note: "The finals of crates/rivals: the best of ours and of the rivals, each in its best mode, in turn. Of several \
               modes of an engine the heats chose. Median (lowest to highest) in each class of core distance; docs/BIAS.md \
               and crates/rivals/README.md say how each is used."
            .into(),
        head: head.chain(LineClass::ALL.map(|class| class.to_string())).collect(),
        rows: contestants.iter().map(cells).collect(),
        chart: None,
    })
}
