//! The scenarios.

mod broadcast;
mod linearizable;
mod queue;
mod single;
mod waiting;

use seqring::Ring;
use seqring::model::owned_buffers;

/// A function that draws a ring and operations on it, and panics on an error.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) body: fn(),
}

pub(crate) const ALL: &[Scenario] = &[
    Scenario { name: "queue", body: queue::whole },
    Scenario { name: "queue_deaths", body: queue::with_deaths },
    Scenario { name: "multi_writer", body: broadcast::whole },
    Scenario { name: "multi_deaths", body: broadcast::with_deaths },
    Scenario { name: "single", body: single::whole },
    Scenario { name: "single_deaths", body: single::with_deaths },
    Scenario { name: "waiting", body: waiting::broadcast },
    Scenario { name: "waiting_queue", body: waiting::queue },
    Scenario { name: "waiting_set", body: waiting::set },
    Scenario { name: "linear", body: linearizable::broadcasts },
    Scenario { name: "linear_queue", body: linearizable::queues },
];

/// Every buffer has one owner. No thread may be running.
fn assert_owned_once(ring: &Ring) {
    let mut owned = owned_buffers(ring);
    owned.sort_unstable();
    let all = owned.len();
    owned.dedup();
    assert_eq!(owned.len(), all, "a buffer has two owners");
}
