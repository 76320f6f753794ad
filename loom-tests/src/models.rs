//! The models, each with the orderings that it needs and the minimum of executions that it must
//! explore.

mod assigned;
mod backpressure;
mod batch;
mod entry_reuse;
mod messages;
mod multi_writer;
mod pin;
mod queue;
mod recovery;
mod registration;
mod skip;
mod standby_buffer;
mod stream_end;
mod torn;
mod wake;

pub(crate) use recovery::NEEDED;

use Ends::{Acquire, Both, Release};
use seqring::model::{End, Pair};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A small scenario of the product's own functions, run under every interleaving.
pub(crate) struct Model {
    pub(crate) name: &'static str,
    needs: &'static [Ends],
    /// At least this many executions, or the model has stopped exploring: 0.8 of a measured number.
    pub(crate) floor: usize,
    /// Explores only schedules with at most this many preemptions; `None` explores all.
    preemptions: Option<usize>,
    body: fn(),
}

/// Ends of an ordering pair. Each of them, weakened, must make the model fail.
#[derive(Clone, Copy)]
enum Ends {
    Both(Pair),
    Release(Pair),
    Acquire(Pair),
}

const fn model(
    name: &'static str,
    needs: &'static [Ends],
    floor: usize,
    preemptions: Option<usize>,
    body: fn(),
) -> Model {
    Model { name, needs, floor, preemptions, body }
}

/// All models.
pub(crate) fn all() -> impl Iterator<Item = &'static Model> {
    MODELS.iter().chain(recovery::MODELS)
}

