//! A reader leaves and another takes its entry: the reads of the first happen before the writes
//! that the cursor of the second permits.

use super::messages::{gated, message, number};
use seqring::{Reader, SlotClass, Start};

pub(super) fn reads() {
    reuse(1, SlotClass::Packed, |reader| _ = reader.try_read(&mut [0; 16]).unwrap());
}

pub(super) fn views() {
    reuse(2, SlotClass::Arena, |reader| _ = number(&reader.try_view().unwrap()));
}

fn reuse(slots: usize, class: SlotClass, read: fn(&mut Reader)) {
    let ring = gated(slots, 2, class);
    let mut writer = ring.writer().unwrap();
    let mut first = ring.reader(Start::Next).unwrap();
    let slots = slots as u64;
    for n in 0..slots {
        writer.try_write(&message(n)).unwrap();
    }
    let writing = loom::thread::spawn(move || {
        for n in slots..2 * slots {
            let _ = writer.try_write(&message(n));
        }
        writer
    });
    read(&mut first);
    drop(first);
    let second = ring.reader(Start::Next).unwrap();
    drop(writing.join().unwrap());
    drop(second);
}
