//! The host's eye on its workers: those that take too long are given up, those that died are replaced, and what is to
//! become of their commands is decided. The consumer has it look while it waits for an item.
//!
//! A command that a dead process had is still in its hands, as the ring sees it, and goes to nobody but the host, who takes
//! it over and decides. A thread that is given up keeps the command; there is a copy.

use super::channels::Workshop;
use super::error::PipelineError;
use super::exit::{Doing, Exit};
use super::failure::OnFailure;
use super::producer::{Kept, told, tried_by};
use super::results::Results;
use super::status::At;
use super::tag::{Label, Mark};
use super::worker_processes::{Crew, Dead};
use super::workers::Workers;
use crate::api::taker::Taker;
use crate::api::writer::Writer;
use crate::types::error::TryWriteError;
use crate::types::message::MessageHeader;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// How long workers may be at what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// A process, until it has joined.
    pub(crate) start: Duration,
    pub(crate) build: Option<Duration>,
    /// A producer, at one item.
    pub(crate) produce: Option<Duration>,
}

#[derive(Debug)]
pub(crate) struct Keeper {
    workshop: Workshop,
    limits: Limits,
    /// `None`: nobody is ever given up, and no process may die.
    every: Option<Duration>,
    next_look: Instant,
    /// What each worker is at, and since when it is seen there.
    seen: Vec<(At, Instant)>,
    /// Of the producers that are threads.
    kept: Vec<Kept>,
    again: Writer,
    /// Commands for it that had no room yet: each with who tried it last.
    untried: VecDeque<(Label, usize, Vec<u8>)>,
    results: Results,
    /// Takes over what dead processes left.
    left: Option<Taker>,
    /// Commands that it took over, by producer.
    commands: Vec<Option<(Label, Vec<u8>)>>,
    /// How often in a row a producer's process ended before it was built.
    unbuilt: Vec<u32>,
    /// What became of commands, whose results only say that it is written here.
    written: BTreeMap<u64, PipelineError>,
    /// Those of them whose results had no room yet, and their producers.
    untold: VecDeque<(usize, Label)>,
    /// Why nothing more is issued.
    commander_died: Option<PipelineError>,
    /// Since when no producer is left.
    deserted: Option<Instant>,
}

/// How soon a dead process is found, at most.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// As soon as that, if it is known that it dies.
const LOOK_SOON: Duration = Duration::from_millis(1);
/// So often in a row a process may end before it is built, where those that die are replaced.
const UNBUILT: u32 = 3;

impl Keeper {
    /// `kept`: what the producers at work keep, if they are threads and there is a limit to their time.
    pub(crate) fn new(
        workshop: &Workshop,
        limits: Limits,
        kept: Vec<Kept>,
        processes: bool,
    ) -> Result<Self, PipelineError> {
        let now = Instant::now();
        let shortest = limits.build.into_iter().chain(limits.produce).min();
        // A quarter of the time late, at most.
        let for_limits =
            shortest.map(|limit| (limit / 4).clamp(Duration::from_millis(1), Duration::from_secs(1)));
        let producers = workshop.plan.producers;
        Ok(Keeper {
            limits,
            every: [for_limits, processes.then_some(LOOK_EVERY)].into_iter().flatten().min(),
            next_look: now,
            seen: vec![(At::Idle, now); producers + 1],
            kept,
            again: workshop.again()?,
            untried: VecDeque::new(),
            results: workshop.host_results()?,
            left: processes.then(|| workshop.left()).transpose()?,
            commands: vec![None; producers],
            unbuilt: vec![0; producers],
            written: BTreeMap::new(),
            untold: VecDeque::new(),
            commander_died: None,
            deserted: None,
            workshop: workshop.clone(),
        })
    }

    /// Looks after the workers, if it is time. Returns when to look again, if nothing comes before.
    pub(crate) fn look(&mut self, workers: &mut Workers) -> Result<Option<Instant>, PipelineError> {
        let Some(every) = self.every else { return Ok(None) };
        let now = Instant::now();
        if now < self.next_look {
            return Ok(Some(self.next_look));
        }
        self.next_look = now + every;
        if let Workers::Processes(crew) = workers {
            for dead in crew.dead() {
                self.bury(dead, crew)?;
            }
        }
        for worker in 0..self.seen.len() {
            if let Some((at, limit)) = self.overdue(worker, now) {
                self.give_up(worker, at, limit, workers)?;
            }
        }
        self.put_back()?;
        self.check_deserted(now)?;
        Ok(Some(self.next_look))
    }

    /// Whether the commander died and all results came of the so many commands that `have_come` asks for. One more may be
    /// there: of a command that it issued and did not count, or its word that there are none.
    pub(crate) fn is_ending(&self, have_come: impl FnOnce(u64) -> bool) -> bool {
        self.commander_died.is_some() && have_come(self.workshop.board.issued())
    }

    /// Why nothing more comes.
    pub(crate) fn the_end(&mut self) -> Option<PipelineError> {
        self.commander_died.take()
    }

