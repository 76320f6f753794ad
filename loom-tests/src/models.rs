//! The models, each with the orderings that it needs and the least executions that it must explore.

mod aside;
mod assigned;
mod batch;
mod end;
mod gate;
mod join;
mod many;
mod pin;
mod queue;
mod recovery;
mod rejoin;
mod skip;
mod torn;
mod wake;

pub(crate) use recovery::NEEDED;

use seqring::model::{End, Pair};
use std::sync::atomic::{AtomicUsize, Ordering};

/// One shape of the product's own functions, run under every interleaving.
pub(crate) struct Model {
    pub(crate) name: &'static str,
    /// Each of these, weakened, must make this model fail.
    pub(crate) kills: &'static [(Pair, End)],
    /// At least this many executions, or the model has stopped exploring: 0.8 of what was measured.
    pub(crate) floor: usize,
    /// Explores only schedules with at most this many preemptions; `None` explores all.
    preemptions: Option<usize>,
    body: fn(),
}

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = &'static Model> {
    MODELS.iter().chain(recovery::MODELS)
}

const MODELS: &[Model] = &[
    Model {
        name: "torn_inline",
        kills: &[
            (Pair::Publish, End::Release),
            (Pair::Publish, End::Acquire),
            (Pair::Tear, End::Release),
            (Pair::Tear, End::Acquire),
        ],
        floor: 50_967,
        preemptions: None,
        body: torn::inline,
    },
    Model {
        name: "torn_ahead",
        kills: &[
            (Pair::Publish, End::Release),
            (Pair::Publish, End::Acquire),
            (Pair::Tear, End::Release),
            (Pair::Tear, End::Acquire),
        ],
        floor: 72_014,
        preemptions: Some(3),
        body: torn::fetched_ahead,
    },
    Model {
        name: "torn_arena",
        kills: &[
            (Pair::Publish, End::Release),
            (Pair::Publish, End::Acquire),
            (Pair::Tear, End::Release),
            (Pair::Tear, End::Acquire),
        ],
        floor: 110_285,
        preemptions: None,
        body: torn::arena,
    },
    Model {
        name: "batch_torn",
        kills: &[
            (Pair::Publish, End::Release),
            (Pair::Publish, End::Acquire),
            (Pair::Tear, End::Release),
            (Pair::Tear, End::Acquire),
        ],
        floor: 40_022,
        preemptions: Some(2),
        body: batch::torn,
    },
    Model {
        name: "batch_skipped",
        kills: &[(Pair::Tear, End::Release), (Pair::Tear, End::Acquire)],
        floor: 13_778,
        preemptions: Some(2),
        body: batch::skipped,
    },
    Model {
        name: "batch_acknowledged",
        kills: &[
            (Pair::Publish, End::Release),
            (Pair::Publish, End::Acquire),
            (Pair::Free, End::Release),
            (Pair::Free, End::Acquire),
        ],
        floor: 268,
        preemptions: Some(3),
        body: batch::acknowledged,
    },
    Model {
        name: "batch_rung",
        kills: &[(Pair::Notify, End::Release), (Pair::Notify, End::Acquire)],
        floor: 820,
        preemptions: None,
        body: batch::rung,
    },
    Model { name: "skip", kills: &[], floor: 65_389, preemptions: Some(4), body: torn::skipped },
    Model {
        name: "skip_third",
        kills: &[(Pair::Floor, End::Release), (Pair::Floor, End::Acquire)],
        floor: 389,
        preemptions: None,
        body: skip::by_a_third_party,
    },
    Model { name: "rejoin", kills: &[], floor: 61_470, preemptions: Some(4), body: rejoin::reads },
    Model { name: "rejoin_view", kills: &[], floor: 199_134, preemptions: Some(3), body: rejoin::views },
    Model {
        name: "gate_inline",
        kills: &[
            (Pair::Publish, End::Release),
            (Pair::Publish, End::Acquire),
            (Pair::Free, End::Release),
            (Pair::Free, End::Acquire),
        ],
        floor: 614,
        preemptions: None,
        body: gate::inline,
    },
    Model {
        name: "gate_arena",
        // Not `Free`: the writer fills the buffer that its last publication displaced, so the reads that must be
        // over are one message further back than the gate asks, and each of them was followed by the full fence
        // of the next message's pin. That fence also does what `Publish` acquires. The orderings stay: lossy
        // arenas need the one, inline slots share the code of the other.
        kills: &[(Pair::Publish, End::Release)],
        floor: 702,
        preemptions: None,
        body: gate::arena,
    },
    Model {
        name: "join",
        kills: &[(Pair::Join, End::Release), (Pair::Join, End::Acquire)],
        floor: 5_796,
        preemptions: Some(3),
        body: join::next,
    },
    Model {
        name: "join_oldest",
        kills: &[(Pair::Join, End::Release), (Pair::Join, End::Acquire)],
        floor: 5_608,
        preemptions: Some(3),
        body: join::oldest,
    },
    Model {
        name: "pin",
        kills: &[(Pair::Pin, End::Release), (Pair::Pin, End::Acquire)],
        floor: 74_634,
        preemptions: Some(4),
        body: pin::view_held_while_skipped,
    },
    Model {
        name: "shown",
        // Not the acquire end of `Free`: the full fence of the look that follows stands behind it.
        kills: &[(Pair::Free, End::Release), (Pair::Pin, End::Acquire)],
        floor: 23_066,
        preemptions: Some(3),
        body: aside::shown,
    },
    Model { name: "shown_to_heir", kills: &[], floor: 15_512, preemptions: Some(3), body: aside::heir },
    Model {
        name: "hot",
        kills: &[(Pair::Free, End::Release), (Pair::Free, End::Acquire)],
        floor: 64,
        preemptions: Some(2),
        body: aside::hot,
    },
    Model {
        name: "hot_joined",
        kills: &[
            (Pair::Free, End::Release),
            (Pair::Free, End::Acquire),
            (Pair::Join, End::Release),
            (Pair::Join, End::Acquire),
        ],
        floor: 707,
        preemptions: Some(2),
        body: aside::hot_joined,
    },
    Model {
        name: "hot_joined_low",
        kills: &[],
        floor: 3_105,
        preemptions: Some(3),
        body: aside::hot_joined_low,
    },
    Model {
        name: "wake_reader",
        kills: &[(Pair::Notify, End::Release), (Pair::Notify, End::Acquire)],
        floor: 256,
        preemptions: None,
        body: wake::reader,
    },
    Model {
        name: "wake_writer",
        // Not the acquire end: the writer's look at the gate has `Join`'s full fence in the same place.
        kills: &[(Pair::Notify, End::Release)],
        floor: 120,
        preemptions: None,
        body: wake::writer,
    },
    Model {
        name: "wake_joined",
        kills: &[(Pair::Notify, End::Release)],
        floor: 9_024,
        preemptions: None,
        body: wake::writer_by_a_joiner,
    },
    Model {
        name: "many_torn",
        kills: &[(Pair::Tear, End::Release), (Pair::Tear, End::Acquire)],
        floor: 11_072,
        preemptions: Some(3),
        body: many::torn,
    },
    Model {
        name: "many_handed",
        // Not Publish: with one slot a look at the gate, a full fence, lies between filling and exchange, and another
        // between the look at a slot and the filling of the buffer from there. many_below and queue_2x2 have none.
        kills: &[],
        floor: 240,
        preemptions: Some(3),
        body: many::handed_on,
    },
    Model {
        name: "many_below",
        // Not the acquire end: a reader pins, with a full fence, before it looks at the bytes.
        kills: &[(Pair::Publish, End::Release)],
        floor: 8,
        preemptions: Some(3),
        body: many::below_the_limit,
    },
    Model {
        name: "many_gated",
        kills: &[], // As in many_handed.
        floor: 399,
        preemptions: Some(2),
        body: many::gated,
    },
    Model {
        name: "many_joined",
        kills: &[(Pair::Join, End::Release), (Pair::Join, End::Acquire)],
        floor: 14_367,
        preemptions: Some(2),
        body: many::joined,
    },
    Model { name: "died_armed", kills: &[], floor: 90, preemptions: Some(3), body: many::died_armed },
    Model {
        name: "died_exchanged",
        kills: &[],
        floor: 164,
        preemptions: Some(3),
        body: many::died_exchanged,
    },
    Model {
        name: "died_helped",
        // Not the release end of `Publish`: the fence before the buffer is filled stands between what was witnessed and
        // the exchange.
        kills: &[(Pair::Publish, End::Acquire), (Pair::Next, End::Release), (Pair::Next, End::Acquire)],
        floor: 2_023,
        preemptions: Some(3),
        body: many::died_helped,
    },
    Model { name: "died_owning", kills: &[], floor: 70, preemptions: Some(3), body: many::died_owning },
    Model {
        name: "queue",
        kills: &[(Pair::Publish, End::Release), (Pair::Publish, End::Acquire)],
        floor: 48,
        preemptions: Some(3),
        body: queue::one_to_one,
    },
    Model {
        name: "queue_2x2",
        kills: &[(Pair::Publish, End::Release), (Pair::Publish, End::Acquire)],
        floor: 254,
        preemptions: Some(2),
        body: queue::two_to_two_on_one_slot,
    },
    Model {
        name: "queue_2x2x2",
        kills: &[(Pair::Publish, End::Release), (Pair::Publish, End::Acquire)],
        floor: 237,
        preemptions: Some(2),
        body: queue::two_to_two_on_two_slots,
    },
    Model {
        name: "taker_armed",
        kills: &[],
        floor: 297,
        preemptions: Some(2),
        body: queue::taker_died_armed,
    },
    Model {
        name: "taker_done",
        kills: &[(Pair::Next, End::Release), (Pair::Next, End::Acquire)],
        floor: 389,
        preemptions: Some(2),
        body: queue::taker_died_with_it,
    },
    Model {
        name: "taker_owning",
        kills: &[],
        floor: 272,
        preemptions: Some(2),
        body: queue::taker_died_owning,
    },
    Model { name: "adopted_once", kills: &[], floor: 152, preemptions: Some(3), body: queue::adopted_once },
    Model {
        name: "found_another",
        kills: &[],
        floor: 2_569,
        preemptions: Some(3),
        body: queue::found_another,
    },
    Model {
        name: "queue_died",
        kills: &[(Pair::Next, End::Release), (Pair::Next, End::Acquire)],
        floor: 249,
        preemptions: Some(2),
        body: queue::writer_died,
    },
    Model {
        name: "made_twice",
        kills: &[(Pair::Publish, End::Release), (Pair::Publish, End::Acquire)],
        floor: 188,
        preemptions: Some(2),
        body: assigned::made_twice,
    },
    Model {
        name: "out_of_order",
        kills: &[(Pair::Publish, End::Release), (Pair::Publish, End::Acquire)],
        floor: 26,
        preemptions: Some(2),
        body: assigned::out_of_order,
    },
    Model {
        name: "assigned_died",
        kills: &[(Pair::Publish, End::Release), (Pair::Publish, End::Acquire)],
        floor: 40,
        preemptions: Some(2),
        body: assigned::died,
    },
    Model {
        name: "both_leave",
        kills: &[(Pair::Leave, End::Release)],
        floor: 596,
        preemptions: None,
        body: many::both_leave,
    },
    Model {
        name: "end",
        // Not the release end: whoever leaves looks behind a full fence whether it was the last.
        kills: &[(Pair::End, End::Acquire)],
        floor: 596,
        preemptions: None,
        body: end::last_message_before_the_end,
    },
    Model {
        name: "end_closed",
        kills: &[(Pair::End, End::Release), (Pair::End, End::Acquire)],
        floor: 1_284,
        preemptions: None,
        body: end::last_message_before_closing,
    },
];

