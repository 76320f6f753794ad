//! Tables: a value that is got while it is set, and a wait for a change.

use super::messages::{message, number};
use seqring::model::{exclusive_payloads, set_heavy_barrier};
use seqring::wait::WaitSet;
use seqring::{Config, Delivery, Ring, SlotClass};

fn table(keys: usize) -> Ring {
    exclusive_payloads(false);
    let config = Config::slots(keys).of_bytes(16).participants(2).delivery(Delivery::Latest);
    Ring::heap(&config.slot_class(SlotClass::Packed).timestamp(false)).unwrap()
}

/// A reader gets a value twice while it is set three times: both are whole, the second no earlier.
pub(super) fn latest() {
    let table = table(1);
    let (mut writer, mut reader) = (table.table_writer().unwrap(), table.table_reader().unwrap());
    writer.set(0, &message(0)).unwrap();
    let writing = loom::thread::spawn(move || {
        for n in 1..4 {
            writer.set(0, &message(n)).unwrap();
        }
        writer
    });
    let mut last = 0;
    for _ in 0..2 {
        let mut out = [0; 16];
        let latest = reader.get(0, &mut out).unwrap().unwrap();
        assert_eq!(number(&out), latest.version - 1);
        assert!(number(&out) >= last);
        last = number(&out);
    }
    drop(writing.join().unwrap());
}

/// A reader waits until both keys have changed: each wait ends, and then the changed keys show.
pub(super) fn wait() {
    set_heavy_barrier(false);
    let table = table(2);
    let (mut writer, reader) = (table.table_writer().unwrap(), table.table_reader().unwrap());
    let writing = loom::thread::spawn(move || {
        for key in 0..2 {
            writer.set(key, &message(7)).unwrap();
        }
        writer
    });
    let mut set = WaitSet::new();
    let token = set.add(reader);
    let mut left = 2;
    while left > 0 {
        set.wait().unwrap();
        let changed = set[token].changed();
        assert!(!changed.is_empty());
        left -= changed.len();
        for key in changed {
            let mut out = [0; 16];
            set[token].get(key, &mut out).unwrap().unwrap();
            assert_eq!(number(&out), 7);
        }
    }
    drop(writing.join().unwrap());
}
