//! How fast do messages pass from one core to another?
//!
//! ```text
//! cargo bench --bench handoff [-- --quick]
//! ```
//! A writer on the other core writes as fast as the gated ring admits; an iteration is one message received and
//! checked. The distance of the two cores decides these figures, and on a virtual machine it changes while one
//! measures: to compare, use `reach`, which knows.

mod common;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use harness::pin::{CorePair, pin_to};
use seqring::{Config, Ring, SlotClass, Start, WaitStrategy};
use std::thread;

/// Slot class, slots, bytes.
const RINGS: [(SlotClass, usize, usize); 6] = [
    (SlotClass::Packed, 1024, 8),
    (SlotClass::Packed, 65_536, 8),
    (SlotClass::Lines, 1024, 64),
    (SlotClass::Lines, 65_536, 64),
    (SlotClass::Lines, 1024, 1024),
    (SlotClass::Arena, 4, 1 << 20),
];

fn receive(criterion: &mut Criterion) {
    let cores = CorePair::first_allowed().expect("two cores");
    pin_to(cores.ours()).expect("an allowed core");
    let mut group = criterion.benchmark_group("handoff, Gated");
    for (class, slots, bytes) in RINGS {
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(BenchmarkId::new(format!("{class:?} x {slots}"), bytes), |bencher| {
            let ring =
                Ring::heap(&Config::new(slots, bytes).slot_class(class)).expect("a valid configuration");
            let mut reader = ring.reader(Start::Next).expect("room for a reader");
            reader.set_wait_strategy(WaitStrategy::SPINNING);
            thread::scope(|scope| {
                scope.spawn(|| {
                    pin_to(cores.theirs()).expect("an allowed core");
                    write_until_closed(&ring, bytes);
                });
                let mut out = vec![0; bytes];
                bencher.iter(|| {
                    let received = reader.read(&mut out).expect("a message");
                    assert_eq!(out[..8], received.sequence.to_le_bytes(), "another message");
                });
                ring.close();
            });
        });
    }
}

fn write_until_closed(ring: &Ring, bytes: usize) {
    let mut writer = ring.writer().expect("no other writer");
    writer.set_wait_strategy(WaitStrategy::SPINNING);
    let mut message = vec![0; bytes];
    for sequence in 0_u64.. {
        message[..8].copy_from_slice(&sequence.to_le_bytes());
        if writer.write(&message).is_err() {
            break;
        }
    }
}

criterion_group! { name = benches; config = common::brief(); targets = receive }
criterion_main!(benches);
