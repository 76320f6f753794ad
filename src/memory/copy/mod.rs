//! Copies between private memory and shared memory that another process may be writing at this
//! moment.
//!
//! # The idea
//! A reader copies a payload first and then checks, by the slot's stamp, whether it was overwritten
//! meanwhile. A copy that races like that is undefined behaviour if it is made of plain or volatile
//! accesses, so the shared side is accessed by relaxed atomics only. The copy may then be a mixture
//! of two messages, but it is defined, and the stamp decides whether it counts. The slot protocol's
//! fences around the copy provide the order; the copy itself orders nothing.
//!
//! # Two kernels
//! |  | [`Kernel::Words`] | [`Kernel::Bytes`] |
//! |---|---|---|
//! | an access is | one `AtomicU64`, relaxed | one `AtomicU8`, relaxed, made by assembly |
//! | good for | short slots, every target, the models | long slots: 2 to 3 times as fast at 1 KiB |
//! | a message's end | a whole word, filled up with zeros | its last byte |
//!
//! Rust has no atomic copy of many bytes, and a loop over atomics is not vectorised: hence the
//! assembly. Atomics of two sizes may not race on the same bytes. Hence a ring keeps to one kernel,
//! which follows from its slot size alone, never from a message's length, and that threshold is
//! part of the segment format. Messages of a word have [another way](super::word_slots), too.
//!
//! # What the assembly means
//! Each `asm!` block means the following Rust, and the compiler must assume no more about it:
//! ```text
//! for i in 0..len, in any order, some of them twice {
//!     dst[i].store(src[i].load(Relaxed), Relaxed)             // dst, src: AtomicU8
//! }
//! ```
//! - *The processor does that.* A move of any width, aligned or not, reads and writes each of its
//!   bytes in one piece, and all cores agree on the order of the values of a byte. Ordinary x86
//!   moves keep loads in order and stores in order, which is more than Relaxed asks for.
//!   Non-temporal stores keep less than the fences around the copy rely on; an `sfence` on each
//!   side of them, inside the block, makes up for it.
//! - *The compiler cannot see the difference.* A block that is neither `pure` nor `readonly` nor
//!   `nomem` may, to the compiler, read and write all memory that its pointers lead to, atomically,
//!   and may contain fences. So the compiler does not move other accesses or fences across it, drop
//!   it or repeat it. `nostack` and, where no instruction changes the flags, `preserves_flags` are
//!   the only promises that a block makes.
//! - *Twice* is where the pieces of a copy overlap. Rust code, too, may load a byte twice and drop
//!   the first result, or store the same value twice.
//!
//! # Thresholds
//! - *Words in slots of up to 256 bytes:* words are what the models check, and in this range they
//!   cost nothing. They are as fast as bytes up to 128 bytes, and up to 256 for a message that was
//!   just written (`new` in the table).
//! - *Bytes by 8-byte moves up to 128 bytes, by vectors above.* A message is often written just
//!   before it is sent, and a vector load that spans a word still on its way to the cache waits for
//!   it.
//! - *AVX, or SSE2 where there is none:* twice the width. AVX-512 gains nothing more.
//! - *Non-temporal stores from a third of the L3:* source, slot and target of a message no longer
//!   fit into it, and ordinary stores fetch each line only for it to be evicted.
//!
//! The measurements behind them; `new` means that the message's first word was written just before
//! the copy:
//!
//! | store                       | `memcpy` | words | SSE2 | AVX  | non-temporal |
//! |-----------------------------|----------|-------|------|------|--------------|
//! | 8 B, ns                     | 3.5      | 2.3   | 2.5  | 2.5  | –            |
//! | 64 B, ns                    | 3.2      | 4.0   | 3.7  | 3.7  | –            |
//! | 64 B, `new`, ns             | 7.4      | 4.2   | 4.2  | 4.2  | –            |
//! | 256 B, ns                   | 4.0      | 8.9   | 6.0  | 4.4  | 605          |
//! | 256 B, `new`, ns            | 8.5      | 9.0   | 8.4  | 8.4  | 622          |
//! | 1 KiB, GB/s                 | 89       | 37    | 56   | 84   | 1.7          |
//! | 4 KiB, GB/s                 | 90       | 38    | 59   | 115  | 9.0          |
//! | 1 MiB, GB/s                 | 47       | 31    | 50   | 49   | 28           |
//! | 8 MiB, GB/s                 | 25       | 18    | 29   | 28   | 28           |
//! | 12 MiB, GB/s                | 19       | 15    | 20   | 20   | 28           |
//! | 64 MiB, GB/s                | 13       | 13    | 14   | 13   | 21           |
//! | two cores, 4 × 1 MiB, GB/s  | 46       | 28    | 46   | 46   | 14           |
//! | two cores, 4 × 4 MiB, GB/s  | 24       | 16    | 22   | 22   | 13           |
//! | two cores, 4 × 8 MiB, GB/s  | 9        | 10    | 12   | 10   | 13           |
//! | two cores, 4 × 96 MiB, GB/s | 9        | 9     | 9    | 9    | 13           |
//!
//! Medians on 2 vCPUs of an AMD EPYC (Zen 4) with 32 MiB of L3, under KVM, Rust 1.95, with some
//! other work in the background; two cores that share the L3. Loads are like stores, but
//! non-temporal ones pay off later (12 MiB: equal). They were made by `src/copy/measure.rs` of
//! revision 350bc9a; `cargo bench --bench copy_kernels` measures the kernels that were chosen.
//!
//! `rep movsb` is not used: 66 GB/s at 1 KiB where AVX had 105, nowhere more than 1 % ahead of the
//! best of the others, and 7.5 GB/s at 64 MiB when the two sides lay 16 bytes apart in their pages.
#![allow(unsafe_code)] // The contract of a copy is about raw pointers.
#![cfg_attr(seqring_model, allow(dead_code, reason = "the models use the words and nothing else"))]

