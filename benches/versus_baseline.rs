//! What does a write cost with a lock instead, and what when somebody looks now and then?
//!
//! ```text
//! cargo bench -p engines --bench versus_baseline [-- --quick]
//! ```
//! An iteration is one write of 64 bytes into a lossy ring, on a core of its own; with 4 readers, threads on the other core
//! that look every 10 µs. `seqring compare` asks the same of more readers, of processes, and with the cores' distance beside
//! each figure; here a change of the library shows within seconds.
#![allow(missing_docs, reason = "criterion's macros")]

mod common;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use engines::seqring::Seqring;
use engines::{
    FileLockRing, MutexCondvarRing, ParkingLotRing, PthreadRwLockRing, SemaphoreRing, SemaphoreRwLockRing,
    SlotLocksRing, StdRwLockRing, SysvSemaphoreRing, TicketRing,
};
use harness::engine::{Engine, EngineReader, EngineWriter};
use harness::pin::{CorePair, pin_to};
use harness::refusal::{ReadError, Refusal};
use harness::ring_spec::{Delivery, Place, RingSpec, Writers};
use rustix::thread::set_current_timer_slack;
use std::hint::black_box;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

const BYTES: usize = 64;
const MOST_READERS: usize = 4;
const INTERVAL: Duration = Duration::from_micros(10);

const SPEC: RingSpec = RingSpec {
    slots: 1024,
    slot_bytes: BYTES,
    delivery: Delivery::Lossy,
    writers: Writers::One,
    readers: MOST_READERS,
};

fn write(criterion: &mut Criterion) {
    let cores = CorePair::first_allowed().expect("two cores");
    pin_to(cores.ours()).expect("an allowed core");
    for readers in [0, MOST_READERS] {
        let mut group = criterion.benchmark_group(format!("write beside {readers} readers"));
        one::<Seqring>(&mut group, cores, readers);
        one::<SemaphoreRwLockRing>(&mut group, cores, readers);
        one::<SemaphoreRing>(&mut group, cores, readers);
        one::<MutexCondvarRing>(&mut group, cores, readers);
        one::<PthreadRwLockRing>(&mut group, cores, readers);
        one::<SysvSemaphoreRing>(&mut group, cores, readers);
        one::<SlotLocksRing>(&mut group, cores, readers);
        one::<FileLockRing>(&mut group, cores, readers);
        one::<TicketRing>(&mut group, cores, readers);
        one::<StdRwLockRing>(&mut group, cores, readers);
        one::<ParkingLotRing>(&mut group, cores, readers);
    }
}

fn one<E: Engine>(group: &mut BenchmarkGroup<'_, WallTime>, cores: CorePair, readers: usize) {
    let ring = E::create(&SPEC, &Place::Heap).expect("a ring that it can make");
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..readers {
            let reader = ring.reader().expect("room for a reader");
            scope.spawn(|| {
                pin_to(cores.theirs()).expect("an allowed core");
                look_now_and_then(reader, &over);
            });
        }
        let mut writer = ring.writer().expect("room for a writer");
        group.bench_function(BenchmarkId::from_parameter(E::NAME), |bencher| {
            bencher.iter(|| writer.try_write(black_box(&[7; BYTES])).expect("a lossy ring takes all"));
        });
        over.store(true, Relaxed); // Relaxed: a request, orders nothing.
    });
}

fn look_now_and_then(mut reader: impl EngineReader, over: &AtomicBool) {
    // Else a sleep is 50 µs longer than asked for.
    set_current_timer_slack(NonZeroU64::new(1)).expect("a thread may set its own");
    let mut out = [0; BYTES];
    while !over.load(Relaxed) {
        match reader.try_read(&mut out).map_err(Refusal::lasting) {
            Ok(bytes) => assert_eq!(out[..bytes], [7; BYTES], "another message"),
            Err(None | Some(ReadError::Lagged { .. })) => {}
            Err(Some(error)) => panic!("{error}"),
        }
        thread::sleep(INTERVAL);
    }
}

criterion_group! { name = benches; config = common::brief(); targets = write }
criterion_main!(benches);
