//! How a process of this command starts another one: by its executable, unless it runs inside
//! another program.

use std::process::Command;
use std::sync::OnceLock;

static PROGRAM: OnceLock<Vec<String>> = OnceLock::new();

/// From now on processes are started by `program` and its arguments, before those of the command.
/// For a program that runs this command but is not its executable, such as an interpreter. Only the
/// first call has an effect.
pub fn reenter_by(program: Vec<String>) {
    let _ = PROGRAM.set(program);
}

/// This command, in a process of its own, still without arguments.
pub fn command() -> Command {
    match PROGRAM.get().map(Vec::as_slice) {
        Some([program, arguments @ ..]) => {
            let mut command = Command::new(program);
            command.args(arguments);
            command
        }
        Some([]) | None => Command::new("/proc/self/exe"),
    }
}
