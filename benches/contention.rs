//! What does a writer feel of those who look at the same ring, and of those who write into it?
//!
//! ```text
//! cargo bench --bench contention [-- --quick]
//! ```
//! An iteration is one write of 64 bytes into a lossy ring, on a core of its own. All others are threads on the other core:
//! readers that poll without a pause, or writers that write as fast as they can. With 0 of them it is the bare write.
//! `versus_baseline` asks the same of rings with locks.

mod common;

use bench_support::pin::{CorePair, pin_to};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use seqring::{Config, Delivery, Ring, Start, TryReadError, Writers};
use std::thread;

const SLOTS: usize = 1024;
const BYTES: usize = 64;

fn beside_readers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group(format!("write beside readers, Lossy, {SLOTS} x {BYTES}"));
    for count in [0, 1, 8, 32] {
        let ring = ring(Writers::One);
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            with_others(&ring, count, read_until_closed, |write| bencher.iter(write));
        });
    }
}

fn beside_writers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group(format!("write beside writers, Lossy, {SLOTS} x {BYTES}"));
    for count in [0, 1, 3] {
        let ring = ring(Writers::Many);
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            with_others(&ring, count, write_until_closed, |write| bencher.iter(write));
        });
    }
}

fn ring(writers: Writers) -> Ring {
    let config = Config::new(SLOTS, BYTES).delivery(Delivery::Lossy).writers(writers);
    Ring::heap(&config).expect("a valid configuration")
}

/// Measures a write while `count` others do what `other` does, until the ring is closed.
fn with_others(ring: &Ring, count: usize, other: fn(&Ring), measure: impl FnOnce(&mut dyn FnMut())) {
    let cores = CorePair::first_allowed().expect("two cores");
    thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| {
                pin_to(cores.theirs()).expect("an allowed core");
                other(ring);
            });
        }
        pin_to(cores.ours()).expect("an allowed core");
        let mut writer = ring.writer().expect("room for a writer");
        let mut number = 0_u64;
        measure(&mut || {
            number += 1;
            writer
                .try_write(&[number.to_le_bytes(); BYTES / 8].as_flattened())
                .expect("a lossy ring takes all");
        });
        ring.close();
    });
}

fn read_until_closed(ring: &Ring) {
    let mut reader = ring.reader(Start::Next).expect("room for a reader");
    let mut out = [0; BYTES];
    loop {
        match reader.try_read(&mut out) {
            Ok(_) => assert!(out.as_chunks::<8>().0.iter().all(|word| *word == out[..8]), "a torn message"),
            Err(TryReadError::Closed) => break,
            Err(_) => std::hint::spin_loop(),
        }
    }
}

fn write_until_closed(ring: &Ring) {
    let mut writer = ring.writer().expect("room for a writer");
    while writer.try_write(&[7; BYTES]).is_ok() {}
}

criterion_group! { name = benches; config = common::brief(); targets = beside_readers, beside_writers }
criterion_main!(benches);
