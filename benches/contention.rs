//! What does a writer feel of those who look at the same ring, and of those who write into it?
//!
//! ```text
//! cargo bench --bench contention [-- --quick]
//! ```
//! An iteration is one write of 64 bytes into a lossy ring, on a core of its own. All others are threads on the other core:
//! readers that poll without a pause, or writers that write as fast as they can. With 0 of them it is the bare write.
//! `versus_baseline` asks the same of rings with locks.

mod common;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use harness::pin::{CorePair, pin_to};
use seqring::{Config, Delivery, Reader, Ring, Start, TryReadError, Writer, Writers};
use std::thread;

const SLOTS: usize = 1024;
const BYTES: usize = 64;

fn write(criterion: &mut Criterion) {
    let cores = CorePair::first_allowed().expect("two cores");
    pin_to(cores.ours()).expect("an allowed core");
    let mut group = criterion.benchmark_group(format!("write beside readers, Lossy, {SLOTS} x {BYTES}"));
    for count in [0, 1, 8, 32] {
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            let ring = ring(Writers::One);
            let reader = |_| ring.reader(Start::Next).expect("room for a reader");
            let readers: Vec<Reader> = (0..count).map(reader).collect();
            beside(&ring, cores, readers, read_until_closed, |write| bencher.iter(write));
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group(format!("write beside writers, Lossy, {SLOTS} x {BYTES}"));
    for count in [0, 1, 3] {
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            let ring = ring(Writers::Many);
            let writers: Vec<Writer> =
                (0..count).map(|_| ring.writer().expect("room for a writer")).collect();
            beside(&ring, cores, writers, write_until_closed, |write| bencher.iter(write));
        });
    }
}

fn ring(writers: Writers) -> Ring {
    let config = Config::new(SLOTS, BYTES).delivery(Delivery::Lossy).writers(writers);
    Ring::heap(&config).expect("a valid configuration")
}

/// Measures a write while each of `others` does its `work` on the other core, until the ring is closed.
fn beside<O: Send>(
    ring: &Ring,
    cores: CorePair,
    others: Vec<O>,
    work: fn(O),
    measure: impl FnOnce(&mut dyn FnMut()),
) {
    thread::scope(|scope| {
        for other in others {
            scope.spawn(move || {
                pin_to(cores.theirs()).expect("an allowed core");
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

criterion_group! { name = benches; config = common::brief(); targets = write }
criterion_main!(benches);
