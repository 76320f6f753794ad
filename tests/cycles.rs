//! Whoever comes and is killed, over and over, leaves nothing behind.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

mod common;
#[path = "common/peer.rs"]
mod peer;

use common::{fresh_name, message, segments_named};
use peer::{Peer, answer, order, wait_for_parent};
use seqring::{Config, Ring, Start, TryWriteError};
use std::time::Duration;

const SLOT_BYTES: usize = 64;
const NEVER: Duration = Duration::from_secs(20);

#[test]
#[ignore = "this is what the children of the other tests run"]
fn child() {
    let Some((what, name)) = order() else { return };
    let ring = match what.as_str() {
        "create" => Ring::create(&name, &Config::new(4, SLOT_BYTES)).unwrap(),
        _ => Ring::open(&name).unwrap(),
    };
    let _joined = (ring.reader(Start::Next), ring.writer());
    answer("joined");
    wait_for_parent();
}

/// Descriptors of this process.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
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
    let (descriptors_before, locks_before) = (descriptors(), locks_on(&ring));
    // Eight at a time, of which seven find no entry for a writer; all are killed where they stand.
    for _ in 0..125 {
        let peers: Vec<_> = (0..8).map(|_| Peer::ready("open", &name)).collect();
        peers.into_iter().for_each(Peer::kill);
    }
    assert_eq!((descriptors(), locks_on(&ring)), (descriptors_before, locks_before));
    assert!(ring.participants().iter().all(|participant| !participant.alive));
    // The table is as good as new.
    let mut readers: Vec<_> = (0..3).map(|_| ring.reader(Start::Next).unwrap()).collect();
    let mut writer = ring.writer().unwrap();
    for n in 0..4 {
        writer.write_timeout(&message(n, SLOT_BYTES), NEVER).unwrap();
    }
    assert_eq!(writer.try_write(&message(4, SLOT_BYTES)), Err(TryWriteError::Full));
    readers.iter_mut().for_each(|reader| assert!(reader.try_read(&mut [0; SLOT_BYTES]).is_ok()));
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
