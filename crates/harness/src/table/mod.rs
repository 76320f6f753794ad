//! A program that prints a table of requirements: `[--quick] [--json] [ROW…]`.
//!
//! It has [`Row`]s; each interleaves its contestants through the [`Session`], which keeps every
//! repetition in the journal, and makes a finding of the record ([`judge`]).

pub mod judge;
mod session;

pub use session::{Effort, Figures, Session, show};

use crate::child::OTHER_END;
use crate::class::pause_nanos;
use crate::drive::{self, Candidate};
use crate::machine::Machine;
use std::fmt;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What the command line asks for.
#[derive(Default)]
struct Options {
    /// Few and short repetitions, to see that everything runs. Their figures are no evidence.
    quick: bool,
    /// Every repetition as a JSON line on standard output; the table goes to standard error.
    json: bool,
    /// Parts of row names; no part means all rows.
    rows: Vec<String>,
}

/// [`main`] of a bench: without cargo's `--bench` (`cargo test --all-targets`) there is nothing to
/// measure.
pub fn bench_main(rows: Vec<Row>, commit: &str) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_asked = arguments.iter().any(|argument| argument == "--bench" || argument == OTHER_END);
    if is_asked { run(rows, commit, arguments) } else { ExitCode::SUCCESS }
}

/// Measures the rows that the command line names, or plays the other end of one. `commit` is that
/// of the calling program ([`commit!`](crate::commit)).
pub fn main(rows: Vec<Row>, commit: &str) -> ExitCode {
    run(rows, commit, std::env::args().skip(1).collect())
}

fn run(rows: Vec<Row>, commit: &str, arguments: Vec<String>) -> ExitCode {
    let done = match arguments.split_first() {
        Some((first, rest)) if first == OTHER_END => other_end(&rows, rest),
        _ => options(arguments).and_then(|options| print(rows, commit, &options)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn other_end(rows: &[Row], arguments: &[String]) -> Result<(), String> {
    let (name, arguments) = arguments.split_first().ok_or("the other end of which row?")?;
    let row = rows.iter().find(|row| row.name == name).ok_or_else(|| format!("no such row: {name}"))?;
    row.other_end(arguments)
}

fn options(arguments: Vec<String>) -> Result<Options, String> {
    let mut options = Options::default();
    for argument in arguments {
        match argument.as_str() {
            "--bench" => {}
            "--quick" => options.quick = true,
            "--json" => options.json = true,
            flag if flag.starts_with('-') => {
                return Err(format!("unknown flag {flag}: there are --quick, --json and parts of row names"));
            }
            _ => options.rows.push(argument),
        }
    }
    Ok(options)
}

/// Prints a line for each row as soon as it is measured. Ends early on Ctrl-C.
fn print(rows: Vec<Row>, commit: &str, options: &Options) -> Result<(), String> {
    let is_wanted =
        |row: &Row| options.rows.is_empty() || options.rows.iter().any(|part| row.name.contains(part));
    let rows: Vec<Row> = rows.into_iter().filter(is_wanted).collect();
    if rows.is_empty() {
        return Err("no row has such a name".into());
    }
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    // Relaxed: a request, orders nothing.
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed)).map_err(|error| error.to_string())?;
    let session = Session::new(options.quick, options.json, stop)?;
    let say = |line: &str| if options.json { eprintln!("{line}") } else { println!("{line}") };
    let machine = Machine::this().map_err(|error| error.to_string())?;
    say(&format!("Commit {commit}. {machine}, PAUSE {:.0} ns", pause_nanos()));
    if options.quick {
        say("--quick: two rounds a row. No evidence, only a sign that everything runs.");
    }
    say("\n| row | what | required | measured: median (lowest to highest, runs) | verdict |");
    say("|---|---|---|---|---|");
    for row in rows {
        if session.is_stopped() {
            break;
        }
        say(&row.line(&session));
    }
    Ok(())
}

/// One requirement of the table.
pub struct Row {
    /// By which it is chosen on the command line.
    pub name: &'static str,
    /// What is measured, and in which layout.
    pub what: String,
    /// What must be found.
    pub required: String,
    measure: Box<Measure>,
    other_end: Option<Box<PlayRow>>,
}

/// How a row is measured; an error is why it could not be.
type Measure = dyn Fn(&Session) -> Result<Finding, String>;

/// What another process does for a row, with arguments that the row chose.
type PlayRow = dyn Fn(&[String]) -> Result<(), String>;

impl Row {
    /// A row that `measure` finds something for.
    pub fn new(
        name: &'static str,
        what: impl Into<String>,
        required: impl Into<String>,
        measure: impl Fn(&Session) -> Result<Finding, String> + 'static,
    ) -> Self {
        let (what, required) = (what.into(), required.into());
        Self { name, what, required, measure: Box::new(measure), other_end: None }
    }

    /// A row that `measure` finds something for by candidates.
    pub fn of_candidates(
        name: &'static str,
        what: impl Into<String>,
        required: impl Into<String>,
        candidates: Vec<Candidate>,
        measure: impl Fn(&Session, &[Candidate]) -> Result<Finding, String> + 'static,
    ) -> Self {
        let candidates = Rc::new(candidates);
        let others = Rc::clone(&candidates);
        Self::new(name, what, required, move |session| measure(session, &candidates))
            .with_other_end(move |arguments| drive::other_end(&others, arguments))
    }

    /// The same row, for which another process ([`crate::child::other_end_of`]) does `play`.
    #[must_use]
    pub fn with_other_end(self, play: impl Fn(&[String]) -> Result<(), String> + 'static) -> Self {
        Self { other_end: Some(Box::new(play)), ..self }
    }

    fn other_end(&self, arguments: &[String]) -> Result<(), String> {
        self.other_end.as_ref().ok_or_else(|| format!("{} has no other end", self.name))?(arguments)
    }

    /// Measures the row, and returns its line of the table.
    fn line(&self, session: &Session) -> String {
        let Finding { verdict, measured } = (self.measure)(session)
            .unwrap_or_else(|error| Finding { verdict: Verdict::NotMeasured, measured: error });
        format!("| {} | {} | {} | {measured} | **{verdict}** |", self.name, self.what, self.required)
    }
}

/// What a row found.
pub struct Finding {
    /// What follows from the figures.
    pub verdict: Verdict,
    /// The figures, or why there are none.
    pub measured: String,
}

impl Finding {
    /// Figures, and whether they are those that are required.
    pub fn new(is_reached: bool, measured: impl Into<String>) -> Self {
        let verdict = if is_reached { Verdict::Reached } else { Verdict::NotReached };
        Self { verdict, measured: measured.into() }
    }
}

/// Whether a requirement is met.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is, and so is the goal beyond it.
    GoalReached,
    /// It is.
    Reached,
    /// It is not.
    NotReached,
    /// There are too few figures to say.
    NotMeasured,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GoalReached => "goal reached",
            Self::Reached => "reached",
            Self::NotReached => "not reached",
            Self::NotMeasured => "not measured",
        })
    }
}
