//! What do claim and view save where a message is made and used, not only moved?
//!
//! ```text
//! cargo bench --bench claims [-- --quick]
//! ```
//! Both ways write every byte of a message and add up every word of it, on one core. *Copied*: made in a private
//! buffer, written, read into another, added up there. *In place*: made in the claimed buffer of the ring, added
//! up in the view.

mod common;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use harness::pin::{CorePair, pin_to};
use seqring::{Config, Reader, Ring, SlotClass, Start, Writer};

const SLOTS: usize = 4;

fn claim_or_copy(criterion: &mut Criterion) {
    pin_to(CorePair::first_allowed().expect("two cores").ours()).expect("an allowed core");
    let mut group = criterion.benchmark_group("make and use, Gated, Arena");
    for bytes in [4 << 10, 64 << 10, 1 << 20] {
        group.throughput(Throughput::Bytes(bytes as u64));
        copied(&mut group, bytes);
        in_place(&mut group, bytes);
    }
}

fn copied(group: &mut BenchmarkGroup<'_, WallTime>, bytes: usize) {
    let (mut writer, mut reader) = ends(bytes);
    let (mut message, mut out, mut number) = (vec![0; bytes], vec![0; bytes], 0_u8);
    group.bench_function(BenchmarkId::new("copied", bytes), |bencher| {
        bencher.iter(|| {
            number = number.wrapping_add(1);
            message.fill(number);
            writer.try_write(&message).expect("room");
            reader.try_read(&mut out).expect("a message");
            check(&out, number);
        });
    });
}

fn in_place(group: &mut BenchmarkGroup<'_, WallTime>, bytes: usize) {
    let (mut writer, mut reader) = ends(bytes);
    let mut number = 0_u8;
    group.bench_function(BenchmarkId::new("in place", bytes), |bencher| {
        bencher.iter(|| {
            number = number.wrapping_add(1);
            let mut claim = writer.try_claim(bytes).expect("room");
            claim.as_mut_slice().expect("gated arena: filled in place").fill(number);
            claim.publish().expect("the ring is open");
            let view = reader.try_view().expect("a message");
            assert!(view.is_in_place());
            check(&view, number);
        });
    });
}

fn ends(bytes: usize) -> (Writer, Reader) {
    let ring =
        Ring::heap(&Config::new(SLOTS, bytes).slot_class(SlotClass::Arena)).expect("a valid configuration");
    let reader = ring.reader(Start::Next).expect("room for a reader");
    (ring.writer().expect("no other writer"), reader)
}

/// Adds up all words, as whoever uses the message would: all bytes are `number`.
fn check(message: &[u8], number: u8) {
    let (words, rest) = message.as_chunks();
    assert!(rest.is_empty());
    let sum = words.iter().fold(0_u64, |sum, &word| sum.wrapping_add(u64::from_le_bytes(word)));
    assert_eq!(sum, u64::from_le_bytes([number; 8]).wrapping_mul(words.len() as u64), "another message");
}

criterion_group! { name = benches; config = common::brief(); targets = claim_or_copy }
criterion_main!(benches);
