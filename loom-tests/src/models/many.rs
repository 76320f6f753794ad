//! Many writers on one slot: whole messages, each once, whoever stops where; and every buffer has one owner.

use super::{message, number};
use loom::thread;
use seqring::model::{Failpoint, abandon, dies_at, exclusive_payloads, owned_buffers, settle};
use seqring::{Config, Delivery, Reader, Ring, Start, TryReadError, TryWriteError, Writer, Writers};

fn ring(delivery: Delivery, slots: usize, participants: usize) -> Ring {
    exclusive_payloads(delivery == Delivery::Gated);
    let config = Config::new(slots, 16).delivery(delivery).writers(Writers::Many);
    Ring::heap(&config.participants(participants)).unwrap()
}

/// A writer fills the very buffer that a reader copies, after another one or itself displaced it.
pub(super) fn torn() {
    let ring = ring(Delivery::Lossy, 1, 3);
    let (mut one, mut two) = (ring.writer().unwrap(), ring.writer().unwrap());
    let mut reader = ring.reader(Start::Next).unwrap();
    one.try_write(&message(0)).unwrap();
    let writing = thread::spawn(move || {
        for n in 1..3 {
            two.try_write(&message(n)).unwrap();
        }
        two
    });
    read(&mut reader, 1);
    drop(writing.join().unwrap());
    assert_owned_once(&ring);
}

/// Buffers go from writer to writer: whoever fills one is behind whoever filled it before.
pub(super) fn handed_on() {
    let ring = ring(Delivery::Gated, 1, 2);
    let (mut one, mut two) = (ring.writer().unwrap(), ring.writer().unwrap());
    let writing = thread::spawn(move || {
        one.try_write(&message(0)).unwrap();
        one
    });
    for n in 1..3 {
        two.try_write(&message(n)).unwrap();
    }
    drop((writing.join().unwrap(), two));
    assert_owned_once(&ring);
}

/// A writer below its limit does not look at the gate: its exchange alone shows the bytes.
pub(super) fn below_the_limit() {
    let ring = ring(Delivery::Gated, 2, 2);
    let (mut writer, mut reader) = (ring.writer().unwrap(), ring.reader(Start::Next).unwrap());
    writer.try_write(&message(0)).unwrap();
    let writing = thread::spawn(move || {
        writer.try_write(&message(1)).unwrap();
        writer
    });
    let mut got = read(&mut reader, 2);
    drop(writing.join().unwrap());
    got.extend(read(&mut reader, 1));
    assert_eq!(got, [0, 1]);
    assert_owned_once(&ring);
}

/// The bytes of a slot change only after its reader is done with them.
pub(super) fn gated() {
    let ring = ring(Delivery::Gated, 1, 3);
    let (mut one, two) = (ring.writer().unwrap(), ring.writer().unwrap());
    let mut reader = ring.reader(Start::Next).unwrap();
    one.try_write(&message(0)).unwrap();
    let writing = write_in_threads(one, two);
    let mut got = read(&mut reader, 2);
    let handles = writing.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>();
    got.extend(read(&mut reader, 2));
    let mut expected = vec![0];
    expected.extend(handles.iter().filter_map(|(_, written)| *written));
    got.sort_unstable();
    expected.sort_unstable();
    assert_eq!(got, expected);
    assert_owned_once(&ring);
}

/// A reader joins while two writers have limits of their own.
pub(super) fn joined() {
    let ring = ring(Delivery::Gated, 1, 3);
    let (one, two) = (ring.writer().unwrap(), ring.writer().unwrap());
    let writing = write_in_threads(one, two);
    let mut reader = ring.reader(Start::Next).unwrap();
    let first = reader.position();
    let mut got = read(&mut reader, 1);
    let handles = writing.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>();
    got.extend(read(&mut reader, 2));
    let written = handles.iter().filter(|(_, written)| written.is_some()).count();
    assert_eq!(first as usize + got.len(), written, "a gap, or one too many");
}

/// One writer dies at a point; another goes on, and a third takes its entry, while the second is still at work.
fn died_at(stop: Failpoint) {
    let ring = ring(Delivery::Lossy, 1, 3);
    let (mut victim, mut other) = (ring.writer().unwrap(), ring.writer().unwrap());
    let other = thread::spawn(move || {
        for n in 1..3 {
            other.try_write(&message(n)).unwrap();
        }
        other
    });
    dies_at(stop, || {
        victim.try_write(&message(7)).unwrap();
    });
    let entry = abandon(victim);
    let heir = settle(&ring, entry);
    let other = other.join().unwrap();
    assert_eq!(settle(&ring, entry), heir, "what a dead writer owned changed");
    assert_owned_once(&ring);
    drop(other);
}

/// As [`died_at`] after the exchange; one of the others helps, and the other one displaces what the dead one published.
pub(super) fn died_helped() {
    let ring = ring(Delivery::Lossy, 1, 3);
    let (mut victim, one, two) = (ring.writer().unwrap(), ring.writer().unwrap(), ring.writer().unwrap());
    dies_at(Failpoint::ExchangeDone, || {
        victim.try_write(&message(7)).unwrap();
    });
    let writing = write_in_threads(one, two);
    let entry = abandon(victim);
    let heir = settle(&ring, entry);
    let handles = writing.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>();
    assert_eq!(settle(&ring, entry), heir, "what a dead writer owned changed");
    assert_owned_once(&ring);
    drop(handles);
}

pub(super) fn died_armed() {
    died_at(Failpoint::ExchangeArmed);
}

pub(super) fn died_exchanged() {
    died_at(Failpoint::ExchangeDone);
}

pub(super) fn died_owning() {
    died_at(Failpoint::ExchangeOwned);
}

/// Two leave at once: the stream ends.
pub(super) fn both_leave() {
    let ring = ring(Delivery::Lossy, 1, 3);
    let (one, two) = (ring.writer().unwrap(), ring.writer().unwrap());
    let mut reader = ring.reader(Start::Next).unwrap();
    let leaving = thread::spawn(move || drop(one));
    drop(two);
    leaving.join().unwrap();
    assert_eq!(reader.try_read(&mut [0; 16]), Err(TryReadError::Closed));
}

type Written = (Writer, Option<u64>);

fn write_in_threads(one: Writer, two: Writer) -> Vec<thread::JoinHandle<Written>> {
    let write = |mut writer: Writer, n: u64| {
        thread::spawn(move || match writer.try_write(&message(n)) {
            Ok(_) => (writer, Some(n)),
            Err(TryWriteError::Full) => (writer, None),
            Err(error) => panic!("{error}"),
        })
    };
    vec![write(one, 1), write(two, 2)]
}

/// The messages of so many tries, each whole.
fn read(reader: &mut Reader, tries: usize) -> Vec<u64> {
    let mut got = Vec::new();
    for _ in 0..tries {
        let mut out = [0; 16];
        match reader.try_read(&mut out) {
            Ok(_) => got.push(number(&out)),
            Err(TryReadError::Lagged(_) | TryReadError::Empty | TryReadError::Closed) => {}
            Err(error) => panic!("{error}"),
        }
    }
    got
}

pub(super) fn assert_owned_once(ring: &Ring) {
    let mut owned = owned_buffers(ring);
    owned.sort_unstable();
    let buffers = owned.len();
    owned.dedup();
    assert_eq!(owned.len(), buffers, "a buffer has two owners");
}
