//! The picture of a record: a square for each contestant and cell, whose colour and number are the
//! share of runs in which all survivors went on, in percent.
#![allow(clippy::cast_possible_wrap, clippy::cast_sign_loss, reason = "pixels and colours")]

use super::cell::Cell;
use super::contestants::CONTESTANTS;
use super::page::Summary;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

const SQUARE: (i32, i32) = (58, 24);
/// Room for names at the left, and for cells above.
const MARGINS: (i32, i32) = (140, 70);
const FONT: (&str, u32) = ("sans-serif", 12);

/// The picture as SVG; `None` without a run.
pub(crate) fn svg(summaries: &[Summary<'_>]) -> Option<String> {
    let cells: Vec<Cell> =
        Cell::ALL.into_iter().filter(|cell| summaries.iter().any(|one| one.cell == *cell)).collect();
    let is_there = |name: &&str| summaries.iter().any(|one| one.contestant.name == *name);
    let names: Vec<&str> = CONTESTANTS.iter().map(|one| one.name).filter(is_there).collect();
    if cells.is_empty() {
        return None;
    }
    let (wide, high) =
        (MARGINS.0 + SQUARE.0 * cells.len() as i32 + 8, MARGINS.1 + SQUARE.1 * names.len() as i32 + 8);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (wide as u32, high as u32)).into_drawing_area();
        area.fill(&WHITE).ok()?;
        let text = |at: (i32, i32), text: String, colour: RGBColor, pos: Pos| {
            area.draw(&Text::new(text, at, FONT.into_font().color(&colour).pos(pos))).ok()
        };
        let (centred, left) = (Pos::new(HPos::Center, VPos::Center), Pos::new(HPos::Left, VPos::Center));
        for (column, cell) in (0..).zip(&cells) {
            let x = MARGINS.0 + SQUARE.0 * column + SQUARE.0 / 2;
            for (line, word) in (0..).zip(lines(*cell)) {
                text((x, 12 + 14 * line), word, BLACK, centred)?;
            }
        }
        for (row, name) in (0..).zip(&names) {
            let y = MARGINS.1 + SQUARE.1 * row;
            text((6, y + SQUARE.1 / 2), (*name).into(), BLACK, left)?;
            for (column, cell) in (0..).zip(&cells) {
                let x = MARGINS.0 + SQUARE.0 * column;
                let summary = summaries.iter().find(|one| one.cell == *cell && one.contestant.name == *name);
                let share = summary.map(|one| one.claim().share());
                let corners = [(x + 1, y + 1), (x + SQUARE.0 - 1, y + SQUARE.1 - 1)];
                let colour = share.map_or(RGBColor(235, 235, 235), colour);
                area.draw(&Rectangle::new(corners, colour.filled())).ok()?;
                if let Some(share) = share {
                    // No 100 where one run hung, and no 0 where one went on.
                    let percent = (100.0 * share).clamp(if share > 0.0 { 1.0 } else { 0.0 }, 100.0);
                    let percent = if share < 1.0 { percent.min(99.0) } else { percent };
                    let middle = (x + SQUARE.0 / 2, y + SQUARE.1 / 2);
                    text(middle, format!("{percent:.0}"), WHITE, centred)?;
                }
            }
        }
        area.present().ok()?;
    }
    Some(svg)
}

/// From vermilion to blue: distinct with colour blindness, and dark enough for white numbers.
fn colour(share: f64) -> RGBColor {
    let mix = |bad: f64, good: f64| (bad + (good - bad) * share).round() as u8;
    RGBColor(mix(190.0, 0.0), mix(74.0, 100.0), mix(0.0, 160.0))
}

/// The words of a cell, in lines that fit over a square.
fn lines(cell: Cell) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in cell.to_string().replace(',', "").split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < 9 => *line = format!("{line} {word}"),
            _ => lines.push(word.into()),
        }
    }
    lines
}
