//! Models of seqring's protocols, and the table of the orderings and recovery steps that they need.
//!
//! `cargo run --release` runs every model on the unchanged product; then each model once per
//! ordering that it covers, with that ordering weakened; then a model per step of recovery, without
//! that step; and prints the table. It fails in these cases: a model fails; a model runs fewer
//! executions than its floor (a model that stopped exploring proves nothing); no model fails
//! without some ordering or step; an ordering or a step is covered by no model.
//!
//! `cargo run --release -- NAME` runs one model. `-- NAME Publish Acquire` runs it with that end
//! weakened, and `-- NAME RecordDeath` without that step; both show the failure.

mod models;
mod table;

use models::all;
use seqring::model::{End, Mutation, Pair, activate, weaken};
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
