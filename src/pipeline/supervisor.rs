//! The supervisor: the host's part in recovery. It gives up workers that exceed their time limits,
//! replaces processes that died, and decides what becomes of their commands. It has no thread: the
//! consumer calls [`Supervisor::check`] while it waits for an item.
//!
//! | event                   | where the command is     | recovery                               |
//! |-------------------------|--------------------------|----------------------------------------|
//! | a producer process dies | still taken, in the ring | the host takes it over; policy         |
//! | such a process hangs    | as above                 | the process is killed; then as above   |
//! | a producer thread hangs | the thread keeps it      | policy, for the copy of the command    |
//! | the commander dies      | in the ring, if issued   | the error, after the issued results    |
//!
//! *Policy* is [`OnFailure`]: the pipeline ends with the error, the command is tried again, or the
//! error takes the item's place.

use super::channels::Channels;
use super::error::{Activity, PipelineError, ProcessExit};
use super::plan::OnFailure;
use super::producer::{CommandCopy, failure_record, last_tried_by};
use super::results::ResultWriter;
use super::status::{Counter, WorkerState};
use super::tag::{ResultKind, Tag};
use super::worker_processes::{ExitedWorker, WorkerProcesses};
use super::workers::Workers;
use crate::api::taker::Taker;
use crate::api::writer::Writer;
use crate::types::error::TryWriteError;
use crate::types::message::MessageHeader;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// The longest time in each state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeLimits {
    /// Of a process, until it has joined.
    pub(crate) start: Duration,
    pub(crate) build: Option<Duration>,
    /// Of a producer, at one item.
    pub(crate) produce: Option<Duration>,
}

#[derive(Debug)]
pub(crate) struct Supervisor {
    channels: Channels,
    limits: TimeLimits,
    /// `None`: there are neither time limits nor processes.
    interval: Option<Duration>,
    next_check: Instant,
    /// The state of each worker, and when the supervisor first saw it.
    observed: Vec<(WorkerState, Instant)>,
    /// One for each producer, if they are threads with a time limit.
    command_copies: Vec<CommandCopy>,
    retry_writer: Writer,
    /// Commands to retry that had no room yet, each with the producer that tried it last.
    retries: VecDeque<(Tag, usize, Vec<u8>)>,
    results: ResultWriter,
    /// Takes over the commands of dead processes; `None` for threads.
    orphan_taker: Option<Taker>,
    /// Commands that were taken over, by producer.
    orphans: Vec<Option<(Tag, Vec<u8>)>>,
    /// How often in a row each producer's process ended before it was built.
    failed_builds: Vec<u32>,
    /// The errors behind results of the kind `FailedAtHost`.
    failures: BTreeMap<u64, PipelineError>,
    /// Failed commands whose results had no room yet, each with its producer.
    unpublished: VecDeque<(usize, Tag)>,
    /// Set when the commander died.
    commander_death: Option<PipelineError>,
    /// When the supervisor first saw that all producers had been given up.
    all_hung_since: Option<Instant>,
}

/// A dead process is found at most this late.
const PROCESS_INTERVAL: Duration = Duration::from_millis(50);
/// The next check after a process was killed.
const AFTER_KILL: Duration = Duration::from_millis(1);
/// If the process of one producer ends this often in a row before it is built, the pipeline ends.
const MAX_FAILED_BUILDS: u32 = 3;

impl Supervisor {
    pub(crate) fn new(
        channels: &Channels,
        limits: TimeLimits,
        command_copies: Vec<CommandCopy>,
        processes: bool,
    ) -> Result<Self, PipelineError> {
        let now = Instant::now();
        let shortest = limits.build.into_iter().chain(limits.produce).min();
        // An exceeded limit is found at most a quarter of that limit late, or 1 ms.
        let for_limits =
            shortest.map(|limit| (limit / 4).clamp(Duration::from_millis(1), Duration::from_secs(1)));
        let producers = channels.plan.producers;
        Ok(Supervisor {
            limits,
            interval: [for_limits, processes.then_some(PROCESS_INTERVAL)].into_iter().flatten().min(),
            next_check: now,
            observed: vec![(WorkerState::Idle, now); producers + 1],
            command_copies,
            retry_writer: channels.host_commands()?,
            retries: VecDeque::new(),
            results: channels.host_results()?,
            orphan_taker: processes.then(|| channels.orphan_taker()).transpose()?,
            orphans: vec![None; producers],
            failed_builds: vec![0; producers],
            failures: BTreeMap::new(),
            unpublished: VecDeque::new(),
            commander_death: None,
            all_hung_since: None,
            channels: channels.clone(),
        })
    }