    /// What became of the command of this number, if it is known here and not by its result.
    pub(crate) fn written(&mut self, number: u64) -> Option<PipelineError> {
        self.written.remove(&number)
    }

    /// What a worker is at, if for longer than it may, and how long that is.
    fn overdue(&mut self, worker: usize, now: Instant) -> Option<(At, Duration)> {
        let at = self.workshop.board.line(worker).at();
        if self.seen[worker].0 != at {
            self.seen[worker] = (at, now);
        }
        if matches!(at, At::Idle | At::Work(_)) && worker < self.unbuilt.len() {
            self.unbuilt[worker] = 0;
        }
        let limit = match at {
            At::Absent => Some(self.limits.start),
            At::Building => self.limits.build,
            At::Work(_) => self.limits.produce,
            At::Idle | At::GivenUp | At::Left => None,
        };
        let is_over = |limit: &Duration| now - self.seen[worker].1 >= *limit;
        limit.filter(is_over).map(|limit| (at, limit))
    }

    fn give_up(
        &mut self,
        worker: usize,
        at: At,
        limit: Duration,
        workers: &mut Workers,
    ) -> Result<(), PipelineError> {
        // Now: one that was given up may be back, and at another command, at any time.
        let command = match at {
            At::Work(label) => self.kept.get(worker).and_then(|kept| kept.get(label)),
            _ => None,
        };
        if !self.workshop.board.line(worker).turn(at, At::GivenUp) {
            return Ok(()); // It was done a moment ago.
        }
        let (name, pid) = workers.name(worker);
        match (at, workers) {
            (At::Absent, _) => Err(PipelineError::NotJoined { worker: name, pid, exit: None, waited: limit }),
            (At::Building, _) => {
                Err(PipelineError::Build { worker: name, message: format!("still at it after {limit:?}") })
            }
            (At::Work(label), Workers::Processes(crew)) => {
                crew.kill_hung(worker, label);
                self.next_look = Instant::now() + LOOK_SOON;
                Ok(())
            }
            (At::Work(label), Workers::Threads(_)) => {
                self.decide(worker, label, &command.unwrap_or_default(), self.hung(worker, label))
            }
            _ => Ok(()),
        }
    }

    fn hung(&self, producer: usize, label: Label) -> PipelineError {
        let timeout = self.limits.produce.unwrap_or_default();
        PipelineError::Hung { number: label.number, producer, tries: u32::from(label.mark) + 1, timeout }
    }

    /// What is to become of a command whose producer is not there any more.
    fn decide(
        &mut self,
        producer: usize,
        label: Label,
        command: &[u8],
        error: PipelineError,
    ) -> Result<(), PipelineError> {
        self.workshop.board.line(producer).count_failed();
        if let Some(label) = self.workshop.plan.on_failure.again(label) {
            self.untried.push_back((label, producer, command.to_vec()));
            self.put_back()
        } else if self.workshop.plan.on_failure == OnFailure::Skip {
            self.written.insert(label.number, error);
            self.untold.push_back((producer, label));
            self.tell()
        } else {
            Err(error)
        }
    }

    /// Puts commands back that are to be tried again, as far as there is room: the host has to start those who make it. In
    /// any order they may be full, because a producer that dies when it has just published leaves a command more than there
    /// are items to be made.
    fn put_back(&mut self) -> Result<(), PipelineError> {
        while let Some((label, tried, command)) = self.untried.front() {
            let extras = MessageHeader { tag: label.word(), metadata: &tried_by(*tried) };
            match self.again.try_write_with(command, &extras) {
                Err(TryWriteError::Full) => break,
                other => other.map_err(|error| PipelineError::Config(error.to_string()))?,
            };
            self.untried.pop_front();
        }
        Ok(())
    }

    /// Publishes the results of skipped commands, as far as there is room: the consumer, who makes it, is the one that
    /// would wait. In any order it may be full, because a producer died when it had just published what it made.
    pub(crate) fn tell(&mut self) -> Result<(), PipelineError> {
        while let Some((producer, label)) = self.untold.front().copied() {
            let text = told(producer, label, "");
            match self.results.try_put(Mark::Written.label(label.number), label.number, &text) {
                Err(TryWriteError::Full) => break,
                other => other.map_err(|error| PipelineError::Config(error.to_string()))?,
            }
            self.untold.pop_front();
        }
        Ok(())
    }

