//! Killed participants and creators leave no descriptor, lock, entry or name behind, over many
//! cycles.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]
#![allow(unsafe_code, reason = "fork")]

mod common;

use common::peer::{Peer, answer, order, wait_for_parent};
use common::{TEST_TIMEOUT, create, fresh_name, inherited_descriptors, message, segments_named};
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, waitpid};
use seqring::{Config, Observer, Ring, Start, TryWriteError};

const SLOT_BYTES: usize = 64;

#[test]
#[ignore = "the child processes of the other tests run this"]
fn child() {
    let Some((verb, name)) = order() else { return };
    if verb == "register-and-die" {
        (0..1000).for_each(|_| register_and_die(&name));
        return;
    }
    let ring = Ring::create(&name, &Config::slots(4).of_bytes(SLOT_BYTES)).unwrap();
    let _registered = (ring.reader(Start::Next), ring.writer());
    answer("registered");
    wait_for_parent();
}

/// A forked child opens the ring, registers, and is killed.
fn register_and_die(name: &str) {
    // SAFETY: the child of this process with threads runs Rust code, which allocates: glibc keeps
    // its allocator usable across a fork. It takes no lock that another thread of its parent may
    // have held, and never returns.
    match Pid::from_raw(unsafe { libc::fork() }) {
        None => {
            let ring = Ring::open(name);
            let _registered = ring.as_ref().map(|ring| (ring.reader(Start::Next), ring.writer()));
            let _ = kill_process(getpid(), Signal::KILL);
        }
        child => {
            let (_, status) = waitpid(child, WaitOptions::empty()).unwrap().unwrap();
            assert!(status.signaled());
        }
    }
}

/// Descriptors of this process that refer to a ring of that name.
fn descriptors_of(name: &str) -> usize {
    let links = std::fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().path());
    // Another test may close a descriptor meanwhile.
    let targets = links.filter_map(|link| std::fs::read_link(link).ok());
    targets.filter(|target| target.to_string_lossy().contains(name)).count()
}

/// Locks of all processes on the ring's file: `/proc/locks` has a line for each.
fn locks_on(ring: &Ring) -> usize {
    use std::os::unix::fs::MetadataExt;
    let inode = format!(":{} ", std::fs::metadata(ring.path().unwrap()).unwrap().ino());
    std::fs::read_to_string("/proc/locks").unwrap().lines().filter(|line| line.contains(&inode)).count()
}

/// Fails if the entry of a killed process is not reused, or if its detection leaks a descriptor.
#[test]
fn a_thousand_killed_participants_leave_descriptors_locks_and_entries_as_they_were() {
    let (name, ring) = create("leaks", &Config::slots(4).of_bytes(SLOT_BYTES).participants(4));
    let (descriptors_before, locks_before) = (descriptors_of(&name), locks_on(&ring));
    Peer::start("register-and-die", &name).finish();
    assert_eq!((descriptors_of(&name), locks_on(&ring)), (descriptors_before, locks_before));
    assert!(ring.participants().iter().all(|participant| !participant.alive));
    // All entries of the table can be used.
    let mut readers: Vec<_> = (0..3).map(|_| ring.reader(Start::Next).unwrap()).collect();
    let mut writer = ring.writer().unwrap();
    for n in 0..4 {
        writer.write_timeout(&message(n, SLOT_BYTES), TEST_TIMEOUT).unwrap();
    }
    assert_eq!(writer.try_write(&message(4, SLOT_BYTES)), Err(TryWriteError::Full));
    for reader in &mut readers {
        assert!(reader.try_read(&mut [0; SLOT_BYTES]).is_ok());
    }
    drop((ring, readers, writer));
    assert_eq!(segments_named(&name), [""; 0]);
}

/// Fails if a program that a user of a ring executes gets a descriptor of it: it would keep the
/// ring's memory, and the locks of dead participants.
#[test]
fn no_descriptor_survives_an_exec() {
    let (name, ring) = create("exec", &Config::slots(4).of_bytes(SLOT_BYTES).observers(true));
    let opened = Ring::open(&name).unwrap();
    let observer = Observer::open(&name, Start::Next).unwrap();
    let anonymous = Ring::anonymous(&Config::slots(4).of_bytes(SLOT_BYTES)).unwrap();
    let received = Ring::from_descriptor(anonymous.descriptor().unwrap()).unwrap();
    let given = (anonymous.descriptor().unwrap(), anonymous.read_only_descriptor().unwrap());
    let mut reader = ring.reader(Start::Next).unwrap();
    let notifier = reader.notifier().unwrap();
    // The file of a ring that this process made is shown without its name.
    for part in ["/dev/shm/", "memfd:seqring", "eventfd"] {
        assert_eq!(inherited_descriptors(part), [""; 0]);
    }
    drop((opened, observer, received, given, notifier));
}

/// Fails if the ring of a killed creator cannot be opened, or stays when the next user leaves.
#[test]
fn the_ring_of_a_killed_creator_is_removed_by_the_next_user() {
    for _ in 0..50 {
        let name = fresh_name("orphan");
        Peer::ready("create", &name).kill();
        assert_eq!(segments_named(&name).len(), 1);
        drop(Ring::open(&name).unwrap());
        assert_eq!(segments_named(&name), [""; 0]);
    }
}
