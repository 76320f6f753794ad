//! Charts as SVG: medians, with a bar from the lowest to the highest run, and the name of each
//! engine at the end of its line.
//!
//! Rates and times have a logarithmic axis over whole decades, so that no chart exaggerates a small
//! difference. Zero has no place on it, so it is written as `0` below the axis, and no line leads
//! there. Percentages have a linear axis from 0 to 100. The horizontal axis is in proportion:
//! logarithmic, or linear if it begins at 0.
//!
//! Text and grid take the colour of the page; the colours of the lines are those of Okabe and Ito,
//! which remain distinct with colour blindness, and read on light and dark. The strongest rivals
//! have colours of their own, those that are far behind in every sweep are grey.
#![allow(clippy::cast_possible_wrap, reason = "pixels of a chart")]

use super::number::Unit;
use super::tables::x_label;
use crate::compare::sweep::Sweep;
use crate::engines::EngineName;
use harness::spread::Spread;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

const SIZE: (u32, u32) = (640, 360);
/// Room for names at the right, for labels below, for labels at the left.
const MARGINS: (u32, u32, u32) = (132, 52, 84);
const FONT: (&str, u32) = ("sans-serif", 14);
/// Names of lines are so far apart.
const LINE_HEIGHT: i32 = 15;

/// A chart of lines over the points of a sweep.
pub(crate) struct Chart<'c> {
    pub(crate) sweep: &'c Sweep,
    /// The label of the vertical axis.
    pub(crate) y: &'c str,
    pub(crate) unit: Unit,
    /// The points, in order.
    pub(crate) xs: Vec<f64>,
    /// By engine and point.
    pub(crate) lines: Vec<(EngineName, Vec<Option<Spread>>)>,
}

/// The colour of an engine's line, and its width.
fn style(engine: EngineName) -> (RGBColor, u32) {
    match engine {
        EngineName::Seqring => (RGBColor(213, 94, 0), 3),
        EngineName::ParkingLot => (RGBColor(0, 114, 178), 2),
        EngineName::Ticket => (RGBColor(0, 158, 115), 2),
        EngineName::SemaphoreRwlock => (RGBColor(204, 121, 167), 2),
        EngineName::SlotLocks => (RGBColor(230, 159, 0), 2),
        EngineName::StdRwlock => (RGBColor(86, 180, 233), 2),
        _ => (RGBColor(136, 136, 136), 1),
    }
}

