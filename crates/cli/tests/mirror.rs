//! `seqring serve` and `seqring mirror` start `seqring-mirror`, or say how to install it.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const SEQRING: &str = env!("CARGO_BIN_EXE_seqring");

fn directory(what: &str) -> std::path::PathBuf {
    let directory = std::env::temp_dir().join(format!("seqring-{what}-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

#[test]
fn without_the_program_the_message_says_how_to_install_it() {
    let empty = directory("no-mirror");
    let command = empty.join("seqring");
    std::fs::copy(SEQRING, &command).unwrap();
    let output = Command::new(command).args(["serve", "camera"]).env("PATH", &empty).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("cargo install --path crates/mirror"), "{text}");
    std::fs::remove_dir_all(empty).unwrap();
}

/// Fails if a flag of the program is taken for one of this command, or its exit code is lost.
#[test]
fn the_program_gets_the_arguments_and_its_exit_code_counts() {
    let directory = directory("mirror-found");
    let program = directory.join("seqring-mirror");
    std::fs::write(&program, "#!/bin/sh\necho \"$@\"\nexit 7\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", directory.display());
    let arguments = ["mirror", "camera", "--from", "tcp/10.0.0.1:7447", "--help"];
    let output = Command::new(SEQRING).args(arguments).env("PATH", path).output().unwrap();
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), arguments.join(" "));
    std::fs::remove_dir_all(directory).unwrap();
}
