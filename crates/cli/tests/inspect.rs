//! `seqring ls`, `stat` and `gc` on rings of living, killed and departed processes.
#![allow(missing_docs)]

use seqring::{Config, Delivery, Ring, Start};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory on tmpfs of this test alone: its content does not depend on other users of the
/// machine.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = PathBuf::from(format!("/dev/shm/test-cli-segments-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Directory(path)
    }

    fn ring(&self, name: &str) -> seqring::Location {
        seqring::Location::in_directory(&self.0, name)
    }

    fn holds(&self, name: &str) -> bool {
        self.0.join(format!("{name}.seqring")).exists()
    }

    fn command(&self, flags: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_seqring"));
        command.args(flags.split_ascii_whitespace()).arg("--directory").arg(&self.0);
        command
    }

    fn run(&self, flags: &str) -> Output {
        self.command(flags).output().unwrap()
    }

    fn text(&self, flags: &str) -> String {
        let output = self.run(flags);
        assert!(output.status.success(), "{flags}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, flags: &str) -> Value {
        serde_json::from_str(&self.text(&format!("{flags} --json"))).unwrap()
    }

    /// A process that has joined `name` as a writer and a reader, with two messages unread.
    fn peer(&self, name: &str) -> Child {
        let mut peer = Command::new(std::env::current_exe().unwrap())
            .args(["peer", "--exact", "--ignored", "--nocapture"])
            .env("SEQRING_PEER", self.0.join(name))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(peer.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.ends_with("joined")), "the peer did not join");
        peer
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn kill(mut peer: Child) {
    peer.kill().unwrap();
    peer.wait().unwrap();
}

#[test]
#[ignore = "this is what the other tests' peers run"]
fn peer() {
    let Some(path) = std::env::var_os("SEQRING_PEER").map(PathBuf::from) else { return };
    let name = path.file_name().unwrap().to_str().unwrap();
    let ring = Ring::open(seqring::Location::in_directory(path.parent().unwrap(), name)).unwrap();
    let (mut writer, _reader) = (ring.writer().unwrap(), ring.reader(Start::Next).unwrap());
    writer.write(b"one").unwrap();
    writer.write(b"two").unwrap();
    println!("joined");
    let _ = std::io::stdin().read_line(&mut String::new());
}

fn config() -> Config {
    Config::slots(4).of_bytes(100).delivery(Delivery::Lossy)
}

#[test]
fn stat_shows_the_values_of_a_table() {
    let directory = Directory::new();
    let config = Config::slots(3).of_bytes(8).delivery(Delivery::Latest);
    let table = Ring::create(directory.ring("table"), &config).unwrap();
    let mut writer = table.table_writer().unwrap();
    for value in ["a", "bc"] {
        writer.set(2, value.as_bytes()).unwrap();
    }
    let stat = directory.json("stat table");
    assert_eq!((&stat["delivery"], &stat["next_sequence"]), (&"latest".into(), &2.into()));
    let [value] = &stat["values"].as_array().unwrap()[..] else { panic!("{stat}") };
    assert_eq!((&value["key"], &value["version"], &value["bytes"]), (&2.into(), &2.into(), &2.into()));
    assert!(value["age_seconds"].as_f64().unwrap() >= 0.0);
    let text = directory.text("stat table");
    assert!(text.contains("2 values set\n1 of 3 keys have a value: "), "{text}");
}

/// Fails if `stat` joins the ring, if it counts as a user, or if a dead participant counts as
/// alive.
#[test]
fn stat_shows_which_participants_are_alive() {
    let directory = Directory::new();
    let ring = Ring::create(directory.ring("mixed"), &config()).unwrap();
    let reader = ring.reader(Start::Next).unwrap();
    let peer = directory.peer("mixed");
    let pid = u64::from(peer.id());
    let stat = directory.json("stat mixed");
    assert_eq!((&stat["name"], &stat["stream"]), (&"mixed".into(), &"open".into()));
    assert_eq!(
        (&stat["delivery"], &stat["slots"], &stat["slot_bytes"]),
        (&"lossy".into(), &4.into(), &100.into())
    );
    assert_eq!(
        (&stat["in_use"], &stat["next_sequence"], &stat["mode"]),
        (&true.into(), &2.into(), &"600".into())
    );
    let of = |stat: &Value, role: &str, pid: u64| {
        let all = stat["participants"].as_array().unwrap();
        all.iter().find(|one| one["role"] == role && one["pid"] == pid).unwrap().clone()
    };
    assert_eq!(of(&stat, "writer", pid)["alive"], true);
    assert_eq!(of(&stat, "reader", pid)["lag"], 2);
    kill(peer);
    let stat = directory.json("stat mixed");
    assert_eq!(of(&stat, "writer", pid)["alive"], false);
    assert_eq!(of(&stat, "reader", pid)["alive"], false);
    let own = of(&stat, "reader", std::process::id().into());
    assert_eq!((&own["alive"], &own["lag"], &own["position"]), (&true.into(), &2.into(), &0.into()));
    let text = directory.text("stat mixed");
    assert!(
        text.contains("dead") && text.contains("alive") && text.contains("2 messages published"),
        "{text}"
    );
    assert_eq!(ring.participants().len(), 3, "`stat` cleared the entry of a participant");
    drop(reader);
}

/// Fails if a writer that waits for its first reader looks like one that waits for nothing.
#[test]
fn stat_counts_the_readers_that_are_awaited() {
    let directory = Directory::new();
    let config = Config::slots(4).of_bytes(8);
    let ring = Ring::create(directory.ring("early"), &config).unwrap();
    ring.writer().unwrap().write(b"first").unwrap();
    assert_eq!(directory.json("stat early")["awaited_readers"], 1);
    let text = directory.text("stat early");
    assert!(text.contains("1 message published; awaits 1 reader, and overwrites nothing before"), "{text}");
    let _reader = ring.reader(Start::Next).unwrap();
    assert!(!directory.text("stat early").contains("awaits"));
}

/// Fails if rates are not those between two outputs, or if `stat` delays or misses the departure of
/// the last user.
#[test]
fn stat_watches_until_the_ring_is_gone() {
    let directory = Directory::new();
    let ring = Ring::create(directory.ring("watched"), &config()).unwrap();
    let mut writer = ring.writer().unwrap();
    let mut watch = Command::new(env!("CARGO_BIN_EXE_seqring"))
        .args(["stat", "watched", "--watch", "20ms", "--json", "--directory"])
        .arg(&directory.0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["published_per_second"], Value::Null);
    let rate = std::iter::repeat_with(|| {
        writer.write(b"x").unwrap();
        next()
    })
    .find(|stat| stat["published_per_second"].as_f64().unwrap() > 0.0)
    .unwrap();
    assert_eq!(rate["participants"][0]["role"], "writer");
    drop((writer, ring));
    assert!(!directory.holds("watched"), "`stat` keeps the name");
    lines.for_each(drop);
    let output = watch.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("the ring is gone"));
}

