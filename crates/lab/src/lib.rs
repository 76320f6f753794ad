//! The `seqring` command.
//!
//! [`Cli`] is what is typed, [`run`] does it. Each subcommand has a module of its own.

pub mod compare;
mod engines;
mod machine;
pub mod perf;
mod reenter;
pub mod report;
pub mod segments;
pub mod storm;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

pub use reenter::reenter_by;

/// Lock-free ring buffers in shared memory.
#[derive(Parser, Debug)]
#[command(name = "seqring", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Perf(Box<perf::Options>),
    Compare(compare::Options),
    Report(report::Options),
    Ls(segments::LsOptions),
    Stat(segments::StatOptions),
    Gc(segments::GcOptions),
    Storm(storm::Options),
    /// Serve a storm (started by `seqring storm`).
    #[command(hide = true)]
    StormWorker(storm::Assignment),
    /// Serve a measurement (started by `seqring perf`).
    #[command(hide = true)]
    Worker,
    /// Be killed, or survive (started by `seqring compare`).
    #[command(hide = true)]
    Victim(compare::VictimOptions),
    /// Have one's system calls counted (started by `seqring compare`).
    #[command(hide = true)]
    Counted(compare::CountedOptions),
}

/// Does what was typed.
///
/// # Errors
/// Whatever keeps it from being done; [`exit_code`] says what to tell the shell.
pub fn run(cli: &Cli) -> Result<ExitCode> {
    let ok = match &cli.command {
        Command::Perf(options) => perf::run(options)?,
        Command::Compare(options) if !compare::run(options)? => {
            // Stopped on request: what is done is in the record, but it is not all.
            return Ok(ExitCode::from(perf::Interrupted::EXIT_CODE));
        }
        Command::Compare(_) => true,
        Command::Report(options) => report::run(options).map(|()| true)?,
        Command::Ls(options) => segments::ls(options).map(|()| true)?,
        Command::Stat(options) => segments::stat(options).map(|()| true)?,
        Command::Gc(options) => segments::gc(options)?,
        Command::Storm(options) => storm::run(options)?,
        Command::StormWorker(assignment) => storm::serve(assignment)?,
        Command::Victim(options) => compare::serve_victim(options).map(|()| true)?,
        Command::Counted(options) => compare::serve_counted(options).map(|()| true)?,
        Command::Worker => perf::serve().map(|()| true)?,
    };
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// 2 for bad input, as for flags that do not exist; 130 after Ctrl-C without results; else 1.
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    if error.is::<perf::BadInput>() {
        ExitCode::from(2)
    } else if error.is::<perf::Interrupted>() {
        ExitCode::from(perf::Interrupted::EXIT_CODE)
    } else {
        ExitCode::FAILURE
    }
}
