//! What a comparison does: the points of its sweeps, in order, how often, for how long, and which engines are asked.

use super::death::Who;
use super::options::Options;
use super::record::{Header, VERSION};
use super::sweep::{SWEEPS, Sweep, Work};
use crate::engines::EngineName;
use crate::machine::MachineRecord;
use crate::perf::{BadInput, Plan, Transport};
use anyhow::{Context, Result};
use harness::machine::Machine;
use std::fmt;
use std::process::Command;
use std::time::{Duration, SystemTime};

/// How long a comparison may take, full and quick.
const LIMIT: [Duration; 2] = [Duration::from_mins(25), Duration::from_secs(285)];

/// What is no sweep, by the names that `--only` knows.
const DEATHS: &str = "deaths";
const CALLS: &str = "calls";

/// Everything that is to be measured.
#[expect(clippy::struct_excessive_bools, reason = "independent flags")]
pub(crate) struct Schedule {
    pub(crate) points: Vec<Point>,
    /// A round that would not be over by then does not begin.
    pub(crate) limit: Duration,
    engines: Vec<EngineName>,
    with_deaths: bool,
    with_calls: bool,
    quick: bool,
    /// So many rounds were asked for, and no more, whatever comes of them.
    pub(crate) is_exact: bool,
}

/// One point of a sweep.
#[derive(Clone, Copy)]
pub(crate) struct Point {
    pub(crate) sweep: &'static Sweep,
    pub(crate) x: f64,
    pub(crate) duration: Duration,
    /// Rounds that it gets in any case.
    pub(crate) rounds: u32,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {} {}", self.sweep.name, self.x, self.sweep.axis)
    }
}

impl Schedule {
    /// What `options` ask for.
    ///
    /// # Errors
    /// [`BadInput`] if that is nothing.
    pub(crate) fn of(options: &Options) -> Result<Self> {
        let wants =
            |name: &str| options.only.is_empty() || options.only.iter().any(|part| name.contains(part));
        let effort = usize::from(options.quick);
        let of_sweep = |sweep: &'static Sweep| {
            let points = if options.quick { sweep.quick } else { sweep.full };
            points.iter().map(move |&x| Point {
                sweep,
                x,
                duration: Duration::from_secs_f64(sweep.seconds[effort]),
                rounds: options.rounds.unwrap_or(sweep.rounds[effort]),
            })
        };
        let points: Vec<_> = SWEEPS.iter().filter(|sweep| wants(sweep.name)).flat_map(of_sweep).collect();
        let asked = |engine: &EngineName| options.engines.is_empty() || options.engines.contains(engine);
        let mut schedule = Self {
            points,
            limit: LIMIT[effort],
            engines: EngineName::ALL.iter().copied().filter(asked).collect(),
            with_deaths: wants(DEATHS),
            with_calls: wants(CALLS),
            quick: options.quick,
            is_exact: options.rounds.is_some(),
        };
        let points = std::mem::take(&mut schedule.points);
        schedule.points = points.into_iter().filter(|point| !schedule.engines_of(point).is_empty()).collect();
        let is_nothing = schedule.points.is_empty()
            && schedule.deaths().next().is_none()
            && schedule.counted().next().is_none();
        if is_nothing {
            let names: Vec<_> = SWEEPS.iter().map(|sweep| sweep.name).chain([DEATHS, CALLS]).collect();
            let names = names.join(", ");
            return Err(BadInput::new(format!("--only and --engines leave nothing of {names}")).into());
        }
        Ok(schedule)
    }

    /// The engines that can be asked at `point`.
    pub(crate) fn engines_of(&self, point: &Point) -> Vec<EngineName> {
        let between_processes = match point.sweep.work {
            Work::Perf(flags) => flags(point.x).transport != Some(Transport::Thread),
            Work::Alone => false,
        };
        let can = |engine: &EngineName| !between_processes || engine.capabilities().between_processes;
        self.engines.iter().copied().filter(can).collect()
    }

    /// Who is killed, of which engine.
    pub(crate) fn deaths(&self) -> impl Iterator<Item = (EngineName, Who)> {
        let engines = self.engines.iter().filter(|_| self.with_deaths);
        let engines = engines.filter(|engine| engine.capabilities().between_processes);
        engines.flat_map(|&engine| Who::ALL.map(|who| (engine, who)))
    }

    /// Whose system calls are counted.
    pub(crate) fn counted(&self) -> impl Iterator<Item = EngineName> {
        self.engines.iter().copied().filter(|_| self.with_calls)
    }

    /// What stands at the top of the record.
    ///
    /// # Errors
    /// What describing the machine reports.
    pub(crate) fn header(&self) -> Result<Header> {
        let machine = Machine::this().context("describing the machine")?;
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        Ok(Header {
            version: VERSION,
            program: env!("CARGO_PKG_VERSION").into(),
            command: format!("seqring {}", arguments.join(" ")),
            commit: commit(),
            began_unix_seconds: since_epoch.as_secs(),
            quick: self.quick,
            machine: MachineRecord::new(machine),
        })
    }
}

/// The plan of a run of `engine` at `point`.
pub(crate) fn plan(
    point: &Point,
    flags: fn(f64) -> crate::perf::Options,
    engine: EngineName,
) -> Result<Plan> {
    let options = crate::perf::Options {
        engine: Some(engine),
        duration_seconds: Some(point.duration.as_secs_f64()),
        ..flags(point.x)
    };
    Plan::new(&options)
}

/// The commit that is checked out here, with a mark if something else than documents was changed since.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else { return "unknown".into() };
    let is_changed =
        git(&["status", "--porcelain", "--untracked-files=no", "--", ":/", ":(top,exclude)docs"])
            .is_none_or(|list| !list.is_empty());
    if is_changed { format!("{commit}, with changes") } else { commit }
}
