//! Where a pipeline's work goes on: its two rings and its board, and who has which place there.
//!
//! Everybody has an entry of its own in each ring's table. So a process that takes a dead one's place takes up its buffers,
//! too, and a command that a dead one left is known to be its.
//!
//! | entry of  | the commands' ring              | the results' ring              |
//! |-----------|---------------------------------|--------------------------------|
//! | producer  | its taker; its writer, for commands that another is to try | its writer |
//! | commander | its writer                      | its writer                     |
//! | host      | a writer; a taker of what the dead left | a writer; takers, for as many items as may be held |

use super::commander::Commanding;
use super::error::PipelineError;
use super::plan::Plan;
use super::producer::{Hand, Kept, Producing, TRIED_BY_BYTES};
use super::results::Results;
use super::status::{At, Board};
use super::worker::{Commander, Producer};
use crate::api::ring::Ring;
use crate::api::taker::Taker;
use crate::api::writer::Writer;
use crate::types::config::{Config, Delivery};
use crate::types::error::{RegisterError, RingError};
use std::time::Duration;

/// One handle on a pipeline's rings. A host, who is the consumer, makes it; worker processes open it again.
#[derive(Clone, Debug)]
pub(crate) struct Workshop {
    pub(crate) commands: Ring,
    pub(crate) results: Ring,
    pub(crate) board: Board,
    pub(crate) plan: Plan,
}

/// How large the rings are, beside what the plan says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) in_flight: usize,
    pub(crate) held_items: usize,
    pub(crate) command_bytes: usize,
    pub(crate) metadata_bytes: usize,
    pub(crate) text_bytes: usize,
}

/// How long workers sleep at most. The host looks for the dead, and wakes everybody when it finds one.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// Entries of the host's beside its takers: in each ring a writer and perhaps a taker.
const HOST: usize = 2;

impl Workshop {
    /// A new one, whose two rings `create` makes.
    pub(crate) fn create(
        plan: Plan,
        sizes: Sizes,
        create: impl FnOnce([&Config; 2]) -> Result<[Ring; 2], RingError>,
    ) -> Result<Self, RingError> {
        let config = |slots, bytes: usize, participants: usize| {
            Config::new(slots, bytes).delivery(Delivery::Queue).participants(participants).tag(true)
        };
        let producers = plan.producers;
        // One more for each who may have a command in hand and hand it back: whoever does never waits for others to take.
        // Sums of what anybody says are at most what no ring can have.
        let slots = sizes.in_flight.saturating_add(producers).saturating_add(1);
        let commands =
            config(slots, sizes.command_bytes, producers.saturating_mul(2).saturating_add(1 + HOST))
                .meta_bytes(TRIED_BY_BYTES)
                .user_words(Board::words(&plan));
        let bytes = plan.arrays.bytes().max(sizes.text_bytes);
        let participants = producers.saturating_add(1 + HOST).saturating_add(sizes.held_items);
        let results = config(sizes.in_flight, bytes, participants).meta_bytes(sizes.metadata_bytes);
        let [commands, results] = create([&commands, &results])?;
        let board = Board::set_up(&commands, &plan);
        Ok(Workshop { commands, results, board, plan })
    }

    /// One that somebody else made; `None` if these rings are no pipeline's.
    pub(crate) fn join(commands: Ring, results: Ring) -> Option<Self> {
        let (board, plan) = Board::of(&commands)?;
        // The plan lies where anybody may have changed it: everybody that it speaks of has an entry.
        let have_entries = commands.config().participants == 2 * plan.producers + 1 + HOST
            && results.config().participants > plan.producers + 1 + HOST;
        have_entries.then_some(Workshop { commands, results, board, plan })
    }

    /// The number of the commander among the workers.
    pub(crate) fn commander(&self) -> usize {
        self.plan.producers
    }

    pub(crate) fn producing<P: Producer>(
        &self,
        index: usize,
        producer: P,
        kept: Option<Kept>,
    ) -> Result<Producing<P>, PipelineError> {
        let mut commands = self.commands.taker_in(index..index + 1)?;
        commands.leave_the_dead(LONGEST_SLEEP);
        let again = self.plan.producers + index;
        let hand = Hand {
            index,
            results: self.results(index)?,
            ring: self.results.clone(),
            again: writer(&self.commands, again)?,
            plan: self.plan.clone(),
            board: self.board.clone(),
            kept,
            metadata: Vec::new(),
            slots: self.commands.config().slots() as u64,
            passed_on: false,
        };
        Ok(Producing { producer, commands, hand })
    }

