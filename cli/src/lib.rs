//! The `seqring` command.
//!
//! [`Cli`] is what is typed, [`run`] does it. Each subcommand has a module of its own.

mod engines;
pub mod perf;
mod reenter;
pub mod segments;

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
    Ls(segments::LsOptions),
    Stat(segments::StatOptions),
    Gc(segments::GcOptions),
    /// Serve a measurement (started by `seqring perf`).
    #[command(hide = true)]
    Worker,
}

/// Does what was typed.
///
/// # Errors
/// Whatever keeps it from being done; [`exit_code`] says what to tell the shell.
pub fn run(cli: &Cli) -> Result<ExitCode> {
    let ok = match &cli.command {
        Command::Perf(options) => perf::run(options)?,
        Command::Ls(options) => segments::ls(options).map(|()| true)?,
        Command::Stat(options) => segments::stat(options).map(|()| true)?,
        Command::Gc(options) => segments::gc(options)?,
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
