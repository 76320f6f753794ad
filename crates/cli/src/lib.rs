//! The command `seqring`: `perf` measures a ring of this library, `demo` shows one at work, `ls`,
//! `stat` and `gc` show and remove named rings, and `serve` and `mirror` start the program that
//! brings rings to other hosts.
//!
//! The measurement itself ([`perf`]) is generic over the ring. The laboratory (`seqring-lab`) runs
//! the same code over lock-based rings; this package does not depend on them.

mod demo;
pub mod inspect;
mod mirror;
pub mod output;
pub mod perf;
pub mod reenter;
mod units;

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser, Subcommand};
use engines::seqring::Seqring;
use seqring::inspect::printable;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Lock-free ring buffers in shared memory.
#[derive(Parser, Debug)]
#[command(name = "seqring", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Perf(Box<perf::PerfOptions>),
    Demo(demo::DemoOptions),
    Ls(inspect::LsOptions),
    Stat(inspect::StatOptions),
    Gc(inspect::GcOptions),
    /// Serves rings of this host to other hosts (by the program `seqring-mirror`)
    #[command(disable_help_flag = true)]
    Serve(mirror::Arguments),
    /// Mirrors rings that another host serves (by the program `seqring-mirror`)
    #[command(disable_help_flag = true)]
    Mirror(mirror::Arguments),
    /// Prints the completions of a shell: `source <(seqring completions bash)`
    Completions {
        shell: clap_complete::Shell,
    },
    /// Writes the manual pages: `seqring man ~/.local/share/man/man1`
    Man {
        /// An existing directory
        directory: PathBuf,
    },
    /// Takes part in a demonstration (`seqring demo` starts such processes).
    #[command(hide = true)]
    DemoWorker(demo::DemoWorker),
    /// Takes part in a measurement (`seqring perf` starts such processes).
    #[command(hide = true)]
    Worker {
        engine: String,
    },
}

/// Runs the command. Returns whether it succeeded.
///
/// # Errors
/// The reason why it could not be run; [`exit_code`] has the code for it.
pub fn run(cli: &Cli) -> Result<bool> {
    match &cli.command {
        Command::Perf(options) => perf::run::<Seqring>(options),
        Command::Demo(options) => demo::run(options).map(|()| true),
        Command::DemoWorker(worker) => demo::serve(worker).map(|()| true),
        Command::Ls(options) => inspect::ls(options).map(|()| true),
        Command::Stat(options) => inspect::stat(options).map(|()| true),
        Command::Gc(options) => inspect::gc(options),
        Command::Serve(arguments) => mirror::run("serve", arguments).map(|()| true),
        Command::Mirror(arguments) => mirror::run("mirror", arguments).map(|()| true),
        Command::Completions { shell } => {
            let mut script = Vec::new(); // The generator panics if it cannot write.
            clap_complete::generate(*shell, &mut Cli::command(), "seqring", &mut script);
            output::stdout().write_all(&script)?;
            Ok(true)
        }
        Command::Man { directory } => {
            std::fs::create_dir_all(directory)
                .and_then(|()| clap_mangen::generate_to(Cli::command(), directory))
                .with_context(|| format!("writing manual pages to {}", printable(directory)))?;
            Ok(true)
        }
        Command::Worker { .. } => perf::serve::<Seqring>().map(|()| true),
    }
}

/// Prints an error, and returns the exit code: 0 for success, 1 for a failure, 2 for bad input (as
/// for unknown flags), 130 for an interruption without results, 141 if standard output has no
/// reader any more.
pub fn exit_code(outcome: Result<bool>) -> ExitCode {
    ExitCode::from(exit_number(outcome))
}

/// [`exit_code`] as a number.
pub fn exit_number(outcome: Result<bool>) -> u8 {
    match outcome {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(error) if output::NoReader::ended(&error) => output::NoReader::EXIT_CODE,
        Err(error) => {
            let name = env!("CARGO_PKG_NAME").trim_end_matches("-cli");
            output::report(format_args!("{name}: {error:#}"));
            match () {
                () if error.is::<perf::BadInput>() => 2,
                () if error.is::<perf::Interrupted>() => perf::Interrupted::EXIT_CODE,
                () => 1,
            }
        }
    }
}
