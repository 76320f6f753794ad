//! Whoever comes and is killed, over and over, leaves nothing behind.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]
#![allow(unsafe_code, reason = "fork")]

mod common;
#[path = "common/peer.rs"]
mod peer;

use common::{fresh_name, message, segments_named};
use peer::{Peer, answer, order, wait_for_parent};
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, waitpid};
use seqring::{Config, Ring, Start, TryWriteError};
use std::time::Duration;

const SLOT_BYTES: usize = 64;
const NEVER: Duration = Duration::from_secs(20);

#[test]
#[ignore = "this is what the children of the other tests run"]
fn child() {
    let Some((what, name)) = order() else { return };
    if what == "come-and-die" {
        (0..1000).for_each(|_| come_and_die(&name));
        return;
    }
    let ring = Ring::create(&name, &Config::new(4, SLOT_BYTES)).unwrap();
    let _joined = (ring.reader(Start::Next), ring.writer());
    answer("joined");
    wait_for_parent();
}

/// A forked child opens the ring, joins it, and is killed.
fn come_and_die(name: &str) {
    // SAFETY: the child of this process with threads runs Rust code, which allocates: glibc keeps its allocator usable
    // across a fork. It takes no lock that another thread of its parent may have held, and never returns.
    match Pid::from_raw(unsafe { libc::fork() }) {
        None => {
            let ring = Ring::open(name);
            let _joined = ring.as_ref().map(|ring| (ring.reader(Start::Next), ring.writer()));
            let _ = kill_process(getpid(), Signal::KILL);
        }
        child => {
            let (_, status) = waitpid(child, WaitOptions::empty()).unwrap().unwrap();
            assert!(status.signaled());
        }
    }
}

/// Descriptors of this process that lead to a ring of that name.
fn descriptors_of(name: &str) -> usize {
    let links = std::fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().path());
    // One that another test closes meanwhile is not ours.
    let targets = links.filter_map(|link| std::fs::read_link(link).ok());
    targets.filter(|target| target.to_string_lossy().contains(name)).count()
}

/// Locks on files, of everybody: a line each.
fn locks_on(ring: &Ring) -> usize {
    use std::os::unix::fs::MetadataExt;
    let inode = format!(":{} ", std::fs::metadata(ring.path().unwrap()).unwrap().ino());
    std::fs::read_to_string("/proc/locks").unwrap().lines().filter(|line| line.contains(&inode)).count()
}

/// Fails if a killed process leaves an entry that is not taken again, or if finding it dead costs a descriptor.
#[test]
fn a_thousand_killed_participants_leave_descriptors_locks_and_entries_as_they_were() {
    let name = fresh_name("cycles");
    let ring = Ring::create(&name, &Config::new(4, SLOT_BYTES).participants(4)).unwrap();
    let (descriptors_before, locks_before) = (descriptors_of(&name), locks_on(&ring));
    Peer::start("come-and-die", &name).finish();
    assert_eq!((descriptors_of(&name), locks_on(&ring)), (descriptors_before, locks_before));
    assert!(ring.participants().iter().all(|participant| !participant.alive));
    // The table is as good as new.
    let mut readers: Vec<_> = (0..3).map(|_| ring.reader(Start::Next).unwrap()).collect();
    let mut writer = ring.writer().unwrap();
    for n in 0..4 {
        writer.write_timeout(&message(n, SLOT_BYTES), NEVER).unwrap();
    }
    assert_eq!(writer.try_write(&message(4, SLOT_BYTES)), Err(TryWriteError::Full));
    for reader in &mut readers {
        assert!(reader.try_read(&mut [0; SLOT_BYTES]).is_ok());
    }
    drop((ring, readers, writer));
    assert_eq!(segments_named(&name), [""; 0]);
}

/// Fails if what a killed creator leaves cannot be opened, or stays when the next one leaves.
#[test]
fn the_rings_of_killed_creators_go_with_the_next_one_who_opens_them() {
    for _ in 0..50 {
        let name = fresh_name("orphan");
        Peer::ready("create", &name).kill();
        assert_eq!(segments_named(&name).len(), 1);
        drop(Ring::open(&name).unwrap());
        assert_eq!(segments_named(&name), [""; 0]);
    }
}
