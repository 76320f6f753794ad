//! The command `seqring`, run by `python -m seqring`.

use clap::Parser;
use pyo3::prelude::*;
use std::process::ExitCode;

/// Does what `arguments` ask for, and returns the exit code. `reenter` is how another process of this command is started.
#[pyfunction]
pub(crate) fn command(py: Python<'_>, arguments: Vec<String>, reenter: Vec<String>) -> PyResult<u8> {
    // The command has signal handlers of its own, and prints until it is done.
    py.detach(|| {
        let program = std::iter::once("seqring".to_owned());
        let cli = match seqring_lab::Cli::try_parse_from(program.chain(arguments)) {
            Ok(cli) => cli,
            Err(error) => {
                let _ = error.print(); // Nobody may be listening.
                return Ok(u8::try_from(error.exit_code()).unwrap_or(2));
            }
        };
        seqring_lab::reenter_by(reenter);
        let code = seqring_lab::run(&cli).unwrap_or_else(|error| {
            eprintln!("seqring: {error:#}");
            seqring_lab::exit_code(&error)
        });
        Ok(number_of(code))
    })
}

fn number_of(code: ExitCode) -> u8 {
    // What the standard library does not tell can be compared.
    (0..=u8::MAX).find(|number| ExitCode::from(*number) == code).unwrap_or(1)
}