    /// Checks the workers, if it is time. Returns the time of the next check.
    pub(crate) fn check(&mut self, workers: &mut Workers) -> Result<Option<Instant>, PipelineError> {
        let Some(interval) = self.interval else { return Ok(None) };
        let now = Instant::now();
        if now < self.next_check {
            return Ok(Some(self.next_check));
        }
        self.next_check = now + interval;
        if let Workers::Processes(processes) = workers {
            for exited in processes.take_exited() {
                self.handle_exit(exited, processes)?;
            }
        }
        for worker in 0..self.observed.len() {
            if let Some((state, limit)) = self.overdue(worker, now) {
                self.give_up(worker, state, limit, workers)?;
            }
        }
        self.requeue()?;
        self.check_all_hung(now)?;
        Ok(Some(self.next_check))
    }

    /// Whether the commander died and the results of all commands that it counted as issued have
    /// come, which `have_come` answers. The ring may hold one more result: that of a command which
    /// the commander issued and did not count, or the end.
    pub(crate) fn is_ending(&self, have_come: impl FnOnce(u64) -> bool) -> bool {
        self.commander_death.is_some() && have_come(self.channels.status.issued())
    }

    /// The commander's death, once.
    pub(crate) fn take_commander_death(&mut self) -> Option<PipelineError> {
        self.commander_death.take()
    }

    /// The error behind the `FailedAtHost` result of that number, once.
    pub(crate) fn take_failure(&mut self, number: u64) -> Option<PipelineError> {
        self.failures.remove(&number)
    }

    /// The state of a worker and its time limit, if the worker has exceeded it.
    fn overdue(&mut self, worker: usize, now: Instant) -> Option<(WorkerState, Duration)> {
        let state = self.channels.status.line(worker).state();
        if self.observed[worker].0 != state {
            self.observed[worker] = (state, now);
        }
        if matches!(state, WorkerState::Idle | WorkerState::Working(_)) && worker < self.failed_builds.len() {
            self.failed_builds[worker] = 0;
        }
        let limit = match state {
            WorkerState::Absent => Some(self.limits.start),
            WorkerState::Building => self.limits.build,
            WorkerState::Working(_) => self.limits.produce,
            WorkerState::Idle | WorkerState::GivenUp | WorkerState::Left => None,
        };
        limit.filter(|limit| now - self.observed[worker].1 >= *limit).map(|limit| (state, limit))
    }

    fn give_up(
        &mut self,
        worker: usize,
        state: WorkerState,
        limit: Duration,
        workers: &mut Workers,
    ) -> Result<(), PipelineError> {
        // Before the transition: a thread may return right after it, and overwrite its copy.
        let command = match state {
            WorkerState::Working(tag) => self.command_copies.get(worker).and_then(|copy| copy.get(tag)),
            _ => None,
        };
        if !self.channels.status.line(worker).transition(state, WorkerState::GivenUp) {
            return Ok(()); // It has just finished.
        }
        let (name, pid) = workers.name(worker);
        match (state, workers) {
            (WorkerState::Absent, _) => {
                Err(PipelineError::NotJoined { worker: name, pid, exit: None, waited: limit })
            }
            (WorkerState::Building, _) => Err(PipelineError::Build {
                worker: name,
                message: format!("did not finish within {limit:?}"),
            }),
            (WorkerState::Working(_), Workers::Processes(processes)) => {
                processes.kill_hung(worker);
                self.next_check = Instant::now() + AFTER_KILL;
                Ok(())
            }
            (WorkerState::Working(tag), Workers::Threads(_)) => {
                self.decide(worker, tag, &command.unwrap_or_default(), self.hung(worker, tag))
            }
            _ => Ok(()),
        }
    }

