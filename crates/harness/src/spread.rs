//! Median, lowest and highest of several runs, with every run kept.

use std::fmt;

/// Several values of one quantity: what they are and how far they spread.
#[derive(Clone, Debug, PartialEq)]
pub struct Spread {
    /// The middle value; the mean of the two middle ones if their number is even.
    pub median: f64,
    /// The lowest value.
    pub min: f64,
    /// The highest value.
    pub max: f64,
    /// Every value, in the order in which they were measured.
    pub runs: Vec<f64>,
}

impl Spread {
    /// Sums up `runs`; `None` if there are none.
    pub fn of(runs: Vec<f64>) -> Option<Self> {
        let median = median_of(&runs)?;
        let min = runs.iter().copied().fold(f64::INFINITY, f64::min);
        let max = runs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Some(Self { median, min, max, runs })
    }
}

/// `median (min to max, n runs)`, each number with the formatter's precision (2 digits unless it is
/// given).
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(2);
        let Self { median, min, max, runs } = self;
        write!(f, "{median:.digits$} ({min:.digits$} to {max:.digits$}, {} runs)", runs.len())
    }
}

/// The middle of `values`; `None` if there are none.
pub(crate) fn median_of(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(median_of(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median_of(&[9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median_of(&[]), None);
    }

    #[test]
    fn runs_keep_the_order_in_which_they_were_measured() {
        let spread = Spread::of(vec![3.0, 1.0, 2.0]).unwrap();
        assert_eq!(spread.runs, [3.0, 1.0, 2.0]);
        assert_eq!((spread.median, spread.min, spread.max), (2.0, 1.0, 3.0));
        assert_eq!(format!("{spread:.1}"), "2.0 (1.0 to 3.0, 3 runs)");
    }
}
