//! What opening, refusing, leaving and removing do to the name of a ring.
//!
//! The peer processes are this test binary, run again for its one test `child`.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

mod common;

use common::peer::{Peer, answer, child_command, order, wait_for_parent};
use common::{create, fresh_name, path_of};
use rustix::process::{Resource, Rlimit, setrlimit};
use seqring::{Config, Delivery, Location, OpenOptions, Ring, RingError, Start};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

fn config() -> Config {
    Config::slots(8).of_bytes(1 << 20).delivery(Delivery::Lossy)
}

/// The ring of that name, or of that name in portable memory.
fn location(name: &str) -> Location {
    name.strip_prefix("portable:").map_or_else(|| Location::named(name), Location::portable)
}

#[test]
#[ignore = "the child processes of the other tests run this"]
fn child() {
    let Some((verb, name)) = order() else { return };
    match verb.as_str() {
        "create" => {
            let ring = Ring::create(location(&name), &config()).unwrap();
            let mut writer = ring.writer().unwrap();
            writer.write_each(&[b"x"; 5]).unwrap();
            answer("written");
            wait_for_parent();
        }
        "open-in-little-space" => {
            let little = Rlimit { current: Some(1 << 20), maximum: None };
            setrlimit(Resource::As, little).unwrap();
            answer(&Ring::open(location(&name)).unwrap_err().to_string());
        }
        "leave-elsewhere" => {
            std::env::set_current_dir("/dev/shm").unwrap();
            let ring = Ring::create(Location::in_directory(".", &name), &config()).unwrap();
            std::env::set_current_dir("/").unwrap();
            answer(ring.path().unwrap().to_str().unwrap());
            drop(ring);
            answer("left");
        }
        "open-and-leave-last" => {
            let at = Location::in_directory(Path::new(&name), "shared");
            let ring = Ring::open(&at).unwrap();
            answer("opened");
            wait_for_parent();
            drop(ring);
            answer("left");
        }
        "remove" => {
            let error = Ring::unlink_unused_even_kept(&name).unwrap_err();
            answer(if matches!(error, RingError::PermissionDenied { .. }) { "refused" } else { "other" });
        }
        other => panic!("{other}"),
    }
}

/// Fails if an opener that is refused removes the ring of killed processes, or if the error does
/// not say what differs.
#[test]
fn a_refused_opener_leaves_a_ring_without_users_as_it_was() {
    for prefix in ["", "portable:"] {
        let name = prefix.to_owned() + &fresh_name("refused");
        Peer::ready("create", &name).kill();
        let other = Config::slots(9).of_bytes(1 << 20).delivery(Delivery::Lossy).tag(true);
        let error = Ring::open_or_create(location(&name), &other).unwrap_err();
        let says = "slots: 8, not 9; tag: false, not true";
        assert!(matches!(&error, RingError::Unusable { reason, .. } if reason.ends_with(says)), "{error}");
        let invalid = Config::slots(0).of_bytes(0);
        let options = OpenOptions::new().replace_unused(true);
        let error = options.open_or_create(location(&name), &invalid).unwrap_err();
        assert!(matches!(error, RingError::Config(_)), "{error:?}");
        if prefix.is_empty() {
            let text = Peer::start("open-in-little-space", &name).answer();
            assert!(text.contains("RLIMIT_AS"), "{text}");
        }
        let ring = Ring::open(location(&name)).unwrap();
        assert_eq!(ring.next_sequence(), 5);
        let mut reader = ring.reader(Start::Oldest).unwrap();
        assert!(reader.try_read(&mut [0; 8]).is_ok());
        drop((reader, ring));
        assert!(matches!(Ring::open(location(&name)), Err(RingError::NotFound { .. })), "the last user left");
    }
}

/// Fails if the last user does not find the name again after a change of its directory.
#[test]
fn the_last_user_removes_the_name_after_a_change_of_directory() {
    let name = fresh_name("elsewhere");
    let mut child = Peer::start("leave-elsewhere", &name);
    assert_eq!(Path::new(&child.answer()), path_of(&name));
    assert_eq!(child.answer(), "left");
    assert!(!path_of(&name).exists());
    child.finish();
}

/// Fails if a removal that the directory does not allow is reported as a ring in use.
#[test]
fn a_user_that_may_not_remove_an_unused_ring_gets_an_error() {
    if !rustix::process::geteuid().is_root() {
        return println!("not checked: only root can start a process of another user");
    }
    let name = fresh_name("not-removable");
    drop(OpenOptions::new().mode(0o666).create(&name, &config().keep(true)).unwrap());
    let answer = Peer::spawn(child_command().uid(65534).gid(65534), "remove", &name).answer();
    assert_eq!(answer, "refused");
    Ring::unlink(&name).unwrap();
}

/// The recipe of [`OpenOptions`]: fails if a member of the group cannot open the ring, or cannot
/// remove its name as the last one.
#[test]
fn the_users_of_a_group_share_a_ring_in_a_directory_of_the_group() {
    if !rustix::process::geteuid().is_root() {
        return println!("not checked: only root can start a process of another user");
    }
    let directory = format!("/dev/shm/{}", fresh_name("group"));
    std::fs::create_dir(&directory).unwrap();
    std::os::unix::fs::chown(&directory, None, Some(65534)).unwrap();
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o2775)).unwrap();
    let at = Location::in_directory(&directory, "shared");
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o777));
    let ring = OpenOptions::new().mode(0o660).create(&at, &config()).unwrap();
    rustix::process::umask(before);
    let mut member = Peer::spawn(child_command().uid(65533).gid(65534), "open-and-leave-last", &directory);
    assert_eq!(member.answer(), "opened");
    drop(ring);
    member.close_input();
    assert_eq!(member.answer(), "left");
    assert!(!at.path().unwrap().exists());
    std::fs::remove_dir(&directory).unwrap();
}

/// Fails if a ring without a name, or one whose name leads to another ring, looks named.
#[test]
fn a_ring_knows_whether_it_has_its_name() {
    for prefix in ["", "portable:"] {
        let at = location(&(prefix.to_owned() + &fresh_name("named")));
        let ring = Ring::create(&at, &config()).unwrap();
        assert!(ring.is_named() && Ring::open(&at).unwrap().is_named());
        Ring::unlink(&at).unwrap();
        assert!(!ring.is_named());
        let next = Ring::create(&at, &config()).unwrap();
        assert!(next.is_named() && !ring.is_named());
        drop(ring);
        assert!(next.is_named());
    }
    assert!(!Ring::heap(&Config::slots(2).of_bytes(8)).unwrap().is_named());
    assert!(!Ring::anonymous(&Config::slots(2).of_bytes(8)).unwrap().is_named());
}

/// Fails if the error claims more than that the name is taken.
#[test]
fn the_error_for_a_taken_name_claims_no_kill() {
    let (name, _ring) = create("taken", &config());
    let text = Ring::create(&name, &config()).unwrap_err().to_string();
    assert!(text.contains("if no process has it open") && !text.contains("killed"), "{text}");
}
