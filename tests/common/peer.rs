//! Other processes: this very test binary, run again for its one test `child`, with an order in its environment.
//!
//! A child answers on standard error and goes on when its standard input ends.
#![allow(dead_code, reason = "each test binary uses its own part")]

use rustix::process::Pid;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStderr, Command, Stdio};

const ORDER: &str = "SEQRING_CHILD";

/// What this process is to do as a child: a verb and the name of a ring. `None` if it is no child.
pub(crate) fn order() -> Option<(String, String)> {
    let order = std::env::var(ORDER).ok()?;
    let (what, name) = order.split_once(' ').expect("an order is a verb and a name");
    Some((what.into(), name.into()))
}

/// Tells the parent.
pub(crate) fn answer(what: &str) {
    eprintln!("child: {what}");
}

/// Goes on when the parent says so, or ends.
pub(crate) fn wait_for_parent() {
    let _ = std::io::stdin().read_line(&mut String::new());
}

/// A child process, killed when it is dropped.
pub(crate) struct Peer {
    process: Child,
    answers: Lines<BufReader<ChildStderr>>,
}

impl Peer {
    pub(crate) fn start(what: &str, name: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--ignored", "--nocapture"])
            .env(ORDER, format!("{what} {name}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(process.stderr.take().unwrap()).lines();
        Peer { process, answers }
    }

    /// As [`Self::start`], and waits for its first answer.
    pub(crate) fn ready(what: &str, name: &str) -> Self {
        let mut peer = Self::start(what, name);
        peer.answer();
        peer
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

    pub(crate) fn process(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// `SIGKILL`, at whatever instruction it is.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(crate) fn finish(mut self) {
        drop(self.process.stdin.take());
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
