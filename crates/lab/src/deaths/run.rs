//! One run of a cell.
//!
//! ```text
//! start ─▶ readers join, writers join ─▶ load, a random time ─▶ fault
//!      ─▶ survivors are watched until all went on, or to the bound
//!      ─▶ a participant takes the victim's place ─▶ watched again
//!      ─▶ writers leave, readers read the rest and leave ─▶ accounts, and what is left
//! ```

use super::analysis::{Balance, balance};
use super::cell::{Cell, Fault, Victim};
use super::contestants::{Contestant, Kin, Programs};
use super::left::Places;
use super::record::{Found, Outcome, RemovedBy, Successor};
use super::team::Team;
use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use harness::clock::Moment;
use harness::deaths::{Order, Role, State};
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

/// A survivor that is silent for so long hangs.
pub(crate) const BOUND: Duration = Duration::from_secs(2);
/// How long a stop lasts, and a pause of all readers.
const STOP: Duration = Duration::from_secs(1);
/// How long survivors are watched at least.
const WATCH: Duration = Duration::from_millis(150);
/// The load before the fault is at most so much longer than the first messages.
const LOAD: Duration = Duration::from_millis(50);
/// Messages that are written so shortly before the fault can be lost by it.
const IN_FLIGHT: Duration = Duration::from_millis(5);
/// A call that did not return for so long does not return.
const CALL: Duration = Duration::from_millis(500);

/// What every run works with.
pub(crate) struct Bench {
    programs: Programs,
    /// In shared memory, so that accounts are never written to a disk.
    directory: PathBuf,
}

impl Bench {
    pub(crate) fn new(programs: Programs) -> Result<Self> {
        let directory = PathBuf::from(format!("/dev/shm/seqring-deaths-{}", std::process::id()));
        fs::create_dir(&directory).with_context(|| format!("making {}", directory.display()))?;
        Ok(Self { programs, directory })
    }

    /// Runs a cell once. `random` decides about the moment of the fault, and which writer or reader
    /// is the victim. Returns the delay before the fault, too.
    ///
    /// # Errors
    /// What kept the run from showing anything.
    pub(crate) fn run(&self, contestant: &Contestant, cell: Cell, random: &mut Rng) -> (u64, Result<Found>) {
        let delay = Duration::from_micros(random.u64(0..LOAD.as_micros() as u64));
        let directory = self.directory.join("run");
        let found = fs::create_dir_all(directory.join("place"))
            .context("making a folder")
            .and_then(|()| self.run_in(&directory, contestant, cell, delay, random));
        let _ = fs::remove_dir_all(&directory); // The next run reports what is wrong with it.
        (delay.as_micros() as u64, found)
    }

    fn run_in(
        &self,
        directory: &Path,
        contestant: &Contestant,
        cell: Cell,
        delay: Duration,
        random: &mut Rng,
    ) -> Result<Found> {
        let ring = format!("deaths-{}", std::process::id());
        let places = Places::of(&ring, directory);
        let scene = Scene::new(contestant, cell, random);
        let mut team = Team::start(contestant, &self.programs, cell.fault, &ring, directory, &scene.roles)?;
        scene.join(&team)?;
        thread::sleep(delay);
        let begin = scene.strike(&mut team, &places)?;
        let mut found = scene.watch(&team, begin);
        found.stuck = team.leave(found.outcome != Outcome::WentOn);
        let since = begin.saturating_sub(IN_FLIGHT.as_nanos() as u64);
        found.balance = balance(&team.witnesses(), contestant.queue, scene.victim, since);
        drop(team);
        found.left = places.names();
        found.removed_by = self.remove(&places, contestant, &ring, directory)?;
        Ok(found)
    }

