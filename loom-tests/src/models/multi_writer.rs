//! Many writers on one slot: each message whole and once, and each buffer with one owner, also when
//! a writer dies.

use super::messages::{assert_owned_once, gap_or_closed, message, read_any, try_write};
use loom::thread::{self, JoinHandle};
use seqring::model::{Failpoint, abandon, dies_at, exclusive_payloads, settle};
use seqring::{Config, Delivery, Reader, Ring, Start, TryReadError, Writer, Writers};

pub(super) fn ring(delivery: Delivery, slots: usize, participants: usize) -> Ring {
    exclusive_payloads(delivery == Delivery::Gated);
    let config = Config::slots(slots).of_bytes(16).delivery(delivery).writers(Writers::Many);
    Ring::heap(&config.participants(participants).await_readers(0)).unwrap()
}

fn write_all_in_thread(mut writer: Writer, numbers: std::ops::Range<u64>) -> JoinHandle<Writer> {
    thread::spawn(move || {
        for n in numbers {
            writer.try_write(&message(n)).unwrap();
        }
        writer
    })
}

/// A writer fills the buffer that a reader copies, after itself or the other writer displaced it.
pub(super) fn torn() {
    let ring = ring(Delivery::Lossy, 1, 3);
    let (mut one, two) = (ring.writer().unwrap(), ring.writer().unwrap());
    let mut reader = ring.reader(Start::Next).unwrap();
    one.try_write(&message(0)).unwrap();
    let writing = write_all_in_thread(two, 1..3);
    read(&mut reader, 1);
    drop(writing.join().unwrap());
    assert_owned_once(&ring);
}

/// Buffers go from writer to writer: the stores of the last owner happen before those of the next.
pub(super) fn buffer_handover() {
    let ring = ring(Delivery::Gated, 1, 2);
    let (one, mut two) = (ring.writer().unwrap(), ring.writer().unwrap());
    let writing = write_all_in_thread(one, 0..1);
    for n in 1..3 {
        two.try_write(&message(n)).unwrap();
    }
    drop((writing.join().unwrap(), two));
    assert_owned_once(&ring);
}

/// A writer below its limit does not check the readers: its exchange alone publishes the bytes.
pub(super) fn below_the_limit() {
    let ring = ring(Delivery::Gated, 2, 2);
    let (mut writer, mut reader) = (ring.writer().unwrap(), ring.reader(Start::Next).unwrap());
    writer.try_write(&message(0)).unwrap();
    let writing = write_all_in_thread(writer, 1..2);
    let mut messages = read(&mut reader, 2);
    drop(writing.join().unwrap());
    messages.extend(read(&mut reader, 1));
    assert_eq!(messages, [0, 1]);
    assert_owned_once(&ring);
}

/// The bytes of a slot change only after its reader has finished with them.
pub(super) fn gated() {
    let ring = ring(Delivery::Gated, 1, 3);
    let (mut one, two) = (ring.writer().unwrap(), ring.writer().unwrap());
    let mut reader = ring.reader(Start::Next).unwrap();
    one.try_write(&message(0)).unwrap();
    let writing = write_in_threads(one, two);
    let mut messages = read(&mut reader, 2);
    let (handles, written) = join(writing);
    messages.extend(read(&mut reader, 2));
    messages.sort_unstable();
    assert_eq!(messages, [vec![0], written].concat());
    assert_owned_once(&ring);
    drop(handles);
}

/// A reader registers while two writers hold their own limits.
pub(super) fn register() {
    let ring = ring(Delivery::Gated, 1, 3);
    let (one, two) = (ring.writer().unwrap(), ring.writer().unwrap());
    let writing = write_in_threads(one, two);
    let mut reader = ring.reader(Start::Next).unwrap();
    let first = reader.position();
    let mut messages = read(&mut reader, 1);
    let (handles, written) = join(writing);
    messages.extend(read(&mut reader, 2));
    assert_eq!(first as usize + messages.len(), written.len(), "a gap, or a message too many");
    drop(handles);
}

/// One writer dies at a point; a second continues. A survivor determines the dead writer's buffer
/// before and after.
fn died_at(point: Failpoint) {
    let ring = ring(Delivery::Lossy, 1, 3);
    let (mut victim, other) = (ring.writer().unwrap(), ring.writer().unwrap());
    let other = write_all_in_thread(other, 1..3);
    dies_at(point, || _ = victim.try_write(&message(7)).unwrap());
    let entry = abandon(victim);
    let buffer = settle(&ring, entry);
    let other = other.join().unwrap();
    assert_eq!(settle(&ring, entry), buffer, "the buffer of a dead writer changed");
    assert_owned_once(&ring);
    drop(other);
}

/// As [`died_at`] after the exchange; one of two others helps, and the other displaces the dead
/// writer's message.
pub(super) fn died_helped() {
    let ring = ring(Delivery::Lossy, 1, 3);
    let (mut victim, one, two) = (ring.writer().unwrap(), ring.writer().unwrap(), ring.writer().unwrap());
    dies_at(Failpoint::ExchangeDone, || _ = victim.try_write(&message(7)).unwrap());
    let writing = write_in_threads(one, two);
    let entry = abandon(victim);
    let buffer = settle(&ring, entry);
    let handles = join(writing);
    assert_eq!(settle(&ring, entry), buffer, "the buffer of a dead writer changed");
    assert_owned_once(&ring);
    drop(handles);
}

pub(super) fn died_with_intent() {
    died_at(Failpoint::ExchangeIntended);
}

pub(super) fn died_after_exchange() {
    died_at(Failpoint::ExchangeDone);
}

pub(super) fn died_as_owner() {
    died_at(Failpoint::ExchangeSettled);
}

/// Two writers leave concurrently: the stream ends.
pub(super) fn both_leave() {
    let ring = ring(Delivery::Lossy, 1, 3);
    let (one, two) = (ring.writer().unwrap(), ring.writer().unwrap());
    let mut reader = ring.reader(Start::Next).unwrap();
    let leaving = thread::spawn(move || drop(one));
    drop(two);
    leaving.join().unwrap();
    assert_eq!(reader.try_read(&mut [0; 16]), Err(TryReadError::Closed));
}

/// Two writers write a message each.
fn write_in_threads(one: Writer, two: Writer) -> Vec<JoinHandle<(Writer, Option<u64>)>> {
    let write = |mut writer: Writer, n: u64| {
        thread::spawn(move || {
            let written = try_write(&mut writer, n).then_some(n);
            (writer, written)
        })
    };
    vec![write(one, 1), write(two, 2)]
}

/// The writers, and the messages that there was room for.
fn join(threads: Vec<JoinHandle<(Writer, Option<u64>)>>) -> (Vec<Writer>, Vec<u64>) {
    let (writers, written): (_, Vec<_>) = threads.into_iter().map(|thread| thread.join().unwrap()).unzip();
    (writers, written.into_iter().flatten().collect())
}

fn read(reader: &mut Reader, tries: usize) -> Vec<u64> {
    read_any(reader, tries, gap_or_closed).0
}
