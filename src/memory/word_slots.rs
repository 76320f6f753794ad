//! Slots whose payload is one word: stamp and payload are 16 bytes, which a processor with AVX
//! loads and stores at once.
//!
//! # What an access means
//! | access | means ([`crate::protocol::inline_slot`]) |
//! |---|---|
//! | [`store_word`], [`store_all`] for each message | steps 1 to 4, with nothing between them |
//! | [`load_word`], [`load_all`] for each message   | steps a to d, with nothing between them |
//!
//! The protocol permits an execution in which no other access comes between these steps. One access
//! of 16 bytes is such an execution. Hence the two forms mix: a peer may take the steps one by one,
//! in another call or without AVX.
//!
//! - *A load sees whole stores.* Intel and AMD guarantee that an aligned SSE load or store of 16
//!   bytes is indivisible on every processor that has AVX.
//! - *A load between the steps of a writer* sees a stamp other than that of the message, or all of
//!   the message: stores become visible in order on x86-64.
//! - *The steps of a reader around a store* see the stamp change if they see the payload change:
//!   loads are made in order, and both changed at once.
//! - *Order.* On x86-64 each store is a release and each load an acquire (`Publish`). A block of
//!   assembly that may access all memory keeps the compiler's accesses on their side of it.
//!
//! Model checkers, failpoints and the fuzzer's hostile atomics work on the single steps, so builds
//! with these do not have this module.
#![allow(unsafe_code, reason = "instructions that Rust does not offer")]

use core::arch::asm;
use core::arch::x86_64::{
    __m128i, _mm_add_epi64, _mm_and_si128, _mm_castsi128_pd, _mm_cmpeq_epi32, _mm_cvtsi64_si128,
    _mm_cvtsi128_si64, _mm_loadu_si128, _mm_movemask_epi8, _mm_set_epi64x, _mm_set1_epi64x, _mm_storeh_pd,
    _mm_storeu_si128, _mm_unpackhi_epi64, _mm_unpacklo_epi64,
};

/// Bytes of a slot.
pub(super) const SLOT: usize = 16;
/// Bytes of a payload.
const WORD: usize = 8;
/// Slots of a cache line, which a loop takes together. They need not lie in one.
const FOUR: usize = 4;

/// Whether this processor loads and stores a slot at once.
pub(super) fn are_indivisible() -> bool {
    is_x86_feature_detected!("avx")
}

/// Publishes `word` with `stamp` in the slot at `at`.
///
/// # Safety
/// As for [`store_all`], for one slot.
#[inline]
#[target_feature(enable = "sse2")]
pub(super) unsafe fn store_word(at: *mut u8, stamp: u64, word: &[u8; WORD]) {
    // SAFETY: the caller's promise. PAIRS(Publish): see the head of the file.
    unsafe {
        asm!(
            "movhps {slot}, [{word}]",
            "movdqa [{at}], {slot}",
            at = in(reg) at,
            word = in(reg) word,
            slot = inout(xmm_reg) _mm_cvtsi64_si128(stamp.cast_signed()) => _,
            options(nostack, preserves_flags),
        );
    }
}

/// Copies the word of the slot at `at` to `word`, if the slot has `stamp`. Returns the stamp that
/// it has.
///
/// # Safety
/// As for [`store_all`], for one slot.
#[inline]
#[target_feature(enable = "sse2")]
pub(super) unsafe fn load_word(at: *const u8, stamp: u64, word: &mut [u8; WORD]) -> u64 {
    // SAFETY: the caller's promise; `word` is eight bytes.
    unsafe {
        let slot = load::<0>(at);
        let seen = _mm_cvtsi128_si64(slot).cast_unsigned();
        if seen == stamp {
            _mm_storeh_pd(word.as_mut_ptr().cast(), _mm_castsi128_pd(slot));
        }
        seen
    }
}