    pub(crate) fn commanding<C: Commander>(&self, commander: C) -> Result<Commanding<C>, PipelineError> {
        Ok(Commanding {
            commander,
            commands: self.commands_writer(0)?,
            results: self.results(self.commander())?,
            board: self.board.clone(),
            index: self.commander(),
        })
    }

    /// The host's writer of commands, for those that are tried again.
    pub(crate) fn again(&self) -> Result<Writer, RegisterError> {
        self.commands_writer(1)
    }

    /// The host's writer of results, for those that nobody else tells of.
    pub(crate) fn host_results(&self) -> Result<Results, RegisterError> {
        self.results(self.commander() + 1)
    }

    /// The host's taker of commands that dead producers left.
    pub(crate) fn left(&self) -> Result<Taker, RegisterError> {
        let entry = 2 * self.plan.producers + HOST;
        self.commands.taker_in(entry..entry + 1)
    }

    /// A taker of one more result at a time.
    pub(crate) fn taker(&self) -> Result<Taker, RegisterError> {
        self.results.taker_in(self.commander() + HOST..self.results.config().participants)
    }

    /// That worker is there.
    pub(crate) fn arrive(&self, worker: usize) {
        self.board.line(worker).turn(At::Absent, At::Building);
    }

    /// Nothing more is issued, made or taken; whoever waits wakes.
    pub(crate) fn close(&self) {
        self.commands.close();
        self.results.close();
    }

    /// Wakes all who wait, after a death: whoever died may have been about to.
    pub(crate) fn wake_all(&self) {
        self.commands.wake_all();
        self.results.wake_all();
    }

    /// The commander's, or the one after it, the host's.
    fn commands_writer(&self, which: usize) -> Result<Writer, RegisterError> {
        let entry = 2 * self.plan.producers + which;
        writer(&self.commands, entry)
    }

    fn results(&self, entry: usize) -> Result<Results, RegisterError> {
        let writer = writer(&self.results, entry)?;
        Ok(Results { writer, order: self.plan.order, slot_bytes: self.results.config().slot_bytes() })
    }
}

fn writer(ring: &Ring, entry: usize) -> Result<Writer, RegisterError> {
    let mut writer = ring.writer_in(entry..entry + 1)?;
    writer.sleep_up_to(LONGEST_SLEEP);
    Ok(writer)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::{arrays::Arrays, failure::OnFailure, results::Order};
    use super::{Board, Config, Plan, Ring, Sizes, Workshop};

    /// Of one producer that makes items of two arrays of eight bytes.
    pub(crate) fn on_heap(order: Order, on_failure: OnFailure, in_flight: usize) -> Workshop {
        let mut arrays = Arrays::default();
        arrays.add(None, 8).and_then(|()| arrays.add(None, 8)).unwrap();
        let plan = Plan { arrays: arrays.into(), producers: 1, order, on_failure };
        let sizes = Sizes { in_flight, held_items: 1, command_bytes: 8, metadata_bytes: 0, text_bytes: 64 };
        let heap = |[commands, results]: [&Config; 2]| Ok([Ring::heap(commands)?, Ring::heap(results)?]);
        Workshop::create(plan, sizes, heap).unwrap()
    }

    /// Fails if whoever joins takes an entry that the table does not have.
    #[test]
    fn a_plan_of_more_producers_than_have_entries_is_refused() {
        let Workshop { commands, results, plan, .. } = on_heap(Order::Ordered, OnFailure::Fail, 1);
        let join = || Workshop::join(commands.clone(), results.clone());
        assert_eq!(join().unwrap().plan, plan);
        // As many words, and all of them a plan's.
        let other = Plan { arrays: Arrays::default().into(), producers: 2, ..plan };
        assert_eq!(Board::words(&other), commands.user_words().len());
        Board::set_up(&commands, &other);
        assert!(join().is_none());
    }
}
