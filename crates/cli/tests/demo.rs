//! `seqring demo` with its output in a pipe: what its keys do, and what it leaves behind.
#![allow(missing_docs)]

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

struct Demo {
    child: Child,
    keys: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    seen: Vec<String>,
}

impl Demo {
    fn start(flags: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_seqring"))
            .arg("demo")
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Demo { keys: child.stdin.take().unwrap(), lines, child, seen: Vec::new() }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Reads on until each of `said` is in a line of its role; returns these lines.
    fn await_lines<const N: usize>(&mut self, said: [(&str, &str); N]) -> [String; N] {
        let mut found = [const { None }; N];
        while found.iter().any(Option::is_none) {
            let line =
                self.lines.next().unwrap_or_else(|| panic!("{said:?} is missing: {:#?}", self.seen)).unwrap();
            self.seen.push(line.clone());
            for (found, (role, what)) in found.iter_mut().zip(said) {
                if line.starts_with(role) && line.contains(what) {
                    found.get_or_insert(line.clone());
                }
            }
        }
        found.map(Option::unwrap)
    }

    fn await_all(&mut self) {
        self.await_lines([
            ("writer", "writes"),
            ("reader 1", "reads"),
            ("reader 2", "reads"),
            ("reader 3", "reads"),
        ]);
    }

    fn ring(&self) -> PathBuf {
        Path::new("/dev/shm").join(format!("demo-{}.seqring", self.child.id()))
    }

    /// Reads to the end.
    fn end(mut self) -> Vec<String> {
        let ring = self.ring();
        drop(self.keys);
        self.seen.extend(self.lines.map_while(Result::ok));
        assert!(self.child.wait().unwrap().success(), "{:#?}", self.seen);
        assert!(!ring.exists());
        for line in &self.seen {
            assert!(!Path::new("/proc").join(pid(line)).exists(), "its process is left: {line}");
        }
        self.seen
    }
}

fn pid(line: &str) -> &str {
    line.split_once("(process ").unwrap().1.split_once(')').unwrap().0
}

#[test]
fn killed_workers_are_noticed_and_replaced_and_nothing_is_left() {
    for flags in [&[][..], &["--gated"]] {
        let mut demo = Demo::start(flags);
        demo.await_all();
        assert!(demo.ring().exists(), "`seqring stat` can show it");
        demo.press("1");
        let [killed] = demo.await_lines([("reader 1", "SIGKILL")]);
        assert!(killed.contains("the ring counts it as dead"), "{killed}");
        demo.press("w");
        let [writer, ..] =
            demo.await_lines([("writer", "SIGKILL"), ("reader 2", "died"), ("reader 3", "died")]);
        let died = format!("the writer, process {}, died", pid(&writer));
        assert_eq!(demo.seen.iter().filter(|line| line.ends_with(&died)).count(), 2, "{:#?}", demo.seen);
        demo.press("r");
        let [new, reader, ..] = demo.await_lines([
            ("writer", "writes from message"),
            ("reader 1", "reads from message"),
            ("reader 2", "reads on with message"),
            ("reader 3", "reads on with message"),
        ]);
        assert!(pid(&new) != pid(&writer) && pid(&reader) != pid(&killed), "{:#?}", demo.seen);
        demo.press("s");
        let [stopped, gone_on] = demo.await_lines([("reader 3", "stopped"), ("reader 3", "goes on")]);
        assert_eq!(pid(&stopped), pid(&gone_on));
        demo.press("q");
        let all = demo.end();
        assert!(flags.is_empty() || !all.iter().any(|line| line.contains("lost")), "a gated ring: {all:#?}");
    }
}

#[test]
fn with_a_duration_it_shows_the_same_by_itself() {
    let mut demo = Demo::start(&["-d", "500ms"]);
    let ring = demo.ring();
    demo.await_lines([("reader 1", "SIGKILL"), ("writer", "SIGKILL"), ("reader 3", "stopped")]);
    assert!(demo.child.wait().unwrap().success());
    assert!(!ring.exists());
}

#[test]
fn a_killed_demo_takes_its_processes_along() {
    let mut demo = Demo::start(&[]);
    demo.await_all();
    let ring = demo.ring();
    demo.child.kill().unwrap();
    demo.child.wait().unwrap();
    // The workers hold the ring's lock until they end.
    let (name, begin) = (format!("demo-{}", demo.child.id()), Instant::now());
    while !seqring::Ring::unlink_unused(name.as_str()).unwrap() {
        assert!(begin.elapsed() < Duration::from_secs(60), "a worker is left: {:#?}", demo.seen);
        std::thread::yield_now();
    }
    assert!(!ring.exists());
}
