//! A participant that waits for a dead one continues; and each reader gets a death once, after the
//! messages before it.

use super::super::messages::{assert_owned_once, gated, message, number, try_write_all};
use loom::thread;
use seqring::model::{
    Failpoint, abandon, abandon_reader, bury, dies_at, exclusive_payloads, look_for_the_dead,
};
use seqring::{Config, Delivery, Reader, Ring, Role, SlotClass, Start, TryReadError, Writers};

/// The results of a reader's calls.
#[derive(Default)]
struct Log {
    messages: Vec<u64>,
    deaths: usize,
    closed: bool,
}

impl Log {
    fn read(&mut self, reader: &mut Reader, tries: usize) {
        for _ in 0..tries {
            let mut out = [0; 16];
            self.closed = false;
            match reader.try_read(&mut out) {
                Ok(_) => self.messages.push(number(&out)),
                Err(TryReadError::WriterDied { .. }) => {
                    assert!(self.messages.contains(&0), "the death came before the dead writer's message");
                    self.deaths += 1;
                }
                Err(TryReadError::Closed) => self.closed = true,
                Err(TryReadError::Empty) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Reads the rest of a stream of one message whose writer died.
    fn finish(mut self, mut reader: Reader) {
        self.read(&mut reader, 3);
        assert_eq!((self.messages, self.deaths, self.closed), (vec![0], 1, true));
    }
}

fn ring(participants: usize) -> Ring {
    gated(2, participants, SlotClass::Packed)
}

/// So many writers die, each after a message; a successor replaces the end of the stream at once.
fn deaths(count: usize) {
    let ring = ring(2);
    let mut writer = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    writer.try_write(&message(0)).unwrap();
    let reading = thread::spawn(move || {
        let mut log = Log::default();
        log.read(&mut reader, 2);
        (reader, log)
    });
    for n in 1..=count as u64 {
        bury(&ring, abandon(writer));
        writer = ring.writer().unwrap();
        if n == 1 {
            writer.try_write(&message(1)).unwrap();
        }
    }
    let (mut reader, mut log) = reading.join().unwrap();
    log.read(&mut reader, 2 + count);
    assert_eq!((log.messages, log.deaths), (vec![0, 1], count), "lost, duplicated, or not reported");
    drop(writer);
}

pub(in super::super) fn one_death() {
    deaths(1);
}

pub(in super::super) fn two_deaths() {
    deaths(2);
}

/// A writer dies after it has marked that it leaves: the finder completes that, and reports no
/// death.
pub(in super::super) fn leaver() {
    let ring = ring(2);
    let mut writer = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    writer.try_write(&message(0)).unwrap();
    assert!(dies_at(Failpoint::LeaveMarked, || drop(writer)), "the point was not reached");
    bury(&ring, 0); // The one writer's entry.
    look_for_the_dead(&ring, Role::Writer);
    let mut log = Log::default();
    log.read(&mut reader, 3);
    assert_eq!((log.messages, log.deaths, log.closed), (vec![0], 0, true));
}

/// Two readers check for a writer while it dies: one of them finds it dead, and both get its death.
pub(in super::super) fn two_finders() {
    let ring = ring(3);
    let mut victim = ring.writer().unwrap();
    let (mut here, mut there) = (ring.reader(Start::Next).unwrap(), ring.reader(Start::Next).unwrap());
    victim.try_write(&message(0)).unwrap();
    let kernel = ring.clone();
    let dying = thread::spawn(move || bury(&kernel, abandon(victim)));
    let other = ring.clone();
    let reading = thread::spawn(move || {
        let mut log = Log::default();
        look_for_the_dead(&other, Role::Writer);
        log.read(&mut there, 2);
        (there, log)
    });
    let mut log = Log::default();
    look_for_the_dead(&ring, Role::Writer);
    log.read(&mut here, 2);
    dying.join().unwrap();
    let (there, other_log) = reading.join().unwrap();
    look_for_the_dead(&ring, Role::Writer);
    log.finish(here);
    other_log.finish(there);
}

/// The participant that finds a dead writer dies after it has marked the writer; the next finder
/// completes the recovery.
pub(in super::super) fn finder_died() {
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
    let mut log = Log::default();
    look_for_the_dead(&ring, Role::Writer);
    log.read(&mut reader, 2);
    finding.join().unwrap();
    look_for_the_dead(&ring, Role::Writer);
    log.finish(reader);
}

/// A reader dies at a point of a read, and the writer that it blocked continues: over its bytes
/// only when it is dead.
fn reader_died_at(point: Failpoint, class: SlotClass) {
    let ring = gated(1, 2, class);
    let mut writer = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    writer.try_write(&message(0)).unwrap();
    let dying = thread::spawn(move || {
        let read = || match point {
            Failpoint::ReadPinned => _ = reader.try_view().map(|view| number(&view)),
            _ => _ = reader.try_read(&mut [0; 16]),
        };
        assert!(dies_at(point, read), "the point was not reached");
        bury(&ring, abandon_reader(reader));
    });
    try_write_all(&mut writer, 0..2);
    dying.join().unwrap();
    // The first attempt finds the dead reader; the second continues.
    assert!(try_write_all(&mut writer, 0..2) > 0, "a dead reader blocks the writer");
}

pub(in super::super) fn reader_copying() {
    reader_died_at(Failpoint::ReadCopied, SlotClass::Packed);
}

pub(in super::super) fn reader_pinning() {
    reader_died_at(Failpoint::ReadPinned, SlotClass::Arena);
}

/// One of two writers finds a dead reader, and dies when the reader blocks no writer any more and
/// its entry is not free.
pub(in super::super) fn reader_finder_died() {
    exclusive_payloads(true);
    let config = Config::slots(1)
        .of_bytes(16)
        .delivery(Delivery::Gated)
        .writers(Writers::Many)
        .participants(3)
        .await_readers(0);
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
    try_write_all(&mut writer, 0..2);
    finding.join().unwrap();
    assert!(try_write_all(&mut writer, 0..2) > 0, "a dead reader blocks the writer");
    assert_eq!(ring.participants().iter().filter(|one| one.role == Role::Reader).count(), 0);
    assert_owned_once(&ring);
}
