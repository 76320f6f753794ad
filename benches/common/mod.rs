//! What the criterion benches have in common.

use criterion::Criterion;
use harness::pin::{CorePair, pin_to};
use std::time::Duration;

/// On the first core, and so short that all benches together are done in a few minutes. Flags
/// overrule the times.
pub(crate) fn brief() -> Criterion {
    pin_to(CorePair::first_allowed().expect("two cores").ours()).expect("an allowed core");
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500))
}
