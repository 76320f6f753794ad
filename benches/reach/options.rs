//! What the command line asks for.

use crate::part::Part;

/// A run of this program.
pub(crate) enum Task {
    /// `cargo bench --bench reach [-- [--quick] [--json] [ROW…]]`
    Measure(Options),
    /// The other end of a measurement, or a program under observation: started by this program only.
    Play(Part, Vec<String>),
    /// Compiled and started by `cargo test --all-targets`: nothing is to be measured.
    Nothing,
}

/// What to measure, and how to say it.
#[derive(Default)]
pub(crate) struct Options {
    /// Few and short repetitions, to see that everything runs. Its figures are no evidence.
    pub(crate) quick: bool,
    /// Every repetition as a JSON line on standard output; the table goes to standard error.
    pub(crate) json: bool,
    /// Parts of row names; no part means all rows.
    rows: Vec<String>,
}

impl Options {
    /// Whether the row of that name is wanted.
    pub(crate) fn wants(&self, row: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|part| row.contains(part))
    }
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
            "--quick" => options.quick = true,
            "--json" => options.json = true,
            flag if flag.starts_with('-') => {
                return Err(format!("unknown flag {flag}: there are --quick, --json and parts of row names"));
            }
            _ => options.rows.push(argument),
        }
    }
    Ok(if is_bench { Task::Measure(options) } else { Task::Nothing })
}
