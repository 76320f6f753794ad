//! The models, each with the minimum of executions that it must explore. `scripts/sites.toml` has
//! the orderings without which they fail.

mod assigned;
mod backpressure;
mod batch;
mod call;
mod displaced;
mod entry_reuse;
mod exact;
mod gap;
mod messages;
mod multi_writer;
mod pin;
mod queue;
mod recovery;
mod registration;
mod skip;
mod standby_buffer;
mod stream_end;
mod table;
mod torn;
mod wake;

pub(crate) use recovery::NEEDED;

use std::sync::atomic::{AtomicUsize, Ordering};

/// A small scenario of the product's own functions, run under every interleaving.
pub(crate) struct Model {
    pub(crate) name: &'static str,
    /// At least this many executions, or the model has stopped exploring: 0.8 of a measured number.
    pub(crate) floor: usize,
    /// Explores only schedules with at most this many preemptions; `None` explores all.
    preemptions: Option<usize>,
    body: fn(),
}

const fn model(name: &'static str, floor: usize, preemptions: Option<usize>, body: fn()) -> Model {
    Model { name, floor, preemptions, body }
}

/// All models.
pub(crate) fn all() -> impl Iterator<Item = &'static Model> {
    MODELS.iter().chain(recovery::MODELS)
}

const MODELS: &[Model] = &[
    model("torn_inline", 18_380, None, torn::inline),
    model("torn_laps", 11_908, Some(3), torn::laps),
    model("torn_arena", 110_285, None, torn::arena),
    model("batch_torn", 40_022, Some(2), batch::torn),
    model("batch_skipped", 13_778, Some(2), batch::skipped),
    model("batch_acknowledged", 268, Some(3), batch::acknowledged),
    model("batch_notify", 476, None, batch::notify),
    model("skip", 65_389, Some(4), torn::skipped),
    model("skip_third_thread", 389, None, skip::by_a_third_thread),
    model("entry_reuse", 61_470, Some(4), entry_reuse::reads),
    model("entry_reuse_view", 199_134, Some(3), entry_reuse::views),
    model("gated_inline", 614, None, backpressure::inline),
    model("gated_arena", 702, None, backpressure::arena),
    model("register", 4_496, Some(3), registration::next),
    model("register_oldest", 4_404, Some(3), registration::oldest),
    // These two need no ordering: the count of readers is ordered twice, by its own ends and by the
    // fences of `Join`. They fail if a writer announces `next + slots` while a reader is missing.
    model("register_awaited", 1_919, Some(3), registration::awaited),
    model("register_awaited_many", 2_390, Some(2), registration::awaited_by_many),
    model("pin", 74_634, Some(4), pin::view_held_while_skipped),
    model("standby", 23_066, Some(3), standby_buffer::view_of_a_skipped_reader),
    model("standby_successor", 15_512, Some(3), standby_buffer::successor),
    model("standby_second_view", 28, Some(3), standby_buffer::second_view),
    model("standby_pinned_again", 2_992, Some(3), standby_buffer::pinned_again),
    model("standby_dead_writer", 1, None, standby_buffer::dead_writer),
    model("withdraw", 64, Some(2), standby_buffer::withdraw),
    model("withdraw_register", 707, Some(2), standby_buffer::withdraw_register),
    model("withdraw_register_low", 3_105, Some(3), standby_buffer::withdraw_register_low),
    model("wake_reader", 256, None, wake::reader),
    model("wake_reader_fast", 1_118, None, wake::reader_by_a_fast_write),
    model("wake_writer", 120, None, wake::writer),
    model("wake_by_new_reader", 9_024, None, wake::writer_by_a_new_reader),
    model("wait_set", 6_103, Some(3), wake::set_of_two),
    model("table", 32_556, Some(3), table::latest),
    model("table_wait", 10_892, Some(3), table::wait),
    model("multi_torn", 3_120, Some(3), multi_writer::torn),
    model("multi_handover", 128, Some(3), multi_writer::buffer_handover),
    model("multi_below_limit", 8, Some(3), multi_writer::below_the_limit),
    model("multi_gated", 1_312, Some(2), multi_writer::gated),
    model("multi_register", 6_126, Some(2), multi_writer::register),
    model("writer_died_intent", 60, Some(3), multi_writer::died_with_intent),
    model("writer_died_exchanged", 239, Some(3), multi_writer::died_after_exchange),
    model("writer_died_helped", 16_068, Some(3), multi_writer::died_helped),
    model("writer_died_owner", 50, Some(3), multi_writer::died_as_owner),
    model("queue", 113, None, queue::one_to_one),
    model("queue_2x2", 322, Some(2), queue::two_to_two_on_one_slot),
    model("queue_2x2x2", 452, Some(2), queue::two_to_two_on_two_slots),
    model("taker_died_intent", 153, Some(2), queue::taker_died_with_intent),
    model("taker_died_exchanged", 372, Some(2), queue::taker_died_after_exchange),
    model("taker_died_owner", 151, Some(2), queue::taker_died_as_owner),
    model("redelivered_once", 152, Some(3), queue::redelivered_once),
    model("entry_changed_role", 2_561, Some(3), queue::entry_changed_role),
    model("queue_writer_died", 415, Some(2), queue::writer_died),
    model("assigned_twice", 372, None, assigned::published_twice),
    model("assigned_order", 21, None, assigned::out_of_order),
    model("assigned_writer_died", 32, None, assigned::writer_died),
    model("displaced_taker_intent", 1_207, Some(3), displaced::by_taker_with_intent),
    model("displaced_taker_exchanged", 1_972, Some(3), displaced::by_taker_that_exchanged),
    model("displaced_taker_owner", 876, Some(3), displaced::by_taker_that_is_owner),
    model("displaced_writer_intent", 3_008, Some(3), displaced::by_writer_with_intent),
    model("displaced_writer_exchanged", 2_078, Some(3), displaced::by_writer_that_exchanged),
    model("displaced_writer_owner", 1_221, Some(3), displaced::by_writer_that_is_owner),
    model("displaced_over_intent", 247, Some(3), displaced::over_with_intent),
    model("displaced_over_exchanged", 840, Some(3), displaced::over_exchanged),
    model("displaced_over_owner", 840, Some(3), displaced::over_owner),
    model("displaced_busy_taker", 1_487, None, displaced::by_a_busy_taker),
    model("displaced_busy_writer", 22_904, None, displaced::by_a_busy_writer),
    model("displaced_stale", 8_782, Some(3), displaced::stale_intent),
    model("exact_empty", 239, Some(3), exact::empty),
    model("exact_full", 148, Some(3), exact::full),
    model("gap", 2_154, Some(3), gap::between_messages),
    model("gap_writer_died", 1, None, gap::writer_died),
    model("both_leave", 596, None, multi_writer::both_leave),
    model("end", 596, None, stream_end::last_message_before_the_end),
    model("queue_end", 1_102, Some(3), stream_end::last_message_of_a_queue),
    model("call_twice", 3_281, None, call::twice),
    model("call_given_up", 88_650, None, call::given_up),
    model("call_refused", 77, None, call::refused),
    model("call_server_left", 2_027, None, call::server_left),
    model("call_server_copying", 6, Some(3), call::server_died_copying),
    model("call_server_taken", 6, Some(3), call::server_died_with_question),
    model("call_server_answering", 6, Some(3), call::server_died_answering),
    model("call_server_answered", 32, Some(3), call::server_died_after_answer),
    model("call_finder_died", 96, Some(3), call::finder_died),
    model("call_caller_marking", 61_559, Some(3), call::caller_died_marking),
    model("call_caller_asking", 61_559, Some(3), call::caller_died_asking),
    model("call_caller_asked", 52_695, Some(2), call::caller_died_after_asking),
    model("call_wake", 47_395, None, call::wake),
    model("end_closed", 1_284, None, stream_end::last_message_before_closing),
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
