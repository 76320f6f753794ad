//! A table of requirements, each measured and judged in a line of its own.
//!
//! A program has [`Row`]s; each interleaves its contestants through the [`Session`], which keeps every repetition in the
//! journal, and makes a finding of the record ([`judge`]).

mod journal;
pub mod judge;
mod options;
mod row;
mod session;

pub use options::Options;
pub use row::{Finding, Row, Verdict};
pub use session::{Effort, Figures, Session};

use crate::machine::Machine;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Measures the rows that are wanted, one after the other, and prints a line for each as soon as it is there. Ends early
/// when somebody sets `stop`, as a Ctrl-C handler does.
///
/// # Errors
/// That no row is wanted, or that this machine cannot measure.
pub fn print(rows: Vec<Row>, options: &Options, stop: Arc<AtomicBool>) -> Result<(), String> {
    let rows: Vec<Row> = rows.into_iter().filter(|row| options.wants(row.name)).collect();
    if rows.is_empty() {
        return Err("no row has such a name".into());
    }
    let session = Session::new(options, stop)?;
    let say = |line: &str| if options.json { eprintln!("{line}") } else { println!("{line}") };
    say(&Machine::this().map_err(|error| error.to_string())?.to_string());
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
