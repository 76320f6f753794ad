//! Whoever waits for the dead goes on; and every reader is told of a death once, after what was published before.

use super::super::many::assert_owned_once;
use super::super::{message, number};
use loom::thread;
use seqring::model::{Failpoint, abandon, abandon_reader, bury, dies_at, exclusive_payloads, look_for_the_dead};
use seqring::{
    Config, Delivery, Reader, Ring, Role, SlotClass, Start, TryReadError, TryWriteError, Writer, Writers,
};

/// What a reader got, and was told.
#[derive(Default)]
struct Told {
    messages: Vec<u64>,
    deaths: usize,
    closed: bool,
}

impl Told {
    fn read(&mut self, reader: &mut Reader, tries: usize) {
        for _ in 0..tries {
            let mut out = [0; 16];
            self.closed = false;
            match reader.try_read(&mut out) {
                Ok(_) => self.messages.push(number(&out)),
                Err(TryReadError::WriterDied { .. }) => {
                    assert!(self.messages.contains(&0), "told of a death before the dead one's message");
                    self.deaths += 1;
                }
                Err(TryReadError::Closed) => self.closed = true,
                Err(TryReadError::Empty) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn ring(participants: usize) -> Ring {
    exclusive_payloads(true);
    let config = Config::new(2, 16).participants(participants).slot_class(SlotClass::Packed);
    Ring::heap(&config).unwrap()
}

/// So many writers die, each behind a message; each time a successor replaces the verdict at once.
fn told(deaths: usize) {
    let ring = ring(2);
    let mut writer = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    writer.try_write(&message(0)).unwrap();
    let reading = thread::spawn(move || {
        let mut told = Told::default();
        told.read(&mut reader, 2);
        (reader, told)
    });
    for n in 1..=deaths as u64 {
        bury(&ring, abandon(writer));
        writer = ring.writer().unwrap();
        if n == 1 {
            writer.try_write(&message(1)).unwrap();
        }
    }
    let (mut reader, mut told) = reading.join().unwrap();
    told.read(&mut reader, 2 + deaths);
    assert_eq!((told.messages, told.deaths), (vec![0, 1], deaths), "lost, doubled, or not told");
    drop(writer);
}

pub(in super::super) fn told_once() {
    told(1);
}

pub(in super::super) fn told_twice() {
    told(2);
}

/// Two readers look for a writer while it dies: one of them finds it, both are told.
pub(in super::super) fn found_by_two() {
    let ring = ring(3);
    let mut victim = ring.writer().unwrap();
    let (mut here, mut there) = (ring.reader(Start::Next).unwrap(), ring.reader(Start::Next).unwrap());
    victim.try_write(&message(0)).unwrap();
    let kernel = ring.clone();
    let dying = thread::spawn(move || bury(&kernel, abandon(victim)));
    let other = ring.clone();
    let reading = thread::spawn(move || {
        let mut told = Told::default();
        look_for_the_dead(&other, Role::Writer);
        told.read(&mut there, 2);
        (there, told)
    });
    let mut told = Told::default();
    look_for_the_dead(&ring, Role::Writer);
    told.read(&mut here, 2);
    dying.join().unwrap();
    let (there, theirs) = reading.join().unwrap();
    look_for_the_dead(&ring, Role::Writer);
    for (mut reader, mut told) in [(here, told), (there, theirs)] {
        told.read(&mut reader, 3);
        assert_eq!((told.messages, told.deaths, told.closed), (vec![0], 1, true));
    }
}

/// Whoever finds a dead writer dies itself when it has marked it; the next one finishes.
pub(in super::super) fn found_halfway() {
    let ring = ring(3);
    let mut victim = ring.writer().unwrap();
    let (mut reader, finder) = (ring.reader(Start::Next).unwrap(), ring.reader(Start::Next).unwrap());
    victim.try_write(&message(0)).unwrap();
    let dead = abandon(victim);
    bury(&ring, dead);
    let other = ring.clone();
    let finding = thread::spawn(move || {
        if dies_at(Failpoint::LeaveMarked, || look_for_the_dead(&other, Role::Writer)) {
            bury(&other, dead);
        }
        bury(&other, abandon_reader(finder));
    });
    let mut told = Told::default();
    look_for_the_dead(&ring, Role::Writer);
    told.read(&mut reader, 2);
    finding.join().unwrap();
    look_for_the_dead(&ring, Role::Writer);
    told.read(&mut reader, 3);
    assert_eq!((told.messages, told.deaths, told.closed), (vec![0], 1, true));
}

/// Writes as often as it can in so many tries; returns how often.
fn write(writer: &mut Writer, tries: usize) -> usize {
    (0..tries)
        .filter(|n| match writer.try_write(&message(*n as u64)) {
            Ok(_) => true,
            Err(TryWriteError::Full) => false,
            Err(error) => panic!("{error}"),
        })
        .count()
}

/// A reader dies at a point of a read, and the writer that it held back goes on: over its bytes only when it is dead.
fn reader_died_at(stop: Failpoint, class: SlotClass) {
    exclusive_payloads(true);
    let ring = Ring::heap(&Config::new(1, 16).participants(2).slot_class(class)).unwrap();
    let mut writer = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    writer.try_write(&message(0)).unwrap();
    let dying = thread::spawn(move || {
        let read = || match stop {
            Failpoint::ReadPinned => _ = reader.try_view().map(|view| number(&view)),
            _ => _ = reader.try_read(&mut [0; 16]),
        };
        assert!(dies_at(stop, read), "it does not get there");
        bury(&ring, abandon_reader(reader));
    });
    write(&mut writer, 2);
    dying.join().unwrap();
    // One that finds it, and one that goes on.
    assert!(write(&mut writer, 2) > 0, "a dead reader holds the writer back");
}

pub(in super::super) fn reader_copying() {
    reader_died_at(Failpoint::ReadCopied, SlotClass::Packed);
}

pub(in super::super) fn reader_pinning() {
    reader_died_at(Failpoint::ReadPinned, SlotClass::Arena);
}

/// One of two writers finds a dead reader, and dies when nobody is held back any more and the entry is not free.
pub(in super::super) fn vacated_halfway() {
    exclusive_payloads(true);
    let config = Config::new(1, 16).delivery(Delivery::Gated).writers(Writers::Many).participants(3);
    let ring = Ring::heap(&config).unwrap();
    let (mut finder, mut writer) = (ring.writer().unwrap(), ring.writer().unwrap());
    let dead = abandon_reader(ring.reader(Start::Next).unwrap());
    writer.try_write(&message(0)).unwrap();
    bury(&ring, dead);
    let other = ring.clone();
    let finding = thread::spawn(move || {
        if dies_at(Failpoint::ReaderVacated, || _ = finder.try_write(&message(1))) {
            bury(&other, dead);
        }
        bury(&other, abandon(finder));
    });
    write(&mut writer, 2);
    finding.join().unwrap();
    assert!(write(&mut writer, 2) > 0, "a dead reader holds the writer back");
    assert_eq!(ring.participants().iter().filter(|one| one.role == Role::Reader).count(), 0);
    assert_owned_once(&ring);
}
