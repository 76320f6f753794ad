//! The compiler and its options, for the records of measurements.

use std::env::var;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let set = |name| var(name).unwrap_or_default();
    let version = Command::new(set("RUSTC")).arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    println!(
        "cargo::rustc-env=HARNESS_BUILT={}, {}, profile {}, opt-level {}, flags [{}]",
        version.unwrap_or_else(|_| "unknown".into()),
        set("TARGET"),
        set("PROFILE"),
        set("OPT_LEVEL"),
        set("CARGO_ENCODED_RUSTFLAGS").replace('\u{1f}', " ")
    );
}
