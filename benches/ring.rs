//! What do the operations of a ring cost one core, uncontended?
//!
//! ```text
//! cargo bench --bench ring                    # all groups, with --quick in a minute
//! cargo bench --bench ring -- "make and use"  # one group
//! ```
//! | group | an iteration |
//! |---|---|
//! | write and read | one write and one read of a message, by size and slot class |
//! | make and use | a message is made and added up: copied, or by claim and view |
//!
//! One thread is on both ends, so no cache line changes cores: this is the work of the protocol and
//! the copies. Streams and round trips between cores are measured by `reach`, which knows how far
//! apart the cores are; a write beside readers by `seqring-lab compare`; many writers and readers
//! by the command `perf`.

mod common;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use seqring::{Config, Delivery, Reader, Ring, SlotClass, Start, Writer};
use std::hint::black_box;

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
            let (mut writer, mut reader) =
                ends(&Config::slots(64).of_bytes(bytes).slot_class(class).delivery(delivery));
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
    let (mut writer, mut reader) = ends(&Config::slots(4).of_bytes(bytes).slot_class(SlotClass::Arena));
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
    let (mut writer, mut reader) = ends(&Config::slots(4).of_bytes(bytes).slot_class(SlotClass::Arena));
    let mut number = 0_u8;
    group.bench_function(BenchmarkId::new("in place", bytes), |bencher| {
        bencher.iter(|| {
            number = number.wrapping_add(1);
            let mut claim = writer.try_claim(bytes).expect("room");
            claim.fill(number);
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

criterion_group! { name = benches; config = common::brief(); targets = write_and_read, make_and_use }
criterion_main!(benches);
