//! The command `seqring`, run by `python -m seqring`.

use clap::Parser;
use pyo3::prelude::*;

/// Runs the command with `arguments`, and returns the exit code. `reenter` is the command line that
/// starts another process of this command.
#[pyfunction]
pub(crate) fn command(py: Python<'_>, arguments: Vec<String>, reenter: Vec<String>) -> PyResult<u8> {
    // The command has signal handlers of its own, and prints until it is done.
    py.detach(|| {
        let program = std::iter::once("seqring".to_owned());
        let cli = match seqring_cli::Cli::try_parse_from(program.chain(arguments)) {
            Ok(cli) => cli,
            Err(error) => {
                let _ = error.print(); // Standard error may be closed.
                return Ok(u8::try_from(error.exit_code()).unwrap_or(2));
            }
        };
        seqring_cli::reenter::reenter_by(reenter);
        Ok(seqring_cli::exit_number(seqring_cli::run(&cli)))
    })
}
