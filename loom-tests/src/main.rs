//! Models of seqring's protocols, and the table of the recovery steps that they need.
//!
//! `cargo run --release` runs every model on the unchanged product; then a model per step of
//! recovery, without that step; and prints the table. It fails in these cases: a model fails; a
//! model runs fewer executions than its floor (a model that stopped exploring proves nothing); no
//! model fails without some step.
//!
//! `cargo run --release -- NAME` runs one model. `-- NAME FILE:LINE Acquire` runs it with that end
//! of the memory ordering in that line weakened, and `-- NAME RecordDeath` without that step; both
//! show the failure. `scripts/mutants --sites` weakens every ordering.

mod models;
mod table;

use models::all;
use seqring::model::{End, Mutation, activate, weaken};
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
        [name, site, end] => match site_named(site, end) {
            Some((file, line, end)) => {
                weaken(file, line, end);
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

fn site_named(site: &str, end: &str) -> Option<(String, u32, End)> {
    let (file, line) = site.rsplit_once(':')?;
    let end = [End::Release, End::Acquire].into_iter().find(|known| format!("{known:?}") == end)?;
    Some((file.to_owned(), line.parse().ok()?, end))
}

fn usage() -> ExitCode {
    eprintln!("usage: loom-tests [MODEL [FILE:LINE Release|Acquire | STEP]]");
    eprintln!("models: {}", all().map(|model| model.name).collect::<Vec<_>>().join(" "));
    ExitCode::from(2)
}
