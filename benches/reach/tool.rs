//! Running a part of this program under an observer that may or may not be installed.

use std::io::ErrorKind;
use std::process::Command;

/// Runs `tool flags… program arguments…`; returns what the tool says on standard error.
pub(crate) fn run(
    tool: &str,
    flags: &[&str],
    program: &Command,
    arguments: &[String],
) -> Result<String, String> {
    let mut command = Command::new(tool);
    command.args(flags).arg(program.get_program()).args(program.get_args()).args(arguments);
    let output = command.output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!("{tool} is not installed"),
        _ => format!("{tool}: {error}"),
    })?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(said) } else { Err(format!("{tool}: {}: {said}", output.status)) }
}
