//! The participants of a run: their processes, accounts and reports.

use super::analysis::Witness;
use super::cell::Fault;
use super::contestants::{Contestant, Kin, Programs};
use super::ours;
use anyhow::{Context, Result, ensure};
use harness::clock::Moment;
use harness::deaths::{Account, Order, Role, State};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::cell::RefCell;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long starting and leaving may take: no figure, only an end.
const START: Duration = Duration::from_secs(15);
/// A participant that has not left after it is killed.
const LEAVING: Duration = Duration::from_millis(1500);
const GLANCE: Duration = Duration::from_millis(1);

pub(crate) struct Member {
    pub(crate) role: Role,
    pub(crate) account: Account,
    /// Its process was killed, or ended with the fault.
    pub(crate) gone: bool,
}

pub(crate) struct Team<'c> {
    contestant: &'c Contestant,
    directory: PathBuf,
    pub(crate) members: Vec<Member>,
    /// Of each member, or one for all.
    processes: RefCell<Vec<Child>>,
    /// A pid namespace for each.
    apart: bool,
    /// The ring, where it is made by this process.
    _ring: Option<Box<dyn std::any::Any>>,
}

/// What its library reported to a member.
pub(crate) struct Report {
    pub(crate) member: usize,
    pub(crate) nanos: u64,
    pub(crate) text: String,
}

impl<'c> Team<'c> {
    /// Starts members with these roles, which then wait for their orders, and exchange messages
    /// under the name `ring`. `directory` is theirs, and their current one is its folder `place`.
    ///
    /// # Errors
    /// A member that does not start.
    pub(crate) fn start(
        contestant: &'c Contestant,
        programs: &Programs,
        fault: Fault,
        ring: &str,
        directory: &Path,
        roles: &[Role],
    ) -> Result<Self> {
        let member = |(index, role): (usize, &Role)| {
            Ok(Member { role: *role, account: Account::create(directory, index)?, gone: false })
        };
        let members = roles.iter().enumerate().map(member).collect::<Result<_>>()?;
        let (directory, apart) = (directory.to_owned(), fault == Fault::KillApart);
        let made = ours::make(contestant, ring)?;
        let team = Self { contestant, directory, members, processes: RefCell::default(), apart, _ring: made };
        let part = |index: usize| match roles[index] {
            Role::Writer => format!("{index}:writer"),
            Role::Reader => format!("{index}:reader"),
        };
        let parts: Vec<String> = (0..roles.len()).map(part).collect();
        let groups = if contestant.kin == Kin::Named { parts.chunks(1) } else { parts.chunks(parts.len()) };
        for group in groups {
            let child = team.command(programs, ring)?.args(group).spawn();
            team.processes.borrow_mut().push(child.context("starting a participant")?);
        }
        let all: Vec<usize> = (0..roles.len()).collect();
        let ready = team.wait(&all, START, |member| member.account.state() != State::Starting);
        ensure!(ready, "a participant does not start: {}", team.errors());
        Ok(team)
    }

    fn command(&self, programs: &Programs, ring: &str) -> Result<Command> {
        let mut words = programs.command(self.contestant)?;
        if self.apart {
            let flags = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
            words.splice(0..0, flags.map(PathBuf::from));
        }
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args([self.contestant.name, ring]).arg(&self.directory);
        let file = |name: &str| File::options().create(true).append(true).open(self.directory.join(name));
        command.current_dir(self.directory.join("place")).stdin(Stdio::null()).process_group(0);
        command.stdout(file("reports")?).stderr(file("errors")?);
        Ok(command)
    }

