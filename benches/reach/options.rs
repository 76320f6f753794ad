//! What the command line asks for.

use crate::part::Part;
use harness::table::Options;

/// A run of this program.
pub(crate) enum Task {
    /// `cargo bench --bench reach [-- [--quick] [--json] [ROW…]]`
    Measure(Options),
    /// The other end of a measurement, or a program under observation: started by this program only.
    Play(Part, Vec<String>),
    /// Compiled and started by `cargo test --all-targets`: nothing is to be measured.
    Nothing,
}

/// Reads the arguments behind the program's name.
pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Task, String> {
    let mut arguments = arguments.peekable();
    if arguments.next_if(|first| first == "--part").is_some() {
        let part = arguments.next().ok_or("--part needs a part")?.parse()?;
        return Ok(Task::Play(part, arguments.collect()));
    }
    let (mut options, mut is_bench) = (Options::default(), false);
    for argument in arguments {
        match argument.as_str() {
            "--bench" => is_bench = true, // Cargo's own.
            _ => options.take(argument)?,
        }
    }
    Ok(if is_bench { Task::Measure(options) } else { Task::Nothing })
}
