//! The laboratory `seqring-lab`: `compare` measures the ring of this library beside lock-based
//! ones, `report` makes pages of such a record, `storm` kills and stops processes at random,
//! `deaths` compares what others see of that in rings of other authors, `reproduce` checks the
//! records on the machine at hand, and `perf` is that of the command `seqring`, over any engine.

mod compare;
mod deaths;
mod engines;
mod report;
mod reproduce;
mod storm;

use crate::engines::{EngineName, Task};
use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use harness::engine::Engine;
use seqring_cli::perf;
use std::process::ExitCode;

/// The laboratory of seqring.
#[derive(Parser, Debug)]
#[command(name = "seqring-lab", version)]
struct Lab {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Perf(Box<PerfOfEngine>),
    Compare(compare::CompareOptions),
    Report(report::ReportOptions),
    Storm(storm::StormOptions),
    Deaths(Box<deaths::DeathsOptions>),
    Reproduce(reproduce::ReproduceOptions),
    /// Take part in a run of deaths (`deaths` starts such processes).
    #[command(hide = true, name = deaths::WORKER)]
    DeathsWorker(deaths::WorkerOptions),
    /// Take part in a storm (`storm` starts such processes).
    #[command(hide = true)]
    StormWorker(storm::StormAssignment),
    /// Take part in a measurement (`perf` starts such processes).
    #[command(hide = true)]
    Worker {
        engine: EngineName,
    },
    /// Be killed, or survive (`compare` starts such processes).
    #[command(hide = true)]
    Victim(compare::VictimOptions),
    /// Have its system calls counted (`compare` starts such processes).
    #[command(hide = true)]
    Counted {
        engine: EngineName,
    },
}

/// The flags of `perf`, and the engine.
#[derive(Args, Debug)]
struct PerfOfEngine {
    /// The ring that moves the messages
    #[arg(long, value_enum, default_value = "seqring")]
    engine: EngineName,

    #[command(flatten)]
    options: perf::PerfOptions,
}

impl Task for &PerfOfEngine {
    type Output = Result<bool>;

    fn run<E: Engine + 'static>(self) -> Result<bool> {
        perf::run::<E>(&self.options)
    }
}

struct Serve;

impl Task for Serve {
    type Output = Result<()>;

    fn run<E: Engine + 'static>(self) -> Result<()> {
        perf::serve::<E>()
    }
}

fn run(command: &Command) -> Result<bool> {
    match command {
        Command::Perf(perf) => perf.engine.run(&**perf),
        Command::Compare(options) => compare::run(options).map(|()| true),
        Command::Report(options) => report::run(options).map(|()| true),
        Command::Storm(options) => storm::run(options),
        Command::Deaths(options) => deaths::run(options).map(|()| true),
        Command::Reproduce(options) => reproduce::run(options),
        Command::DeathsWorker(options) => deaths::work(options).map(|()| true),
        Command::StormWorker(assignment) => storm::serve(assignment),
        Command::Worker { engine } => engine.run(Serve).map(|()| true),
        Command::Victim(options) => compare::serve_victim(options).map(|()| true),
        Command::Counted { engine } => compare::serve_counted(*engine).map(|()| true),
    }
}

fn main() -> ExitCode {
    seqring_cli::exit_code(run(&Lab::parse().command))
}
