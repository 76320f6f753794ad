//! `cargo test` runs the table: every model holds, explores enough, and fails without each ordering
//! that it needs.

use std::process::Command;

#[test]
fn every_model_holds_and_every_weakened_ordering_is_detected() {
    let table = Command::new(env!("CARGO_BIN_EXE_loom-tests")).output().expect("the models run");
    let text = String::from_utf8_lossy(&table.stdout);
    println!("{text}");
    assert!(table.status.success(), "{text}\n{}", String::from_utf8_lossy(&table.stderr));
}
