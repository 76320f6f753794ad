//! seqring beside the rings and channels that it is compared with: a row for each requirement.
//!
//! ```text
//! cargo run --release                        # the table
//! cargo run --release -- --quick threads-8   # rows whose names contain this, as a trial
//! cargo run --release -- --json              # every repetition; the table goes to standard error
//! rivals deaths …                            # participants, which `seqring-lab deaths` starts
//! ```
//! README.md says what each rival is given, and where it is favoured or not.

mod comparison;
mod deaths;
mod message;
mod rings;
mod rows;

use harness::table;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, rest @ ..] = &arguments[..]
        && first == "deaths"
    {
        return deaths::main(rest);
    }
    let rows = rows::comparisons().into_iter().map(comparison::Comparison::into_row).collect();
    table::main(rows, harness::commit!())
}
