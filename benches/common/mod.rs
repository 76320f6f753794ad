//! What the criterion benches have in common.

use criterion::Criterion;
use std::time::Duration;

/// So short that all benches together are done in a few minutes. Flags overrule it.
pub(crate) fn brief() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500))
}