/// Publishes the words of `messages`, the first with `stamp` in the slot at `at`, each later one
/// with a stamp `step` higher in the slot after it.
///
/// # Safety
/// - [`are_indivisible`];
/// - `at` is aligned to a slot, and valid for as many slots as there are words;
/// - peers access them by this module, or by atomics of a word.
#[inline]
#[target_feature(enable = "sse2")]
pub(super) unsafe fn store_all(at: *mut u8, stamp: u64, step: u64, messages: &[u8]) {
    let mut slots = Stamps::new(stamp, step);
    let mut fours = messages.chunks_exact(FOUR * WORD);
    let mut at = at;
    for words in &mut fours {
        // SAFETY: `words` are 32 bytes; the slots are the caller's.
        unsafe {
            let (low, high) =
                (_mm_loadu_si128(words.as_ptr().cast()), _mm_loadu_si128(words[16..].as_ptr().cast()));
            store::<0>(at, _mm_unpacklo_epi64(slots.low, low));
            store::<1>(at, _mm_unpackhi_epi64(slots.low, low));
            store::<2>(at, _mm_unpacklo_epi64(slots.high, high));
            store::<3>(at, _mm_unpackhi_epi64(slots.high, high));
        }
        slots.advance();
        at = at.wrapping_add(FOUR * SLOT);
    }
    let mut stamp = slots.first();
    for word in fours.remainder().as_chunks().0 {
        // SAFETY: the slot is the caller's.
        unsafe { store_word(at, stamp, word) };
        stamp = stamp.wrapping_add(step);
        at = at.wrapping_add(SLOT);
    }
}

/// Copies words into `out`, from the slot at `at` on, as long as the slots hold the stamps that
/// [`store_all`] would give them. Returns how many.
///
/// # Safety
/// As for [`store_all`], with as many slots as `out` has room for.
#[inline]
#[target_feature(enable = "sse2")]
pub(super) unsafe fn load_all(at: *const u8, stamp: u64, step: u64, out: &mut [u8]) -> usize {
    let mut slots = Stamps::new(stamp, step);
    let mut copied = 0;
    let mut at = at;
    for room in out.chunks_exact_mut(FOUR * WORD) {
        // SAFETY: the slots are the caller's; `room` is 32 bytes.
        let equal = unsafe {
            let (a, b, c, d) = (load::<0>(at), load::<1>(at), load::<2>(at), load::<3>(at));
            _mm_storeu_si128(room.as_mut_ptr().cast(), _mm_unpackhi_epi64(a, b));
            _mm_storeu_si128(room[16..].as_mut_ptr().cast(), _mm_unpackhi_epi64(c, d));
            let low = _mm_cmpeq_epi32(_mm_unpacklo_epi64(a, b), slots.low);
            _mm_and_si128(low, _mm_cmpeq_epi32(_mm_unpacklo_epi64(c, d), slots.high))
        };
        if _mm_movemask_epi8(equal) != 0xffff {
            break;
        }
        slots.advance();
        copied += FOUR;
        at = at.wrapping_add(FOUR * SLOT);
    }
    let mut stamp = slots.first();
    for room in out[copied * WORD..].as_chunks_mut().0 {
        // SAFETY: the slot is the caller's.
        if unsafe { load_word(at, stamp, room) } != stamp {
            break;
        }
        copied += 1;
        stamp = stamp.wrapping_add(step);
        at = at.wrapping_add(SLOT);
    }
    copied
}

/// The stamps of the next four messages.
struct Stamps {
    low: __m128i,
    high: __m128i,
    four_steps: __m128i,
}

