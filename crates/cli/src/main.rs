//! The command `seqring`: see the library of this package.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    seqring_cli::exit_code(seqring_cli::run(&seqring_cli::Cli::parse()))
}
