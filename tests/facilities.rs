//! A process without `/proc` or standard streams, umasks, core dumps, and what else may lie under a
//! ring's name.
//!
//! The peer processes are this test binary, run again for its one test `child`.
#![cfg(target_os = "linux")]
#![allow(missing_docs, unsafe_code)]

mod common;

use common::peer::{CHILD_ARGUMENTS, Peer, answer, order};
use common::{create, fresh_name, path_of, segments_named};
use rustix::fs::{FileType, Mode, mknodat};
use seqring::inspect::{Segment, remove_drafts_in};
use seqring::{Config, Location, OpenOptions, Ring, RingError, Start};
use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

fn config() -> Config {
    Config::slots(4).of_bytes(64).user_words(1)
}

#[test]
#[ignore = "the child processes of the other tests run this"]
fn child() {
    let Some((verb, name)) = order() else { return };
    if verb == "without-streams" {
        return use_without_streams(&name);
    }
    assert_eq!(verb, "without-proc");
    assert!(!std::path::Path::new("/proc/self").exists());
    let ring = Ring::create(&name, &config()).unwrap();
    assert!(matches!(Ring::create(&name, &config()), Err(RingError::AlreadyExists { .. })));
    let mut reader = Ring::open(&name).unwrap().reader(Start::Next).unwrap();
    ring.writer().unwrap().write(b"works").unwrap();
    assert_eq!(&*reader.view().unwrap(), b"works");
    assert!(ring.is_named() && Segment::inspect(&name).unwrap().is_in_use());
    assert_eq!(fs::metadata(path_of(&name)).unwrap().permissions().mode() & 0o777, 0o600);
    let error = Ring::anonymous(&config()).unwrap().descriptor().unwrap_err().to_string();
    assert!(error.contains("/proc/self/fd, which is not there"), "{error}");
    drop((ring, reader));
    assert!(!path_of(&name).exists());
    answer("works");
}

/// The standard streams are closed while rings are made, opened and held; then the program prints.
fn use_without_streams(name: &str) {
    // SAFETY: the call takes an integer. Nothing owns these numbers.
    let close = |stream| unsafe { libc::close(stream) };
    // SAFETY: the text has so many bytes.
    let print = |stream| unsafe { libc::write(stream, c"a line".as_ptr().cast(), 6) };
    let answers = std::io::stderr().as_fd().try_clone_to_owned().unwrap();
    (0..3).for_each(|stream| assert_eq!(close(stream), 0));
    let places = [Location::named(name), Location::portable(name)];
    let rings = places.each_ref().map(|at| [Ring::create(at, &config()).unwrap(), Ring::open(at).unwrap()]);
    let nameless = Ring::anonymous(&config()).unwrap();
    let descriptor = nameless.descriptor().unwrap();
    let received = Ring::from_descriptor(descriptor.try_clone().unwrap()).unwrap();
    let hold = rings[0][0].hold().unwrap();
    let printed = [0, 1, 2].map(print);
    let opened = places.each_ref().map(|at| Ring::open(at).is_ok());
    drop((hold, received, rings));
    // SAFETY: the call takes integers.
    (0..3).for_each(|stream| assert_eq!(unsafe { libc::dup2(answers.as_raw_fd(), stream) }, stream));
    answer(&format!("{printed:?} {opened:?}"));
}

/// Fails if what a program prints while its standard streams are closed goes into a ring.
#[test]
fn no_file_of_a_ring_gets_the_number_of_a_standard_stream() {
    let mut child = Peer::start("without-streams", &fresh_name("no-streams"));
    assert_eq!(child.answer(), "[-1, -1, -1] [true, true]");
}

/// Fails if a ring needs `/proc`, or if the file in which it is made stays.
#[test]
fn a_named_ring_works_without_proc() {
    let may = Command::new("unshare").args(["--mount", "true"]).stderr(Stdio::null()).status();
    if !may.is_ok_and(|status| status.success()) {
        return println!("not checked: this user may not have namespaces");
    }
    let run = format!("mount -t tmpfs none /proc && umask 777 && exec \"$0\" {}", CHILD_ARGUMENTS.join(" "));
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &run]).arg(std::env::current_exe().unwrap());
    let name = fresh_name("no-proc");
    let mut child = Peer::spawn(&mut command, "without-proc", &name);
    assert_eq!(child.answer(), "works");
    child.finish();
    assert!(segments_named(&name).is_empty() && segments_named("seqring-draft").is_empty());
}

