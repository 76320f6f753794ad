//! Progress is for terminals.

use harness::table::show;
use std::process::Command;

#[test]
#[ignore = "this is what the other test runs"]
fn work() {
    show("halfway");
    show("");
}

/// Fails if a file of messages gets carriage returns.
#[test]
fn progress_is_not_printed_where_standard_error_is_no_terminal() {
    let mut program = Command::new(std::env::current_exe().unwrap());
    let done = program.args(["work", "--exact", "--ignored", "--nocapture"]).output().unwrap();
    assert!(done.status.success());
    assert_eq!(String::from_utf8_lossy(&done.stderr), "");
}
