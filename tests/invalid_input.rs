//! An invalid configuration, name or file gives an error that reports the value found. No call
//! panics, and none leaves a file behind.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

mod common;

use common::peer::{Peer, answer, child_command, order};
use common::{CLASSES, TEST_TIMEOUT, create, fresh_name, path_of, segments_named};
use seqring::inspect::Segment;
use seqring::{Config, Frame, RegisterError, Ring, RingError, SlotClass, Start};
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::channel;
use std::time::Duration;

/// The text is in lower case, has no full stop, and contains all `parts`.
fn assert_says(error: &impl std::fmt::Display, parts: &[&str]) {
    let text = error.to_string();
    assert!(!text.starts_with(char::is_uppercase) && !text.ends_with('.'), "{text}");
    assert!(parts.iter().all(|part| text.contains(part)), "{text:?} does not contain all of {parts:?}");
}

fn unusable(name: &str) -> RingError {
    let error = Ring::open(name).expect_err("that is no ring");
    assert!(matches!(&error, RingError::Unusable { path, .. } if *path == path_of(name)), "{error:?}");
    error
}

/// Fails if a limit is not checked, or a size is computed with an overflow.
#[test]
fn an_invalid_configuration_is_refused_with_its_number() {
    let frame = Frame { dimensions: 9, ..Frame::default() };
    let evicting = |after| {
        let mut config = Config::slots(8).of_bytes(8);
        config.evict_after = Some(after);
        config
    };
    let wrong: &[(Config, &[&str])] = &[
        (Config::slots(0).of_bytes(8), &["slots", "not 0"]),
        (Config::slots(8).of_bytes(0), &["slot_bytes", "1 to 1099511627776", "not 0"]),
        (Config::slots(usize::MAX).of_bytes(8), &["slots", "18446744073709551615"]),
        (Config::slots(8).of_bytes(usize::MAX), &["slot_bytes", "18446744073709551615"]),
        (Config::slots((1 << 30) + 1).of_bytes(8), &["slots", "1073741825"]),
        (Config::slots(8).of_bytes(8).participants(0), &["participants", "not 0"]),
        (Config::slots(8).of_bytes(8).participants(1), &["participants", "not 1"]),
        (Config::slots(8).of_bytes(8).participants(usize::MAX), &["participants", "18446744073709551615"]),
        (Config::slots(8).of_bytes(8).meta_bytes(usize::MAX), &["meta_bytes", "18446744073709551615"]),
        (Config::slots(8).of_bytes(8).meta_bytes((1 << 20) + 1), &["meta_bytes", "1048577"]),
        (Config::slots(8).of_bytes(8).first_sequence(1 << 61), &["first_sequence", "2305843009213693952"]),
        (Config::slots(8).of_bytes(8).first_sequence(u64::MAX), &["first_sequence", "18446744073709551615"]),
        (Config::slots(8).of_bytes(8).frame(frame), &["dimensions", "not 9"]),
        (Config::slots(8).of_bytes(8).frame(Frame::default()), &["elements", "bits"]),
        (Config::slots(8).of_frames(Frame::of::<u8>(&[4, 0]).unwrap()), &["[4, 0]", "at least 1"]),
        (evicting(Duration::ZERO), &["evict_after", "not 0"]),
        (evicting(Duration::MAX), &["evict_after", "not 18446744073709551615"]),
        (evicting(Duration::from_micros(1500)), &["evict_after", "whole ms", "not 1.5ms"]),
    ];
    for (config, says) in wrong {
        for class in CLASSES {
            assert_refused(&config.clone().slot_class(class), says);
        }
    }
    let beyond_all = Config::slots(1 << 30).of_bytes(1 << 40).slot_class(SlotClass::Arena);
    assert_refused(&beyond_all, &["1073741824 slots", "1099511627776 bytes"]);
    for inline in [SlotClass::Packed, SlotClass::Lines] {
        assert_refused(
            &Config::slots(8).of_bytes((1 << 16) + 1).slot_class(inline),
            &["slot_bytes", "65536", "not 65537"],
        );
    }
}

fn assert_refused(config: &Config, says: &[&str]) {
    let name = fresh_name("bad-config");
    for error in [Ring::heap(config).unwrap_err(), Ring::create(&name, config).unwrap_err()] {
        assert!(matches!(error, RingError::Config(_)), "{config:?}: {error:?}");
        assert_says(&error, says);
    }
    assert!(segments_named(&name).is_empty());
}

/// Fails if a failed allocation is not checked.
#[test]
fn a_ring_larger_than_the_address_space_is_refused() {
    let error = Ring::heap(&Config::slots(1 << 20).of_bytes(1 << 40)).unwrap_err();
    assert_says(&error, &["bad configuration", "bytes"]);
}

/// Fails if a name can lead out of /dev/shm, be hidden there, or be unprintable.
#[test]
fn an_invalid_name_is_refused() {
    let long = "n".repeat(201);
    for name in ["", "a/b", "/a", "..", ".", ".hidden", "../../tmp/a", "a\0b", "a\nb", "a\u{7f}", &long] {
        let config = Config::slots(2).of_bytes(8);
        for error in [
            Ring::create(name, &config).unwrap_err(),
            Ring::open(name).unwrap_err(),
            Ring::unlink(name).unwrap_err(),
        ] {
            assert!(matches!(&error, RingError::Name { name: found, .. } if found == name), "{error:?}");
            assert_says(&error, &[&format!("{name:?}")]);
        }
    }
    let longest = format!("{}{}", fresh_name("long"), "n".repeat(200))[..200].to_owned();
    drop(Ring::create(&longest, &Config::slots(2).of_bytes(8)).unwrap());
    assert!(!path_of(&longest).exists());
}

