//! Which of the two copies is faster at which size of message: words, or bytes in assembly?
//!
//! ```text
//! cargo bench --bench copy_kernels [-- --quick]
//! ```
//! A ring takes words in slots of up to 256 bytes and bytes above; `memcpy`, which it may not use
//! on bytes that others store to, is the yardstick. One core, a message that lies in the cache if
//! it fits into one. What else was tried, and what two cores make of it, is measured by the tests
//! beside the kernels.
#![allow(unsafe_code, missing_docs, reason = "the kernels copy through raw pointers; criterion's macros")]

mod common;

#[path = "../src/memory/copy/mod.rs"]
#[allow(unused, reason = "what the library and its tests need of it, and this bench does not")]
mod copy;

/// What the kernels take their atomics from.
mod sync {
    pub(crate) use std::sync::atomic::AtomicU64;
    pub(crate) use std::sync::atomic::Ordering::Relaxed;
}

use copy::Kernel;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use sync::AtomicU64;

const SIZES: [usize; 7] = [8, 64, 256, 1 << 10, 4 << 10, 1 << 20, 64 << 20];

fn store_and_load(criterion: &mut Criterion) {
    let kernels = [("words", Kernel::Words), ("bytes", Kernel::for_slot_bytes(usize::MAX))];
    for bytes in SIZES {
        let mut group = criterion.benchmark_group(format!("copy {bytes} B"));
        group.throughput(Throughput::Bytes(bytes as u64));
        let slot: Vec<AtomicU64> = (0..bytes / 8).map(|_| AtomicU64::new(1)).collect();
        let mut message = vec![2_u8; bytes];
        for (name, kernel) in kernels {
            group.bench_function(BenchmarkId::new("store", name), |bencher| {
                // SAFETY: a slot of as many words as the message has, and one thread.
                bencher.iter(|| unsafe { kernel.store(slot.as_ptr(), black_box(&message)) });
            });
            group.bench_function(BenchmarkId::new("load", name), |bencher| {
                // SAFETY: as above; the message is as long as the slot.
                bencher.iter(|| unsafe {
                    kernel.load(black_box(&mut message).as_mut_ptr(), slot.as_ptr(), bytes);
                });
            });
        }
        let mut other = vec![3_u8; bytes];
        group.bench_function(BenchmarkId::new("store", "memcpy"), |bencher| {
            bencher.iter(|| black_box(&mut other).copy_from_slice(black_box(&message)));
        });
    }
}

criterion_group! { name = benches; config = common::brief(); targets = store_and_load }
criterion_main!(benches);
