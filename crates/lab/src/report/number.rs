//! Numbers for people: three digits and a unit.

use harness::spread::Spread;

/// What a figure is counted in.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Unit {
    Count,
    Nanos,
    Percent,
}

impl Unit {
    pub(crate) fn format(self, value: f64) -> String {
        match self {
            Self::Count => count(value),
            Self::Nanos => nanos(value),
            Self::Percent => format!("{} %", count(value)),
        }
    }
}

/// With a prefix for thousands: `1.23 M`.
pub(crate) fn count(value: f64) -> String {
    match value.abs() {
        v if v >= 999.5e6 => format!("{} G", digits(value / 1e9)),
        v if v >= 999.5e3 => format!("{} M", digits(value / 1e6)),
        v if v >= 9_995.0 => format!("{} k", digits(value / 1e3)),
        _ => digits(value),
    }
}

/// A time in ns, with a suitable unit.
pub(crate) fn nanos(value: f64) -> String {
    match value {
        v if v >= 999.5e6 => format!("{} s", digits(v / 1e9)),
        v if v >= 999.5e3 => format!("{} ms", digits(v / 1e6)),
        v if v >= 999.5 => format!("{} µs", digits(v / 1e3)),
        v => format!("{} ns", digits(v)),
    }
}

/// Bytes, in whole KiB if possible, else in powers of ten.
pub(crate) fn bytes(value: f64) -> String {
    match value {
        v if (1024.0..1e6).contains(&v) && v % 1024.0 == 0.0 => format!("{} KiB", v / 1024.0),
        v if v >= 1e6 => format!("{} MB", digits(v / 1e6)),
        v if v >= 1e3 => format!("{} kB", digits(v / 1e3)),
        v => format!("{} B", digits(v)),
    }
}

pub(crate) fn times(value: f64) -> String {
    format!("{} ×", digits(value))
}

/// `median (lowest to highest)`, each by `one`.
pub(crate) fn spread(spread: &Spread, one: impl Fn(f64) -> String) -> String {
    let Spread { median, min, max, runs } = spread;
    if runs.len() == 1 {
        return format!("{} (1 run)", one(*median));
    }
    format!("{} ({} to {})", one(*median), one(*min), one(*max))
}

/// Three significant digits, and no zeros behind the point.
fn digits(value: f64) -> String {
    let decimals = match value.abs() {
        0.0 => 0,
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        v if v >= 0.0995 => 2,
        v if v >= 0.00995 => 3,
        _ => 4,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_count() {
        let texts = [0.0, 0.012_34, 1.0, 1.234_5, 12.34, 123.4, 9_990.0, 12_345.0, 1.5e6, 2e9].map(count);
        assert_eq!(texts, ["0", "0.012", "1", "1.23", "12.3", "123", "9990", "12.3 k", "1.5 M", "2 G"]);
        assert_eq!([3.0, 1234.0, 5.5e6, 2e9].map(nanos), ["3 ns", "1.23 µs", "5.5 ms", "2 s"]);
        assert_eq!([64.0, 4096.0, 5000.0, 1e8].map(bytes), ["64 B", "4 KiB", "5 kB", "100 MB"]);
    }
}
