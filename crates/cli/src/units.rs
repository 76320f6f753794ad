//! Quantities with a unit, as flags have them and as results are printed.

use std::time::Duration;

const COUNTS: [(&str, f64); 4] = [("", 1.0), ("k", 1e3), ("m", 1e6), ("g", 1e9)];

#[rustfmt::skip]
const BYTES: [(&str, f64); 14] = [
    ("", 1.0), ("b", 1.0),
    ("k", 1e3), ("kb", 1e3), ("kib", 1024.0),
    ("m", 1e6), ("mb", 1e6), ("mib", 1024.0 * 1024.0),
    ("g", 1e9), ("gb", 1e9), ("gib", 1024.0 * 1024.0 * 1024.0),
    ("t", 1e12), ("tb", 1e12), ("tib", 1024.0 * 1024.0 * 1024.0 * 1024.0),
];

const NANOS: [(&str, f64); 7] =
    [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("min", 60e9), ("h", 3600e9)];

/// A number and one of `units`, in capitals or not; or a number alone, in the unit `bare`.
fn quantity(text: &str, units: &[(&str, f64)], bare: &str) -> Result<f64, String> {
    let end = text.find(|sign: char| !sign.is_ascii_digit() && sign != '.').unwrap_or(text.len());
    let (number, unit) = (&text[..end], text[end..].trim().to_lowercase());
    let unit = if unit.is_empty() { bare } else { &unit };
    let number = number.parse().map_err(|_| format!("{text:?} is not a number"));
    let known = || units.iter().map(|(name, _)| *name).filter(|name| !name.is_empty()).collect::<Vec<_>>();
    let factor = units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| factor);
    let factor = factor.ok_or_else(|| format!("the unit {unit:?} is none of {}", known().join(", ")));
    number.and_then(|number: f64| Ok(number * factor?))
}

fn whole(value: f64, text: &str) -> Result<u64, String> {
    // Beyond 2^53 not every whole number is an f64.
    let is_whole = value.fract() == 0.0 && value <= (1_u64 << 53) as f64;
    #[expect(clippy::cast_sign_loss, reason = "a quantity has no sign")]
    is_whole.then_some(value as u64).ok_or_else(|| format!("{text:?} is not a whole number up to 2^53"))
}

/// A count: `24`, `10k`, `1.5M`.
pub(crate) fn count(text: &str) -> Result<u64, String> {
    whole(quantity(text, &COUNTS, "")?, text)
}

/// A size in bytes: `4096`, `1MB`, `64KiB`.
pub(crate) fn bytes(text: &str) -> Result<usize, String> {
    Ok(whole(quantity(text, &BYTES, "")?, text)? as usize)
}

/// A time in seconds: `10`, `0.5`, `500ms`, `2min`.
pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    Ok(quantity(text, &NANOS, "s")? / 1e9)
}

/// Whole milliseconds, with or without a unit.
pub(crate) fn milliseconds(text: &str) -> Result<u64, String> {
    whole(quantity(text, &NANOS, "ms")? / 1e6, text)
}

/// Whole microseconds, with or without a unit.
pub(crate) fn microseconds(text: &str) -> Result<u64, String> {
    whole(quantity(text, &NANOS, "us")? / 1e3, text)
}

/// A time to wait between two outputs: at least 1 ms.
pub(crate) fn interval(text: &str) -> Result<Duration, String> {
    let interval = Duration::try_from_secs_f64(seconds(text)?).ok();
    interval
        .filter(|interval| *interval >= Duration::from_millis(1))
        .ok_or_else(|| format!("{text} is not between 1 ms and what a clock can count"))
}

/// Three digits, a prefix for thousands, and the unit: `7.22 MB/s`; without a unit `7.22 M`.
pub(crate) fn scaled(value: f64, unit: &str) -> String {
    let (mut value, mut prefixes) = (value, ["", "k", "M", "G", "T"].into_iter());
    let mut prefix = prefixes.next().unwrap_or_default();
    while value >= 999.5
        && let Some(next) = prefixes.next()
    {
        (value, prefix) = (value / 1000.0, next);
    }
    let digits = match value {
        _ if prefix.is_empty() && value.fract() == 0.0 => 0,
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {prefix}{unit}").trim_end().to_owned()
}

/// A count and its noun: `1 reader`, `2 readers`.
pub(crate) fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_has_a_unit_or_is_in_that_of_its_flag() {
        assert_eq!(["24", "10k", "1.5M"].map(count), [24, 10_000, 1_500_000].map(Ok));
        let sizes = ["4096", "1MB", "1 mb", "64KiB", "64k", "1.5GiB", "7B"].map(bytes);
        assert_eq!(sizes, [4096, 1_000_000, 1_000_000, 65_536, 64_000, 1_610_612_736, 7].map(Ok));
        assert_eq!(
            ["5", "5s", "0.5", "500ms", "2min", "1h"].map(seconds),
            [5., 5., 0.5, 0.5, 120., 3600.].map(Ok)
        );
        assert_eq!(["100", "100ms", "2s"].map(milliseconds), [100, 100, 2000].map(Ok));
        assert_eq!(["10", "10us", "10µs", "1ms"].map(microseconds), [10, 10, 10, 1000].map(Ok));
        assert_eq!(interval("0.5"), Ok(Duration::from_millis(500)));
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for (text, said) in [
            ("", "not a number"),
            ("nan", "not a number"),
            ("-1", "not a number"),
            ("1.2.3k", "not a number"),
        ] {
            assert!(bytes(text).unwrap_err().contains(said), "{text}");
        }
        assert!(bytes("1 apple").unwrap_err().contains("\"apple\" is none of b, k, kb, kib"));
        assert!(count("1kb").unwrap_err().contains("none of k, m, g") && seconds("3 kb").is_err());
        assert!(bytes("1.5").is_err() && count("0.1").is_err() && milliseconds("1us").is_err());
        assert!(interval("0").is_err() && interval("1us").is_err() && interval(&"9".repeat(30)).is_err());
    }

    #[test]
    fn three_digits_are_printed() {
        let printed = [0.0, 7.0, 23.987, 999.4, 999.6, 7_217_369.68, 99_950.0, 41.4e9, 2.5e15]
            .map(|value| scaled(value, "B/s"));
        let due = [
            "0 B/s",
            "7 B/s",
            "24.0 B/s",
            "999 B/s",
            "1.00 kB/s",
            "7.22 MB/s",
            "100 kB/s",
            "41.4 GB/s",
            "2500 TB/s",
        ];
        assert_eq!(printed, due);
        assert_eq!(scaled(7_217_369.68, ""), "7.22 M");
    }
}
