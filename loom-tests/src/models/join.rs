//! A reader that joins a gated ring while the writer runs is never overtaken from its first message on.

use super::{message, number};
use seqring::model::exclusive_payloads;
use seqring::{Config, Ring, SlotClass, Start, TryReadError};

pub(super) fn next() {
    join_while_writing(Start::Next);
}

pub(super) fn oldest() {
    join_while_writing(Start::Oldest);
}

fn join_while_writing(start: Start) {
    exclusive_payloads(true);
    let ring = Ring::heap(&Config::new(1, 16).participants(2).slot_class(SlotClass::Packed)).unwrap();
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
    let mut next = reader.position();
    let mut out = [0; 16];
    let mut read = |reader: &mut seqring::Reader| match reader.try_read(&mut out) {
        Ok(received) => {
            assert_eq!((received.sequence, number(&out)), (next, next));
            next += 1;
        }
        Err(TryReadError::Empty) => {}
        Err(error) => panic!("{error}"),
    };
    read(&mut reader);
    let writer = writing.join().unwrap();
    read(&mut reader);
    drop(writer);
}
