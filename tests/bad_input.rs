//! Whatever is wrong with a configuration, a name or a segment is an error that says what was found; nothing panics,
//! and nothing is left behind.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

mod common;

use common::{CLASSES, fresh_name, path_of, segments_named};
use seqring::{Config, Frame, RegisterError, Ring, RingError, SlotClass, Start};
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lower case, no full stop, and the thing in question by name or number.
fn assert_says(error: &impl std::fmt::Display, parts: &[&str]) {
    let text = error.to_string();
    assert!(!text.starts_with(char::is_uppercase) && !text.ends_with('.'), "{text}");
    assert!(parts.iter().all(|part| text.contains(part)), "{text:?} does not say {parts:?}");
}

fn unusable(name: &str) -> RingError {
    let error = Ring::open(name).expect_err("that is no ring");
    assert!(matches!(&error, RingError::Unusable { path, .. } if *path == path_of(name)), "{error:?}");
    error
}

/// Fails if a limit is not checked, or a size is computed with an overflow.
#[test]
fn a_configuration_that_cannot_be_is_refused_with_its_number() {
    let frame = Frame { dimensions: 9, ..Frame::default() };
    let wrong: &[(Config, &[&str])] = &[
        (Config::new(0, 8), &["slots", "not 0"]),
        (Config::new(8, 0), &["slot_bytes", "not 0"]),
        (Config::new(usize::MAX, 8), &["slots", "18446744073709551615"]),
        (Config::new(8, usize::MAX), &["slot_bytes", "18446744073709551615"]),
        (Config::new((1 << 30) + 1, 8), &["slots", "1073741825"]),
        (Config::new(8, 8).participants(0), &["participants", "not 0"]),
        (Config::new(8, 8).participants(1), &["participants", "not 1"]),
        (Config::new(8, 8).participants(usize::MAX), &["participants", "18446744073709551615"]),
        (Config::new(8, 8).meta_bytes(usize::MAX), &["meta_bytes", "18446744073709551615"]),
        (Config::new(8, 8).meta_bytes((1 << 20) + 1), &["meta_bytes", "1048577"]),
        (Config::new(8, 8).first_sequence(1 << 61), &["first_sequence", "2305843009213693952"]),
        (Config::new(8, 8).first_sequence(u64::MAX), &["first_sequence", "18446744073709551615"]),
        (Config::new(8, 8).frame(frame), &["dimensions", "not 9"]),
    ];
    for (config, says) in wrong {
        for class in CLASSES {
            assert_refused(&config.clone().slot_class(class), says);
        }
    }
    let beyond_all = Config::new(1 << 30, 1 << 40).slot_class(SlotClass::Arena);
    assert_refused(&beyond_all, &["1073741824 slots", "1099511627776 bytes"]);
    for inline in [SlotClass::Packed, SlotClass::Lines] {
        assert_refused(
            &Config::new(8, (1 << 16) + 1).slot_class(inline),
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

/// Fails if the heap's answer is not looked at.
#[test]
fn a_ring_larger_than_the_address_space_leaves_the_heap_alone() {
    let error = Ring::heap(&Config::new(1 << 20, 1 << 40)).unwrap_err();
    assert_says(&error, &["bad configuration", "bytes"]);
}

/// Fails if a name can lead out of /dev/shm, hide there, or not be shown.
#[test]
fn a_name_that_a_segment_cannot_have_is_refused() {
    let long = "n".repeat(201);
    for name in ["", "a/b", "/a", "..", ".", ".hidden", "../../tmp/a", "a\0b", "a\nb", "a\u{7f}", &long] {
        let config = Config::new(2, 8);
        for error in [
            Ring::create(name, &config).unwrap_err(),
            Ring::open(name).unwrap_err(),
            Ring::unlink(name).unwrap_err(),
        ] {
            assert!(matches!(&error, RingError::Name { name: said, .. } if said == name), "{error:?}");
            assert_says(&error, &[&format!("{name:?}")]);
        }
    }
    let longest = format!("{}{}", fresh_name("long"), "n".repeat(200))[..200].to_owned();
    drop(Ring::create(&longest, &Config::new(2, 8)).unwrap());
    assert!(!path_of(&longest).exists());
}

/// Fails if a second creator takes the name over, or takes it with him when he is refused.
#[test]
fn a_name_that_is_taken_stays_with_its_ring() {
    let name = fresh_name("taken");
    let ring = Ring::create(&name, &Config::new(2, 8)).unwrap();
    let error = Ring::create(&name, &Config::new(3, 8)).unwrap_err();
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

/// Whatever was put at a path, until the end of a test however it ends.
struct Placed(PathBuf);

impl Drop for Placed {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0).or_else(|_| fs::remove_dir(&self.0));
    }
}

/// Fails if a link is followed, anything but a regular file is opened as one, or what is refused is removed.
#[test]
fn what_is_not_a_regular_file_is_refused_and_left_alone() {
    type Place<'a> = &'a dyn Fn(&Path);
    let target = fresh_name("strange-target");
    let _ring = Ring::create(&target, &Config::new(2, 8)).unwrap();
    let cases: [(&str, Place<'_>); 4] = [
        ("symbolic link", &|path| symlink(path_of(&target), path).unwrap()),
        ("not a regular file", &|path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success())),
        ("not a regular file", &|path| fs::create_dir(path).unwrap()),
        ("not a regular file", &|path| drop(UnixListener::bind(path).unwrap())),
    ];
    for (says, place) in cases {
        let name = fresh_name("strange");
        let placed = Placed(path_of(&name));
        place(&placed.0);
        assert_says(&unusable(&name), &[&name, says]);
        assert!(placed.0.symlink_metadata().is_ok());
    }
}

/// Fails if the space is not asked for before it is used.
#[test]
fn a_file_system_that_is_too_small_is_named_with_what_is_wanted_and_what_is_there() {
    let name = fresh_name("large");
    match Ring::create(&name, &Config::new(1 << 20, 1 << 30).slot_class(SlotClass::Arena)).unwrap_err() {
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

/// Fails if opening needs less than the right to read and write. Root has every right, so a child without it asks.
#[test]
fn a_ring_of_another_user_is_closed() {
    const CHILD: &str = "SEQRING_NOBODY_OPENS";
    if let Ok(name) = std::env::var(CHILD) {
        let error = Ring::open(&name).expect_err("not ours");
        assert!(matches!(error, RingError::PermissionDenied { .. }), "{error:?}");
        return assert_says(&error, &[&name, "another user"]);
    }
    let name = fresh_name("foreign");
    let _ring = Ring::create(&name, &Config::new(2, 8)).unwrap();
    let nobody = Command::new(std::env::current_exe().unwrap())
        .args(["a_ring_of_another_user_is_closed", "--exact"])
        .env(CHILD, &name)
        .uid(65534)
        .output();
    match nobody {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout)),
        Err(error) => println!("not checked: cannot run a process of another user ({error})"),
    }
}

/// Fails if a limit of the participant table is off by one.
#[test]
fn joining_a_ring_beyond_its_room_says_how_much_there_is() {
    let ring = Ring::heap(&Config::new(2, 8).participants(3)).unwrap();
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
    assert_eq!(error, RegisterError::WriterTaken { pid: std::process::id() });
    assert_says(&error, &[&std::process::id().to_string()]);
    ring.close();
    drop(writer);
    assert_says(&ring.writer().unwrap_err(), &["closed for good"]);
}
