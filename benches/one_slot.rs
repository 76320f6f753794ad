//! What does a message cost one core, uncontended: one write and one read of it, by size and slot class?
//!
//! ```text
//! cargo bench --bench one_slot [-- --quick]
//! ```
//! One thread on both ends, so no cache line changes cores: this is the work of the protocol and the copies.
//! What it costs two cores is asked by `handoff`.

mod common;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use harness::pin::{CorePair, pin_to};
use seqring::{Config, Delivery, Ring, SlotClass, Start};
use std::hint::black_box;

const SLOTS: usize = 64;

const SIZES: [(SlotClass, &[usize]); 3] = [
    (SlotClass::Packed, &[8, 64, 256, 1024]),
    (SlotClass::Lines, &[8, 56, 64, 256, 1024, 4096]),
    (SlotClass::Arena, &[8, 64, 1024, 4096, 65_536]),
];

fn write_and_read(criterion: &mut Criterion) {
    pin_to(CorePair::first_allowed().expect("two cores").ours()).expect("an allowed core");
    for delivery in [Delivery::Gated, Delivery::Lossy] {
        let mut group = criterion.benchmark_group(format!("write and read, {delivery:?}"));
        for (class, sizes) in SIZES {
            for &bytes in sizes {
                let config = Config::new(SLOTS, bytes).slot_class(class).delivery(delivery);
                one_size(&mut group, &format!("{class:?}"), &config);
            }
        }
    }
}

fn one_size(group: &mut BenchmarkGroup<'_, WallTime>, class: &str, config: &Config) {
    let bytes = config.slot_bytes();
    let ring = Ring::heap(config).expect("a valid configuration");
    let mut reader = ring.reader(Start::Next).expect("room for a reader");
    let mut writer = ring.writer().expect("no other writer");
    let (mut message, mut out, mut number) = (vec![0; bytes], vec![0; bytes], 0_u64);
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function(BenchmarkId::new(class, bytes), |bencher| {
        bencher.iter(|| {
            number += 1;
            message[..8].copy_from_slice(&number.to_le_bytes());
            writer.try_write(black_box(&message)).expect("room");
            reader.try_read(&mut out).expect("a message");
            assert_eq!(out[..8], number.to_le_bytes(), "another message");
        });
    });
}

criterion_group! { name = benches; config = common::brief(); targets = write_and_read }
criterion_main!(benches);
