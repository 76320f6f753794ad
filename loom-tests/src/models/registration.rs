//! A reader that registers with a gated ring while the writer runs is not overtaken from its first
//! message on. A reader that the ring awaits gets every message.

use super::messages::{assert_each_once, empty, gated, message, read_any, read_in_order, write_in_thread};
use seqring::model::exclusive_payloads;
use seqring::{Config, Ring, SlotClass, Start, Writers};

pub(super) fn next() {
    register_while_writing(Start::Next);
}

pub(super) fn oldest() {
    register_while_writing(Start::Oldest);
}

fn register_while_writing(start: Start) {
    let ring = gated(1, 2, SlotClass::Packed);
    let mut writer = ring.writer().unwrap();
    writer.try_write(&message(0)).unwrap();
    let writing = loom::thread::spawn(move || {
        for _ in 0..2 {
            let n = writer.next_sequence();
            let _ = writer.try_write(&message(n));
        }
        writer
    });
    let mut reader = ring.reader(start).unwrap();
    let first = reader.position();
    let next = read_in_order(&mut reader, first, 1, empty);
    let writer = writing.join().unwrap();
    read_in_order(&mut reader, next, 1, empty);
    drop(writer);
}

/// A successor's first check of the readers is in the middle of the lap.
pub(super) fn awaited() {
    exclusive_payloads(true);
    let ring =
        Ring::heap(&Config::slots(2).of_bytes(16).participants(2).slot_class(SlotClass::Packed)).unwrap();
    ring.writer().unwrap().try_write(&message(0)).unwrap();
    let writing = write_in_thread(ring.writer().unwrap(), 1..3);
    let mut reader = ring.reader(Start::Next).unwrap();
    let next = read_in_order(&mut reader, 0, 1, empty);
    let (writer, written) = writing.join().unwrap();
    assert_eq!(read_in_order(&mut reader, next, 3, empty), 1 + written, "a message is lost");
    drop(writer);
}

/// One writer may see the reader counted, and announce a higher limit, while the other does not.
pub(super) fn awaited_by_many() {
    exclusive_payloads(true);
    // The second writer begins at message 2, which is not its ring's first.
    let config = Config::slots(4).of_bytes(16).writers(Writers::Many).participants(3);
    let ring = Ring::heap(&config).unwrap();
    let mut one = ring.writer().unwrap();
    (0..2).for_each(|n| _ = one.try_write(&message(n)).unwrap());
    let writing = write_in_thread(ring.writer().unwrap(), 2..5);
    let mut reader = ring.reader(Start::Next).unwrap();
    let (mut messages, _) = read_any(&mut reader, 2, empty);
    let (two, written) = writing.join().unwrap();
    messages.extend(read_any(&mut reader, 5, empty).0);
    assert_each_once(messages, 2 + written);
    drop((one, two));
}
