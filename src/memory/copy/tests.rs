//! Every kernel, in every variant, against plain bytes.
#![allow(unsafe_code)] // The tests keep the contracts of the kernels, and check the bytes around a copy.

use super::{Kernel, WORDS_UP_TO};
use crate::sync::{AtomicU64, Relaxed};
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The bytes around a copy, which must not change.
const UNTOUCHED: u8 = 0xa5;
const MARGIN: usize = 128;

/// Cache lines that stand for private or shared memory.
struct Lines(Vec<Line>);

#[repr(align(64))]
struct Line(#[allow(dead_code, reason = "reached through `Lines::start`")] [AtomicU64; 8]);

impl Lines {
    /// At least `bytes` bytes, all of them untouched.
    fn new(bytes: usize) -> Self {
        let mut lines = Lines((0..bytes.div_ceil(64)).map(|_| Line(Default::default())).collect());
        lines.bytes().fill(UNTOUCHED);
        lines
    }

    /// The start, for access to all of the lines.
    fn start(&self) -> *const AtomicU64 {
        self.0.as_ptr().cast()
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: `&mut self` says that no other thread accesses the words, and words are made of
        // bytes.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * 64) }
    }
}

/// The kernels with each choice forced, so that one machine tests all that it has.
fn kernels() -> Vec<Kernel> {
    #[cfg_attr(not(target_arch = "x86_64"), allow(unused_mut))]
    let mut kernels = vec![Kernel::Words];
    #[cfg(target_arch = "x86_64")]
    {
        use super::x86_64::{ByteCopy, Width};
        let has_avx = is_x86_feature_detected!("avx");
        for &width in if has_avx { &[Width::Sse2, Width::Avx][..] } else { &[Width::Sse2] } {
            for stream_from in [usize::MAX, 129] {
                kernels.push(Kernel::Bytes(Box::leak(Box::new(ByteCopy { width, stream_from }))));
            }
        }
    }
    kernels
}

/// Bytes without a period that a copy could fall into.
fn message(len: usize) -> Vec<u8> {
    (0..len as u32).map(|i| i.wrapping_mul(0x9e37_79b1).to_be_bytes()[0]).collect()
}

/// The private and the shared memory of the comparisons, and untouched bytes to compare with.
struct Bench {
    source: Lines,
    shared: Lines,
    copy: Lines,
    untouched: Vec<u8>,
}

impl Bench {
    fn new(longest: usize) -> Self {
        let room = longest + 4 * MARGIN;
        let [mut source, shared, copy] = [(); 3].map(|()| Lines::new(room));
        let bytes = message(source.bytes().len());
        source.bytes().copy_from_slice(&bytes);
        Bench { source, shared, copy, untouched: vec![UNTOUCHED; room + 64] }
    }

    /// Stores and loads `len` bytes whose private side lies `align` bytes behind a cache line's
    /// start, and checks every byte around them. The shared side starts at each of the eight words
    /// of a line in turn.
    fn check(&mut self, kernel: Kernel, len: usize, align: usize) {
        let case = || format!("{kernel:?}, {len} bytes, alignment {align}");
        let source = &self.source.bytes()[align..align + len];
        let word = MARGIN / 8 + (len + align) % 8;

        self.shared.bytes().fill(UNTOUCHED);
        // SAFETY: the lines go on for more than MARGIN bytes behind the message; no other thread is
        // here.
        unsafe { kernel.store(self.shared.start().add(word), source) };
        let (before, stored) = self.shared.bytes().split_at(word * 8);
        let behind = &stored[len.next_multiple_of(8)..];
        assert!(stored[..len] == *source, "the stored message: {}", case());
        assert!(before == &self.untouched[..before.len()], "before the stored message: {}", case());
        assert!(behind == &self.untouched[..behind.len()], "behind the stored message: {}", case());

        self.copy.bytes().fill(UNTOUCHED);
        let start = MARGIN + align;
        let dst = self.copy.bytes()[start..].as_mut_ptr();
        // SAFETY: as above; `start` leaves more than MARGIN bytes behind the message.
        unsafe { kernel.load(dst, self.shared.start().add(word), len) };
        let (before, loaded) = self.copy.bytes().split_at(start);
        let behind = &loaded[len..];
        assert!(loaded[..len] == *source, "the loaded message: {}", case());
        assert!(before == &self.untouched[..before.len()], "before the loaded message: {}", case());
        assert!(behind == &self.untouched[..behind.len()], "behind the loaded message: {}", case());
    }
}

// Fails if a move of a short copy starts a byte off, or if the loop runs one round too many or too
// few.
#[test]
fn every_short_message_arrives_whole_and_nothing_around_it_changes() {
    let mut bench = Bench::new(600);
    for kernel in kernels() {
        for len in 0..=600 {
            for align in 0..64 {
                bench.check(kernel, len, align);
            }
        }
    }
}

#[test]
fn every_long_message_arrives_whole_and_nothing_around_it_changes() {
    let mut bench = Bench::new((1 << 20) + 65);
    for kernel in kernels() {
        for len in [1 << 10, 4 << 10, 64 << 10, 1 << 20] {
            for len in [len - 1, len, len + 1, len + 65] {
                for align in [0, 1, 63] {
                    bench.check(kernel, len, align);
                }
            }
        }
    }
}

// Fails if the tail is stored in pieces, which would access the bytes of one word by two sizes.
#[test]
fn the_word_kernel_fills_the_last_word_up_with_zeros() {
    for len in 1..8 {
        let mut shared = Lines::new(64);
        // SAFETY: one word of eight; no other thread is here.
        unsafe { Kernel::Words.store(shared.start(), &message(len)) };
        assert_eq!(shared.bytes()[len..8], [0; 8][len..], "{len} bytes");
    }
}

#[test]
fn the_kernel_follows_from_the_slot_size() {
    assert_eq!(Kernel::for_slot_bytes(8), Kernel::Words);
    assert_eq!(Kernel::for_slot_bytes(WORDS_UP_TO), Kernel::Words);
    let large = Kernel::for_slot_bytes(WORDS_UP_TO + 1);
    assert_eq!(large, Kernel::for_slot_bytes(1 << 30));
    assert_eq!(large == Kernel::Words, cfg!(not(target_arch = "x86_64")));
}

/// Loads a message again and again while another thread stores two versions of it in turn.
///
/// | outcome                                  | `Words`    | `Bytes`    |
/// |------------------------------------------|------------|------------|
/// | all bytes from one version               | acceptable | acceptable |
/// | words, each of one version               | acceptable | acceptable |
/// | a word with bytes of both versions       | forbidden  | acceptable |
/// | a byte of neither version                | forbidden  | forbidden  |
#[test]
fn a_copy_beside_a_store_mixes_the_two_versions_and_nothing_else() {
    const LEN: usize = 1000;
    let versions = [[0x11; LEN], [0x22; LEN]];
    for kernel in kernels() {
        let shared = Lines::new(LEN);
        // SAFETY: LEN bytes of lines, accessed through this one kernel while the threads run.
        let store = |version: &[u8]| unsafe { kernel.store(shared.start(), version) };
        store(&versions[0]);

        let done = AtomicBool::new(false);
        let (mut invented, mut torn_words) = (0, 0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Relaxed) {
                    for version in &versions {
                        store(version);
                    }
                }
            });
            for _ in 0..2_000 {
                let mut copy = [0; LEN];
                // SAFETY: as above, and `copy` has LEN bytes.
                unsafe { kernel.load(copy.as_mut_ptr(), shared.start(), LEN) };
                invented += copy.iter().filter(|byte| ![0x11, 0x22].contains(*byte)).count();
                torn_words += copy.chunks(8).filter(|word| word.iter().any(|byte| *byte != word[0])).count();
            }
            done.store(true, Relaxed);
        });
        assert_eq!(invented, 0, "{kernel:?}");
        assert!(torn_words == 0 || kernel != Kernel::Words, "{torn_words} words of two versions");
    }
}

