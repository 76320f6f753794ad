//! Runs every model and variant in a process of its own, and prints the table.

use crate::models::{Model, NEEDED, all};
use seqring::model::{End, Mutation, Pair};
use std::collections::BTreeSet;
use std::process::{Command, ExitCode, Output};

/// Ends without code of their own: one step is both ends of its pair, under the name of the other
/// end.
const ONE_SIDED: [(Pair, End); 1] = [(Pair::Leave, End::Acquire)];

pub(crate) fn run() -> ExitCode {
    let mut sound = true;
    let mut needed = BTreeSet::new();
    println!("{:<24} {:<17} {:>10} {:>10}  verdict", "model", "explored", "executions", "floor");
    for model in all() {
        sound &= holds(model);
        for end in model.needs() {
            if fails_without_end(model, end) {
                needed.insert(name(end));
            } else {
                sound = false;
            }
        }
    }
    sound &= every_step_is_needed();
    for end in Pair::ALL.into_iter().flat_map(|pair| [(pair, End::Release), (pair, End::Acquire)]) {
        if !needed.contains(&name(end)) && !ONE_SIDED.contains(&end) {
            println!("no model needs {}", name(end));
            sound = false;
        }
    }
    if sound {
        println!(
            "sound: every model holds, and some model fails without each ordering and each step of recovery"
        );
        return ExitCode::SUCCESS;
    }
    println!("NOT SOUND");
    ExitCode::FAILURE
}

fn holds(model: &Model) -> bool {
    let output = child(&[model.name]);
    let executions = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or(0);
    let verdict = match (output.status.success(), executions >= model.floor) {
        (false, _) => "FAILS",
        (true, false) => "TOO FEW",
        (true, true) => "holds",
    };
    println!("{:<24} {:<17} {executions:>10} {:>10}  {verdict}", model.name, model.extent(), model.floor);
    if !output.status.success() {
        println!("{}", String::from_utf8_lossy(&output.stderr));
    }
    verdict == "holds"
}

fn fails_without_end(model: &Model, end: (Pair, End)) -> bool {
    let fails = !child(&[model.name, &format!("{:?}", end.0), &format!("{:?}", end.1)]).status.success();
    println!("  without {:<32} {}", name(end), verdict(fails));
    fails
}

/// Whether for each step of recovery a model fails without it.
fn every_step_is_needed() -> bool {
    let mut needed_all = true;
    println!("without a step of recovery:");
    for step in Mutation::ALL {
        let named = NEEDED.iter().find(|(needed, _)| *needed == step);
        let model = named.and_then(|(_, name)| all().map(|model| model.name).find(|known| known == name));
        let fails = model.is_some_and(|model| !child(&[model, &format!("{step:?}")]).status.success());
        println!("  {:<40} {} ({})", format!("{step:?}"), verdict(fails), model.unwrap_or("no model"));
        needed_all &= fails;
    }
    needed_all
}

fn verdict(fails: bool) -> &'static str {
    if fails { "fails" } else { "NOT DETECTED" }
}

fn name((pair, end): (Pair, End)) -> String {
    format!("{pair:?} {end:?}")
}

fn child(arguments: &[&str]) -> Output {
    let program = std::env::current_exe().expect("a running program has a path");
    Command::new(program).args(arguments).output().expect("the program can be started again")
}