impl Stamps {
    #[inline]
    #[target_feature(enable = "sse2")]
    fn new(stamp: u64, step: u64) -> Self {
        let low = pair(stamp, stamp.wrapping_add(step));
        let twice = step.wrapping_mul(2).cast_signed();
        let high = _mm_add_epi64(low, _mm_set1_epi64x(twice));
        Stamps { low, high, four_steps: _mm_set1_epi64x(twice.wrapping_mul(2)) }
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn advance(&mut self) {
        self.low = _mm_add_epi64(self.low, self.four_steps);
        self.high = _mm_add_epi64(self.high, self.four_steps);
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn first(&self) -> u64 {
        _mm_cvtsi128_si64(self.low).cast_unsigned()
    }
}

#[inline]
#[target_feature(enable = "sse2")]
fn pair(low: u64, high: u64) -> __m128i {
    _mm_set_epi64x(high.cast_signed(), low.cast_signed())
}

/// Stores slot `I` after the one at `at`.
///
/// # Safety
/// As for [`store_all`], for that slot.
#[inline]
#[target_feature(enable = "sse2")]
unsafe fn store<const I: usize>(at: *mut u8, slot: __m128i) {
    // SAFETY: the caller's promise. PAIRS(Publish): see the head of the file.
    unsafe {
        asm!(
            "movdqa [{at} + {offset}], {slot}",
            at = in(reg) at,
            offset = const I * SLOT,
            slot = in(xmm_reg) slot,
            options(nostack, preserves_flags),
        );
    };
}

/// Loads slot `I` after the one at `at`.
///
/// # Safety
/// As for [`store_all`], for that slot.
#[inline]
#[target_feature(enable = "sse2")]
unsafe fn load<const I: usize>(at: *const u8) -> __m128i {
    let slot;
    // SAFETY: the caller's promise. PAIRS(Publish): see the head of the file.
    unsafe {
        asm!(
            "movdqa {slot}, [{at} + {offset}]",
            at = in(reg) at,
            offset = const I * SLOT,
            slot = out(xmm_reg) slot,
            options(nostack, preserves_flags),
        );
    };
    slot
}

#[cfg(test)]
mod tests {
    use super::{FOUR, SLOT, are_indivisible, load_all, store_all};
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};

    const SLOTS: usize = 13;
    const READS: usize = 2_000_000;

    #[repr(align(64))]
    #[derive(Default)]
    struct Slots([[AtomicU64; 2]; SLOTS]);

    impl Slots {
        fn start(&self) -> *mut u8 {
            std::ptr::from_ref(&self.0).cast_mut().cast()
        }

        /// Stores the words of message `first` and those after it, one a slot.
        fn store(&self, first: u64, whole: bool) {
            let words: Vec<u64> = (first..).take(SLOTS).map(word).collect();
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
            if whole {
                // SAFETY: `bytes` has a word for each slot; they are accessed as the module says.
                unsafe { store_all(self.start(), 2 * first, 2, &bytes) };
                return;
            }
            for ([stamp, payload], n) in self.0.iter().zip(first..) {
                stamp.store(2 * n - 1, Ordering::Relaxed);
                fence(Ordering::Release);
                payload.store(word(n), Ordering::Relaxed);
                stamp.store(2 * n, Ordering::Release);
            }
        }

        /// The words of message `first` and those after it, until one is not there.
        fn load(&self, first: u64, whole: bool) -> Vec<u64> {
            if whole {
                let mut out = [0; 8 * SLOTS];
                // SAFETY: as in `store`.
                let loaded = unsafe { load_all(self.start(), 2 * first, 2, &mut out) };
                return out.as_chunks().0[..loaded].iter().map(|word| u64::from_ne_bytes(*word)).collect();
            }
            let slots = self.0.iter().zip(first..);
            let words = slots.map_while(|([stamp, payload], n)| {
                let before = stamp.load(Ordering::Acquire);
                let word = payload.load(Ordering::Relaxed);
                fence(Ordering::Acquire);
                (before == 2 * n && stamp.load(Ordering::Relaxed) == before).then_some(word)
            });
            words.collect()
        }
    }

    fn word(n: u64) -> u64 {
        n.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[test]
    fn words_are_loaded_up_to_the_first_slot_without_its_stamp() {
        let slots = Slots::default();
        for first in [1, 1 << 40] {
            slots.store(first, are_indivisible());
            for held in 0..=SLOTS {
                let at = &slots.0[held.min(SLOTS - 1)][0];
                let stamp = at.load(Ordering::Relaxed);
                at.store(stamp + u64::from(held < SLOTS), Ordering::Relaxed);
                let words: Vec<u64> = (first..).take(held).map(word).collect();
                assert_eq!(slots.load(first, are_indivisible()), words);
                at.store(stamp, Ordering::Relaxed);
            }
        }
        assert!(!SLOTS.is_multiple_of(FOUR) && size_of::<[AtomicU64; 2]>() == SLOT);
    }

    /// One thread overwrites the slots, another reads. Each of them takes a slot whole, or step by
    /// step.
    #[test]
    fn litmus_of_words_and_their_stamps() {
        for (whole_store, whole_load) in [(true, true), (true, false), (false, true)] {
            if !are_indivisible() {
                return;
            }
            let (slots, ended) = (Slots::default(), AtomicBool::new(false));
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    for lap in 0.. {
                        if ended.load(Ordering::Relaxed) {
                            break;
                        }
                        slots.store(1 + lap * SLOTS as u64, whole_store);
                        // The reader gets to the next lap while its slots are being stored to.
                        (0..lap % 64).for_each(|_| std::hint::spin_loop());
                    }
                });
                let (mut next, mut reads, mut laps_ahead) = (1, 0, 0);
                let torn = loop {
                    let words = slots.load(next, whole_load);
                    let torn = words.iter().zip(next..).find(|(read, n)| **read != word(*n));
                    reads += words.len();
                    if torn.is_some() || reads >= READS {
                        break torn.map(|(_, n)| n);
                    }
                    // The lap that lies there is read even where both threads share a core.
                    laps_ahead ^= 1;
                    next = slots.0[0][0].load(Ordering::Relaxed) / 2 + laps_ahead * SLOTS as u64;
                };
                ended.store(true, Ordering::Relaxed);
                assert_eq!(torn, None, "a message read with the stamp of another");
            });
        }
    }
}