/// Fails if the file of a killed creator stays, or if that of a living one or of another user goes.
#[test]
fn only_own_drafts_without_a_living_creator_are_removed() {
    let directory = std::path::PathBuf::from(format!("/dev/shm/{}", fresh_name("drafts")));
    fs::create_dir(&directory).unwrap();
    let path = |name: &str| directory.join(format!(".{name}.seqring-draft"));
    fs::write(path("dead"), "").unwrap();
    fs::write(path("foreign"), "").unwrap();
    symlink("/dev/shm", path("link")).unwrap();
    // Only root can give files away, and only to users that its namespace has.
    let given = std::os::unix::fs::chown(path("foreign"), Some(65534), Some(65534)).is_ok();
    // A ring that its creator linked to its name, and whose other name it had no time to remove.
    let ring = Ring::create(Location::in_directory(&directory, "living"), &config()).unwrap();
    fs::hard_link(ring.path().unwrap(), path("living")).unwrap();
    assert_eq!(remove_drafts_in(&directory).unwrap(), if given { 1 } else { 2 });
    assert!(!path("dead").exists() && path("living").exists());
    assert!(path("foreign").exists() == given && path("link").is_symlink());
    drop(ring);
    assert_eq!(remove_drafts_in(&directory).unwrap(), 1);
    fs::remove_dir_all(&directory).unwrap();
}

/// Fails if the error for a name that no ring can have promises that `gc` removes what has it.
#[test]
fn what_is_no_file_under_a_name_is_named_as_that() {
    let name = fresh_name("no-file");
    let path = path_of(&name);
    let expect = |what: &str| {
        for result in [Ring::create(&name, &config()), Ring::open_or_create(&name, &config())] {
            let error = result.unwrap_err();
            assert!(matches!(&error, RingError::Unusable { reason, .. } if reason.contains(what)), "{error}");
        }
    };
    fs::create_dir(&path).unwrap();
    expect("not a regular file");
    fs::remove_dir(&path).unwrap();
    mknodat(rustix::fs::CWD, &path, FileType::Fifo, Mode::RUSR, 0).unwrap();
    expect("not a regular file");
    fs::remove_file(&path).unwrap();
    symlink("/nowhere", &path).unwrap();
    expect("symbolic link");
    fs::remove_file(&path).unwrap();
}

/// Fails if an error prints characters that a terminal obeys, or that reverse the text.
#[test]
fn errors_escape_what_a_terminal_obeys() {
    for name in ["\u{202e}gnp.exe", "a\u{9b}31m", "\u{2066}x\u{200b}"] {
        let texts = [
            Ring::open(name).unwrap_err().to_string(),
            Ring::open(Location::in_directory(format!("/nowhere/\u{1b}[2J{name}"), "x"))
                .unwrap_err()
                .to_string(),
            Ring::create(format!("{name}\n"), &config()).unwrap_err().to_string(),
        ];
        for text in texts {
            assert!(text.is_ascii() && !text.bytes().any(|byte| byte.is_ascii_control()), "{text:?}");
        }
    }
    assert_eq!(seqring::inspect::printable("/a b/Grüße'\"\\"), "/a b/Grüße'\"\\");
}

/// Whether core dumps have the mapping that an address is in: `None` if it is in none.
fn is_dumped(address: usize) -> Option<bool> {
    let maps = fs::read_to_string("/proc/self/smaps").unwrap();
    let holds = |line: &str| {
        let (start, end) = line.split_once(' ')?.0.split_once('-')?;
        let parse = |text| usize::from_str_radix(text, 16).ok();
        Some((parse(start)?..parse(end)?).contains(&address))
    };
    let mut ours = maps.lines().skip_while(|line| holds(line) != Some(true));
    let flags = ours.find_map(|line| line.strip_prefix("VmFlags:"))?;
    Some(!flags.split_ascii_whitespace().any(|flag| flag == "dd"))
}

/// Fails if core dumps have a ring that they were not asked to have, or the other way round.
#[test]
fn core_dumps_have_a_ring_only_if_they_are_asked_to() {
    for on in [false, true] {
        let options = OpenOptions::new().core_dump(on);
        let name = fresh_name("dump");
        let created = options.create(&name, &config()).unwrap();
        let opened = options.open(&name).unwrap();
        let rings =
            [created, opened, options.anonymous(&config()).unwrap(), options.heap(&config()).unwrap()];
        for ring in &rings {
            assert_eq!(is_dumped(ring.user_words().as_ptr().addr()), Some(on), "{ring:?}");
        }
    }
    let (_, ring) = create("dump-default", &config());
    assert_eq!(is_dumped(ring.user_words().as_ptr().addr()), Some(false));
}
