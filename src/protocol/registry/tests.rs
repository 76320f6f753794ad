use super::{Registration, is_first_to_find};
use crate::api::ring::Ring;
use crate::types::config::Config;
use crate::types::message::Start;
use crate::types::participant::Role;

/// Fails if a writer goes on before a reader has its position, or with that of the entry's last
/// reader.
#[test]
fn a_reader_without_a_position_has_not_joined() {
    let ring = Ring::heap(&Config::slots(1).of_bytes(8)).unwrap();
    let joined = || super::joined(&ring.attachment.memory, Role::Reader);
    let reader = ring.reader(Start::Next).unwrap();
    assert_eq!(joined(), 1);
    drop(reader);
    let joining = Registration::register(&ring.attachment, Role::Reader, 1..2).unwrap();
    assert_eq!(joined(), 0);
    drop(joining);
}

/// Fails if two processes that share the entry of a dead writer both recover it.
#[test]
fn a_dead_writer_has_one_finder() {
    let ring = Ring::heap(&Config::slots(1).of_bytes(8)).unwrap();
    let writer = Registration::register(&ring.attachment, Role::Writer, 0..1).unwrap();
    assert!(is_first_to_find(&ring.attachment, writer.index()));
    assert!(!is_first_to_find(&ring.attachment, writer.index()), "another process has found it");
    let reader = Registration::register(&ring.attachment, Role::Reader, 1..2).unwrap();
    assert!(is_first_to_find(&ring.attachment, reader.index()));
}
