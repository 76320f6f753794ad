//! The worker processes of a pipeline, as its host has them: started, found dead, replaced, ended.

use super::channels::Workshop;
use super::error::PipelineError;
use super::exit::Exit;
use super::spawner::{Launch, Worker};
use super::status::{At, Board};
use super::tag::Label;
use super::ticket::{WorkerRole, WorkerTicket};
use std::time::{Duration, Instant};

/// How long workers have to leave the user's code when the pipeline stops, before they are killed.
const STOP_WITHIN: Duration = Duration::from_millis(1500);
/// How long a process may take to end that was killed.
const END_WITHIN: Duration = Duration::from_millis(400);

/// All worker processes: the producers, and the commander behind them.
#[derive(Debug)]
pub(crate) struct Crew {
    launch: Box<dyn Launch>,
    board: Board,
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    ticket: WorkerTicket,
    /// `None` when it has ended.
    process: Option<Box<dyn Worker>>,
    /// The command for which it was killed, because it took too long.
    hung: Option<Label>,
}

/// A worker that was found dead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dead {
    pub(crate) worker: usize,
    pub(crate) pid: u32,
    pub(crate) exit: Exit,
    pub(crate) hung: Option<Label>,
}

impl Crew {
    /// Nobody is started yet.
    pub(crate) fn new(launch: Box<dyn Launch>, workshop: &Workshop) -> Result<Self, PipelineError> {
        let producers = (0..workshop.plan.producers).map(WorkerRole::Producer);
        let member = |role| {
            let ticket = WorkerTicket::of(workshop, role)?;
            Ok(Member { ticket, process: None, hung: None })
        };
        let members = producers.chain([WorkerRole::Commander]).map(member);
        let members = members.collect::<Result<_, PipelineError>>()?;
        Ok(Crew { launch, board: workshop.board.clone(), members })
    }

    pub(crate) fn start(&mut self) -> Result<(), PipelineError> {
        (0..self.members.len()).try_for_each(|worker| self.start_one(worker))
    }

    /// Starts a worker, for the first time or in the place of one that has ended.
    pub(crate) fn start_one(&mut self, worker: usize) -> Result<(), PipelineError> {
        self.board.line(worker).set(At::Absent);
        let member = &mut self.members[worker];
        let started = self.launch.start(&member.ticket);
        member.process = Some(started.map_err(|error| PipelineError::Spawn {
            worker: member.ticket.role.to_string(),
            source: std::io::Error::other(error),
        })?);
        Ok(())
    }

    /// Who has ended since the last look. Who was killed and has not, is killed again.
    ///
    /// # Cost
    /// A system call for each that lives.
    pub(crate) fn dead(&mut self) -> Vec<Dead> {
        let mut dead = Vec::new();
        for (worker, member) in self.members.iter_mut().enumerate() {
            let Some(process) = &mut member.process else { continue };
            if let Some(exit) = exit_by(process.as_mut(), Instant::now()) {
                dead.push(Dead { worker, pid: process.pid(), exit, hung: member.hung.take() });
                member.process = None;
            } else if member.hung.is_some() {
                process.kill();
            }
        }
        dead
    }

    /// The process of a worker; 0 if it has ended.
    pub(crate) fn pid(&self, worker: usize) -> u32 {
        self.members[worker].process.as_ref().map_or(0, |process| process.pid())
    }

    /// Kills a worker that is at a command for too long. It will be found dead.
    pub(crate) fn kill_hung(&mut self, worker: usize, label: Label) {
        let member = &mut self.members[worker];
        member.hung = Some(label);
        if let Some(process) = &mut member.process {
            process.kill();
        }
    }

    pub(crate) fn name(&self, worker: usize) -> String {
        self.members[worker].ticket.role.to_string()
    }

    /// Waits until all have ended, which the closed rings let them; kills who does not.
    pub(crate) fn end(&mut self) -> Result<(), PipelineError> {
        let deadline = Instant::now() + STOP_WITHIN;
        self.members.retain_mut(|member| !member.has_ended_by(deadline));
        for process in self.members.iter_mut().filter_map(|member| member.process.as_mut()) {
            process.kill();
        }
        let deadline = Instant::now() + END_WITHIN;
        self.members.retain_mut(|member| !member.has_ended_by(deadline));
        if self.members.is_empty() {
            return Ok(());
        }
        let names = self.members.iter().map(|member| member.ticket.role.to_string());
        Err(PipelineError::Stuck { workers: names.collect() })
    }
}

impl Member {
    fn has_ended_by(&mut self, deadline: Instant) -> bool {
        self.process.as_mut().is_none_or(|process| exit_by(process.as_mut(), deadline).is_some())
    }
}

/// Waits until it has ended. One of which nobody can tell is killed, and asked for again; if still nobody can, it has.
fn exit_by(process: &mut dyn Worker, deadline: Instant) -> Option<Exit> {
    let left = || deadline.saturating_duration_since(Instant::now());
    let exit = process.wait(left()).or_else(|_| {
        process.kill();
        process.wait(left())
    });
    exit.unwrap_or(Some(Exit::Unknown))
}