    /// Decides what follows from a worker's end.
    fn bury(&mut self, dead: Dead, crew: &mut Crew) -> Result<(), PipelineError> {
        let Dead { worker, pid, exit, hung } = dead;
        let at = self.workshop.board.line(worker).at();
        let name = crew.name(worker);
        if at == At::Absent && !matches!(exit, Exit::Signal(_)) {
            let waited = self.limits.start;
            return Err(PipelineError::NotJoined { worker: name, pid, exit: Some(exit), waited });
        }
        let died = |doing: Doing| PipelineError::Died { worker: name.clone(), pid, exit, doing };
        if worker == self.workshop.commander() {
            if at != At::Left {
                self.commander_died = Some(died(match at {
                    At::Absent | At::Building => Doing::Build,
                    _ => Doing::Command { number: self.workshop.board.issued() },
                }));
            }
            return Ok(());
        }
        self.workshop.wake_all();
        self.take_over();
        match (self.commands[worker].take(), hung) {
            (Some((label, command)), hung) => {
                let error = match hung {
                    Some(_) => self.hung(worker, label),
                    None => died(Doing::Item { number: label.number, tries: u32::from(label.mark) + 1 }),
                };
                self.decide(worker, label, &command, error)?;
            }
            (None, _) if matches!(at, At::Absent | At::Building) => {
                self.unbuilt[worker] += 1;
                if self.workshop.plan.on_failure == OnFailure::Fail || self.unbuilt[worker] >= UNBUILT {
                    return Err(died(Doing::Build));
                }
            }
            (None, _) if self.workshop.plan.on_failure == OnFailure::Fail => {
                return Err(died(Doing::Nothing));
            }
            (None, _) => {}
        }
        self.workshop.board.line(worker).count_replaced();
        crew.start_one(worker)?;
        self.seen[worker] = (At::Absent, Instant::now());
        Ok(())
    }

    /// Takes over what dead producers have in hand.
    fn take_over(&mut self) {
        while let Some((producer, command)) = self.left.as_mut().and_then(Taker::take_over) {
            let label = Label::from_word(command.received().tag);
            if let Some(place) = self.commands.get_mut(producer) {
                *place = Some((label, command.to_vec()));
            }
        }
    }

    /// If all were given up, and none comes back for as long again, nobody is left who could take a command.
    fn check_deserted(&mut self, now: Instant) -> Result<(), PipelineError> {
        let (board, producers) = (&self.workshop.board, self.workshop.plan.producers);
        let Some(timeout) = self.limits.produce.filter(|_| self.left.is_none()) else { return Ok(()) };
        if !(0..producers).all(|index| board.line(index).at() == At::GivenUp) {
            self.deserted = None;
            return Ok(());
        }
        let since = *self.deserted.get_or_insert(now);
        if now - since < timeout {
            return Ok(());
        }
        Err(PipelineError::Deserted { producers, timeout })
    }
}

#[cfg(test)]
mod tests {
    use super::super::channels::tests::on_heap;
    use super::super::results::Order;
    use super::super::threads::Threads;
    use super::super::worker::Commands;
    use super::{Keeper, Label, Limits, Mark, MessageHeader, OnFailure, TryWriteError, Workers, Workshop};
    use std::time::Duration;

    fn keeper(workshop: &Workshop) -> Keeper {
        let limits = Limits { start: Duration::from_secs(1), build: None, produce: None };
        Keeper::new(workshop, limits, Vec::new(), true).unwrap()
    }

    /// Fails, by never ending, if the host waits for room that only itself can make.
    #[test]
    fn a_command_is_skipped_while_the_results_are_full() {
        let workshop = on_heap(Order::Unordered, OnFailure::Skip, 1);
        let (mut keeper, mut taker) = (keeper(&workshop), workshop.taker().unwrap());
        keeper.results.put(Mark::Item.label(0), 0, &[]).unwrap(); // As the dead one did.
        let label = Label { mark: 0, number: 0 };
        keeper.decide(0, label, &[], keeper.hung(0, label)).unwrap();
        for mark in [Mark::Item, Mark::Written] {
            assert_eq!(taker.try_take().unwrap().received().tag, mark.label(0).word());
            keeper.tell().unwrap();
        }
        assert!(keeper.written(0).is_some() && keeper.untold.is_empty());
    }

    /// Fails, by never ending, if the host waits for room that only a producer can make whom it has to start.
    #[test]
    fn a_command_is_tried_again_while_the_commands_are_full() {
        let workshop = on_heap(Order::Unordered, OnFailure::Retry(1), 1);
        let (mut keeper, mut taker) = (keeper(&workshop), workshop.commands.taker_in(0..1).unwrap());
        let mut commander = workshop.commanding(Commands(std::iter::empty::<[u8; 0]>())).unwrap().commands;
        let mut number = 0;
        let mut fill = || {
            let tag = Label { mark: 0, number }.word();
            number += 1;
            commander.try_write_with(&[], &MessageHeader { tag, metadata: &[] })
        };
        while fill().is_ok() {}
        assert!(matches!(fill(), Err(TryWriteError::Full)));
        let label = Label { mark: 0, number: 99 };
        keeper.decide(0, label, &[7], keeper.hung(0, label)).unwrap();
        assert_eq!(taker.try_take().unwrap().received().tag, Label { mark: 0, number: 0 }.word());
        keeper.look(&mut Workers::Threads(Threads::new())).unwrap(); // There is room now.
        let last =
            std::iter::from_fn(|| taker.try_take().ok().map(|it| (it.received().tag, it.to_vec()))).last();
        assert_eq!(last, Some((Label { mark: 1, number: 99 }.word(), vec![7])));
    }
}
