//! `seqring-lab perf`, which some rows run: one measurement a run, its record as JSON.
//!
//! It is another package's program, so it must be built before. It is looked for where `cargo build
//! --release` puts it: `target/release/seqring-lab`, seen from `target/release/deps/reach-…`.

use crate::text;
use serde_json::Value;
use std::process::Command;

/// Runs the command; an error if it cannot be run, or if it finds anything wrong.
pub(crate) fn run(arguments: &str) -> Result<Value, String> {
    let here = std::env::current_exe().map_err(text)?;
    let program = here.parent().and_then(|deps| deps.parent()).map(|release| release.join("seqring-lab"));
    let program = program.filter(|program| program.exists());
    let program = program.ok_or("build the laboratory first: cargo build --release --workspace")?;
    let mut command = Command::new(program);
    let output = command.args(["perf", "--json"]).args(arguments.split_ascii_whitespace()).output();
    let output = output.map_err(text)?;
    let record: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{error}; it printed: {}", String::from_utf8_lossy(&output.stderr)))?;
    if !output.status.success() || record["ok"] != true {
        return Err(format!("{}: {}", output.status, record["failures"]));
    }
    Ok(record)
}