/// Fails if `gc` removes a ring that is used or kept, or any ring without `--remove`.
#[test]
fn gc_removes_rings_without_a_live_user_and_only_with_its_flag() {
    let directory = Directory::new();
    for name in ["orphan", "used", "kept"] {
        let ring = Ring::create(directory.ring(name), &config().keep(name == "kept")).unwrap();
        match name {
            "orphan" => {
                let peer = directory.peer(name);
                drop(ring);
                kill(peer);
            }
            "used" => std::mem::forget(ring), // Until this process ends.
            _ => drop(ring),
        }
    }
    std::fs::write(directory.0.join("no-ring.seqring"), "something else").unwrap();
    std::fs::write(directory.0.join("unrelated"), "something else").unwrap();
    let verdicts = |flags: &str| -> Vec<String> {
        let found = directory.json(flags);
        found.as_array().unwrap().iter().map(|one| one["verdict"].as_str().unwrap().to_owned()).collect()
    };
    // In the order of names: kept, no-ring, orphan, used.
    assert_eq!(verdicts("gc"), ["kept", "failed", "unused", "in_use"]);
    assert!(directory.text("gc").contains("nothing was removed"));
    assert!(directory.holds("orphan"));
    let removing = directory.run("gc --remove --json");
    assert_eq!(removing.status.code(), Some(1), "a file that is not a ring is a failure");
    assert_eq!(verdicts("gc"), ["kept", "failed", "in_use"]);
    assert!(!directory.holds("orphan") && directory.holds("no-ring") && directory.holds("used"));
    directory.run("gc --remove --kept");
    assert!(!directory.holds("kept") && directory.holds("used"));
}

/// Fails if a file that is not a ring hides the rings, or is not mentioned.
#[test]
fn ls_lists_rings_and_names_files_that_are_not_rings() {
    let directory = Directory::new();
    assert!(directory.text("ls").contains("no rings"));
    assert_eq!(directory.json("ls"), serde_json::json!([]));
    let _ring = Ring::create(directory.ring("first"), &config()).unwrap();
    std::fs::write(directory.0.join("second.seqring"), "no ring").unwrap();
    let list = directory.json("ls");
    assert_eq!((&list[0]["name"], &list[0]["in_use"]), (&"first".into(), &true.into()));
    assert!(list[1]["unusable"].as_str().unwrap().contains("less than a header"));
    let text = directory.text("ls");
    assert!(text.contains("| first") && text.contains("second.seqring"), "{text}");
}

