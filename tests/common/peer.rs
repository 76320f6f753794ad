//! Peer processes: this test binary, run again for its one test `child`, with a task in its
//! environment.
//!
//! A child answers on standard error. It ends when its standard input ends.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStderr, Command, Stdio};

const TASK: &str = "SEQRING_CHILD";
/// Arguments that make a test binary run its test `child` and nothing else.
pub(crate) const CHILD_ARGUMENTS: [&str; 4] = ["child", "--exact", "--ignored", "--nocapture"];

/// The task of this process as a child: a verb and an argument, often the name of a ring. `None` if
/// it is no child.
pub(crate) fn order() -> Option<(String, String)> {
    let task = std::env::var(TASK).ok()?;
    let (verb, argument) = task.split_once(' ').expect("a task is a verb and an argument");
    Some((verb.into(), argument.into()))
}

/// Sends a line to the parent.
pub(crate) fn answer(line: &str) {
    eprintln!("child: {line}");
}

/// Blocks until the parent calls [`Peer::finish`], or ends.
pub(crate) fn wait_for_parent() {
    let _ = std::io::stdin().read_line(&mut String::new());
}

/// A command that runs this test binary as a child.
pub(crate) fn child_command() -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(CHILD_ARGUMENTS);
    command
}

/// A child process. It is killed on drop.
pub(crate) struct Peer {
    process: Child,
    answers: Lines<BufReader<ChildStderr>>,
}

impl Peer {
    pub(crate) fn start(verb: &str, argument: &str) -> Self {
        Self::spawn(&mut child_command(), verb, argument)
    }

    /// As [`Self::start`], then waits for the first answer.
    pub(crate) fn ready(verb: &str, argument: &str) -> Self {
        let mut peer = Self::start(verb, argument);
        peer.answer();
        peer
    }

    /// Starts `command`, which runs the test `child` in the end.
    pub(crate) fn spawn(command: &mut Command, verb: &str, argument: &str) -> Self {
        let mut process = command
            .env(TASK, format!("{verb} {argument}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(process.stderr.take().unwrap()).lines();
        Peer { process, answers }
    }

    pub(crate) fn answer(&mut self) -> String {
        for line in &mut self.answers {
            let line = line.unwrap();
            match line.strip_prefix("child: ") {
                Some(answer) => return answer.into(),
                None => eprintln!("{line}"),
            }
        }
        panic!("a child ended without an answer");
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// `SIGKILL`, at an arbitrary instruction.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Ends [`wait_for_parent`] in the child.
    pub(crate) fn close_input(&mut self) {
        drop(self.process.stdin.take());
    }

    pub(crate) fn finish(mut self) {
        self.close_input();
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