    fn hung(&self, producer: usize, tag: Tag) -> PipelineError {
        let timeout = self.limits.produce.unwrap_or_default();
        PipelineError::Hung { number: tag.number, producer, tries: tag.tries(), timeout }
    }

    /// Applies the policy to a command whose producer died or was given up with `error`.
    fn decide(
        &mut self,
        producer: usize,
        tag: Tag,
        command: &[u8],
        error: PipelineError,
    ) -> Result<(), PipelineError> {
        self.channels.status.line(producer).add(Counter::Failed, 1);
        if let Some(next_try) = self.channels.plan.on_failure.retry(tag) {
            self.retries.push_back((next_try, producer, command.to_vec()));
            self.requeue()
        } else if self.channels.plan.on_failure == OnFailure::Skip {
            self.failures.insert(tag.number, error);
            self.unpublished.push_back((producer, tag));
            self.publish_failures()
        } else {
            Err(error)
        }
    }

    /// Requeues commands to retry, as far as there is room. It must not wait: the host itself has
    /// to start the producers that make room. If items come in any order, the ring may be full: a
    /// producer that dies right after it published leaves a command to be retried whose item has
    /// come already, and which the commander has replaced by another one.
    fn requeue(&mut self) -> Result<(), PipelineError> {
        while let Some((tag, producer, command)) = self.retries.front() {
            let header = MessageHeader { tag: tag.word(), metadata: &last_tried_by(*producer) };
            match self.retry_writer.try_write_with(command, &header) {
                Err(TryWriteError::Full) => break,
                other => other.map_err(|error| PipelineError::Config(error.to_string()))?,
            };
            self.retries.pop_front();
        }
        Ok(())
    }

    /// Publishes the results of skipped commands, as far as there is room. It must not wait: the
    /// consumer, which calls it, is the one that makes room. If items come in any order, the ring
    /// may be full, because a producer died right after it published.
    pub(crate) fn publish_failures(&mut self) -> Result<(), PipelineError> {
        while let Some((producer, tag)) = self.unpublished.front().copied() {
            let record = failure_record(producer, tag, "");
            match self.results.try_put(ResultKind::FailedAtHost.tag(tag.number), &record) {
                Err(TryWriteError::Full) => break,
                other => other.map_err(|error| PipelineError::Config(error.to_string()))?,
            }
            self.unpublished.pop_front();
        }
        Ok(())
    }

    /// Handles the end of a worker process: takes over its command, decides about it, and starts a
    /// new process in its place.
    fn handle_exit(
        &mut self,
        exited: ExitedWorker,
        processes: &mut WorkerProcesses,
    ) -> Result<(), PipelineError> {
        let ExitedWorker { worker, pid, exit, hung } = exited;
        let state = self.channels.status.line(worker).state();
        let name = processes.name(worker);
        if state == WorkerState::Absent && !matches!(exit, ProcessExit::Signal(_)) {
            let waited = self.limits.start;
            return Err(PipelineError::NotJoined { worker: name, pid, exit: Some(exit), waited });
        }
        let unbuilt = matches!(state, WorkerState::Absent | WorkerState::Building);
        let died = |activity| PipelineError::Died { worker: name.clone(), pid, exit, activity };
        if worker == self.channels.commander() {
            if state != WorkerState::Left {
                let number = self.channels.status.issued();
                let activity = if unbuilt { Activity::Build } else { Activity::Command { number } };
                self.commander_death = Some(died(activity));
            }
            return Ok(());
        }
        self.channels.wake_all();
        self.take_over_orphans();
        let fails = self.channels.plan.on_failure == OnFailure::Fail;
        if let Some((tag, command)) = self.orphans[worker].take() {
            let item = Activity::Item { number: tag.number, tries: tag.tries() };
            let error = if hung { self.hung(worker, tag) } else { died(item) };
            self.decide(worker, tag, &command, error)?;
        } else if unbuilt {
            self.failed_builds[worker] += 1;
            if fails || self.failed_builds[worker] >= MAX_FAILED_BUILDS {
                return Err(died(Activity::Build));
            }
        } else if fails {
            return Err(died(Activity::Waiting));
        }
        self.channels.status.line(worker).add(Counter::Replaced, 1);
        processes.start_one(worker)?;
        self.observed[worker] = (WorkerState::Absent, Instant::now());
        Ok(())
    }

