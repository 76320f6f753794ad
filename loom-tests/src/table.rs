//! Runs everything, each model and variant in a process of its own, and prints the table.

use crate::models::{Model, NEEDED, all};
use seqring::model::{End, Pair, Mutation};
use std::collections::BTreeSet;
use std::process::{Command, ExitCode, Output};

/// Ends that no code has: the same step is both ends of its pair, under the name of the other.
const ONE_SIDED: [(Pair, End); 1] = [(Pair::Leave, End::Acquire)];

pub(crate) fn run() -> ExitCode {
    let mut sound = true;
    let mut killed = BTreeSet::new();
    println!("{:<14} {:<17} {:>10} {:>10}  verdict", "model", "explored", "executions", "floor");
    for model in all() {
        sound &= as_it_is(model);
        for end in model.kills {
            if weakened(model, *end) {
                killed.insert(name(*end));
            } else {
                sound = false;
            }
        }
    }
    sound &= every_step_is_needed();
    for pair in Pair::ALL {
        for end in [End::Release, End::Acquire] {
            if !killed.contains(&name((pair, end))) && !ONE_SIDED.contains(&(pair, end)) {
                println!("{} is needed by no model", name((pair, end)));
                sound = false;
            }
        }
    }
    println!(
        "{}",
        if sound {
            "sound: every model holds, every weakened ordering and every missing step dies"
        } else {
            "NOT SOUND"
        }
    );
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn as_it_is(model: &Model) -> bool {
    let output = child(&[model.name]);
    let executions = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or(0);
    let verdict = match (output.status.success(), executions >= model.floor) {
        (false, _) => "FAILS",
        (true, false) => "TOO FEW",
        (true, true) => "holds",
    };
    println!("{:<14} {:<17} {executions:>10} {:>10}  {verdict}", model.name, model.extent(), model.floor);
    if !output.status.success() {
        println!("{}", String::from_utf8_lossy(&output.stderr));
    }
    verdict == "holds"
}

fn weakened(model: &Model, end: (Pair, End)) -> bool {
    let dies = !child(&[model.name, &format!("{:?}", end.0), &format!("{:?}", end.1)]).status.success();
    println!("  without {:<32} {}", name(end), if dies { "dies" } else { "SURVIVES" });
    dies
}

/// Whether for each step there is a model that fails without it.
fn every_step_is_needed() -> bool {
    let mut needed_all = true;
    println!("without a step of recovery:");
    for step in Mutation::ALL {
        let named = NEEDED.iter().find(|(needed, _)| *needed == step);
        let model = named.and_then(|(_, name)| all().map(|model| model.name).find(|known| known == name));
        let dies = model.is_some_and(|model| !child(&[model, &format!("{step:?}")]).status.success());
        let verdict = if dies { "dies" } else { "SURVIVES" };
        println!("  {:<40} {verdict} ({})", format!("{step:?}"), model.unwrap_or("no model"));
        needed_all &= dies;
    }
    needed_all
}

fn name((pair, end): (Pair, End)) -> String {
    format!("{pair:?} {end:?}")
}

fn child(arguments: &[&str]) -> Output {
    let itself = std::env::current_exe().expect("a running program has a path");
    Command::new(itself).args(arguments).output().expect("it can be started again")
}
