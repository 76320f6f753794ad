//! The channels of a pipeline: its two rings and its status, and which entry of each ring's
//! registry belongs to which participant.
//!
//! Each participant has fixed entries. So a process that replaces a dead one takes over that one's
//! buffers, and a command that a dead process had taken is known to be that producer's.
//!
//! | entry of  | commands ring                               | results ring                     |
//! |-----------|---------------------------------------------|----------------------------------|
//! | producer  | taker; writer of the commands it returns    | writer                           |
//! | commander | writer                                      | writer                           |
//! | host      | writer of retries; taker of orphaned commands | writer; a taker an item held   |
//!
//! An orphaned command is one that a dead producer had taken.

use super::commander::{Commander, CommanderLoop};
use super::error::PipelineError;
use super::plan::Plan;
use super::producer::{CommandCopy, Producer, ProducerContext, ProducerLoop, TRIED_BY_BYTES};
use super::results::ResultWriter;
use super::status::{Status, WorkerState};
use crate::api::ring::Ring;
use crate::api::taker::Taker;
use crate::api::writer::Writer;
use crate::types::config::{Config, Delivery};
use crate::types::error::{RegisterError, RingError};
use std::time::Duration;

/// One handle on a pipeline's rings. The host, which is the consumer's process, creates them;
/// worker processes open them.
#[derive(Clone, Debug)]
pub(crate) struct Channels {
    pub(crate) commands: Ring,
    pub(crate) results: Ring,
    pub(crate) status: Status,
    pub(crate) plan: Plan,
}

/// The sizes of the rings that do not follow from the plan.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) held_items: usize,
    pub(crate) command_bytes: usize,
    pub(crate) metadata_bytes: usize,
    pub(crate) text_bytes: usize,
}

/// The longest sleep of a worker. The host detects deaths, and wakes all workers when it finds one.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// Entries of the host, other than its takers of results: in each ring a writer and perhaps a
/// taker.
const HOST: usize = 2;

impl Channels {
    /// Sets up a new pipeline, whose two rings `create` makes.
    pub(crate) fn create(
        plan: Plan,
        in_flight: usize,
        sizes: Sizes,
        create: impl FnOnce([&Config; 2]) -> Result<[Ring; 2], RingError>,
    ) -> Result<Self, RingError> {
        let config = |slots, bytes: usize, participants: usize| {
            Config::slots(slots)
                .of_bytes(bytes)
                .delivery(Delivery::Queue)
                .participants(participants)
                .tag(true)
        };
        let producers = plan.producers;
        // One more for each participant that may return a command: so a return never waits for
        // another participant to take one. Saturated sums exceed what a ring can have, and are
        // refused there.
        let slots = in_flight.saturating_add(producers).saturating_add(1);
        let commands =
            config(slots, sizes.command_bytes, producers.saturating_mul(2).saturating_add(1 + HOST))
                .meta_bytes(TRIED_BY_BYTES)
                .user_words(Status::words(&plan));
        let bytes = plan.arrays.bytes().max(sizes.text_bytes);
        let participants = producers.saturating_add(1 + HOST).saturating_add(sizes.held_items);
        let results = config(in_flight, bytes, participants).meta_bytes(sizes.metadata_bytes);
        let [commands, results] = create([&commands, &results])?;
        let status = Status::set_up(&commands, &plan);
        Ok(Channels { commands, results, status, plan })
    }

    /// The channels that another process set up; `None` if these rings are not a pipeline's.
    pub(crate) fn join(commands: Ring, results: Ring) -> Option<Self> {
        let (status, plan) = Status::of(&commands)?;
        // The plan is untrusted: every participant that it implies must have its entry.
        let have_entries = commands.config().participants == 2 * plan.producers + 1 + HOST
            && results.config().participants > plan.producers + 1 + HOST;
        have_entries.then_some(Channels { commands, results, status, plan })
    }

    /// The commander's index among the workers.
    pub(crate) fn commander(&self) -> usize {
        self.plan.producers
    }