/// Fails if a second creator takes the name over, or removes it when it is refused.
#[test]
fn a_name_in_use_stays_with_its_ring() {
    let (name, ring) = create("taken", &Config::slots(2).of_bytes(8));
    let error = Ring::create(&name, &Config::slots(3).of_bytes(8)).unwrap_err();
    assert!(matches!(error, RingError::AlreadyExists { .. }), "{error:?}");
    assert_says(&error, &[&name, "open it"]);
    assert_eq!(Ring::open(&name).unwrap().config(), ring.config());
    Ring::unlink(&name).unwrap();
    assert!(matches!(Ring::unlink(&name), Err(RingError::NotFound { .. })));
    let error = Ring::open(&name).unwrap_err();
    assert!(matches!(error, RingError::NotFound { .. }));
    assert_says(&error, &[&name, "does not exist"]);
    drop(ring);
}

/// A file of any type. It is removed at the end of a test, also when the test fails.
struct Placed(PathBuf);

impl Drop for Placed {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0).or_else(|_| fs::remove_dir(&self.0));
    }
}

/// Fails if a link is followed, if anything but a regular file is opened, or if a refused file is
/// removed.
#[test]
fn a_file_that_is_not_regular_is_refused_and_stays() {
    type Create<'a> = &'a dyn Fn(&Path);
    let (target, _ring) = create("strange-target", &Config::slots(2).of_bytes(8));
    let cases: [(&str, Create<'_>); 4] = [
        ("symbolic link", &|path| symlink(path_of(&target), path).unwrap()),
        ("not a regular file", &|path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success())),
        ("not a regular file", &|path| fs::create_dir(path).unwrap()),
        ("not a regular file", &|path| drop(UnixListener::bind(path).unwrap())),
    ];
    for (says, create_file) in cases {
        let name = fresh_name("strange");
        let placed = Placed(path_of(&name));
        create_file(&placed.0);
        assert_says(&unusable(&name), &[&name, says]);
        // In a thread: an open may wait for the other end of a pipe.
        let (done, refused) = channel();
        std::thread::spawn(move || {
            let inspected = Segment::inspect(&name).map(drop);
            let removed = Ring::unlink_unused_even_kept(&name).map(drop);
            let _ = done.send([inspected, Ring::unlink(&name), removed]);
        });
        for refused in refused.recv_timeout(TEST_TIMEOUT).expect("the calls return") {
            assert!(matches!(refused, Err(RingError::Unusable { .. })), "{refused:?}");
        }
        assert!(placed.0.symlink_metadata().is_ok());
    }
}

/// Fails if space is used before it is reserved.
#[test]
fn a_file_system_that_is_too_small_is_reported_with_needed_and_available_bytes() {
    let name = fresh_name("large");
    match Ring::create(&name, &Config::slots(1 << 20).of_bytes(1 << 30).slot_class(SlotClass::Arena))
        .unwrap_err()
    {
        RingError::NoSpace { path, wanted, available } => {
            assert_eq!(path, Path::new("/dev/shm"));
            assert!(wanted > 1 << 50 && available < wanted);
            let error = RingError::NoSpace { path, wanted, available };
            assert_says(&error, &["/dev/shm", &wanted.to_string(), &available.to_string()]);
        }
        other => panic!("{other:?}"),
    }
    assert!(segments_named(&name).is_empty());
}

#[test]
#[ignore = "the child process of the next test runs this"]
fn child() {
    let Some((_, name)) = order() else { return };
    let error = Ring::open(&name).expect_err("it belongs to another user");
    assert!(matches!(error, RingError::PermissionDenied { .. }), "{error:?}");
    assert_says(&error, &[&name, "another user"]);
    answer("refused");
}

/// Fails if a process without the right to read and write can open a ring. Root has every right, so
/// a child of another user tries.
#[test]
fn the_ring_of_another_user_is_refused() {
    if !rustix::process::geteuid().is_root() {
        return println!("not checked: only root can run a process of another user");
    }
    let (name, _ring) = create("foreign", &Config::slots(2).of_bytes(8));
    let mut child = Peer::spawn(child_command().uid(65534), "open", &name);
    assert_eq!(child.answer(), "refused");
    child.finish();
}

/// Fails if a limit of the participant table is off by one.
#[test]
fn registering_beyond_the_table_s_capacity_names_the_holders() {
    let ring = Ring::heap(&Config::slots(2).of_bytes(8).participants(3)).unwrap();
    let (writer, _readers) = (ring.writer().unwrap(), [ring.reader(Start::Next), ring.reader(Start::Next)]);
    let error = ring.reader(Start::Next).unwrap_err();
    let pid = std::process::id();
    assert_says(
        &error,
        &["more participants", &format!("the writer of process {pid}; the reader of process {pid}")],
    );
    let RegisterError::TableFull { holders } = error else { panic!("{error}") };
    assert_eq!(holders.iter().map(|peer| peer.pid).collect::<Vec<_>>(), [pid; 3]);
    let error = ring.writer().unwrap_err();
    assert_eq!(error, RegisterError::WriterTaken { pid: Some(std::process::id()) });
    assert_says(&error, &[&std::process::id().to_string()]);
    ring.close();
    drop(writer);
    assert_says(&ring.writer().unwrap_err(), &["closed for good"]);
}
