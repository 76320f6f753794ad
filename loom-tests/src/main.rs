//! Models of seqring's protocols, and the table of what each ordering is needed for.
//!
//! `cargo run --release` here runs every model on the product as it is, then every model once for each ordering
//! that it covers with that ordering weakened, and one for each step of recovery with that step left out, and prints the
//! table. It fails if a model fails, if a model runs
//! fewer executions than its floor (a model that stopped exploring proves nothing), if a weakened ordering or a missing
//! step kills no model, or if an ordering or a step is covered by none.
//!
//! `cargo run --release -- NAME` runs one model; `-- NAME Publish Acquire` runs it with that end weakened, `-- NAME
//! KeepDeath` without that step, and shows how it dies.

mod models;
mod table;

use models::all;
use seqring::model::{End, Pair, Mutation, activate, weaken};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => table::run(),
        [name] => run(name),
        [name, step] => match Mutation::ALL.into_iter().find(|known| format!("{known:?}") == step) {
            Some(step) => {
                activate(step);
                run(name)
            }
            None => usage(),
        },
        [name, pair, end] => match end_named(pair, end) {
            Some(weakened) => {
                weaken(Some(weakened));
                run(name)
            }
            None => usage(),
        },
        _ => usage(),
    }
}

fn run(name: &str) -> ExitCode {
    let Some(model) = all().find(|model| model.name == name) else {
        return usage();
    };
    println!("{}", model.check());
    ExitCode::SUCCESS
}

fn end_named(pair: &str, end: &str) -> Option<(Pair, End)> {
    let pair = Pair::ALL.into_iter().find(|known| format!("{known:?}") == pair)?;
    let end = [End::Release, End::Acquire].into_iter().find(|known| format!("{known:?}") == end)?;
    Some((pair, end))
}

fn usage() -> ExitCode {
    eprintln!("usage: loom-tests [MODEL [PAIR Release|Acquire | STEP]]");
    eprintln!("models: {}", all().map(|model| model.name).collect::<Vec<_>>().join(" "));
    ExitCode::from(2)
}
