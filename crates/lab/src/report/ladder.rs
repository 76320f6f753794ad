//! Figures of each engine on one logarithmic line, as SVG: quantiles of latencies, or a cost with its spread.

use super::chart::escape;
use std::fmt::Write;

const WIDTH: f64 = 520.0;
const LEFT: f64 = 132.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 8.0;
const ROW: f64 = 23.0;
const BOTTOM: f64 = 44.0;

/// One engine's line.
pub(crate) struct Rung {
    /// Also a class of the style sheet.
    pub(crate) name: String,
    /// Values with what they are, from left to right.
    pub(crate) marks: Vec<(f64, String)>,
}

/// The lines of all engines, on one axis.
pub(crate) struct Ladder<'l> {
    pub(crate) title: &'l str,
    pub(crate) axis: &'l str,
    pub(crate) rungs: Vec<Rung>,
    pub(crate) format: fn(f64) -> String,
}

impl Ladder<'_> {
    /// The ladder as SVG; `None` without a single value.
    pub(crate) fn svg(&self) -> Option<String> {
        let values = || self.rungs.iter().flat_map(|rung| &rung.marks).map(|mark| mark.0);
        let low = values().filter(|value| *value > 0.0).reduce(f64::min)?;
        let high = values().reduce(f64::max)?;
        let (from, to) = (low.log10().floor(), high.log10().ceil());
        let to = if to > from { to } else { from + 1.0 };
        let width = WIDTH - LEFT - RIGHT;
        let x = move |value: f64| LEFT + width * (value.log10().max(from) - from) / (to - from);
        let bottom = TOP + ROW * self.rungs.len() as f64;
        let height = bottom + BOTTOM;
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">\n",
            escape(self.title)
        );
        for decade in from as i32..=to as i32 {
            let value = 10_f64.powi(decade);
            let at = x(value);
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/>\
                 <text class=\"tick\" x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                bottom + 16.0,
                escape(&(self.format)(value))
            );
        }
        for (index, rung) in self.rungs.iter().enumerate() {
            draw(&mut svg, rung, TOP + ROW * (index as f64 + 0.5), x);
        }
        let _ = writeln!(
            svg,
            "<text class=\"axis\" x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n</svg>",
            LEFT + width / 2.0,
            height - 8.0,
            escape(self.axis)
        );
        Some(svg)
    }
}

fn draw(svg: &mut String, rung: &Rung, y: f64, x: impl Fn(f64) -> f64) {
    let name = escape(&rung.name);
    let _ = writeln!(
        svg,
        "<text class=\"tick\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text><g class=\"series {name}\">",
        LEFT - 10.0,
        y + 4.0,
    );
    if let (Some(first), Some(last)) = (rung.marks.first(), rung.marks.last()) {
        let (from, to) = (x(first.0), x(last.0));
        let _ = writeln!(svg, "<line x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>");
    }
    for (index, (value, says)) in rung.marks.iter().enumerate() {
        let radius = 4.5 - 0.7 * index as f64;
        let _ = writeln!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\"><title>{name}: {}</title></circle>",
            x(*value),
            escape(says)
        );
    }
    svg.push_str("</g>\n");
}
