//! Models of seqring's protocols, and the table of what each ordering is needed for.
//!
//! `cargo run --release` here runs every model on the product as it is, then every model once for each ordering
//! that it covers with that ordering weakened, and prints the table. It fails if a model fails, if a model runs
//! fewer executions than its floor (a model that stopped exploring proves nothing), if a weakened ordering kills
//! no model, or if an ordering is covered by none.
//!
//! `cargo run --release -- NAME` runs one model; `-- NAME Publish Acquire` runs it with that end weakened and
//! shows how it dies.

mod models;
mod table;

use models::MODELS;
use seqring::model::{End, Pair, weaken};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => table::run(),
        [name] => run(name, None),
        [name, pair, end] => match end_named(pair, end) {
            Some(weakened) => run(name, Some(weakened)),
            None => usage(),
        },
        _ => usage(),
    }
}

fn run(name: &str, weakened: Option<(Pair, End)>) -> ExitCode {
    let Some(model) = MODELS.iter().find(|model| model.name == name) else {
        return usage();
    };
    weaken(weakened);
    println!("{}", model.check());
    ExitCode::SUCCESS
}

fn end_named(pair: &str, end: &str) -> Option<(Pair, End)> {
    let pair = Pair::ALL.into_iter().find(|known| format!("{known:?}") == pair)?;
    let end = [End::Release, End::Acquire].into_iter().find(|known| format!("{known:?}") == end)?;
    Some((pair, end))
}

fn usage() -> ExitCode {
    eprintln!("usage: loom-tests [MODEL [PAIR Release|Acquire]]");
    eprintln!("models: {}", MODELS.iter().map(|model| model.name).collect::<Vec<_>>().join(" "));
    ExitCode::from(2)
}