    /// Takes over the commands that dead producers had taken.
    fn take_over_orphans(&mut self) {
        while let Some((producer, command)) = self.orphan_taker.as_mut().and_then(Taker::take_over) {
            let tag = Tag::from_word(command.received().tag.unwrap_or_default());
            if let Some(orphan) = self.orphans.get_mut(producer) {
                *orphan = Some((tag, command.to_vec()));
            }
        }
    }

    /// Fails if all threads have been given up, and none has returned for another time limit: then
    /// no producer is left that could take a command.
    fn check_all_hung(&mut self, now: Instant) -> Result<(), PipelineError> {
        let (status, producers) = (&self.channels.status, self.channels.plan.producers);
        let Some(timeout) = self.limits.produce.filter(|_| self.orphan_taker.is_none()) else {
            return Ok(());
        };
        if !(0..producers).all(|index| status.line(index).state() == WorkerState::GivenUp) {
            self.all_hung_since = None;
            return Ok(());
        }
        let since = *self.all_hung_since.get_or_insert(now);
        if now - since < timeout {
            return Ok(());
        }
        Err(PipelineError::AllHung { producers, timeout })
    }
}

#[cfg(test)]
mod tests {
    use super::super::channels::tests::on_heap;
    use super::super::commander::Commands;
    use super::super::plan::ItemOrder;
    use super::super::workers::Threads;
    use super::{
        Channels, MessageHeader, OnFailure, ResultKind, Supervisor, Tag, TimeLimits, TryWriteError, Workers,
    };
    use std::time::Duration;

    fn supervisor(channels: &Channels) -> Supervisor {
        let limits = TimeLimits { start: Duration::from_secs(1), build: None, produce: None };
        Supervisor::new(channels, limits, Vec::new(), true).unwrap()
    }

    /// Fails, by never ending, if the host waits for room that only the host can make.
    #[test]
    fn a_command_is_skipped_while_the_results_are_full() {
        let channels = on_heap(ItemOrder::Unordered, OnFailure::Skip, 1);
        let (mut supervisor, mut taker) = (supervisor(&channels), channels.result_taker().unwrap());
        supervisor.results.put(ResultKind::Item.tag(0), &[]).unwrap(); // As the dead producer did.
        let tag = Tag::first_try(0);
        supervisor.decide(0, tag, &[], supervisor.hung(0, tag)).unwrap();
        for kind in [ResultKind::Item, ResultKind::FailedAtHost] {
            assert_eq!(taker.try_take().unwrap().received().tag, Some(kind.tag(0).word()));
            supervisor.publish_failures().unwrap();
        }
        assert!(supervisor.take_failure(0).is_some() && supervisor.unpublished.is_empty());
    }

    /// Fails, by never ending, if the host waits for room: only a producer that the host has to
    /// start can make room.
    #[test]
    fn a_command_is_tried_again_while_the_commands_are_full() {
        let channels = on_heap(ItemOrder::Unordered, OnFailure::Retry(1), 1);
        let (mut supervisor, mut taker) = (supervisor(&channels), channels.commands.taker_in(0..1).unwrap());
        let mut commander =
            channels.commander_loop(Commands(std::iter::empty::<[u8; 0]>())).unwrap().commands;
        let mut number = 0;
        let mut fill = || {
            let tag = Tag::first_try(number).word();
            number += 1;
            commander.try_write_with(&[], &MessageHeader { tag, metadata: &[] })
        };
        while fill().is_ok() {}
        assert!(matches!(fill(), Err(TryWriteError::Full)));
        let tag = Tag::first_try(99);
        supervisor.decide(0, tag, &[7], supervisor.hung(0, tag)).unwrap();
        assert_eq!(taker.try_take().unwrap().received().tag, Some(Tag::first_try(0).word()));
        supervisor.check(&mut Workers::Threads(Threads::new())).unwrap(); // There is room now.
        let last =
            std::iter::from_fn(|| taker.try_take().ok().map(|it| (it.received().tag, it.to_vec()))).last();
        assert_eq!(last, Some((Some(Tag { detail: 1, number: 99 }.word()), vec![7])));
    }
}
