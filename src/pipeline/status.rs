//! What all of a pipeline look at: how items are made up, how far each worker is, how much was issued.
//!
//! It lies in the words of the commands' ring that are the application's, hence in shared memory if the workers are
//! processes. Each worker has two lines of its own. One word says what the worker is at, so that one that takes too long is
//! given up: the worker, when it is done, and the consumer, when the time is over, both exchange that word, for *idle* or
//! *given up*; whoever succeeds decides.

use super::plan::Plan;
use super::progress::ProducerFigures;
use super::tag::Label;
use crate::api::ring::Ring;
use crate::sync::{AtomicU64, Relaxed};
use std::time::Duration;

/// The board of one pipeline, as one handle on its ring shows it.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    commands: Ring,
    /// The word where the counts begin.
    counts: usize,
}

/// What a worker is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// It has not joined yet.
    Absent,
    /// In its `build`.
    Building,
    /// At no command; the commander, from the end of its `build` on.
    Idle,
    /// At this command.
    Work(Label),
    /// The consumer does not wait for it any more.
    GivenUp,
    /// It ended as it should.
    Left,
}

impl At {
    // No label: marks count at most 254 tries.
    const IDLE: u64 = u64::MAX;
    const BUILDING: u64 = u64::MAX - 1;
    const GIVEN_UP: u64 = u64::MAX - 2;
    const ABSENT: u64 = u64::MAX - 3;
    const LEFT: u64 = u64::MAX - 4;

    fn word(self) -> u64 {
        match self {
            At::Absent => Self::ABSENT,
            At::Building => Self::BUILDING,
            At::Idle => Self::IDLE,
            At::Work(label) => label.word(),
            At::GivenUp => Self::GIVEN_UP,
            At::Left => Self::LEFT,
        }
    }

    fn from_word(word: u64) -> Self {
        match word {
            Self::ABSENT => At::Absent,
            Self::BUILDING => At::Building,
            Self::IDLE => At::Idle,
            Self::GIVEN_UP => At::GivenUp,
            Self::LEFT => At::Left,
            word => At::Work(Label::from_word(word)),
        }
    }
}

/// Words of a line, which is two cache lines.
const LINE: usize = 16;
/// Lines between the plan and the workers': what the commander counts, what the consumer counts.
const COUNTS: usize = 2;

// Relaxed, everywhere: the exchange of one word decides, and orders nothing else; the plan was stored before anybody else
// could look, and the rest are counts.

impl Board {
    /// Words that a pipeline of such a plan needs.
    pub(crate) fn words(plan: &Plan) -> usize {
        plan_lines(plan) * LINE + (COUNTS + plan.producers + 1) * LINE
    }

    /// For the ring of a pipeline that nobody else can see yet.
    pub(crate) fn set_up(commands: &Ring, plan: &Plan) -> Self {
        for (word, value) in commands.user_words().iter().zip(plan.words()) {
            word.store(value, Relaxed);
        }
        let board = Board { commands: commands.clone(), counts: plan_lines(plan) * LINE };
        for worker in 0..=plan.producers {
            board.line(worker).set(At::Absent);
        }
        board
    }

    /// For whoever joins, with what was set up. `None` if it is no pipeline's ring.
    pub(crate) fn of(commands: &Ring) -> Option<(Self, Plan)> {
        let words: Vec<u64> = commands.user_words().iter().map(|word| word.load(Relaxed)).collect();
        let plan = Plan::from_words(&words)?;
        let board = Board { commands: commands.clone(), counts: plan_lines(&plan) * LINE };
        let is_whole = plan.producers < words.len() && words.len() == Self::words(&plan);
        is_whole.then_some((board, plan))
    }

    /// The line of a producer; of the commander, who comes after them.
    pub(crate) fn line(&self, worker: usize) -> Line<'_> {
        let start = self.counts + (COUNTS + worker) * LINE;
        Line { words: &self.commands.user_words()[start..start + LINE] }
    }

    /// Commands issued.
    pub(crate) fn issued(&self) -> u64 {
        self.commands.user_words()[self.counts].load(Relaxed)
    }

    pub(crate) fn set_issued(&self, commands: u64) {
        self.commands.user_words()[self.counts].store(commands, Relaxed);
    }

    /// Results that came twice, because a worker died when it had just published one.
    pub(crate) fn repeated(&self) -> u64 {
        self.commands.user_words()[self.counts + LINE].load(Relaxed) % Label::NUMBERS // Whatever a peer stored there.
    }

    pub(crate) fn count_repeated(&self) {
        self.commands.user_words()[self.counts + LINE].fetch_add(1, Relaxed);
    }
}

fn plan_lines(plan: &Plan) -> usize {
    plan.words().len().div_ceil(LINE)
}

/// The words of one worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'b> {
    words: &'b [AtomicU64],
}

const AT: usize = 0;
const MADE: usize = 1;
const FAILED: usize = 2;
const BUSY_NS: usize = 3;
const REPLACED: usize = 4;

impl Line<'_> {
    pub(crate) fn at(&self) -> At {
        At::from_word(self.words[AT].load(Relaxed))
    }

    pub(crate) fn set(&self, at: At) {
        self.words[AT].store(at.word(), Relaxed);
    }

    /// Whoever was at `from` is at `to`; false if it is not there any more.
    pub(crate) fn turn(&self, from: At, to: At) -> bool {
        self.words[AT].compare_exchange(from.word(), to.word(), Relaxed, Relaxed).is_ok()
    }

    pub(crate) fn count_made(&self) {
        self.words[MADE].fetch_add(1, Relaxed);
    }

    pub(crate) fn count_failed(&self) {
        self.words[FAILED].fetch_add(1, Relaxed);
    }

    pub(crate) fn count_busy(&self, time: Duration) {
        self.words[BUSY_NS].fetch_add(time.as_nanos() as u64, Relaxed);
    }

    pub(crate) fn count_replaced(&self) {
        self.words[REPLACED].fetch_add(1, Relaxed);
    }

    pub(crate) fn stats(&self) -> ProducerFigures {
        ProducerFigures {
            made: self.words[MADE].load(Relaxed),
            failed: self.words[FAILED].load(Relaxed),
            replaced: self.words[REPLACED].load(Relaxed),
            busy: Duration::from_nanos(self.words[BUSY_NS].load(Relaxed)),
        }
    }
}
