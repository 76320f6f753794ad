//! A lossy reader gets whole messages, whatever the writer does meanwhile.

use super::{message, number};
use seqring::model::exclusive_payloads;
use seqring::{Config, Delivery, Lagged, Reader, Ring, SlotClass, Start, TryReadError};

/// One slot: the writer overwrites the very bytes that the reader copies.
pub(super) fn inline() {
    let ring = ring(SlotClass::Packed, Delivery::Lossy);
    let mut writer = ring.writer().unwrap();
    let reader = ring.reader(Start::Next).unwrap();
    let writing = loom::thread::spawn(move || {
        for n in 0..2 {
            writer.try_write(&message(n)).unwrap();
        }
    });
    read_whole(reader, 1);
    writing.join().unwrap();
}

/// Three slots: before each lap the writer stores to the slots that are next, while the reader reads what is in them.
pub(super) fn fetched_ahead() {
    let ring = ring_of(3, SlotClass::Packed, Delivery::Lossy);
    let mut writer = ring.writer().unwrap();
    let reader = ring.reader(Start::Next).unwrap();
    let writing = loom::thread::spawn(move || {
        for n in 0..4 {
            writer.try_write(&message(n)).unwrap();
        }
    });
    read_whole(reader, 2);
    writing.join().unwrap();
}

/// One slot, two buffers: the third message goes into the buffer of the first.
pub(super) fn arena() {
    let ring = ring(SlotClass::Arena, Delivery::Lossy);
    let mut writer = ring.writer().unwrap();
    let reader = ring.reader(Start::Next).unwrap();
    writer.try_write(&message(0)).unwrap();
    let writing = loom::thread::spawn(move || {
        for n in 1..3 {
            writer.try_write(&message(n)).unwrap();
        }
    });
    read_whole(reader, 2);
    writing.join().unwrap();
}

/// A gated reader that is skipped in the middle of a copy is refused or gets a whole message.
pub(super) fn skipped() {
    let ring = ring(SlotClass::Packed, Delivery::Gated);
    let mut writer = ring.writer().unwrap();
    let reader = ring.reader(Start::Next).unwrap();
    writer.try_write(&message(0)).unwrap();
    let writing = loom::thread::spawn(move || {
        ring.skip_readers_to_newest();
        writer.try_write(&message(1)).unwrap();
    });
    read_whole(reader, 2);
    writing.join().unwrap();
}

fn ring(class: SlotClass, delivery: Delivery) -> Ring {
    ring_of(1, class, delivery)
}

fn ring_of(slots: usize, class: SlotClass, delivery: Delivery) -> Ring {
    exclusive_payloads(false);
    Ring::heap(&Config::new(slots, 16).participants(2).slot_class(class).delivery(delivery)).unwrap()
}

/// Reads some messages: each whole, in its order, and with every lost one counted.
fn read_whole(mut reader: Reader, tries: usize) {
    let (mut out, mut next) = ([0; 16], 0);
    for _ in 0..tries {
        match reader.try_read(&mut out) {
            Ok(received) => {
                assert_eq!((received.sequence, number(&out)), (next, next));
                next += 1;
            }
            Err(TryReadError::Lagged(Lagged { missed })) => next += missed,
            Err(TryReadError::Empty | TryReadError::Closed) => {}
            Err(error) => panic!("{error}"),
        }
    }
}
