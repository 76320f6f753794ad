//! The points of the sweeps, in order, with their rounds and durations, and the engines at each.
//!
//! First every point gets its rounds, the one with the fewest first: if the comparison ends early,
//! each sweep lacks equally much. Then rounds that are not comparable are repeated, with our ring
//! and the engines that lack comparable ones.

use super::CompareOptions;
use super::death::Role;
use super::record::{Header, Journal, VERSION};
use super::repetitions::{ENOUGH, Repetitions};
use super::sweep::{SWEEPS, Sweep, Work};
use crate::engines::EngineName;
use anyhow::{Context, Result};
use harness::class::pause_nanos;
use harness::machine::Machine;
use seqring_cli::perf::{BadInput, Plan, Transport};
use std::time::{Duration, SystemTime};

/// The longest duration of a comparison, full and quick.
const LIMIT: [Duration; 2] = [Duration::from_secs(1500), Duration::from_secs(285)];

/// What a repetition takes besides its time: starting the workers, touching the memory, probing the
/// cache line.
const PREPARATIONS: Duration = Duration::from_millis(80);

/// Names for `--only` that are not sweeps.
const DEATHS: &str = "deaths";
const CALLS: &str = "calls";

/// Everything that is to be measured.
#[expect(clippy::struct_excessive_bools, reason = "independent flags")]
pub(crate) struct Schedule {
    pub(crate) points: Vec<Point>,
    /// A round that would end later does not begin.
    pub(crate) limit: Duration,
    engines: Vec<EngineName>,
    with_deaths: bool,
    with_calls: bool,
    quick: bool,
    /// The number of rounds is fixed: none is repeated.
    pub(crate) is_exact: bool,
}

#[derive(Clone, Copy)]
pub(crate) struct Point {
    pub(crate) sweep: &'static Sweep,
    pub(crate) x: f64,
    pub(crate) duration: Duration,
    /// Rounds that it gets in any case.
    pub(crate) rounds: u32,
}

pub(crate) struct Round {
    pub(crate) point: Point,
    /// From 0.
    pub(crate) number: u32,
    pub(crate) engines: Vec<EngineName>,
}

impl Round {
    pub(crate) fn time(&self) -> Duration {
        (self.point.duration + PREPARATIONS) * self.engines.len() as u32
    }
}

impl Schedule {
    /// What `options` ask for.
    ///
    /// # Errors
    /// [`BadInput`] if that is nothing.
    pub(crate) fn of(options: &CompareOptions) -> Result<Self> {
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
        let asked = |engine: &EngineName| options.engines.is_empty() || options.engines.contains(engine);
        let mut schedule = Self {
            points: SWEEPS.iter().filter(|sweep| wants(sweep.name)).flat_map(of_sweep).collect(),
            limit: LIMIT[effort],
            engines: EngineName::ALL.iter().copied().filter(asked).collect(),
            with_deaths: wants(DEATHS),
            with_calls: wants(CALLS),
            quick: options.quick,
            is_exact: options.rounds.is_some(),
        };
        let points = std::mem::take(&mut schedule.points);
        schedule.points = points.into_iter().filter(|point| !schedule.engines_of(point).is_empty()).collect();
        if schedule.points.is_empty() && schedule.deaths().is_empty() && schedule.counted().is_empty() {
            let names: Vec<_> = SWEEPS.iter().map(|sweep| sweep.name).chain([DEATHS, CALLS]).collect();
            return Err(
                BadInput(format!("--only and --engines leave nothing of {}", names.join(", "))).into()
            );
        }
        Ok(schedule)
    }

    /// The engines that can run at `point`.
    pub(crate) fn engines_of(&self, point: &Point) -> Vec<EngineName> {
        let between_processes = match point.sweep.work {
            Work::Perf(flags) => Plan::of_flags(&flags(point.x)).transport == Transport::Process,
            Work::Alone => false,
        };
        let can = |engine: &EngineName| !between_processes || engine.capabilities().between_processes;
        self.engines.iter().copied().filter(can).collect()
    }

    /// The peers to kill: the engine, and the role.
    pub(crate) fn deaths(&self) -> Vec<(EngineName, Role)> {
        let engines = self.engines.iter().filter(|_| self.with_deaths);
        let engines = engines.filter(|engine| engine.capabilities().between_processes);
        engines.flat_map(|&engine| Role::ALL.map(|role| (engine, role))).collect()
    }

    /// The engines whose system calls are counted.
    pub(crate) fn counted(&self) -> Vec<EngineName> {
        if self.with_calls { self.engines.clone() } else { Vec::new() }
    }

    /// How many of its first rounds `point` lacks.
    pub(crate) fn first_rounds(&self, point: &Point, journal: &Journal) -> usize {
        point.rounds.saturating_sub(journal.whole_rounds(point, &self.engines_of(point))) as usize
    }

    /// The next round; `None` if no point lacks one.
    pub(crate) fn next_round(&self, journal: &Journal) -> Option<Round> {
        let is_repeated = |round: &Round| round.number >= round.point.rounds;
        self.lacking(journal).into_iter().min_by_key(|round| (is_repeated(round), round.number))
    }

    /// The rounds that points lack, one for each point.
    pub(crate) fn lacking(&self, journal: &Journal) -> Vec<Round> {
        let lacking = |&point: &Point| {
            let engines = self.engines_of(&point);
            let number = journal.whole_rounds(&point, &engines);
            if number < point.rounds {
                return Some(Round { point, number, engines });
            }
            let engines = if self.is_exact { Vec::new() } else { short(&point, journal) };
            (!engines.is_empty()).then(|| Round { point, number: journal.rounds(&point), engines })
        };
        self.points.iter().filter_map(lacking).collect()
    }

    /// The header of the record.
    ///
    /// # Errors
    /// What describing the machine reports.
    pub(crate) fn header(&self) -> Result<Header> {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        Ok(Header {
            version: VERSION,
            program: env!("CARGO_PKG_VERSION").into(),
            command: format!("seqring-lab {}", arguments.join(" ")),
            commit: harness::commit!().into(),
            began_unix_seconds: since_epoch.as_secs(),
            quick: self.quick,
            machine: Machine::this().context("describing the machine")?,
            pause_ns: pause_nanos(),
        })
    }
}

/// The engines with too few comparable rounds in the class of the sweep, and ours, with which they
/// are compared.
fn short(point: &Point, journal: &Journal) -> Vec<EngineName> {
    let points = Repetitions::of_sweep(&journal.runs_of(point.sweep), journal.bounds());
    let here = points.iter().find(|here| here.x.total_cmp(&point.x).is_eq());
    here.map_or_else(Vec::new, |here| here.short(ENOUGH.min(point.rounds as usize)))
}
