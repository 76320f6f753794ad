//! Running the built binary, and looking at what it says.

use rustix::process::Pid;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// `seqring perf` with these flags, separated by blanks.
fn perf(flags: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_seqring"));
    command.arg("perf").args(flags.split_ascii_whitespace());
    command
}

pub(crate) fn output(flags: &str) -> Output {
    perf(flags).output().unwrap()
}

/// The record of a run that must succeed.
pub(crate) fn record(flags: &str) -> Value {
    let output = output(&format!("{flags} --json"));
    assert_eq!(output.status.code(), Some(0), "{flags}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn unique_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("test-perf-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn path_of(name: &str) -> PathBuf {
    Path::new("/dev/shm").join(format!("{name}.seqring"))
}

pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no count"))
}

pub(crate) fn list<'v>(record: &'v Value, key: &str) -> &'v Vec<Value> {
    record[key].as_array().unwrap()
}

/// A command on its way, and the lines that it prints on standard error.
pub(crate) struct Running {
    child: Child,
    errors: BufReader<ChildStderr>,
    seen: String,
}

impl Running {
    pub(crate) fn start(flags: &str) -> Self {
        let mut child = perf(flags).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let errors = BufReader::new(child.stderr.take().unwrap());
        Running { child, errors, seen: String::new() }
    }

    /// Reads on until a line says `what`.
    pub(crate) fn await_line(&mut self, what: &str) {
        loop {
            let mut line = String::new();
            let bytes = self.errors.read_line(&mut line).unwrap();
            assert!(bytes > 0, "it ended before it said {what:?}: {}", self.seen);
            self.seen.push_str(&line);
            if line.contains(what) {
                return;
            }
        }
    }

    /// The process of a worker, from what `--debug` has printed.
    pub(crate) fn worker(&self, role: &str) -> Pid {
        let of_role =
            |line: &str| Some(line.split_once(&format!("{role} (process "))?.1.split_once(')')?.0.parse());
        let pid: i32 = self.seen.lines().find_map(of_role).unwrap().unwrap();
        Pid::from_raw(pid).unwrap()
    }

    pub(crate) fn coordinator(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits for the end; returns exit code, standard output and all of standard error.
    pub(crate) fn end(mut self) -> (Option<i32>, String, String) {
        self.errors.read_to_string(&mut self.seen).unwrap();
        let output = self.child.wait_with_output().unwrap();
        (output.status.code(), text(&output.stdout), self.seen)
    }
}