    pub(crate) fn producer_loop<P: Producer>(
        &self,
        index: usize,
        producer: P,
        command_copy: Option<CommandCopy>,
    ) -> Result<ProducerLoop<P>, PipelineError> {
        let mut commands = self.commands.taker_in(index..index + 1)?;
        commands.leave_recovery(LONGEST_SLEEP);
        let context = ProducerContext {
            index,
            results: self.result_writer(index)?,
            results_ring: self.results.clone(),
            retry_writer: writer(&self.commands, self.plan.producers + index)?,
            plan: self.plan.clone(),
            status: self.status.clone(),
            command_copy,
            metadata: Vec::new(),
            command_slots: self.commands.config().slots as u64,
            returned_last: false,
        };
        Ok(ProducerLoop { producer, commands, context })
    }

    pub(crate) fn commander_loop<C: Commander>(
        &self,
        commander: C,
    ) -> Result<CommanderLoop<C>, PipelineError> {
        Ok(CommanderLoop {
            commander,
            commands: writer(&self.commands, 2 * self.plan.producers)?,
            results: self.result_writer(self.commander())?,
            status: self.status.clone(),
            index: self.commander(),
        })
    }

    /// The host's writer of commands, for retries.
    pub(crate) fn host_commands(&self) -> Result<Writer, RegisterError> {
        writer(&self.commands, 2 * self.plan.producers + 1)
    }

    /// The host's writer of results, for commands whose producer cannot report.
    pub(crate) fn host_results(&self) -> Result<ResultWriter, RegisterError> {
        self.result_writer(self.commander() + 1)
    }

    /// The host's taker of commands that dead producers had taken.
    pub(crate) fn orphan_taker(&self) -> Result<Taker, RegisterError> {
        let entry = 2 * self.plan.producers + HOST;
        self.commands.taker_in(entry..entry + 1)
    }

    /// A taker of results. Each item that is held occupies one.
    pub(crate) fn result_taker(&self) -> Result<Taker, RegisterError> {
        self.results.taker_in(self.commander() + HOST..self.results.config().participants)
    }

    /// Marks a worker as joined.
    pub(crate) fn mark_joined(&self, worker: usize) {
        self.status.line(worker).transition(WorkerState::Absent, WorkerState::Building);
    }

    /// Closes both rings: all waits return, and nothing more is issued, made or taken.
    pub(crate) fn close(&self) {
        self.commands.close();
        self.results.close();
    }

    /// Wakes all waiters after a death: the dead process may have owed them a notification.
    pub(crate) fn wake_all(&self) {
        self.commands.wake_all();
        self.results.wake_all();
    }

    fn result_writer(&self, entry: usize) -> Result<ResultWriter, RegisterError> {
        let writer = writer(&self.results, entry)?;
        Ok(ResultWriter { writer, order: self.plan.order, slot_bytes: self.results.config().slot_bytes })
    }
}

fn writer(ring: &Ring, entry: usize) -> Result<Writer, RegisterError> {
    let mut writer = ring.writer_in(entry..entry + 1)?;
    writer.sleep_up_to(LONGEST_SLEEP);
    Ok(writer)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::item::Arrays;
    use super::super::plan::{ItemOrder, OnFailure};
    use super::{Channels, Config, Plan, Ring, Sizes, Status};

    /// One producer that makes items of two arrays of eight bytes.
    pub(crate) fn on_heap(order: ItemOrder, on_failure: OnFailure, in_flight: usize) -> Channels {
        let mut arrays = Arrays::default();
        arrays.add(None, 8).and_then(|()| arrays.add(None, 8)).unwrap();
        let plan = Plan { arrays: arrays.into(), producers: 1, order, on_failure };
        let sizes = Sizes { held_items: 1, command_bytes: 8, metadata_bytes: 0, text_bytes: 64 };
        let heap = |[commands, results]: [&Config; 2]| Ok([Ring::heap(commands)?, Ring::heap(results)?]);
        Channels::create(plan, in_flight, sizes, heap).unwrap()
    }

    /// Fails if a joining worker uses an entry that the registry does not have.
    #[test]
    fn a_plan_of_more_producers_than_have_entries_is_refused() {
        let Channels { commands, results, plan, .. } = on_heap(ItemOrder::Ordered, OnFailure::Fail, 1);
        let join = || Channels::join(commands.clone(), results.clone());
        assert_eq!(join().unwrap().plan, plan);
        // As many words, all of which encode a plan.
        let other = Plan { arrays: Arrays::default().into(), producers: 2, ..plan };
        assert_eq!(Status::words(&other), commands.user_words().len());
        Status::set_up(&commands, &other);
        assert!(join().is_none());
    }
}
