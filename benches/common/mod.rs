//! What the criterion benches have in common.

use criterion::Criterion;
use harness::pin::{CorePair, pin_to};
use std::sync::LazyLock;
use std::time::Duration;

/// The cores of a bench, read before [`brief`] pins the main thread to the first. Threads that it
/// starts later inherit that pin.
pub(crate) static CORES: LazyLock<CorePair> = LazyLock::new(|| CorePair::first_allowed().expect("two cores"));

/// On the first core, and so short that all benches together are done in a few minutes. Flags
/// overrule the times.
pub(crate) fn brief() -> Criterion {
    pin_to(CORES.ours()).expect("an allowed core");
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500))
}