/// A litmus test of the order around a copy: a reader spins on the stamp and copies at the moment
/// when the message comes; a writer begins to overwrite it some time after that. The times are
/// drawn from a printed seed.
///
/// | outcome                                                 |            |
/// |---------------------------------------------------------|------------|
/// | the stamp is published and unchanged, the bytes are new | acceptable |
/// | the same stamp, earlier bytes: stored after the stamp   | forbidden  |
/// | the same stamp, later bytes: stored before the mark     | forbidden  |
#[test]
fn litmus_of_a_copy_between_the_mark_and_the_stamp() {
    const LEN: usize = 1000;
    const TIME: Duration = Duration::from_millis(500);
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64 | 1;
    println!("seed {seed}");
    let versions: Vec<_> = (0..=u8::MAX).map(|byte| [byte; LEN]).collect();
    for kernel in kernels() {
        let shared = Lines::new(LEN);
        let [stamp, seen] = [(); 2].map(|()| Line(Default::default()));
        let (stamp, seen, done) = (&stamp.0[0], &seen.0[0], AtomicBool::new(false));
        // SAFETY: LEN bytes of lines, accessed through this one kernel while the threads run.
        let store = |bytes: &[u8]| unsafe { kernel.store(shared.start(), bytes) };
        store(&versions[0]);
        let (mut read, mut wrong) = (0, 0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (begin, mut random, mut n) = (Instant::now(), seed, 0_u64);
                while begin.elapsed() < TIME {
                    n += 1;
                    stamp.store(2 * n - 1, Relaxed);
                    fence(Ordering::Release);
                    store(&versions[n as usize % 256]);
                    stamp.store(2 * n, Ordering::Release);
                    // With one processor, the reader needs it to see the message.
                    let mut polls = 0;
                    while seen.load(Relaxed) < n {
                        polls += 1;
                        if polls % 1000 == 0 {
                            std::thread::yield_now();
                        }
                    }
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    (0..random % 64).for_each(|_| std::hint::spin_loop());
                }
                done.store(true, Relaxed);
            });
            let (mut last, mut polls) = (0, 0);
            let mut copy = [0; LEN];
            while !done.load(Relaxed) {
                let before = stamp.load(Ordering::Acquire);
                if before == last || before % 2 == 1 {
                    polls += 1;
                    if polls % 1000 == 0 {
                        std::thread::yield_now();
                    }
                    continue;
                }
                seen.store(before / 2, Relaxed);
                // SAFETY: as above, and `copy` has LEN bytes.
                unsafe { kernel.load(copy.as_mut_ptr(), shared.start(), LEN) };
                fence(Ordering::Acquire);
                if stamp.load(Relaxed) == before {
                    read += 1;
                    wrong += u64::from(copy != versions[before as usize / 2 % 256]);
                }
                last = before;
            }
        });
        println!("{kernel:?}: {read} messages");
        assert_eq!(wrong, 0, "{kernel:?}");
    }
}
