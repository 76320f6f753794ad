//! Anonymous rings: sealed memory, and its descriptors that are sent between processes.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

mod common;

use common::TEST_TIMEOUT;
use common::peer::{Peer, answer, order, wait_for_parent};
use rustix::fs::{SealFlags, fcntl_add_seals, fcntl_get_seals, ftruncate};
use seqring::inspect::Segment;
use seqring::process::{receive_descriptor, send_descriptor};
use seqring::{Config, Delivery, Observer, Ring, RingError, Start, TryWriteError};
use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};

fn config() -> Config {
    Config::slots(4).of_bytes(64).delivery(Delivery::Gated).observers(true)
}

/// Fails without the seals: a peer could then shrink the memory, and every access would be a
/// `SIGBUS`.
#[test]
fn an_anonymous_ring_cannot_be_shrunk_or_grown() {
    let ring = Ring::anonymous(&config()).unwrap();
    let descriptor = ring.descriptor().unwrap();
    assert!(fcntl_get_seals(&descriptor).unwrap().contains(SealFlags::SHRINK | SealFlags::GROW));
    for bytes in [0, 4096, 1 << 30] {
        assert_eq!(ftruncate(&descriptor, bytes), Err(rustix::io::Errno::PERM));
    }
    assert_eq!(ring.path(), None);
}

/// Fails if a descriptor carries locks between processes: a process that keeps it would keep dead
/// participants alive.
#[test]
fn descriptors_hold_no_locks_and_each_handle_has_its_own() {
    let ring = Ring::anonymous(&config()).unwrap();
    let (kept, given) = (ring.descriptor().unwrap(), ring.descriptor().unwrap());
    let twin = given.try_clone().unwrap();
    // Both from one open file description.
    let (one, two) = (Ring::from_descriptor(given).unwrap(), Ring::from_descriptor(twin).unwrap());
    let writer = one.writer().unwrap();
    assert!(two.writer().is_err(), "two handles share their locks");
    drop((writer, one));
    assert!(two.writer().is_ok());
    drop((ring, two));
    assert!(!Segment::from_descriptor(kept).unwrap().is_in_use(), "a descriptor counts as a user");
}

/// Fails if a process with a read-only descriptor can write, through it or by opening it again.
#[test]
fn a_sealed_ring_has_no_further_writers_and_continues() {
    let ring = Ring::anonymous(&config()).unwrap();
    let mut writer = ring.writer().unwrap();
    let before = ring.descriptor().unwrap();
    ring.seal_against_writers().unwrap();
    assert_eq!(
        fcntl_add_seals(&before, SealFlags::WRITE),
        Err(rustix::io::Errno::PERM),
        "further seals can be added"
    );
    for descriptor in [before, ring.read_only_descriptor().unwrap()] {
        let again = descriptor.try_clone().unwrap();
        let refused = Ring::from_descriptor(descriptor).unwrap_err();
        assert!(
            matches!(refused, RingError::Unusable { .. }) && refused.to_string().contains("observe"),
            "{refused}"
        );
        let mut observer = Observer::from_descriptor(again, Start::Next).unwrap();
        let sequence = writer.write(b"goes on").unwrap();
        assert_eq!(observer.read(&mut [0; 64]).unwrap().sequence, sequence);
    }
    assert_eq!(ring.reader(Start::Next).unwrap().lag(), 2, "the ring awaited this reader");
}

/// Fails if a closed socket, or a message without a descriptor, is accepted.
#[test]
fn receiving_reports_a_missing_descriptor() {
    let (mut here, there) = UnixStream::pair().unwrap();
    here.write_all(b"r").unwrap();
    assert_eq!(receive_descriptor(&there).unwrap_err().kind(), std::io::ErrorKind::InvalidData);
    drop(here);
    assert_eq!(receive_descriptor(&there).unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
    let (socket, file) = (UnixStream::pair().unwrap(), std::fs::File::open("/proc/self/stat").unwrap());
    send_descriptor(&socket.0, &file).unwrap();
    let error = Ring::from_descriptor(receive_descriptor(&socket.1).unwrap()).unwrap_err();
    assert!(matches!(error, RingError::Unusable { .. }), "{error:?}");
}

#[test]
#[ignore = "the child process of the next test runs this"]
fn child() {
    let Some((_, path)) = order() else { return };
    let descriptor = receive_descriptor(UnixStream::connect(path).unwrap()).unwrap();
    let ring = Ring::from_descriptor(descriptor).unwrap();
    let _reader = ring.reader(Start::Next).unwrap();
    answer("registered");
    wait_for_parent();
}

/// Fails if a running process cannot receive a descriptor; or if that process's death leaves its
/// entry taken, which would happen if its locks belonged to this process.
#[test]
fn a_descriptor_can_be_sent_to_another_process_through_a_socket() {
    let path = std::env::temp_dir().join(format!("seqring-memfd-{}", std::process::id()));
    let listener = UnixListener::bind(&path).unwrap();
    let ring = Ring::anonymous(&config()).unwrap();
    let mut child = Peer::start("receive", path.to_str().unwrap());
    let (socket, _) = listener.accept().unwrap();
    send_descriptor(&socket, ring.descriptor().unwrap()).unwrap();
    std::fs::remove_file(&path).unwrap();
    child.answer();
    let mut writer = ring.writer().unwrap();
    while writer.try_write(b"x") != Err(TryWriteError::Full) {}
    child.kill();
    assert!(writer.write_timeout(b"x", TEST_TIMEOUT).is_ok());
}
