//! `seqring serve` and `seqring mirror`: rings on another host. The program `seqring-mirror` does
//! it, so that this command has no network library in it.

use anyhow::{Error, Result, anyhow};
use clap::Args;
use std::env;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

const PROGRAM: &str = "seqring-mirror";

/// What the program gets.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// As `seqring-mirror` takes them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Replaces this process by the program. Returns only why it cannot.
pub(crate) fn run(subcommand: &str, Arguments { arguments }: &Arguments) -> Result<()> {
    // Beside this command, or else where the shell finds it.
    let beside = env::current_exe().ok().map(|command| command.with_file_name(PROGRAM));
    let program = beside.filter(|program| program.is_file()).unwrap_or_else(|| PathBuf::from(PROGRAM));
    let error = Command::new(program).arg(subcommand).args(arguments).exec();
    Err(match error.kind() {
        ErrorKind::NotFound => anyhow!(
            "{PROGRAM} is not installed; it is a program of its own: `cargo install --path crates/mirror` in \
             the repository of seqring, and then it must be beside this command or in PATH"
        ),
        _ => Error::from(error).context(format!("starting {PROGRAM}")),
    })
}
