//! `cargo test` runs the table: every model holds and explores enough, and some model fails without
//! each step of recovery. `scripts/mutants --sites` weakens each ordering.

use std::process::Command;

#[test]
fn every_model_holds_and_every_step_of_recovery_is_needed() {
    let table = Command::new(env!("CARGO_BIN_EXE_loom-tests")).output().expect("the models run");
    let text = String::from_utf8_lossy(&table.stdout);
    println!("{text}");
    assert!(table.status.success(), "{text}\n{}", String::from_utf8_lossy(&table.stderr));
}