const MODELS: &[Model] = &[
    model("torn_inline", &[Both(Pair::Publish), Both(Pair::Tear)], 50_967, None, torn::inline),
    model("torn_prefetch", &[Both(Pair::Publish), Both(Pair::Tear)], 72_014, Some(3), torn::prefetch),
    model("torn_arena", &[Both(Pair::Publish), Both(Pair::Tear)], 110_285, None, torn::arena),
    model("batch_torn", &[Both(Pair::Publish), Both(Pair::Tear)], 40_022, Some(2), batch::torn),
    model("batch_skipped", &[Both(Pair::Tear)], 13_778, Some(2), batch::skipped),
    model("batch_acknowledged", &[Both(Pair::Publish), Both(Pair::Free)], 268, Some(3), batch::acknowledged),
    model("batch_notify", &[Both(Pair::Notify)], 820, None, batch::notify),
    model("skip", &[], 65_389, Some(4), torn::skipped),
    model("skip_third_thread", &[Both(Pair::Floor)], 389, None, skip::by_a_third_thread),
    model("entry_reuse", &[], 61_470, Some(4), entry_reuse::reads),
    model("entry_reuse_view", &[], 199_134, Some(3), entry_reuse::views),
    model("gated_inline", &[Both(Pair::Publish), Both(Pair::Free)], 614, None, backpressure::inline),
    // `gated_arena` does not need `Free`: the writer fills the buffer that its last publication
    // displaced, so the reads that must have ended are one message further back than backpressure
    // requires, and each of them was followed by the full fence of the next message's pin. That
    // fence also has the effect of the acquire end of `Publish`. The orderings stay: lossy arenas
    // need the one, and inline slots share the code of the other.
    model("gated_arena", &[Release(Pair::Publish)], 702, None, backpressure::arena),
    model("register", &[Both(Pair::Join)], 5_796, Some(3), registration::next),
    model("register_oldest", &[Both(Pair::Join)], 5_608, Some(3), registration::oldest),
    // Not `Join`: the count is ordered twice, by its own ends and by the fences of `Join`. Its
    // release end also keeps the count behind the load of the limit; loom reorders no load with a
    // later store. Both fail if a writer announces `next + slots` while a reader is missing.
    model("register_awaited", &[], 1_919, Some(3), registration::awaited),
    model("register_awaited_many", &[], 1_092, Some(2), registration::awaited_by_many),
    model("pin", &[Both(Pair::Pin)], 74_634, Some(4), pin::view_held_while_skipped),
    // Not the acquire end of `Free`: the full fence of the check that follows replaces it.
    model(
        "standby",
        &[Release(Pair::Free), Acquire(Pair::Pin)],
        23_066,
        Some(3),
        standby_buffer::view_of_a_skipped_reader,
    ),
    model("standby_successor", &[], 15_512, Some(3), standby_buffer::successor),
    model("withdraw", &[Both(Pair::Free)], 64, Some(2), standby_buffer::withdraw),
    model(
        "withdraw_register",
        &[Both(Pair::Free), Both(Pair::Join)],
        707,
        Some(2),
        standby_buffer::withdraw_register,
    ),
    model("withdraw_register_low", &[], 3_105, Some(3), standby_buffer::withdraw_register_low),
    model("wake_reader", &[Both(Pair::Notify)], 256, None, wake::reader),
    // Not the acquire end: the full fence of `Join` before the writer's check of the readers
    // replaces it.
    model("wake_writer", &[Release(Pair::Notify)], 120, None, wake::writer),
    model("wake_by_new_reader", &[Release(Pair::Notify)], 9_024, None, wake::writer_by_a_new_reader),
    model("multi_torn", &[Both(Pair::Tear)], 11_072, Some(3), multi_writer::torn),
    // Not `Publish`: with one slot, the full fence of a check of the readers lies between filling
    // and exchange, and another between the load of a slot's word and the filling of its buffer.
    // `multi_below_limit` and `queue_2x2` have no such fence.
    model("multi_handover", &[], 240, Some(3), multi_writer::buffer_handover),
    // Not the acquire end: a reader pins, with a full fence, before it loads the bytes.
    model("multi_below_limit", &[Release(Pair::Publish)], 8, Some(3), multi_writer::below_the_limit),
    model("multi_gated", &[], 399, Some(2), multi_writer::gated), // As for `multi_handover`.
    model("multi_register", &[Both(Pair::Join)], 14_367, Some(2), multi_writer::register),
    model("writer_died_intent", &[], 90, Some(3), multi_writer::died_with_intent),
    model("writer_died_exchanged", &[], 164, Some(3), multi_writer::died_after_exchange),
    // Not the release end of `Publish`: the fence before the buffer is filled lies between the
    // confirmation and the exchange.
    model(
        "writer_died_helped",
        &[Acquire(Pair::Publish), Both(Pair::Next)],
        2_023,
        Some(3),
        multi_writer::died_helped,
    ),
    model("writer_died_owner", &[], 70, Some(3), multi_writer::died_as_owner),
    model("queue", &[Both(Pair::Publish)], 48, Some(3), queue::one_to_one),
    model("queue_2x2", &[Both(Pair::Publish)], 254, Some(2), queue::two_to_two_on_one_slot),
    model("queue_2x2x2", &[Both(Pair::Publish)], 237, Some(2), queue::two_to_two_on_two_slots),
    model("taker_died_intent", &[], 297, Some(2), queue::taker_died_with_intent),
    model("taker_died_exchanged", &[Both(Pair::Next)], 389, Some(2), queue::taker_died_after_exchange),
    model("taker_died_owner", &[], 272, Some(2), queue::taker_died_as_owner),
    model("redelivered_once", &[], 152, Some(3), queue::redelivered_once),
    model("entry_changed_role", &[], 2_569, Some(3), queue::entry_changed_role),
    model("queue_writer_died", &[Both(Pair::Next)], 249, Some(2), queue::writer_died),
    model("assigned_twice", &[Both(Pair::Publish)], 188, Some(2), assigned::published_twice),
    model("assigned_order", &[Both(Pair::Publish)], 26, Some(2), assigned::out_of_order),
    model("assigned_writer_died", &[Both(Pair::Publish)], 40, Some(2), assigned::writer_died),
    model("both_leave", &[Release(Pair::Leave)], 596, None, multi_writer::both_leave),
    // Not the release end: a leaving writer checks behind a full fence whether it was the last.
    model("end", &[Acquire(Pair::End)], 596, None, stream_end::last_message_before_the_end),
    model("end_closed", &[Both(Pair::End)], 1_284, None, stream_end::last_message_before_closing),
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

    /// The ends that, weakened, must make the model fail.
    pub(crate) fn needs(&self) -> impl Iterator<Item = (Pair, End)> {
        let both = |pair| [Some((pair, End::Release)), Some((pair, End::Acquire))];
        let ends = move |ends: &Ends| match *ends {
            Both(pair) => both(pair),
            Release(pair) => [Some((pair, End::Release)), None],
            Acquire(pair) => [None, Some((pair, End::Acquire))],
        };
        self.needs.iter().flat_map(ends).flatten()
    }

    /// "all" or the bound on preemptions.
    pub(crate) fn extent(&self) -> String {
        self.preemptions.map_or_else(|| "all".into(), |bound| format!("≤ {bound} preemptions"))
    }
}