impl Model {
    /// Explores the model, panics where it fails, and returns the number of executions.
    pub(crate) fn check(&self) -> usize {
        static EXECUTIONS: AtomicUsize = AtomicUsize::new(0);
        EXECUTIONS.store(0, Ordering::Relaxed);
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = self.preemptions;
        builder.max_branches = 10_000;
        let body = self.body;
        builder.check(move || {
            EXECUTIONS.fetch_add(1, Ordering::Relaxed);
            body();
        });
        EXECUTIONS.load(Ordering::Relaxed)
    }

    /// "all" or the bound on preemptions.
    pub(crate) fn extent(&self) -> String {
        self.preemptions.map_or_else(|| "all".into(), |bound| format!("≤ {bound} preemptions"))
    }
}

/// Message `n`: two words, so that a torn one shows; never zeros, so that one that is not there yet shows.
fn message(n: u64) -> [u8; 16] {
    [n as u8 + 1; 16]
}

/// The number of a message, which must be whole.
#[track_caller]
fn number(bytes: &[u8]) -> u64 {
    let whole = bytes.len() == 16 && bytes[0] > 0 && bytes.iter().all(|byte| *byte == bytes[0]);
    assert!(whole, "torn: {bytes:?}");
    u64::from(bytes[0]) - 1
}
