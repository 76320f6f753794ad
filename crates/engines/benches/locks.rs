//! What does a write cost with a lock instead?
//!
//! ```text
//! cargo bench -p engines --bench locks [-- --quick]
//! ```
//! | group | an iteration |
//! |---|---|
//! | write beside 0 readers | a whole write of 64 bytes |
//! | write beside 4 readers | the same, while threads on the other core read every 10 µs |
//!
//! `compare` asks the same of more readers, of processes, and with the cores' distance beside each
//! figure; here a change of the library shows within seconds.
#![allow(missing_docs, reason = "criterion's macros")]

#[path = "../../../benches/common/mod.rs"]
mod common;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use engines::seqring::Seqring;
use engines::{
    FileLockRing, MutexCondvarRing, ParkingLotRing, PthreadRwLockRing, SemaphoreRing, SemaphoreRwLockRing,
    SlotLocksRing, StdRwLockRing, SysvSemaphoreRing, TicketRing,
};
use harness::engine::{Engine, EngineReader, EngineWriter};
use harness::pin::pin_to;
use harness::refusal::Refusal;
use harness::ring_spec::{Delivery, Place, RingSpec};
use rustix::thread::set_current_timer_slack;
use std::hint::black_box;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

const BYTES: usize = 64;
const MOST_READERS: usize = 4;
const INTERVAL: Duration = Duration::from_micros(10);

const SPEC: RingSpec =
    RingSpec { slots: 1024, slot_bytes: BYTES, delivery: Delivery::Lossy, writers: 1, readers: MOST_READERS };

fn write_beside_readers(criterion: &mut Criterion) {
    for readers in [0, MOST_READERS] {
        let mut group = criterion.benchmark_group(format!("write beside {readers} readers"));
        macro_rules! write_to_each { ($($ring:ty),*) => { $(write::<$ring>(&mut group, readers);)* } }
        write_to_each!(Seqring, SemaphoreRwLockRing, SemaphoreRing, MutexCondvarRing, PthreadRwLockRing);
        write_to_each!(
            SysvSemaphoreRing,
            SlotLocksRing,
            FileLockRing,
            TicketRing,
            StdRwLockRing,
            ParkingLotRing
        );
    }
}

fn write<E: Engine>(group: &mut BenchmarkGroup<'_, WallTime>, readers: usize) {
    let ring = E::create(&SPEC, &Place::Heap).expect("a ring that it can make");
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..readers {
            let reader = ring.reader().expect("room for a reader");
            scope.spawn(|| read_now_and_then(reader, &over));
        }
        let mut writer = ring.writer().expect("room for a writer");
        group.bench_function(BenchmarkId::from_parameter(E::NAME), |bencher| {
            bencher.iter(|| writer.put(black_box(&[7; BYTES]), None).expect("a lossy ring takes all"));
        });
        over.store(true, Relaxed); // Relaxed: a request, orders nothing.
    });
}

fn read_now_and_then(mut reader: impl EngineReader, over: &AtomicBool) {
    pin_to(common::CORES.theirs()).expect("an allowed core");
    // Else a sleep is 50 µs longer than asked for.
    set_current_timer_slack(NonZeroU64::new(1)).expect("a thread may set its own");
    let mut out = [0; BYTES];
    while !over.load(Relaxed) {
        match reader.get(&mut out, None).map_err(Refusal::lasting) {
            Ok(bytes) => assert_eq!(out[..bytes], [7; BYTES], "another message"),
            Err(None | Some(Refusal::Lagged { .. })) => {}
            Err(Some(error)) => panic!("{error}"),
        }
        thread::sleep(INTERVAL);
    }
}

criterion_group! { name = benches; config = common::brief(); targets = write_beside_readers }
criterion_main!(benches);
