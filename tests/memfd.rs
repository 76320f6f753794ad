//! Rings without a name: sealed memory, and descriptors of it that go from process to process.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

use rustix::fs::{SealFlags, fcntl_add_seals, fcntl_get_seals, ftruncate};
use seqring::{
    Config, Delivery, Observer, Ring, RingError, Segment, Start, TryWriteError, receive_descriptor,
    send_descriptor,
};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};

fn config() -> Config {
    Config::new(4, 64).delivery(Delivery::Gated).observers(true)
}

/// Fails without the seals: then a peer can take the memory away, and every access is a `SIGBUS`.
#[test]
fn nobody_can_shrink_or_grow_an_anonymous_ring() {
    let ring = Ring::anonymous(&config()).unwrap();
    let descriptor = ring.descriptor().unwrap();
    assert!(fcntl_get_seals(&descriptor).unwrap().contains(SealFlags::SHRINK | SealFlags::GROW));
    for bytes in [0, 4096, 1 << 30] {
        assert_eq!(ftruncate(&descriptor, bytes), Err(rustix::io::Errno::PERM));
    }
    assert_eq!(ring.path(), None);
}

/// Fails if a descriptor carries locks from process to process: whoever keeps it would keep the dead alive.
#[test]
fn descriptors_hold_no_locks_and_handles_have_their_own() {
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

/// Fails if who may only look can write: by its descriptor, or by opening that again.
#[test]
fn a_sealed_ring_has_no_further_writers_but_goes_on() {
    let ring = Ring::anonymous(&config()).unwrap();
    let mut writer = ring.writer().unwrap();
    let before = ring.descriptor().unwrap();
    ring.seal_against_writers().unwrap();
    assert_eq!(
        fcntl_add_seals(&before, SealFlags::WRITE),
        Err(rustix::io::Errno::PERM),
        "seals are not sealed"
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
    assert_eq!(ring.reader(Start::Next).unwrap().lag(), 0);
}

/// Fails if a closed socket, or a message without a descriptor, is taken for one.
#[test]
fn receiving_says_what_did_not_come() {
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

/// Fails if a descriptor does not survive the way to a process that this one did not start with it; and if that
/// process's death leaves its entry taken, as it would if its locks were this process's.
#[test]
fn a_descriptor_reaches_another_process_through_a_socket() {
    const CHILD: &str = "SEQRING_MEMFD_CHILD";
    if let Ok(path) = std::env::var(CHILD) {
        let descriptor = receive_descriptor(UnixStream::connect(path).unwrap()).unwrap();
        let ring = Ring::from_descriptor(descriptor).unwrap();
        let _reader = ring.reader(Start::Next).unwrap();
        println!("joined");
        let _ = std::io::stdin().read_line(&mut String::new());
        return;
    }
    let path = std::env::temp_dir().join(format!("seqring-memfd-{}", std::process::id()));
    let listener = UnixListener::bind(&path).unwrap();
    let ring = Ring::anonymous(&config()).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["a_descriptor_reaches_another_process_through_a_socket", "--exact", "--nocapture"])
        .env(CHILD, &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (socket, _) = listener.accept().unwrap();
    send_descriptor(&socket, ring.descriptor().unwrap()).unwrap();
    std::fs::remove_file(&path).unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.ends_with("joined")));
    let mut writer = ring.writer().unwrap();
    while writer.try_write(b"x") != Err(TryWriteError::Full) {}
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(writer.write_timeout(b"x", std::time::Duration::from_secs(20)).is_ok());
}
