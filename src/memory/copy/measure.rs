//! The measurements behind the thresholds. They assert nothing; run them, on an idle machine, by
//! `cargo test --release --lib copy::measure -- --ignored --nocapture --test-threads 1`.
#![allow(unsafe_code)] // As the tests: they keep the contracts of the kernels.

use super::Kernel;
use harness::class::{LineClass, Placement};
use harness::line::LineProbe;
use harness::pin::{CorePair, pin_to};
use harness::spread::Spread;
use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

const MIB: usize = 1 << 20;
const PAGE: usize = 4096;

/// A contestant.
#[derive(Clone, Copy)]
enum Contestant {
    /// `ptr::copy_nonoverlapping`: the yardstick. A ring may not use it on bytes that others store to.
    Plain,
    Ours(Kernel),
}

fn contestants() -> Vec<(&'static str, Contestant)> {
    #[cfg_attr(not(target_arch = "x86_64"), allow(unused_mut))]
    let mut all = vec![("plain", Contestant::Plain), ("words", Contestant::Ours(Kernel::Words))];
    #[cfg(target_arch = "x86_64")]
    {
        use super::x86_64::{ByteCopy, Width};
        let bytes = |width, stream_from| Contestant::Ours(Kernel::Bytes(ByteCopy { width, stream_from }));
        all.push(("sse2", bytes(Width::Sse2, usize::MAX)));
        if is_x86_feature_detected!("avx") {
            all.push(("avx", bytes(Width::Avx, usize::MAX)));
            all.push(("stream", bytes(Width::Avx, 129)));
        }
    }
    all
}

fn print_heading(what: &str) {
    let names: Vec<_> = contestants().iter().map(|(name, _)| format!("{name:>8}")).collect();
    println!("{what}{}", names.concat());
}

/// One message's bytes. Those that copy it see to it that no two of them do so at a time.
#[derive(Clone, Copy)]
struct Message {
    start: *mut u8,
    len: usize,
}

// SAFETY: it is a number and an address; what may be done there is said where it is done.
unsafe impl Send for Message {}
// SAFETY: as above.
unsafe impl Sync for Message {}

/// Messages of one length, each on a cache line of its own, the first one `skew` bytes behind a page's start.
struct Messages {
    each: Vec<Message>,
    _memory: Vec<u8>,
}

impl Messages {
    fn new(count: usize, len: usize, skew: usize) -> Self {
        let stride = len.next_multiple_of(64) + 64;
        let mut memory = vec![1; stride * count + 2 * PAGE];
        let first = memory.as_ptr().align_offset(PAGE) + skew;
        let start = memory.as_mut_ptr().wrapping_add(first);
        let message = |index| Message { start: start.wrapping_add(index * stride), len };
        Messages { each: (0..count).map(message).collect(), _memory: memory }
    }

    /// The message of this round; their number is a power of two, or the rounds pay for a division.
    #[inline(always)]
    fn get(&self, round: usize) -> Message {
        let Message { start, len } = self.each[round & (self.each.len() - 1)];
        Message { start: black_box(start), len: black_box(len) }
    }
}

#[inline(always)]
fn store(copy: Contestant, to: Message, from: Message) {
    // SAFETY: both lie in their `Messages`, are of one length, and are nobody else's at this moment; `to` is
    // aligned to a cache line.
    unsafe {
        match copy {
            Contestant::Plain => from.start.copy_to_nonoverlapping(to.start, to.len),
            Contestant::Ours(kernel) => {
                kernel.store(to.start.cast(), std::slice::from_raw_parts(from.start, from.len));
            }
        }
    }
}

#[inline(always)]
fn load(copy: Contestant, to: Message, from: Message) {
    // SAFETY: as in `store`; here `from` is aligned to a cache line.
    unsafe {
        match copy {
            Contestant::Plain => from.start.copy_to_nonoverlapping(to.start, to.len),
            Contestant::Ours(kernel) => kernel.load(to.start, from.start.cast(), to.len),
        }
    }
}

/// Nanoseconds for each of `rounds` calls.
fn time(rounds: usize, mut call: impl FnMut(usize)) -> f64 {
    let start = Instant::now();
    (0..rounds).for_each(&mut call);
    start.elapsed().as_secs_f64() * 1e9 / rounds as f64
}

