//! A chart of lines over an axis, as SVG: medians, with a bar from the lowest to the highest run.
//!
//! Colours are classes, so that the page decides them, for light and dark. Every line says its name and figures when
//! pointed at; they stand in a table beside the chart, too.

use std::fmt::Write;

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 330.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 48.0;

/// One line.
pub(crate) struct Series {
    /// Also a class of the style sheet.
    pub(crate) name: String,
    pub(crate) points: Vec<Mark>,
}

/// A point of a line: where on the axis, and the runs' spread.
#[derive(Clone)]
pub(crate) struct Mark {
    pub(crate) x: usize,
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    /// What pointing at it says.
    pub(crate) says: String,
}

/// A chart: points are as far from each other as their labels, whatever the numbers.
pub(crate) struct Chart<'c> {
    pub(crate) title: &'c str,
    pub(crate) axis: &'c str,
    pub(crate) labels: Vec<String>,
    pub(crate) series: Vec<Series>,
    pub(crate) format: fn(f64) -> String,
}

impl Chart<'_> {
    /// The chart as SVG; `None` without a single point.
    pub(crate) fn svg(&self) -> Option<String> {
        let marks = || self.series.iter().flat_map(|series| &series.points);
        let low = marks().map(|mark| mark.min).filter(|value| *value > 0.0).reduce(f64::min)?;
        let high = marks().map(|mark| mark.max).reduce(f64::max)?;
        // Whole decades: every tick is a power of ten, and no chart makes a small difference look large.
        let (from, to) = (low.log10().floor(), high.log10().ceil());
        let to = if to > from { to } else { from + 1.0 };
        let height = HEIGHT - TOP - BOTTOM;
        let y = move |value: f64| TOP + height * (1.0 - (value.log10().max(from) - from) / (to - from));
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
            escape(self.title)
        );
        self.grid(&mut svg, (from as i32, to as i32), y);
        // The last is on top: ours.
        for series in self.series.iter().rev() {
            self.line(&mut svg, series, y);
        }
        svg.push_str("</svg>\n");
        Some(svg)
    }

    fn x(&self, index: usize) -> f64 {
        let width = WIDTH - LEFT - RIGHT;
        LEFT + width * (index as f64 + 0.5) / self.labels.len().max(1) as f64
    }

    fn grid(&self, svg: &mut String, (from, to): (i32, i32), y: impl Fn(f64) -> f64) {
        let end = WIDTH - RIGHT;
        for decade in from..=to {
            let value = 10_f64.powi(decade);
            let at = y(value);
            let label = escape(&(self.format)(value));
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{end}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
                 <text class=\"tick\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                LEFT - 6.0,
                at + 4.0
            );
        }
        for (index, label) in self.labels.iter().enumerate() {
            let _ = writeln!(
                svg,
                "<text class=\"tick\" x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                self.x(index),
                HEIGHT - BOTTOM + 18.0,
                escape(label)
            );
        }
        let _ = writeln!(
            svg,
            "<text class=\"axis\" x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            f64::midpoint(LEFT, end),
            HEIGHT - 10.0,
            escape(self.axis)
        );
    }

    fn line(&self, svg: &mut String, series: &Series, y: impl Fn(f64) -> f64) {
        let _ = writeln!(svg, "<g class=\"series {0}\"><title>{0}</title>", escape(&series.name));
        let mut path = String::new();
        let mut last = None;
        for mark in &series.points {
            // A point without comparable runs is a gap, not a line across it.
            let command = if last.is_some_and(|last| last + 1 == mark.x) { 'L' } else { 'M' };
            let _ = write!(path, "{command}{:.1} {:.1}", self.x(mark.x), y(mark.median));
            last = Some(mark.x);
        }
        let _ = writeln!(svg, "<path d=\"{path}\"/>");
        for mark in &series.points {
            let (x, top, bottom, at) = (self.x(mark.x), y(mark.max), y(mark.min), y(mark.median));
            let _ = writeln!(
                svg,
                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top:.1}\" y2=\"{bottom:.1}\"/>\
                 <circle cx=\"{x:.1}\" cy=\"{at:.1}\" r=\"3.2\"><title>{}</title></circle>",
                escape(&format!("{}: {}", series.name, mark.says))
            );
        }
        svg.push_str("</g>\n");
    }
}

/// Text inside markup.
pub(crate) fn escape(text: &str) -> String {
    let kept = text.replace(" ×", "\u{a0}×"); // No line begins with it.
    kept.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