/// Fails if bad input is not an error that names it.
#[test]
fn bad_input_is_named() {
    let directory = Directory::new();
    let says = |flags: &str, code: i32, what: &str| {
        let output = directory.run(flags);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{flags}: {errors}");
        assert!(errors.contains(what), "{flags}: {errors}");
    };
    says("stat missing", 1, "missing.seqring does not exist");
    says("stat missing.seqring", 1, "/missing.seqring does not exist");
    says("stat .hidden", 1, "\".hidden\"");
    says("stat missing --watch=0", 2, "0 is not between");
    says("stat missing 2 apples", 2, "unexpected argument");
    says("stat missing --watch=x", 2, "not a number");
    let output =
        Command::new(env!("CARGO_BIN_EXE_seqring")).args(["ls", "--directory", "/nowhere"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere"));
}

/// Fails if a command panics, or complains, when the reader of its output or of its messages is
/// gone.
#[test]
fn the_reader_of_the_output_may_leave() {
    let directory = Directory::new();
    let _ring = Ring::create(directory.ring("here"), &Config::slots(4).of_bytes(64)).unwrap();
    let gone = || std::io::pipe().unwrap().1;
    for flags in ["ls", "ls --json", "stat here", "stat here --json", "gc", "gc --json"] {
        let output = directory.command(flags).stdout(gone()).output().unwrap();
        assert_eq!((output.status.code(), &*output.stderr), (Some(141), &b""[..]), "{flags}");
    }
    let failed = directory.command("stat missing").stderr(gone()).status().unwrap();
    assert_eq!(failed.code(), Some(1));
}

/// Fails if a name can move the cursor of a terminal or reverse the text, or if it is missing.
#[test]
fn names_are_printed_without_what_a_terminal_obeys() {
    let directory = Directory::new();
    let name = "\u{202e}gnp";
    let _ring = Ring::create(directory.ring(name), &config()).unwrap();
    let hostile = directory.0.join("\u{1b}[2J\n\u{9b}1m.seqring");
    std::fs::write(&hostile, "no ring").unwrap();
    std::fs::copy(directory.ring(name).path().unwrap(), directory.0.join("\u{7}bell.seqring")).unwrap();
    for flags in ["ls", "gc", &format!("stat {name}")] {
        let text = directory.text(flags);
        assert!(text.lines().count() > 0 && text.is_ascii(), "{text:?}");
        let controls = text.bytes().filter(|byte| byte.is_ascii_control() && *byte != b'\n');
        assert_eq!(controls.count(), 0, "{text:?}");
        assert!(text.contains("\\u{202e}gnp") || flags == "gc", "{text}");
        assert!(text.contains("\\u{7}bell") || flags.starts_with("stat"), "{text}");
    }
    let errors = String::from_utf8(directory.run(&format!("stat {name}x")).stderr).unwrap();
    assert!(errors.is_ascii() && errors.contains("\\u{202e}gnpx"), "{errors:?}");
    assert_eq!(directory.json("ls")[2]["name"], name, "data is exact");
}

/// Fails if `gc` leaves what a killed creator left where a file needs a name from the beginning.
#[test]
fn gc_removes_unfinished_files_only_with_its_flag() {
    let directory = Directory::new();
    let draft = directory.0.join(".0.seqring-draft");
    std::fs::write(&draft, "").unwrap();
    assert!(!directory.text("gc").contains("unfinished") && draft.exists());
    assert!(directory.text("gc --remove").contains("removed: 1 unfinished") && !draft.exists());
}

/// Fails if `gc` leaves the large items of a queue that is gone, or removes those of one in use.
#[test]
fn gc_removes_the_items_of_queues_that_are_gone() {
    let directory = Directory::new();
    let _used = Ring::create(directory.ring("used"), &config()).unwrap();
    let orphan = Ring::create(directory.ring("orphan"), &config()).unwrap();
    let peer = directory.peer("orphan");
    drop(orphan);
    kill(peer);
    let item = |name: &str| {
        let path = directory.0.join(name);
        std::fs::write(&path, "an item").unwrap();
        path
    };
    let gone = ["gone", "orphan"].map(|queue| item(&format!(".{queue}.seqring-0123456789abcdef.item")));
    let stay = [
        ".used.seqring-0123456789abcdef.item",
        ".gone.seqring-0123456789abcde.item",
        ".gone.seqring-0123456789abcdeg.item",
        ".gone-0123456789abcdef.item",
        "gone.seqring-0123456789abcdef.item",
    ]
    .map(item);
    let listed = directory.text("gc");
    assert!(gone.iter().all(|item| listed.contains(&format!("unused: {}", item.display()))), "{listed}");
    assert!(listed.contains("3 unused"), "{listed}");
    assert!(gone.iter().chain(&stay).all(|item| item.exists()), "`gc` alone removes nothing");
    let removed = directory.text("gc --remove");
    assert!(removed.contains("3 removed"), "{removed}");
    assert!(!gone.iter().any(|item| item.exists()) && stay.iter().all(|item| item.exists()));
}
