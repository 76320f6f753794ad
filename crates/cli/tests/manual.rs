//! `seqring completions` and `seqring man`: what they make from the flags of the command.
#![allow(missing_docs)]

use std::process::{Command, Stdio};

fn seqring(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_seqring"));
    command.args(arguments);
    command
}

#[test]
fn each_shell_gets_completions_and_the_reader_of_them_may_leave() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = seqring(&["completions", shell]).output().unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{shell}");
        for word in ["seqring", "demo", "stat", "slot-bytes", "on-full"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        let gone = std::io::pipe().unwrap().1;
        let output = seqring(&["completions", shell]).stdout(gone).output().unwrap();
        assert_eq!((output.status.code(), &*output.stderr), (Some(141), &b""[..]), "{shell}");
    }
    let script = seqring(&["completions", "bash"]).output().unwrap().stdout;
    let mut bash = Command::new("bash").args(["-n", "/dev/stdin"]).stdin(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut bash.stdin.take().unwrap(), &script).unwrap();
    assert!(bash.wait().unwrap().success(), "bash does not accept the script");
}

#[test]
fn each_command_of_the_user_gets_a_manual_page() {
    let directory = std::env::temp_dir().join(format!("seqring-man-{}", std::process::id()));
    let refused = seqring(&["man", "/dev/null/man"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("/dev/null/man"));
    assert!(seqring(&["man", directory.to_str().unwrap()]).status().unwrap().success());
    let mut pages: Vec<_> =
        std::fs::read_dir(&directory).unwrap().map(|page| page.unwrap().file_name()).collect();
    pages.sort();
    let perf = std::fs::read_to_string(directory.join("seqring-perf.1")).unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    let due = ["-completions", "-demo", "-gc", "-ls", "-man", "-mirror", "-perf", "-serve", "-stat", ""];
    let due = due.map(|command| std::ffi::OsString::from(format!("seqring{command}.1")));
    assert_eq!(pages, due);
    assert!(perf.contains("slot\\-bytes") && perf.contains("round trip"), "{perf}");
}