    /// Removes what a run left: by the next use of the name, else by the documented clean-up, else
    /// by hand.
    fn remove(
        &self,
        places: &Places,
        contestant: &Contestant,
        ring: &str,
        directory: &Path,
    ) -> Result<RemovedBy> {
        if places.left().is_empty() {
            return Ok(RemovedBy::Nothing);
        }
        if contestant.kin == Kin::Named {
            let place = directory.join("place");
            let directory = directory.join("again");
            fs::create_dir(&directory)?;
            symlink(&place, directory.join("place"))?; // The same names.
            let roles = [Role::Reader, Role::Writer];
            let team = Team::start(contestant, &self.programs, Fault::Kill, ring, &directory, &roles);
            if let Ok(team) = team {
                for index in [0, 1] {
                    team.order(&[index], Order::Go);
                    team.wait(&[index], BOUND, |member| member.account.state() != State::Ready);
                }
                thread::sleep(WATCH);
                team.leave(false);
            }
            if places.left().is_empty() {
                return Ok(RemovedBy::NextUse);
            }
            let words = self.programs.command(contestant)?;
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]).args([contestant.name, ring]).arg(&directory);
            let _ = command.current_dir(directory.join("place")).output(); // By hand, then.
            if places.left().is_empty() {
                return Ok(RemovedBy::CleanUp);
            }
        }
        places.remove();
        Ok(RemovedBy::Hand)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// The cast of a run: writers, readers, and the one that takes the victim's place.
struct Scene<'c> {
    contestant: &'c Contestant,
    cell: Cell,
    roles: Vec<Role>,
    /// The index of the victim; none if all readers are, or a name.
    victim: Option<usize>,
    successor: usize,
}

impl<'c> Scene<'c> {
    fn new(contestant: &'c Contestant, cell: Cell, random: &mut Rng) -> Self {
        let Contestant { writers, readers, .. } = *contestant;
        let mut roles = vec![Role::Writer; writers];
        roles.resize(writers + readers, Role::Reader);
        let victim = match cell {
            Cell { fault: Fault::Full, .. } | Cell { victim: Victim::Name, .. } => None,
            Cell { victim: Victim::Writer, .. } => Some(random.usize(0..writers)),
            Cell { victim: Victim::Reader, .. } => Some(writers + random.usize(0..readers)),
        };
        let successor = roles.len();
        if contestant.is_replaced {
            roles.push(victim.map_or(Role::Reader, |victim| roles[victim]));
        }
        Self { contestant, cell, roles, victim, successor }
    }

    fn of(&self, role: Role) -> Vec<usize> {
        (0..self.successor).filter(|index| self.roles[*index] == role).collect()
    }

    /// The first participants, without the victim.
    fn survivors(&self) -> Vec<usize> {
        (0..self.successor).filter(|index| Some(*index) != self.victim).collect()
    }

    /// Lets readers join, then writers, and waits until messages flow.
    fn join(&self, team: &Team) -> Result<()> {
        for role in [Role::Reader, Role::Writer] {
            for index in self.of(role) {
                team.order(&[index], Order::Go);
                let joined = team.wait(&[index], BOUND, |member| member.account.state() != State::Ready);
                ensure!(joined, "a participant does not join");
            }
        }
        let all: Vec<usize> = (0..self.successor).collect();
        let flow = team.wait(&all, BOUND, |member| member.account.len() > 10);
        ensure!(flow, "no messages flow before the fault: {}", team.errors());
        Ok(())
    }

    /// The fault; returns its time.
    fn strike(&self, team: &mut Team, places: &Places) -> Result<u64> {
        let begin = Moment::now().as_nanos();
        let is_thread = self.contestant.kin == Kin::Threads;
        let signal = match self.cell.fault {
            Fault::Kill | Fault::KillApart => Some(Signal::SIGKILL),
            Fault::Stop if is_thread => Some(Signal::SIGUSR2),
            Fault::Pause if is_thread => Some(Signal::SIGUSR1),
            Fault::Stop | Fault::Pause => Some(Signal::SIGSTOP),
            Fault::Exit | Fault::Panic | Fault::Full | Fault::Unlink => None,
        };
        match (self.cell.fault, self.victim) {
            (Fault::Exit, Some(victim)) => team.order(&[victim], Order::Exit),
            (Fault::Panic, Some(victim)) => team.order(&[victim], Order::Panic),
            (Fault::Full, _) => team.order(&self.of(Role::Reader), Order::Pause),
            (Fault::Unlink, _) => places.remove(),
            (_, Some(victim)) => signal.map_or(Ok(()), |signal| team.signal(victim, signal))?,
            _ => {}
        }
        if let Some(victim) = self.victim.filter(|_| self.cell.is_replaced()) {
            team.members[victim].gone = true;
        }
        match self.cell.fault {
            Fault::Exit | Fault::Panic => {
                let victim: Vec<usize> = self.victim.into_iter().collect();
                let met = team.wait(&victim, BOUND, |_| victim.iter().all(|index| team.is_gone(*index)));
                ensure!(met, "the victim does not end");
            }
            Fault::Pause => {
                thread::sleep(STOP);
                if !is_thread {
                    self.victim.map_or(Ok(()), |victim| team.signal(victim, Signal::SIGCONT))?;
                }
            }
            Fault::Full => {
                thread::sleep(STOP);
                team.order(&self.of(Role::Reader), Order::Go);
            }
            _ => {}
        }
        Ok(begin)
    }

