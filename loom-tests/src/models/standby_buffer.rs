//! The buffer of a skipped reader's view is not filled while the view lives, and is reused after
//! it. Withdrawn buffers of read messages are reused at once.

use super::messages::{empty, gated, message, number, try_write, view_in_order, write_in_thread};
use seqring::model::{Failpoint, abandon, bury, dies_at, exclusive_payloads};
use seqring::{Config, Ring, SlotClass, Start, TryReadError};

/// Messages long enough for withdrawal.
fn large(slots: usize, participants: usize) -> Ring {
    exclusive_payloads(true);
    let config = Config::slots(slots)
        .of_bytes(128)
        .participants(participants)
        .slot_class(SlotClass::Arena)
        .await_readers(0);
    Ring::heap(&config).unwrap()
}

/// The reader was skipped while it views message 0. The writer publishes over that one, and over
/// later ones, and fills the buffer again only when the view is dropped.
pub(super) fn view_of_a_skipped_reader() {
    let ring = gated(1, 2, SlotClass::Arena);
    let mut writer = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    writer.try_write(&message(0)).unwrap();
    let view = reader.try_view().unwrap();
    ring.skip_readers_to_newest();
    let writing = loom::thread::spawn(move || {
        writer.try_write(&message(1)).unwrap();
        ring.skip_readers_to_newest();
        for n in 2..4 {
            if try_write(&mut writer, n) {
                ring.skip_readers_to_newest();
            }
        }
        writer
    });
    assert_eq!(number(&view), 0);
    drop(view);
    match reader.try_view() {
        Ok(view) => drop(number(&view)),
        Err(TryReadError::Empty | TryReadError::Lagged(_)) => {}
        Err(error) => panic!("{error}"),
    }
    drop(writing.join().unwrap());
}

/// A reader views the buffer in the writer's standby position. Another reader was skipped too: it
/// pins a message that it found before, and stops before it releases the pin. The writer leaves.
/// Its successor fills the second buffer, not the first.
pub(super) fn successor() {
    let ring = gated(1, 3, SlotClass::Arena);
    let mut writer = ring.writer().unwrap();
    let (mut reader, mut late) = (ring.reader(Start::Next).unwrap(), ring.reader(Start::Next).unwrap());
    writer.try_write(&message(0)).unwrap();
    let view = reader.try_view().unwrap();
    ring.skip_readers_to_newest();
    writer.try_write(&message(1)).unwrap();
    assert!(matches!(late.try_view(), Err(TryReadError::Lagged(_))));
    let stopping = loom::thread::spawn(move || {
        dies_at(Failpoint::ReadPinned, || drop(late.try_view()));
        late
    });
    ring.skip_readers_to_newest();
    let _ = writer.try_write(&message(2)); // Full if the pin holds.
    drop(writer);
    let mut successor = ring.writer().unwrap();
    ring.skip_readers_to_newest();
    let _ = successor.try_write(&message(3));
    assert_eq!(number(&view), 0);
    drop((view, successor, stopping.join().unwrap()));
}

/// Two readers were skipped. One views the buffer in the writer's standby position, the other the
/// message that the writer overwrites next. When the first view is dropped, the writer fills that
/// buffer without another check of the readers.
pub(super) fn second_view() {
    let ring = gated(2, 3, SlotClass::Arena);
    let mut writer = ring.writer().unwrap();
    let (mut one, mut other) = (ring.reader(Start::Next).unwrap(), ring.reader(Start::Next).unwrap());
    for n in 0..2 {
        writer.try_write(&message(n)).unwrap();
    }
    let first = one.try_view().unwrap();
    ring.skip_readers_to_newest();
    writer.try_write(&message(2)).unwrap();
    assert!(matches!(other.try_view(), Err(TryReadError::Lagged(_))));
    let second = other.try_view().unwrap();
    writer.try_write(&message(3)).unwrap();
    ring.skip_readers_to_newest();
    let writing = write_in_thread(writer, 4..6);
    assert_eq!(number(&first), 0);
    drop(first);
    let (writer, _) = writing.join().unwrap();
    assert_eq!(number(&second), 2);
    drop((second, writer));
}

/// As [`second_view`]; the first reader pins another message when it has dropped its view.
pub(super) fn pinned_again() {
    let ring = gated(3, 3, SlotClass::Arena);
    let mut writer = ring.writer().unwrap();
    let (mut one, mut other) = (ring.reader(Start::Next).unwrap(), ring.reader(Start::Next).unwrap());
    for n in 0..3 {
        writer.try_write(&message(n)).unwrap();
    }
    let first = one.try_view().unwrap();
    ring.skip_readers_to_newest();
    writer.try_write(&message(3)).unwrap();
    assert!(matches!(other.try_view(), Err(TryReadError::Lagged(_))));
    let second = other.try_view().unwrap();
    writer.try_write(&message(4)).unwrap();
    ring.skip_readers_to_newest();
    writer.try_write(&message(5)).unwrap();
    let writing = write_in_thread(writer, 6..8);
    assert_eq!(number(&first), 0);
    drop(first);
    assert!(matches!(one.try_view(), Err(TryReadError::Lagged(_))));
    drop(one.try_view());
    let (writer, _) = writing.join().unwrap();
    assert_eq!(number(&second), 3);
    drop((second, writer));
}

/// The writer dies when it has published over the view of a skipped reader. Its successor fills the
/// other buffer.
pub(super) fn dead_writer() {
    let ring = gated(1, 2, SlotClass::Arena);
    let mut writer = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    writer.try_write(&message(0)).unwrap();
    let view = reader.try_view().unwrap();
    ring.skip_readers_to_newest();
    assert!(dies_at(Failpoint::PublishDone, || _ = writer.try_write(&message(1))));
    bury(&ring, abandon(writer));
    let mut successor = ring.writer().unwrap();
    ring.skip_readers_to_newest();
    successor.try_write(&message(2)).unwrap();
    assert_eq!(number(&view), 0);
    drop((view, successor));
}

/// The writer withdraws read messages while the reader continues.
pub(super) fn withdraw() {
    let ring = large(2, 2);
    let writer = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    let writing = write_in_thread(writer, 0..3);
    let next = view_in_order(&mut reader, 0, 2, empty);
    let (writer, written) = writing.join().unwrap();
    assert_eq!(view_in_order(&mut reader, next, 3, empty), written);
    drop(writer);
}

/// A reader registers while the writer withdraws messages that another has read: it finds the
/// messages that its position promises.
pub(super) fn withdraw_register() {
    register_while_withdrawing(2);
}

/// The same with a position so far below the newest message that the limit of the writer's second
/// check matters.
pub(super) fn withdraw_register_low() {
    register_while_withdrawing(3);
}

fn register_while_withdrawing(slots: usize) {
    let ring = large(slots, 3);
    let mut writer = ring.writer().unwrap();
    let mut first = ring.reader(Start::Next).unwrap();
    writer.try_write(&message(0)).unwrap();
    number(&first.try_view().unwrap());
    let writing = write_in_thread(writer, 1..3);
    let mut late = ring.reader(Start::Oldest).unwrap();
    let position = late.position();
    let next = view_in_order(&mut late, position, 1, empty);
    let (writer, written) = writing.join().unwrap();
    assert_eq!(view_in_order(&mut late, next, 3, empty), 1 + written, "a gap");
    drop((writer, first));
}
