//! The shared state of a pipeline: its plan, the state of each worker, and counters.
//!
//! It lies in the user words of the commands ring, hence in shared memory if the workers are
//! processes. Each worker has a line of two cache lines.
//!
//! One word of that line holds the worker's state, and decides the race between a producer that
//! finishes an item and the consumer that gives it up for being late. Each side exchanges the word
//! from `Working` to its own next state. If the producer's exchange to `Idle` succeeds, the item is
//! published. If the consumer's exchange to `GivenUp` succeeds, the consumer decides about the
//! command, and the producer drops its item.

use super::plan::Plan;
use super::tag::Tag;
use crate::api::ring::Ring;
use crate::sync::{AtomicU64, Relaxed};
use std::time::Duration;

/// How far a pipeline is. The values are read one after the other, not at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Commands issued.
    pub issued: u64,
    /// Items delivered or reported as failed.
    pub done: u64,
    /// Commands issued whose items were not yet delivered.
    pub in_flight: u64,
    /// The counters of each producer.
    pub producers: Vec<ProducerStats>,
}

/// The counters of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProducerStats {
    /// Items that it published.
    pub made: u64,
    /// Tries that failed.
    pub failed: u64,
    /// How often a new process replaced it.
    pub replaced: u64,
    /// Time in `produce`.
    pub busy: Duration,
}

/// The state of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkerState {
    /// It has not joined yet.
    Absent,
    /// In its `build`.
    Building,
    /// A producer without a command; the commander, from the end of its `build`.
    Idle,
    /// A producer at this command.
    Working(Tag),
    /// The consumer gave it up.
    GivenUp,
    /// It ended in order.
    Left,
}

impl WorkerState {
    // The words of states without a tag are no tags: the detail of a command's tag is at most 254.
    fn word(self) -> u64 {
        match self {
            WorkerState::Idle => u64::MAX,
            WorkerState::Building => u64::MAX - 1,
            WorkerState::GivenUp => u64::MAX - 2,
            WorkerState::Absent => u64::MAX - 3,
            WorkerState::Left => u64::MAX - 4,
            WorkerState::Working(tag) => tag.word(),
        }
    }

    fn from_word(word: u64) -> Self {
        [Self::Idle, Self::Building, Self::GivenUp, Self::Absent, Self::Left]
            .into_iter()
            .find(|state| state.word() == word)
            .unwrap_or_else(|| WorkerState::Working(Tag::from_word(word)))
    }
}

/// Words of a line, which is two cache lines.
const LINE: usize = 16;
/// Lines between the plan and the workers: the commander's counter, the consumer's counter.
const COUNTERS: usize = 2;

/// The status words of one pipeline, through one handle on the commands ring.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    commands: Ring,
    /// The index of the first counter word.
    counters: usize,
}

// Relaxed, everywhere: the exchange of a state word decides on that word alone; the plan was stored
// before another process could open the ring; the rest are counts.

impl Status {
    /// The number of words that a pipeline of this plan needs.
    pub(crate) fn words(plan: &Plan) -> usize {
        plan_lines(plan) * LINE + (COUNTERS + plan.producers + 1) * LINE
    }

    /// Initializes the words of a ring that is not yet shared.
    pub(crate) fn set_up(commands: &Ring, plan: &Plan) -> Self {
        for (word, value) in commands.user_words().iter().zip(plan.words()) {
            word.store(value, Relaxed);
        }
        let status = Status { commands: commands.clone(), counters: plan_lines(plan) * LINE };
        for worker in 0..=plan.producers {
            status.line(worker).set_state(WorkerState::Absent);
        }
        status
    }

    /// The status and plan of a ring that another process set up. `None` if the ring is not a
    /// pipeline's.
    pub(crate) fn of(commands: &Ring) -> Option<(Self, Plan)> {
        let words: Vec<u64> = commands.user_words().iter().map(|word| word.load(Relaxed)).collect();
        let plan = Plan::from_words(&words)?;
        let status = Status { commands: commands.clone(), counters: plan_lines(&plan) * LINE };
        let is_whole = plan.producers < words.len() && words.len() == Self::words(&plan);
        is_whole.then_some((status, plan))
    }

    /// The line of a worker: the producers in order, then the commander.
    pub(crate) fn line(&self, worker: usize) -> StatusLine<'_> {
        let start = self.counters + (COUNTERS + worker) * LINE;
        StatusLine { words: &self.commands.user_words()[start..start + LINE] }
    }

    /// The number of commands issued.
    pub(crate) fn issued(&self) -> u64 {
        self.commands.user_words()[self.counters].load(Relaxed)
    }

    pub(crate) fn set_issued(&self, commands: u64) {
        self.commands.user_words()[self.counters].store(commands, Relaxed);
    }

    /// The number of results that came twice, because a producer died right after it published one.
    pub(crate) fn repeated(&self) -> u64 {
        // A peer can store any value here; the remainder keeps sums with it in range.
        self.commands.user_words()[self.counters + LINE].load(Relaxed) % Tag::NUMBERS
    }

    pub(crate) fn count_repeated(&self) {
        self.commands.user_words()[self.counters + LINE].fetch_add(1, Relaxed);
    }

    pub(crate) fn progress(&self, producers: usize, done: u64) -> Progress {
        let issued = self.issued();
        let producers = (0..producers).map(|index| self.line(index).stats()).collect();
        Progress { issued, done, in_flight: issued.saturating_sub(done), producers }
    }
}

fn plan_lines(plan: &Plan) -> usize {
    plan.words().len().div_ceil(LINE)
}

/// The words of one worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StatusLine<'s> {
    words: &'s [AtomicU64],
}

/// The first word of a line.
const STATE: usize = 0;

/// The other words of a line.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Counter {
    Made = 1,
    Failed = 2,
    BusyNanos = 3,
    Replaced = 4,
}

impl StatusLine<'_> {
    pub(crate) fn state(&self) -> WorkerState {
        WorkerState::from_word(self.words[STATE].load(Relaxed))
    }

    pub(crate) fn set_state(&self, state: WorkerState) {
        self.words[STATE].store(state.word(), Relaxed);
    }

    /// Changes the state from `from` to `to`. False if the state was not `from`.
    pub(crate) fn transition(&self, from: WorkerState, to: WorkerState) -> bool {
        self.words[STATE].compare_exchange(from.word(), to.word(), Relaxed, Relaxed).is_ok()
    }

    pub(crate) fn add(&self, counter: Counter, count: u64) {
        self.words[counter as usize].fetch_add(count, Relaxed);
    }

    fn get(&self, counter: Counter) -> u64 {
        self.words[counter as usize].load(Relaxed)
    }

    pub(crate) fn stats(&self) -> ProducerStats {
        ProducerStats {
            made: self.get(Counter::Made),
            failed: self.get(Counter::Failed),
            replaced: self.get(Counter::Replaced),
            busy: Duration::from_nanos(self.get(Counter::BusyNanos)),
        }
    }
}