/// One core stores into slots and loads from them: 16 KiB of slots beside the private side in the L1, or two
/// slots where a message is longer. `new` stores a message whose first word was written just before.
#[test]
#[ignore = "a measurement"]
fn one_core() {
    print_heading("    bytes       ");
    let short = [8, 13, 16, 24, 32, 48, 64, 100, 128, 192, 256, 384, 512, 1 << 10, 4 << 10, 64 << 10];
    let long = [MIB, 4 * MIB, 8 * MIB, 12 * MIB, 16 * MIB, 24 * MIB, 32 * MIB, 64 * MIB];
    for len in short.into_iter().chain(long) {
        let slots = Messages::new((16_384 / len).max(2).next_power_of_two(), len, 0);
        // Half a page off: a load at the page offset of an earlier store waits for it.
        let private = Messages::new(1, len, PAGE / 2);
        let rounds = (20 * MIB / len).clamp(2, 20_000);

        let mut runs = vec![[vec![], vec![], vec![]]; contestants().len()];
        for _ in 0..15 {
            for ((_, copy), [old, new, loads]) in contestants().into_iter().zip(&mut runs) {
                (0..slots.each.len()).for_each(|i| store(copy, slots.get(i), private.get(0)));
                old.push(time(rounds, |i| store(copy, slots.get(i), private.get(0))));
                new.push(time(rounds, |i| {
                    // SAFETY: no message is shorter than a word, and this one is nobody else's.
                    unsafe { private.get(0).start.cast::<usize>().write_unaligned(i) };
                    store(copy, slots.get(i), private.get(0));
                }));
                loads.push(time(rounds, |i| load(copy, private.get(0), slots.get(i))));
            }
        }
        for (kind, name) in ["store", "new", "load"].into_iter().enumerate() {
            print!("{len:>9} {name:<6}");
            for runs in &runs {
                let nanos = Spread::of(runs[kind].clone()).expect("15 runs").median;
                print!("{:>8.1}", if len <= 512 { nanos } else { len as f64 / nanos });
            }
            println!("  {}", if len <= 512 { "ns" } else { "GB/s" });
        }
    }
}

/// A writer fills the slots of a gated ring and a reader on another core copies them out, in GB/s.
#[test]
#[ignore = "a measurement"]
fn two_cores() {
    let cores = CorePair::first_allowed().expect("two cores");
    let probe = LineProbe::new(cores);
    let line = || probe.measure().expect("pinned threads").median();
    print_heading("    bytes × slots");
    let small = [64, 256, 1 << 10].map(|len| (len, 1024));
    let hot = [(64 << 10, 4), (MIB, 1), (MIB, 4), (MIB, 16), (MIB, 64), (4 * MIB, 4)];
    let large = [8, 16, 32, 96].map(|mib| (mib * MIB, 4));
    for (len, count) in small.into_iter().chain(hot).chain(large) {
        let slots = Messages::new(count, len, 0);
        let mut runs: Vec<_> = contestants().iter().map(|_| LineClass::ALL.map(|_| vec![])).collect();
        for _ in 0..5 {
            for ((_, copy), runs) in contestants().into_iter().zip(&mut runs) {
                let before = line();
                let speed = exchange(copy, cores, &slots);
                if let Some(class) = Placement::of(before, line()).steady() {
                    runs[class as usize].push(speed);
                }
            }
        }
        for class in LineClass::ALL {
            let spreads: Vec<_> = runs.iter().map(|runs| Spread::of(runs[class as usize].clone())).collect();
            if spreads.iter().all(Option::is_none) {
                continue;
            }
            let print = |what: &str, pick: fn(&Spread) -> f64| {
                let figures = spreads.iter().map(|spread| match spread {
                    Some(spread) => format!("{:>8.1}", pick(spread)),
                    None => format!("{:>8}", "-"),
                });
                println!("{len:>9} × {count:<4}{}  {class}, {what}", figures.collect::<String>());
            };
            print("median", |spread| spread.median);
            print("best", |spread| spread.max);
        }
    }
}

/// GB/s of messages through a gated ring of these slots.
fn exchange(copy: Contestant, cores: CorePair, slots: &Messages) -> f64 {
    #[repr(align(128))]
    struct Count(AtomicUsize);
    let [written, read] = [(); 2].map(|()| Count(AtomicUsize::new(0)));
    let len = slots.get(0).len;
    let [source, target] = [PAGE / 8, PAGE / 4].map(|skew| Messages::new(1, len, skew));
    let messages = ((if len < 2 * PAGE { 100 } else { 400 }) * MIB / len).max(8);

    // Release and Acquire: whoever sees a count sees the copy that ended before it, so copies never race. The other
    // side's count is asked for again only when the one last seen does not suffice.
    let wait = |count: &Count, seen: &mut usize, at_least| {
        while *seen < at_least {
            spin_loop();
            *seen = count.0.load(Ordering::Acquire);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            pin_to(cores.theirs()).expect("an allowed core");
            let mut seen = 0;
            for n in 0..messages {
                wait(&written, &mut seen, n + 1);
                load(copy, target.get(0), slots.get(n));
                read.0.store(n + 1, Ordering::Release);
            }
        });
        pin_to(cores.ours()).expect("an allowed core");
        std::thread::sleep(std::time::Duration::from_millis(1)); // The reader reaches its core.
        let mut seen = 0;
        let nanos = time(messages, |n| {
            wait(&read, &mut seen, (n + 1).saturating_sub(slots.each.len()));
            store(copy, slots.get(n), source.get(0));
            written.0.store(n + 1, Ordering::Release);
        });
        wait(&read, &mut seen, messages);
        len as f64 / nanos
    })
}
