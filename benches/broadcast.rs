//! What does a second reader cost?
//!
//! ```text
//! cargo bench --bench broadcast [-- --quick]
//! ```
//! An iteration is one message, delivered to one reader or to two. All readers are in one thread, on another
//! core than the writer: with a thread for each, a machine with two cores would measure its scheduler.

mod common;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use harness::pin::{CorePair, pin_to};
use seqring::{Config, Reader, Ring, Start, WaitStrategy};
use std::thread;

const SLOTS: usize = 1024;
const BYTES: usize = 64;

fn deliver(criterion: &mut Criterion) {
    let cores = CorePair::first_allowed().expect("two cores");
    pin_to(cores.ours()).expect("an allowed core");
    let mut group = criterion.benchmark_group(format!("broadcast, Gated, {SLOTS} x {BYTES}"));
    for count in [1, 2] {
        group.throughput(Throughput::Elements(count));
        group.bench_function(BenchmarkId::from_parameter(format!("1 to {count}")), |bencher| {
            let ring = Ring::heap(&Config::new(SLOTS, BYTES)).expect("a valid configuration");
            let mut readers: Vec<Reader> = (0..count).map(|_| reader(&ring)).collect();
            thread::scope(|scope| {
                scope.spawn(|| {
                    pin_to(cores.theirs()).expect("an allowed core");
                    write_until_closed(&ring);
                });
                let mut out = [0; BYTES];
                bencher.iter(|| {
                    for reader in &mut readers {
                        let received = reader.read(&mut out).expect("a message");
                        assert_eq!(out[..8], received.sequence.to_le_bytes(), "another message");
                    }
                });
                ring.close();
            });
        });
    }
}

fn reader(ring: &Ring) -> Reader {
    let mut reader = ring.reader(Start::Next).expect("room for a reader");
    reader.set_wait_strategy(WaitStrategy::SPINNING);
    reader
}

fn write_until_closed(ring: &Ring) {
    let mut writer = ring.writer().expect("no other writer");
    writer.set_wait_strategy(WaitStrategy::SPINNING);
    let mut message = [0; BYTES];
    for sequence in 0_u64.. {
        message[..8].copy_from_slice(&sequence.to_le_bytes());
        if writer.write(&message).is_err() {
            break;
        }
    }
}

criterion_group! { name = benches; config = common::brief(); targets = deliver }
criterion_main!(benches);
