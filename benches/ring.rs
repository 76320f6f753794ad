//! What do the operations of a ring cost, without regard to how far apart the cores are?
//!
//! ```text
//! cargo bench --bench ring                    # all groups, with --quick in a minute
//! cargo bench --bench ring -- "write beside"  # the groups of one question
//! ```
//! | group | an iteration | where |
//! |---|---|---|
//! | write and read | one write and one read of a message, by size and slot class | one core |
//! | make and use | every byte of a message is made, every word added up; copied, or by claim and view | one core |
//! | write beside | one write of 64 bytes while others read, or write | the others on another core |
//!
//! What two cores make of a stream or a round trip is measured by `reach`, which knows how far apart they are.

mod common;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use harness::pin::{CorePair, pin_to};
use seqring::{Config, Delivery, Reader, Ring, SlotClass, Start, TryReadError, Writer, Writers};
use std::hint::black_box;
use std::thread;

fn ends(config: &Config) -> (Writer, Reader) {
    let ring = Ring::heap(config).expect("a valid configuration");
    let reader = ring.reader(Start::Next).expect("room for a reader");
    (ring.writer().expect("no other writer"), reader)
}

const SIZES: [(SlotClass, &[usize]); 3] = [
    (SlotClass::Packed, &[8, 64, 256, 1024]),
    (SlotClass::Lines, &[8, 56, 64, 256, 1024, 4096]),
    (SlotClass::Arena, &[8, 64, 1024, 4096, 65_536]),
];

fn write_and_read(criterion: &mut Criterion) {
    for delivery in [Delivery::Gated, Delivery::Lossy] {
        let mut group = criterion.benchmark_group(format!("write and read, {delivery:?}"));
        for (class, bytes) in
            SIZES.into_iter().flat_map(|(class, sizes)| sizes.iter().map(move |&b| (class, b)))
        {
            let (mut writer, mut reader) = ends(&Config::new(64, bytes).slot_class(class).delivery(delivery));
            let (mut message, mut out, mut number) = (vec![0; bytes], vec![0; bytes], 0_u64);
            group.throughput(Throughput::Bytes(bytes as u64));
            group.bench_function(BenchmarkId::new(format!("{class:?}"), bytes), |bencher| {
                bencher.iter(|| {
                    number += 1;
                    message[..8].copy_from_slice(&number.to_le_bytes());
                    writer.try_write(black_box(&message)).expect("room");
                    reader.try_read(&mut out).expect("a message");
                    assert_eq!(out[..8], number.to_le_bytes(), "another message");
                });
            });
        }
    }
}

fn make_and_use(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("make and use, Gated, Arena");
    for bytes in [4 << 10, 64 << 10, 1 << 20] {
        group.throughput(Throughput::Bytes(bytes as u64));
        copied(&mut group, bytes);
        in_place(&mut group, bytes);
    }
}

/// Made in a private buffer, written, read into another, added up there.
fn copied(group: &mut BenchmarkGroup<'_, WallTime>, bytes: usize) {
    let (mut writer, mut reader) = ends(&Config::new(4, bytes).slot_class(SlotClass::Arena));
    let (mut message, mut out, mut number) = (vec![0; bytes], vec![0; bytes], 0_u8);
    group.bench_function(BenchmarkId::new("copied", bytes), |bencher| {
        bencher.iter(|| {
            number = number.wrapping_add(1);
            message.fill(number);
            writer.try_write(&message).expect("room");
            reader.try_read(&mut out).expect("a message");
            add_up(&out, number);
        });
    });
}

/// Made in the claimed buffer of the ring, added up in the view.
fn in_place(group: &mut BenchmarkGroup<'_, WallTime>, bytes: usize) {
    let (mut writer, mut reader) = ends(&Config::new(4, bytes).slot_class(SlotClass::Arena));
    let mut number = 0_u8;
    group.bench_function(BenchmarkId::new("in place", bytes), |bencher| {
        bencher.iter(|| {
            number = number.wrapping_add(1);
            let mut claim = writer.try_claim(bytes).expect("room");
            claim.as_mut_slice().expect("gated arena: filled in place").fill(number);
            claim.publish().expect("the ring is open");
            let view = reader.try_view().expect("a message");
            assert!(view.is_in_place());
            add_up(&view, number);
        });
    });
}

/// All bytes are `number`.
fn add_up(message: &[u8], number: u8) {
    let (words, rest) = message.as_chunks();
    assert!(rest.is_empty());
    let sum = words.iter().fold(0_u64, |sum, &word| sum.wrapping_add(u64::from_le_bytes(word)));
    assert_eq!(sum, u64::from_le_bytes([number; 8]).wrapping_mul(words.len() as u64), "another message");
}

const SLOTS: usize = 1024;
const BYTES: usize = 64;

fn write_beside(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group(format!("write beside readers, Lossy, {SLOTS} x {BYTES}"));
    for count in [0, 1, 8, 32] {
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            let ring = lossy(Writers::One);
            let reader = |_| ring.reader(Start::Next).expect("room for a reader");
            let readers: Vec<Reader> = (0..count).map(reader).collect();
            beside(&ring, readers, read_until_closed, |write| bencher.iter(write));
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group(format!("write beside writers, Lossy, {SLOTS} x {BYTES}"));
    for count in [0, 1, 3] {
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            let ring = lossy(Writers::Many);
            let writer = |_| ring.writer().expect("room for a writer");
            let writers: Vec<Writer> = (0..count).map(writer).collect();
            beside(&ring, writers, write_until_closed, |write| bencher.iter(write));
        });
    }
}

fn lossy(writers: Writers) -> Ring {
    let config = Config::new(SLOTS, BYTES).delivery(Delivery::Lossy).writers(writers);
    Ring::heap(&config).expect("a valid configuration")
}

/// Measures a write while each of `others` does its `work` on the other core, without a pause, until the ring is closed.
fn beside<O: Send>(ring: &Ring, others: Vec<O>, work: fn(O), measure: impl FnOnce(&mut dyn FnMut())) {
    thread::scope(|scope| {
        for other in others {
            scope.spawn(move || {
                pin_to(CorePair::first_allowed().expect("two cores").theirs()).expect("an allowed core");
                work(other);
            });
        }
        let mut writer = ring.writer().expect("room for a writer");
        let mut number = 0_u64;
        measure(&mut || {
            number += 1;
            writer
                .try_write([number.to_le_bytes(); BYTES / 8].as_flattened())
                .expect("a lossy ring takes all");
        });
        ring.close();
    });
}

fn read_until_closed(mut reader: Reader) {
    let mut out = [0; BYTES];
    loop {
        match reader.try_read(&mut out) {
            Ok(_) => assert!(out.as_chunks::<8>().0.iter().all(|word| *word == out[..8]), "a torn message"),
            Err(TryReadError::Closed) => break,
            Err(_) => std::hint::spin_loop(),
        }
    }
}

fn write_until_closed(mut writer: Writer) {
    while writer.try_write(&[7; BYTES]).is_ok() {}
}

criterion_group! { name = benches; config = common::brief(); targets = write_and_read, make_and_use, write_beside }
criterion_main!(benches);
