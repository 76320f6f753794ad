//! A reader leaves and another takes its entry: the writer that acts on the second's cursor is ordered behind what
//! the first read.

use super::{message, number};
use seqring::model::exclusive_payloads;
use seqring::{Config, Ring, SlotClass, Start};

pub(super) fn reads() {
    exclusive_payloads(true);
    let ring = Ring::heap(&Config::new(1, 16).participants(2).slot_class(SlotClass::Packed)).unwrap();
    let mut writer = ring.writer().unwrap();
    let mut first = ring.reader(Start::Next).unwrap();
    writer.try_write(&message(0)).unwrap();
    let writing = loom::thread::spawn(move || {
        let _ = writer.try_write(&message(1));
        writer
    });
    first.try_read(&mut [0; 16]).unwrap();
    drop(first);
    let second = ring.reader(Start::Next).unwrap();
    drop(writing.join().unwrap());
    drop(second);
}

pub(super) fn views() {
    exclusive_payloads(true);
    let ring = Ring::heap(&Config::new(2, 16).participants(2).slot_class(SlotClass::Arena)).unwrap();
    let mut writer = ring.writer().unwrap();
    let mut first = ring.reader(Start::Next).unwrap();
    for n in 0..2 {
        writer.try_write(&message(n)).unwrap();
    }
    let writing = loom::thread::spawn(move || {
        for n in 2..4 {
            let _ = writer.try_write(&message(n));
        }
        writer
    });
    number(&first.try_view().unwrap());
    drop(first);
    let second = ring.reader(Start::Next).unwrap();
    drop(writing.join().unwrap());
    drop(second);
}
