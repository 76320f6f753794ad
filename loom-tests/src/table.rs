//! Runs every model and variant in a process of its own, one a core, and prints the table.

use crate::models::{Model, NEEDED, all};
use seqring::model::Mutation;
use std::num::NonZero;
use std::process::{Command, ExitCode, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

pub(crate) fn run() -> ExitCode {
    println!("{:<24} {:<17} {:>10} {:>10}  verdict", "model", "explored", "executions", "floor");
    let hold = all_pass(&all().collect::<Vec<_>>(), |model| holds(model));
    println!("without a step of recovery:");
    let needed = all_pass(&Mutation::ALL, |step| is_needed(*step));
    if hold && needed {
        println!("sound: every model holds, and some model fails without each step of recovery");
        return ExitCode::SUCCESS;
    }
    println!("NOT SOUND");
    ExitCode::FAILURE
}

/// Runs each job, and prints its row when it ends. Returns whether all passed.
fn all_pass<T: Sync>(jobs: &[T], run: impl Fn(&T) -> (bool, String) + Sync) -> bool {
    let next = AtomicUsize::new(0);
    let (done, rows) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            let (next, run, done) = (&next, &run, done.clone());
            scope.spawn(move || {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    done.send(run(job)).expect("the rows are printed to the end");
                }
            });
        }
        drop(done);
        rows.into_iter().fold(true, |all, (passed, row)| {
            println!("{row}");
            all && passed
        })
    })
}

fn holds(model: &Model) -> (bool, String) {
    let output = child(&[model.name]);
    let executions = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or(0);
    let verdict = match (output.status.success(), executions >= model.floor) {
        (false, _) => "FAILS",
        (true, false) => "TOO FEW",
        (true, true) => "holds",
    };
    let mut row =
        format!("{:<24} {:<17} {executions:>10} {:>10}  {verdict}", model.name, model.extent(), model.floor);
    if !output.status.success() {
        row += &format!("\n{}", String::from_utf8_lossy(&output.stderr));
    }
    (verdict == "holds", row)
}

/// Whether a model fails without this step of recovery.
fn is_needed(step: Mutation) -> (bool, String) {
    let named = NEEDED.iter().find(|(needed, _)| *needed == step);
    let model = named.and_then(|(_, name)| all().map(|model| model.name).find(|known| known == name));
    let fails = model.is_some_and(|model| !child(&[model, &format!("{step:?}")]).status.success());
    let verdict = if fails { "fails" } else { "NOT DETECTED" };
    (fails, format!("  {:<40} {verdict} ({})", format!("{step:?}"), model.unwrap_or("no model")))
}

fn child(arguments: &[&str]) -> Output {
    let program = std::env::current_exe().expect("a running program has a path");
    Command::new(program).args(arguments).output().expect("the program can be started again")
}
