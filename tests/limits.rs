//! Limits of a process: an error with both numbers, and no signal.
//!
//! Each case is this test binary, run again for its one test `child`, under the limit.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

mod common;

use common::peer::{CHILD_ARGUMENTS, Peer, answer, order};
use common::{fresh_name, segments_named};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use seqring::{Config, Location, OpenOptions, RegisterError, Ring, RingError, Warning, Writers};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// How much a cgroup uses, in its two versions.
const USED: [&str; 2] = ["memory.current", "memory/memory.usage_in_bytes"];

/// Of a ring of 16 MiB.
fn config() -> Config {
    Config::slots(16).of_bytes(1 << 20)
}

/// Creates rings of each backend, and describes what came of it.
fn create_all(name: &str) -> String {
    let options = OpenOptions::new();
    let results = [
        options.create(name, &config()),
        options.create(Location::portable(name), &config()),
        options.anonymous(&config()),
        Ring::heap(&Config::slots(80).of_bytes(1 << 20)), // Not from memory that the allocator has already.
    ];
    let texts = results.map(|result| match result {
        Ok(_) => "created".to_owned(),
        Err(RingError::Limit { limit, wanted, available }) if available < wanted && wanted >= 16 << 20 => {
            limit
        }
        Err(error) => format!("{error:?}"),
    });
    texts.join(" | ")
}

#[test]
#[ignore = "the child processes of the other tests run this"]
fn child() {
    let Some((verb, name)) = order() else { return };
    let limit = |resource| {
        setrlimit(resource, Rlimit { current: Some(8 << 20), maximum: getrlimit(resource).maximum }).unwrap();
    };
    match verb.as_str() {
        "fsize" => limit(Resource::Fsize),
        "as" => limit(Resource::As),
        "data" => limit(Resource::Data),
        "cgroup" => {}
        "cgroup-buffers" => {
            let many = Config::slots(2).of_bytes(12 << 20).writers(Writers::Many).participants(8);
            let ring = Ring::create(&name, &many).unwrap();
            for used in USED.map(|used| Path::new("/sys/fs/cgroup").join(used)) {
                drop(
                    fs::OpenOptions::new().write(true).open(used).map(|mut file| file.write_all(b"90000000")),
                );
            }
            let refused = ring.writer().unwrap_err();
            let RegisterError::NoSpace { wanted, available } = refused else { panic!("{refused}") };
            assert!((wanted, available) > (12 << 20, 0) && available <= 10_000_000, "{refused}");
            drop(ring);
            return answer("refused");
        }
        "memlock" => {
            limit(Resource::Memlock);
            let ring = OpenOptions::new().lock_memory(true).create(&name, &config()).unwrap();
            let text =
                |warning: &Warning| matches!(warning, Warning::NotLocked { .. }).then(|| warning.to_string());
            let text = ring.warnings().iter().find_map(text).unwrap_or_default();
            drop(ring);
            return answer(&text);
        }
        other => panic!("{other}"),
    }
    answer(&create_all(&name));
}

/// Fails if a limit ends the process by a signal, if the error names no limit and no numbers, or if
/// a file is left.
#[test]
fn a_limit_of_the_process_is_an_error_with_both_numbers() {
    let name = fresh_name("limits");
    for (verb, expected) in [
        ("fsize", ["RLIMIT_FSIZE", "RLIMIT_FSIZE", "RLIMIT_FSIZE", "created"]),
        ("as", ["RLIMIT_AS"; 4]),
        ("data", ["created", "created", "created", "RLIMIT_DATA"]),
    ] {
        let mut child = Peer::start(verb, &name);
        let answer = child.answer();
        for (text, expected) in answer.split(" | ").zip(expected) {
            assert!(text.ends_with(expected), "{verb}: {answer}");
        }
        child.finish();
        assert_eq!(segments_named(&name), [""; 0], "{verb}");
    }
}

/// Fails if the warning of memory that is not locked does not name the limit.
#[test]
fn the_limit_of_locked_memory_is_named_in_the_warning() {
    let text = Peer::start("memlock", &fresh_name("memlock")).answer();
    // Root may lock more than the limit.
    assert!(text.is_empty() || text.contains("RLIMIT_MEMLOCK is 8388608"), "{text}");
}

/// Fails if a ring is created that the cgroup has no room for: the kernel would end a process. The
/// child has a directory of its own in the place of the cgroups.
#[test]
fn the_memory_limit_of_a_cgroup_is_an_error_with_both_numbers() {
    let groups = std::env::temp_dir().join(fresh_name("cgroups"));
    let name = fresh_name("cgroup");
    for (version, limit, used) in
        [("", "memory.max", "memory.current"), ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes")]
    {
        let is_there = |line: &str| line.contains(if version.is_empty() { "0::" } else { ":memory:" });
        if !fs::read_to_string("/proc/self/cgroup").unwrap().lines().any(is_there) {
            println!("not checked: no cgroup of this version");
            continue;
        }
        let root = groups.join(version);
        let used = root.join(used);
        fs::create_dir_all(&root).unwrap();
        fs::write(root.join(limit), "100000000\n").unwrap();
        let files = [("memory.swap.max", "0\n"), ("memory.swap.current", "0\n"), ("memory.stat", "")];
        for (file, text) in files {
            fs::write(root.join(file), text).unwrap();
        }
        for (bytes, expected) in [("0\n", "created"), ("90000000\n", "the memory limit of the cgroup")] {
            fs::write(&used, bytes).unwrap();
            let Some(answer) = in_place_of_the_cgroups(&groups, "cgroup", &name) else { return };
            assert!(answer.split(" | ").all(|text| text.starts_with(expected)), "{answer}");
        }
        fs::write(&used, "0       \n").unwrap();
        assert_eq!(in_place_of_the_cgroups(&groups, "cgroup-buffers", &name).unwrap(), "refused");
        fs::remove_dir_all(&groups).unwrap();
    }
}

fn in_place_of_the_cgroups(groups: &Path, verb: &str, name: &str) -> Option<String> {
    let may = Command::new("unshare").args(["--mount", "true"]).stderr(Stdio::null()).status();
    if !may.is_ok_and(|status| status.success()) {
        println!("not checked: this user may not have namespaces");
        return None;
    }
    let mount = format!("mount --bind {} /sys/fs/cgroup", groups.display());
    let run = format!("{mount} && exec \"$0\" {}", CHILD_ARGUMENTS.join(" "));
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &run]).arg(std::env::current_exe().unwrap());
    Some(Peer::spawn(&mut command, verb, name).answer())
}