/// The whole decades around the positive of `values`; `None` without any.
fn decades(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let (low, high) =
        values.filter(|value| *value > 0.0).fold(None, |range: Option<(f64, f64)>, value| {
            Some(range.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
        })?;
    let (low, high) = (low.log10().floor(), high.log10().ceil());
    Some((10_f64.powf(low), 10_f64.powf(high.max(low + 1.0))))
}

/// Where points lie between 0 and 1. The last may be infinite: a step behind the others.
fn places(xs: &[f64]) -> Vec<f64> {
    let scale = |x: f64| if xs[0] > 0.0 { x.log10() } else { x };
    let mut scaled: Vec<f64> = xs.iter().map(|x| scale(*x)).collect();
    let last = scaled.len() - 1;
    if scaled[last].is_infinite() {
        scaled[last] = if last > 0 { scaled[last - 1] + 1.0 } else { 0.0 };
    }
    let (first, span) = (scaled[0], scaled[last] - scaled[0]);
    scaled.iter().map(|x| if span > 0.0 { (x - first) / span } else { 0.5 }).collect()
}

/// Each name at the height of its line, or as near as others leave room.
fn apart<E, C>(mut names: Vec<((i32, i32), E, C)>) -> Vec<((i32, i32), E, C)> {
    names.sort_by_key(|((_, y), ..)| *y);
    let mut lowest = (SIZE.1 - MARGINS.1) as i32;
    for ((_, y), ..) in names.iter_mut().rev() {
        *y = lowest.min(*y);
        lowest = *y - LINE_HEIGHT;
    }
    let mut highest = LINE_HEIGHT;
    for ((_, y), ..) in &mut names {
        *y = highest.max(*y);
        highest = *y + LINE_HEIGHT;
    }
    names
}

impl Chart<'_> {
    /// The chart as SVG; `None` without a single point.
    pub(crate) fn svg(&self) -> Option<String> {
        let spreads = || self.lines.iter().flat_map(|(_, points)| points.iter().flatten());
        if self.unit == Unit::Percent {
            spreads().next()?;
            return self.draw(0.0..100.0, None);
        }
        let (from, to) = decades(spreads().flat_map(|spread| [spread.min, spread.max]))?;
        self.draw((from..to).log_scale(), Some(from))
    }

    /// Draws over an axis. A logarithmic one begins at `floor`, which is above 0.
    fn draw<Y>(&self, y: Y, floor: Option<f64>) -> Option<String>
    where
        Y: AsRangedCoord<Value = f64>,
        Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        let mut svg = String::new();
        let places = places(&self.xs);
        {
            let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            let mut chart = ChartBuilder::on(&area)
                .margin(8)
                .margin_right(MARGINS.0)
                .x_label_area_size(MARGINS.1)
                .y_label_area_size(MARGINS.2)
                .build_cartesian_2d(-0.03..1.03, y)
                .ok()?;
            chart
                .configure_mesh()
                .disable_x_mesh()
                .light_line_style(TRANSPARENT)
                .bold_line_style(BLACK.mix(0.18))
                .axis_style(BLACK.mix(0.5))
                .label_style(FONT)
                .axis_desc_style(FONT)
                .x_labels(0)
                .y_label_formatter(&|value| self.unit.format(*value))
                .x_desc(self.sweep.axis)
                .y_desc(self.y)
                .draw()
                .ok()?;
            let bottom = floor.unwrap_or(0.0);
            let text = |at: (i32, i32), text: String, colour: RGBColor, pos: Pos| {
                area.draw(&Text::new(text, at, FONT.into_font().color(&colour).pos(pos))).ok()
            };
            let centred = Pos::new(HPos::Center, VPos::Top);
            let mut free = i32::MIN;
            for (place, x) in places.iter().zip(&self.xs) {
                let (x_pixel, y_pixel) = chart.backend_coord(&(*place, bottom));
                let label = x_label(self.sweep.name, *x);
                let half = 4 * label.chars().count() as i32;
                if x_pixel - half > free {
                    text((x_pixel, y_pixel + 8), label, BLACK, centred)?;
                    free = x_pixel + half;
                }
            }
            let mut names = Vec::new();
            // The first, which is ours, is drawn last and lies on top.
            for (engine, points) in self.lines.iter().rev() {
                let (colour, width) = style(*engine);
                let is_shown = |value: f64| floor.is_none() || value > 0.0;
                let found: Vec<Option<(f64, &Spread)>> =
                    places.iter().zip(points).map(|(place, found)| Some((*place, found.as_ref()?))).collect();
                // A point without comparable runs is a gap, and so is a zero on a logarithmic axis.
                let shown =
                    |one: &Option<(f64, &Spread)>| one.is_some_and(|(_, found)| is_shown(found.median));
                for run in found.split(|one| !shown(one)) {
                    let medians = run.iter().flatten().map(|(x, spread)| (*x, spread.median));
                    chart.draw_series(LineSeries::new(medians, colour.stroke_width(width))).ok()?;
                }
                for (x, spread) in found.iter().flatten() {
                    let bar = [(*x, spread.min.max(bottom)), (*x, spread.max.max(bottom))];
                    chart.draw_series([PathElement::new(bar, colour.mix(0.6))]).ok()?;
                    if is_shown(spread.median) {
                        chart
                            .draw_series([Circle::new((*x, spread.median), width + 2, colour.filled())])
                            .ok()?;
                    }
                    if !is_shown(spread.min) {
                        let (x, y) = chart.backend_coord(&(*x, bottom));
                        text((x, y - 6), "0".into(), colour, Pos::new(HPos::Center, VPos::Bottom))?;
                    }
                }
                if let Some((_, last)) = found.iter().rev().flatten().next() {
                    names.push((chart.backend_coord(&(1.03, last.median.max(bottom))), engine, colour));
                }
            }
            for ((x, y), engine, colour) in apart(names) {
                text((x + 6, y), engine.to_string(), colour, Pos::new(HPos::Left, VPos::Center))?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::sweep::SWEEPS;

    fn chart(unit: Unit, values: [f64; 3]) -> String {
        let points = values.map(|value| Spread::of(vec![value])).into();
        let lines = vec![(EngineName::Seqring, points)];
        let chart = Chart { sweep: &SWEEPS[0], y: "what", unit, xs: vec![1.0, 10.0, 100.0], lines };
        chart.svg().unwrap()
    }

    #[test]
    fn zero_is_neither_a_point_nor_the_end_of_a_line_on_a_logarithmic_axis() {
        let circles = |svg: &str| svg.matches("<circle").count();
        let svg = chart(Unit::Count, [1e6, 0.0, 1e6]);
        assert_eq!(circles(&svg), 2);
        assert_eq!(svg.matches(">\n0\n<").count(), 1, "{svg}");
        assert_eq!(circles(&chart(Unit::Count, [1e6, 1e5, 1e4])), 3);
    }

    #[test]
    fn percentages_go_from_zero_to_a_hundred_and_zero_lies_at_the_bottom() {
        let svg = chart(Unit::Percent, [0.0, 50.0, 100.0]);
        let heights: Vec<i32> = svg
            .split("<circle")
            .skip(1)
            .map(|circle| circle.split_once("cy=\"").unwrap().1.split_once('"').unwrap().0.parse().unwrap())
            .collect();
        let [zero, half, all] = heights[..] else { panic!("{heights:?}") };
        assert!((zero - half).abs_diff(half - all) <= 1 && zero > half, "{heights:?}");
    }

    #[test]
    fn names_do_not_lie_on_each_other() {
        let names =
            apart(vec![((0, 20), "b", ()), ((0, 20), "a", ()), ((0, 300), "d", ()), ((0, 25), "c", ())]);
        let heights: Vec<i32> = names.iter().map(|((_, y), ..)| *y).collect();
        assert!(heights.windows(2).all(|pair| pair[1] - pair[0] >= LINE_HEIGHT), "{heights:?}");
        assert!(heights[0] > 0 && heights[3] == 300, "{heights:?}");
    }

    #[test]
    fn points_lie_in_proportion() {
        assert_eq!(places(&[1.0, 10.0, 100.0]), [0.0, 0.5, 1.0]);
        assert_eq!(places(&[0.0, 1.0, 10.0]), [0.0, 0.1, 1.0]);
        assert_eq!(places(&[10.0, 100.0, f64::INFINITY]), [0.0, 0.5, 1.0]);
        assert_eq!(places(&[7.0]), [0.5]);
    }
}
