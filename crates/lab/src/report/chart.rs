//! Charts as SVG: medians, with a bar from the lowest to the highest run.
//!
//! Rates and times have a logarithmic axis over whole decades, so that no chart exaggerates a small
//! difference. Percentages have a linear axis from 0. Text and grid take the colour of the page;
//! the colours of the lines are those of Okabe and Ito, which remain distinct with colour
//! blindness, and read on light and dark. Engines that share a colour differ in their marks.

use super::number::Unit;
use crate::engines::EngineName;
use harness::spread::Spread;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;

const SIZE: (u32, u32) = (520, 340);
const FONT: (&str, u32) = ("sans-serif", 14);

/// A chart of lines over the points of a sweep.
pub(crate) struct Chart<'c> {
    /// The label of the horizontal axis.
    pub(crate) x: &'c str,
    /// The label of the vertical axis.
    pub(crate) y: &'c str,
    pub(crate) unit: Unit,
    pub(crate) labels: &'c [String],
    /// By engine and point.
    pub(crate) lines: Vec<(EngineName, Vec<Option<Spread>>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Circle,
    Triangle,
    Cross,
}

pub(crate) fn style(engine: EngineName) -> (RGBColor, Mark) {
    const COLOURS: [RGBColor; 7] = [
        RGBColor(213, 94, 0),
        RGBColor(0, 114, 178),
        RGBColor(0, 158, 115),
        RGBColor(204, 121, 167),
        RGBColor(230, 159, 0),
        RGBColor(86, 180, 233),
        RGBColor(136, 136, 136),
    ];
    let index = engine as usize;
    let mark = [Mark::Circle, Mark::Triangle, Mark::Cross][index / COLOURS.len()];
    (COLOURS[index % COLOURS.len()], mark)
}

/// The whole decades around the positive of `values`; `None` without any.
fn decades(values: impl Iterator<Item = f64> + Clone) -> Option<(f64, f64)> {
    let low = values.clone().filter(|value| *value > 0.0).reduce(f64::min)?.log10().floor();
    let high = values.reduce(f64::max)?.log10().ceil();
    Some((10_f64.powf(low), 10_f64.powf(high.max(low + 1.0))))
}

impl Chart<'_> {
    /// The chart as SVG; `None` without a single point.
    pub(crate) fn svg(&self) -> Option<String> {
        let spreads = || self.lines.iter().flat_map(|(_, points)| points.iter().flatten());
        if self.unit == Unit::Percent {
            spreads().next()?;
            return self.draw(0.0..100.0, 0.0);
        }
        let (from, to) = decades(spreads().flat_map(|spread| [spread.min, spread.max]))?;
        self.draw((from..to).log_scale(), from)
    }

    /// Draws over an axis on which no value is below `floor`.
    fn draw<Y>(&self, y: Y, floor: f64) -> Option<String>
    where
        Y: AsRangedCoord<Value = f64>,
        Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        type Point = SegmentValue<usize>;
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            let mut chart = ChartBuilder::on(&area)
                .margin(8)
                .x_label_area_size(48)
                .y_label_area_size(90)
                .build_cartesian_2d((0..self.labels.len() - 1).into_segmented(), y)
                .ok()?;
            let label = |x: &Point| match x {
                SegmentValue::CenterOf(index) => self.labels.get(*index).cloned().unwrap_or_default(),
                _ => String::new(),
            };
            chart
                .configure_mesh()
                .disable_x_mesh()
                .light_line_style(TRANSPARENT)
                .bold_line_style(BLACK.mix(0.18))
                .axis_style(BLACK.mix(0.5))
                .label_style(FONT)
                .axis_desc_style(FONT)
                .x_labels(self.labels.len())
                .x_label_formatter(&label)
                .y_label_formatter(&|value| self.unit.format(*value))
                .x_desc(self.x)
                .y_desc(self.y)
                .draw()
                .ok()?;
            // The first, which is ours, is drawn last and lies on top.
            for (engine, points) in self.lines.iter().rev() {
                let (colour, mark) = style(*engine);
                let width = if *engine == super::OURS { 3 } else { 1 };
                let at = |index: usize, value: f64| (SegmentValue::CenterOf(index), value.max(floor));
                // A point without comparable runs is a gap, and no line crosses it.
                let found: Vec<(usize, &Spread)> =
                    points.iter().enumerate().filter_map(|(x, found)| Some((x, found.as_ref()?))).collect();
                for run in found.chunk_by(|one, next| one.0 + 1 == next.0) {
                    let medians = run.iter().map(|(x, spread)| at(*x, spread.median));
                    chart.draw_series(LineSeries::new(medians, colour.stroke_width(width))).ok()?;
                }
                let bar = |(x, spread): &(usize, &Spread)| {
                    PathElement::new([at(*x, spread.min), at(*x, spread.max)], colour.mix(0.6))
                };
                chart.draw_series(found.iter().map(bar)).ok()?;
                let medians = found.iter().map(|(x, spread)| at(*x, spread.median));
                match mark {
                    Mark::Circle => chart.draw_series(medians.map(|at| Circle::new(at, 4, colour.filled()))),
                    Mark::Triangle => {
                        chart.draw_series(medians.map(|at| TriangleMarker::new(at, 5, colour.filled())))
                    }
                    Mark::Cross => chart.draw_series(medians.map(|at| Cross::new(at, 4, colour))),
                }
                .ok()?;
            }
            area.present().ok()?;
        }
        Some(in_page(&svg))
    }
}

/// The SVG as a part of a page, whose style sheet decides its size, and whose text colour it takes.
fn in_page(svg: &str) -> String {
    let (_, inner) = svg.split_once('>').unwrap_or_default();
    let (width, height) = SIZE;
    format!("<svg viewBox=\"0 0 {width} {height}\" role=\"img\">{}", inner.replace("#000000", "currentColor"))
}
