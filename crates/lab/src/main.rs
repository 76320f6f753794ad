//! The `seqring` command: see the library of this package.

use clap::Parser;
use seqring_lab::{Cli, exit_code, run};
use std::process::ExitCode;

fn main() -> ExitCode {
    run(&Cli::parse()).unwrap_or_else(|error| {
        eprintln!("seqring: {error:#}");
        exit_code(&error)
    })
}
