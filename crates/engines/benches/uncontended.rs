//! What does a baseline cost where nobody contends, beside the primitive that it is made of?
//!
//! ```text
//! cargo bench -p engines --bench uncontended [-- --quick]
//! ```
//! One thread. `take and give` is the bare lock, through the seam that the ring uses; `write` is a whole write of 8
//! bytes into a ring that nobody reads. What lies between the two is the ring: a counter, a copy of 8 bytes and, where
//! there is a condition, its announcement. `libc` stands for the primitive without the seam.
#![allow(
    unsafe_code,
    missing_docs,
    reason = "calls the C library beside the lock that wraps it; criterion's macros"
)]

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use engines::{
    Access, FileLockRing, Lock, MutexCondvarRing, ParkingLotRing, PthreadRwLockRing, SemaphoreRing,
    SemaphoreRwLockRing, SlotLocksRing, StdRwLockRing, SysvSemaphoreRing, TicketRing, primitive,
};
use harness::engine::{Engine, EngineWriter};
use harness::pin::{CorePair, pin_to};
use harness::ring_spec::{Delivery, Place, RingSpec, Writers};
use std::cell::UnsafeCell;
use std::hint::black_box;
use std::mem::MaybeUninit;

const SPEC: RingSpec =
    RingSpec { slots: 64, slot_bytes: 8, delivery: Delivery::Lossy, writers: Writers::One, readers: 1 };

fn uncontended(criterion: &mut Criterion) {
    pin_to(CorePair::first_allowed().expect("two cores").ours()).expect("an allowed core");
    let mut group = criterion.benchmark_group("uncontended");
    bare(&mut group);
    locked::<engines::Semaphore>(&mut group);
    locked::<engines::MutexCondvar>(&mut group);
    locked::<engines::PthreadRwLock>(&mut group);
    locked::<engines::SemaphoreRwLock>(&mut group);
    locked::<engines::SysvSemaphore>(&mut group);
    locked::<engines::FileLock>(&mut group);
    locked::<engines::StdRwLock>(&mut group);
    locked::<engines::ParkingLot>(&mut group);
    whole::<SemaphoreRing>(&mut group);
    whole::<MutexCondvarRing>(&mut group);
    whole::<PthreadRwLockRing>(&mut group);
    whole::<SemaphoreRwLockRing>(&mut group);
    whole::<SysvSemaphoreRing>(&mut group);
    whole::<FileLockRing>(&mut group);
    whole::<StdRwLockRing>(&mut group);
    whole::<ParkingLotRing>(&mut group);
    whole::<SlotLocksRing>(&mut group);
    whole::<TicketRing>(&mut group);
}

/// The primitives as the C library has them.
fn bare(group: &mut BenchmarkGroup<'_, WallTime>) {
    let semaphore = Box::new(UnsafeCell::new(MaybeUninit::<libc::sem_t>::uninit()));
    let place = semaphore.get().cast::<libc::sem_t>();
    // SAFETY: memory for a semaphore, which is neither moved nor freed before its last use below.
    unsafe { libc::sem_init(place, 1, 1) };
    group.bench_function("libc/sem_wait, sem_post", |bencher| {
        // SAFETY: initialised above; one thread.
        bencher.iter(|| unsafe { (libc::sem_wait(place), libc::sem_post(place)) });
    });
    let rwlock = Box::new(UnsafeCell::new(libc::PTHREAD_RWLOCK_INITIALIZER));
    group.bench_function("libc/pthread_rwlock_wrlock, unlock", |bencher| {
        bencher.iter(|| {
            // SAFETY: initialised above; one thread.
            unsafe { (libc::pthread_rwlock_wrlock(rwlock.get()), libc::pthread_rwlock_unlock(rwlock.get())) }
        });
    });
}

fn locked<L: Lock>(group: &mut BenchmarkGroup<'_, WallTime>) {
    let lock = primitive::<L>().expect("memory for a lock");
    group.bench_function(format!("take and give/{}", L::NAME), |bencher| {
        bencher.iter(|| lock.with(Access::Write, || black_box(())).expect("a lock that works"));
    });
}

fn whole<E: Engine>(group: &mut BenchmarkGroup<'_, WallTime>) {
    let ring = E::create(&SPEC, &Place::Heap).expect("a ring that it can make");
    let mut writer = ring.writer().expect("room for a writer");
    group.bench_function(format!("write/{}", E::NAME), |bencher| {
        bencher.iter(|| writer.try_write(black_box(&[7; 8])).expect("a lossy ring takes all"));
    });
}

#[path = "../../../benches/common/mod.rs"]
mod common;

criterion_group! { name = benches; config = common::brief(); targets = uncontended }
criterion_main!(benches);
