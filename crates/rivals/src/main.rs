//! seqring beside what it is compared with: a row for each requirement, against the best rival of the row.
//!
//! ```text
//! cargo run --release                             # the table
//! cargo run --release -- --quick threads-8 trip   # rows whose names contain one of these, as a trial
//! cargo run --release -- --json > runs.jsonl      # every repetition; the table goes to standard error
//! ```
//! README.md says what each rival is given, and where it is favoured or not.

mod contest;
mod end;
mod ends;
mod engines;
mod entrant;
mod manner;
mod message;
mod payload;
mod processes;
mod receive;
mod rows;
mod stream;
mod trip;

use harness::table::{self, Options};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((first, rest)) if first == "--part" => play(rest),
        _ => measure(arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rivals: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: Vec<String>) -> Result<(), String> {
    let mut options = Options::default();
    arguments.into_iter().try_for_each(|argument| options.take(argument))?;
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    // Relaxed: a request, orders nothing.
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed)).map_err(|error| error.to_string())?;
    let rows = rows::contests().into_iter().map(contest::Contest::into_row).collect();
    table::print(rows, &options, stop)
}

/// The other end of a repetition: this program started by itself.
fn play(arguments: &[String]) -> Result<(), String> {
    let [row, entrant, manner, rings @ ..] = arguments else {
        return Err("--part is for this program itself".into());
    };
    let contests = rows::contests();
    let contest = contests.iter().find(|contest| contest.name == row);
    contest.ok_or_else(|| format!("no such row: {row}"))?.play(entrant, manner.parse()?, rings)
}
