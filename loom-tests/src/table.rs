//! Runs every model and variant in a process of its own, and prints the table.

use crate::models::{Model, NEEDED, all};
use seqring::model::Mutation;
use std::process::{Command, ExitCode, Output};

pub(crate) fn run() -> ExitCode {
    let mut sound = true;
    println!("{:<24} {:<17} {:>10} {:>10}  verdict", "model", "explored", "executions", "floor");
    for model in all() {
        sound &= holds(model);
    }
    sound &= every_step_is_needed();
    if sound {
        println!("sound: every model holds, and some model fails without each step of recovery");
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

fn child(arguments: &[&str]) -> Output {
    let program = std::env::current_exe().expect("a running program has a path");
    Command::new(program).args(arguments).output().expect("the program can be started again")
}