#[cfg(test)]
mod tests;
mod words;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use crate::sync::AtomicU64;

/// Up to this slot size a ring uses [`Kernel::Words`].
///
/// Part of the segment format: all processes that map a ring must use the same kernel.
pub(crate) const WORDS_UP_TO: usize = 256;

/// How the payloads of one ring are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kernel {
    /// Relaxed atomic loads and stores of 64-bit words.
    Words,
    /// The same, inlined into the caller: for loops over messages of one length.
    WordsInline,
    /// Assembly that means a relaxed atomic load and store of each byte.
    #[cfg(target_arch = "x86_64")]
    Bytes(&'static x86_64::ByteCopy),
}

impl Kernel {
    /// The kernel of a ring whose slots hold `slot_bytes` of payload, whatever the length of a
    /// single message.
    pub(crate) fn for_slot_bytes(slot_bytes: usize) -> Kernel {
        if slot_bytes <= WORDS_UP_TO { Kernel::Words } else { Kernel::for_large_slots() }
    }

    #[cfg(target_arch = "x86_64")]
    fn for_large_slots() -> Kernel {
        Kernel::Bytes(x86_64::ByteCopy::detect())
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn for_large_slots() -> Kernel {
        Kernel::Words
    }

    /// Copies `src` into shared memory. Of the last word touched, the bytes behind `src` are left
    /// undetermined.
    ///
    /// # Safety
    /// - `shared` is aligned and valid for `src.len().div_ceil(8)` words;
    /// - all concurrent accesses to these words go through the same kernel.
    #[inline(always)]
    pub(crate) unsafe fn store(self, shared: *const AtomicU64, src: &[u8]) {
        if matches!(self, Kernel::Words) {
            // Apart from the others: one comparison.
            // SAFETY: the caller's promise is that of `words::store`.
            return unsafe { words::store(shared, src) };
        }
        match self {
            // SAFETY: as above.
            Kernel::Words | Kernel::WordsInline => unsafe { words::store_inline(shared, src) },
            // SAFETY: `src` is a slice, and distinct from memory that others may store to; the
            // caller promises the shared side; a `ByteCopy` names what `detect` found.
            #[cfg(target_arch = "x86_64")]
            Kernel::Bytes(bytes) => unsafe { bytes.copy(shared.cast_mut().cast(), src.as_ptr(), src.len()) },
        }
    }

    /// Copies `len` bytes out of shared memory. The slot's stamp decides whether they count.
    ///
    /// # Safety
    /// - `shared` is aligned and valid for `len.div_ceil(8)` words;
    /// - all concurrent accesses to these words go through the same kernel;
    /// - `dst` is valid for writes of `len` bytes, which need not be initialised and which no other
    ///   thread accesses.
    #[inline(always)]
    pub(crate) unsafe fn load(self, dst: *mut u8, shared: *const AtomicU64, len: usize) {
        match self {
            // SAFETY: the caller's promise is that of `words::load`.
            Kernel::Words => unsafe { words::load(dst, shared, len) },
            // SAFETY: as above.
            Kernel::WordsInline => unsafe { words::load_inline(dst, shared, len) },
            // SAFETY: the caller's promise; private memory does not overlap shared memory; a
            // `ByteCopy` names what `detect` found.
            #[cfg(target_arch = "x86_64")]
            Kernel::Bytes(bytes) => unsafe { bytes.copy(dst, shared.cast(), len) },
        }
    }
}