    /// What the members complained of.
    pub(crate) fn errors(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.directory.join(name)).unwrap_or_default();
        let text = read("errors") + &read("reports");
        text.lines().last().unwrap_or("no word of why").to_owned()
    }

    /// The reports of all members so far.
    pub(crate) fn reports(&self) -> Vec<Report> {
        let text = fs::read_to_string(self.directory.join("reports")).unwrap_or_default();
        let report = |line: &str| {
            let mut words = line.splitn(3, ' ');
            let (member, nanos) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            Some(Report { member, nanos, text: words.next()?.to_owned() })
        };
        text.lines().filter_map(report).collect()
    }

    pub(crate) fn order(&self, members: &[usize], order: Order) {
        for index in members {
            self.members[*index].account.order(order);
        }
    }

    /// Waits until all `members` are `there`; says whether they are. Meanwhile processes that ended
    /// are reaped, as their parents would do: a library may ask whether a process exists.
    pub(crate) fn wait(&self, members: &[usize], bound: Duration, there: impl Fn(&Member) -> bool) -> bool {
        let begin = Instant::now();
        loop {
            self.reap();
            if members.iter().all(|index| there(&self.members[*index])) {
                return true;
            }
            if begin.elapsed() > bound {
                return false;
            }
            thread::sleep(GLANCE);
        }
    }

    fn reap(&self) {
        for child in self.processes.borrow_mut().iter_mut() {
            let _ = child.try_wait(); // Asked again where it matters.
        }
    }

    /// Whether a member ended, or said that it left.
    pub(crate) fn is_gone(&self, member: usize) -> bool {
        self.process(member).is_err() || self.members[member].account.state() == State::Left
    }

    /// Sends a signal to a member.
    ///
    /// # Errors
    /// That it is not there.
    pub(crate) fn signal(&self, member: usize, signal: Signal) -> Result<()> {
        let process = self.process(member)?;
        match self.contestant.kin {
            Kin::Threads => signal_thread(process, self.members[member].account.thread().1, signal),
            Kin::Named | Kin::Forked => Ok(kill(Pid::from_raw(process), signal)?),
        }
    }

    /// The process of a member: its own, or that of all. An error if it is gone: another program
    /// may have its number now.
    fn process(&self, member: usize) -> Result<i32> {
        let is_named = self.contestant.kin == Kin::Named;
        let mut processes = self.processes.borrow_mut();
        let child = &mut processes[if is_named { member } else { 0 }];
        ensure!(matches!(child.try_wait(), Ok(None)), "the process is gone");
        let id = child.id().cast_signed();
        let of = |process: i32| fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
        match self.contestant.kin {
            Kin::Named if self.apart => {
                of(id)?.split_whitespace().next().context("the process is gone")?.parse().map_err(Into::into)
            }
            Kin::Forked => {
                let own = self.members[member].account.thread().0;
                let is_there = of(id)?.split_whitespace().any(|child| child == own.to_string());
                ensure!(is_there, "the process is gone");
                Ok(own)
            }
            Kin::Named | Kin::Threads => Ok(id),
        }
    }

    /// Makes all members leave, writers first, and kills those that do not: at once if they hang
    /// anyway. Returns how many those are, without the gone.
    pub(crate) fn leave(&self, hang: bool) -> usize {
        let bound = if hang { LEAVING / 3 } else { LEAVING };
        let mut stuck = 0;
        for role in [Role::Writer, Role::Reader] {
            let is_here = |index: &usize| {
                let member = &self.members[*index];
                member.role == role && !member.gone && member.account.state() == State::Joined
            };
            let here: Vec<usize> = (0..self.members.len()).filter(is_here).collect();
            self.order(&here, Order::Stop);
            if !self.wait(&here, bound, |member| member.account.state() == State::Left) {
                stuck +=
                    here.iter().filter(|index| self.members[**index].account.state() != State::Left).count();
            }
        }
        // A victim that is stopped ends now, and a member that never joined.
        let is_over =
            |index: &usize| self.members[*index].gone || self.members[*index].account.state() == State::Ready;
        let over: Vec<usize> = (0..self.members.len()).filter(is_over).collect();
        self.end(&over);
        // What has left may still be at the end of its program.
        let ends = |index: &usize| match self.contestant.kin {
            Kin::Named => matches!(self.members[*index].account.state(), State::Left | State::Refused),
            Kin::Forked => stuck == 0,
            Kin::Threads => false,
        };
        let mut processes = self.processes.borrow_mut();
        let begin = Instant::now();
        for index in (0..processes.len()).filter(ends) {
            while matches!(processes[index].try_wait(), Ok(None)) && begin.elapsed() < LEAVING {
                thread::sleep(GLANCE);
            }
        }
        drop(processes);
        self.kill();
        stuck
    }

    /// Kills members that have a process of their own.
    fn end(&self, members: &[usize]) {
        for index in members.iter().filter(|_| self.contestant.kin != Kin::Threads) {
            let _ = self.signal(*index, Signal::SIGKILL); // It may be gone already.
        }
    }

    fn kill(&self) {
        if self.contestant.kin == Kin::Forked {
            self.end(&(0..self.members.len()).collect::<Vec<_>>());
        }
        for child in self.processes.borrow_mut().iter_mut() {
            if matches!(child.try_wait(), Ok(None)) {
                // Also what it started: its group.
                let _ = kill(Pid::from_raw(-child.id().cast_signed()), Signal::SIGKILL);
                let _ = child.wait();
            }
        }
    }

    /// What each member's account says.
    pub(crate) fn witnesses(&self) -> Vec<Witness> {
        let witness = |member: &Member| {
            Witness::of(&member.account, member.role, member.account.state() == State::Left)
        };
        self.members.iter().map(witness).collect()
    }
}

impl Drop for Team<'_> {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Member {
    /// When its last message was; 0 without one.
    pub(crate) fn last(&self) -> u64 {
        let index = self.account.len().checked_sub(1);
        index.and_then(|index| self.account.event(index)).map_or(0, |event| event.nanos)
    }

    /// Whether it had a message within the last 40 ms, and after `nanos`.
    pub(crate) fn works_since(&self, nanos: u64) -> bool {
        const LATELY: u64 = 40_000_000;
        let last = self.last();
        last > nanos && last + LATELY > Moment::now().as_nanos()
    }
}

/// The signals at which a thread stops: for a second, and for ever.
#[allow(unsafe_code, reason = "tgkill has no safe wrapper")]
fn signal_thread(pid: i32, thread: i32, signal: Signal) -> Result<()> {
    // SAFETY: a system call without pointers.
    let sent = unsafe { libc::syscall(libc::SYS_tgkill, pid, thread, signal as libc::c_int) };
    ensure!(sent == 0, "no signal to thread {thread}: {}", std::io::Error::last_os_error());
    Ok(())
}
