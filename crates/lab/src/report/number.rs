//! Numbers for people: three digits and a unit; two where the runs differ by more than a factor.

use harness::spread::Spread;

/// What a figure is counted in.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Unit {
    Count,
    Nanos,
    Percent,
    Times,
}

/// Three digits state nothing where the runs differ by more than this factor.
const WIDE: f64 = 1.5;

impl Unit {
    pub(crate) fn format(self, value: f64) -> String {
        self.to_digits(value, 3)
    }

    fn to_digits(self, value: f64, significant: i32) -> String {
        let scaled = |scales: [(f64, &str); 4]| {
            // As it reads: 999.6 of one unit is 1 of the next.
            let shown = rounded(value, significant).abs();
            let (scale, name) = scales.into_iter().find(|(scale, _)| shown >= *scale).unwrap_or(scales[3]);
            format!("{}{name}", digits(value / scale, significant))
        };
        match self {
            Self::Count if value.abs() < 9_995.0 => digits(value, significant),
            Self::Count => scaled([(1e9, " G"), (1e6, " M"), (1e3, " k"), (1.0, "")]),
            Self::Nanos => scaled([(1e9, " s"), (1e6, " ms"), (1e3, " µs"), (1.0, " ns")]),
            Self::Percent => format!("{} %", digits(value, significant)),
            Self::Times => format!("{} ×", Self::Count.to_digits(value, significant)),
        }
    }

    /// `median (lowest to highest)`; the number of runs where they do not differ.
    pub(crate) fn spread(self, spread: &Spread) -> String {
        let Spread { median, min, max, runs } = spread;
        let significant = if *max > WIDE * min { 2 } else { 3 };
        let [median, min, max] = [median, min, max].map(|value| self.to_digits(*value, significant));
        match runs.len() {
            1 => format!("{median} (1 run)"),
            runs if min == max => format!("{median} ({runs} runs)"),
            _ => format!("{median} ({min} to {max})"),
        }
    }
}

/// With a prefix for thousands: `1.23 M`.
pub(crate) fn count(value: f64) -> String {
    Unit::Count.format(value)
}

/// A time in ns, with a suitable unit.
pub(crate) fn nanos(value: f64) -> String {
    Unit::Nanos.format(value)
}

/// Bytes, in whole KiB if possible, else in powers of ten.
pub(crate) fn bytes(value: f64) -> String {
    match value {
        v if (1024.0..1e6).contains(&v) && v % 1024.0 == 0.0 => format!("{} KiB", v / 1024.0),
        v if v >= 1e6 => format!("{} MB", digits(v / 1e6, 3)),
        v if v >= 1e3 => format!("{} kB", digits(v / 1e3, 3)),
        v => format!("{} B", digits(v, 3)),
    }
}

pub(crate) fn times(value: f64) -> String {
    Unit::Times.format(value)
}

fn rounded(value: f64, significant: i32) -> f64 {
    if value == 0.0 {
        return 0.0;
    }
    let unit = 10_f64.powi(value.abs().log10().floor() as i32 - significant + 1);
    (value / unit).round() * unit
}

/// So many significant digits, at most four behind the point, and no zeros at the end of these.
fn digits(value: f64, significant: i32) -> String {
    let rounded = rounded(value, significant);
    let magnitude = if rounded == 0.0 { 0 } else { (rounded.abs() * (1.0 + 1e-9)).log10().floor() as i32 };
    let decimals = usize::try_from((significant - 1 - magnitude).min(4)).unwrap_or(0);
    let text = format!("{rounded:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_count() {
        let texts = [0.0, 0.012_34, 1.0, 1.234_5, 12.34, 123.4, 9_990.0, 12_345.0, 1.5e6, 2e9].map(count);
        assert_eq!(texts, ["0", "0.0123", "1", "1.23", "12.3", "123", "9990", "12.3 k", "1.5 M", "2 G"]);
        assert_eq!([3.0, 1234.0, 5.5e6, 2e9].map(nanos), ["3 ns", "1.23 µs", "5.5 ms", "2 s"]);
        assert_eq!([999.6, 999_700.0].map(nanos), ["1 µs", "1 ms"]);
        assert_eq!([64.0, 4096.0, 5000.0, 1e8].map(bytes), ["64 B", "4 KiB", "5 kB", "100 MB"]);
    }

    #[test]
    fn no_more_digits_than_the_runs_support() {
        let spread = |unit: Unit, runs: &[f64]| unit.spread(&Spread::of(runs.to_vec()).unwrap());
        assert_eq!(spread(Unit::Times, &[2_060.0, 32_334.0, 48_466.0]), "32 k × (2100 × to 48 k ×)");
        assert_eq!(spread(Unit::Nanos, &[1_111.0, 1_222.0, 1_333.0]), "1.22 µs (1.11 µs to 1.33 µs)");
        assert_eq!(spread(Unit::Percent, &[100.0, 100.0]), "100 % (2 runs)");
        assert_eq!(spread(Unit::Count, &[5.0]), "5 (1 run)");
    }
}