    /// Whether a survivor can go on before another participant takes the victim's place.
    fn can_go_on(&self, member: usize) -> bool {
        let others = self.survivors().into_iter().filter(|other| self.roles[*other] != self.roles[member]);
        (self.contestant.lossy && self.roles[member] == Role::Writer) || others.count() > 0
    }

    /// Watches the survivors, lets another participant take the victim's place, and watches again.
    fn watch(&self, team: &Team, begin: u64) -> Found {
        let survivors = self.survivors();
        let first: Vec<usize> = survivors.iter().copied().filter(|index| self.can_go_on(*index)).collect();
        thread::sleep(WATCH);
        let struck = Moment::now().as_nanos().saturating_sub(WATCH.as_nanos() as u64);
        let mut went_on = team.wait(&first, BOUND, |member| member.works_since(struck));
        let replaced = Moment::now().as_nanos();
        let successor =
            (self.cell.is_replaced() && self.contestant.is_replaced).then(|| self.replace(team, went_on));
        let mut watched = first;
        if matches!(successor, Some(Successor::Works(_))) {
            // Now all can go on.
            let bound = if went_on { BOUND } else { Duration::ZERO };
            went_on &= team.wait(&survivors, bound, |member| member.works_since(replaced));
            watched.clone_from(&survivors);
        }
        if watched.is_empty() {
            // Nothing to go on with: then the survivors must learn that this is the end.
            let informed = |one: &super::team::Report| one.nanos >= begin && survivors.contains(&one.member);
            went_on = team.reports().iter().any(informed);
        }
        let calls: Vec<u64> = watched.iter().map(|index| team.members[*index].account.calls()).collect();
        let mut outcome = Outcome::WentOn;
        if !went_on {
            thread::sleep(CALL);
            let is_silent = |index: usize| !team.members[index].works_since(struck);
            let returns = |(index, calls): (&usize, &u64)| {
                !is_silent(*index) || team.members[*index].account.calls() > *calls
            };
            outcome = if watched.iter().zip(&calls).all(returns) { Outcome::Starved } else { Outcome::Hung };
        }
        let end = Moment::now().as_nanos();
        let witnesses = team.witnesses();
        let silence = |index: &usize| {
            let from = if self.can_go_on(*index) { begin } else { replaced };
            witnesses[*index].silence(from..end)
        };
        let silent = watched.iter().map(silence).max().unwrap_or(0);
        let reports = team.reports();
        let reports = reports.into_iter().filter(|one| one.nanos >= begin && survivors.contains(&one.member));
        let report = reports.min_by_key(|report| report.nanos);
        Found {
            outcome,
            silent_ms: silent as f64 / 1e6,
            reported_ms: report.as_ref().map(|report| (report.nanos - begin) as f64 / 1e6),
            report: report.map_or_else(String::new, |report| report.text),
            successor,
            balance: Balance::default(),
            stuck: 0,
            left: Vec::new(),
            removed_by: RemovedBy::Nothing,
        }
    }

    /// Lets another participant take the victim's place. Where others hang, it gets less time.
    fn replace(&self, team: &Team, went_on: bool) -> Successor {
        let (index, begin) = (self.successor, Moment::now().as_nanos());
        let bound = if went_on { BOUND } else { BOUND / 2 };
        team.order(&[index], Order::Go);
        if !team.wait(&[index], bound, |member| member.account.state() != State::Ready) {
            return Successor::Hung;
        }
        if team.members[index].account.state() == State::Refused {
            let report = team.reports().into_iter().find(|report| report.member == index);
            return Successor::Refused(report.map_or_else(String::new, |report| report.text));
        }
        if !team.wait(&[index], bound, |member| !member.account.is_empty()) {
            return Successor::Silent;
        }
        let first = team.members[index].account.event(0).map_or(begin, |event| event.nanos);
        Successor::Works(first.saturating_sub(begin) as f64 / 1e6)
    }
}
