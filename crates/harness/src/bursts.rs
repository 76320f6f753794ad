//! The round trips of several bursts, and their median.

/// Nanoseconds for each round trip: one mean for every burst, in the order in which they ran.
#[derive(Clone, Debug, PartialEq)]
pub struct Bursts {
    nanos: Vec<f64>,
    median: f64,
}

impl Bursts {
    /// Keeps the means of at least one burst.
    pub(crate) fn new(nanos: Vec<f64>) -> Self {
        let median = crate::spread::median_of(&nanos).expect("a probe runs at least one burst");
        Self { nanos, median }
    }

    /// The median of the bursts' means, in ns: a burst that was preempted does not move it.
    pub const fn median(&self) -> f64 {
        self.median
    }

    /// The mean of every burst, in ns, in the order in which they ran.
    pub fn nanos(&self) -> &[f64] {
        &self.nanos
    }
}
