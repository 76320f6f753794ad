//! Copies between private memory and shared memory that another process may be writing at this moment.
//!
//! # The idea
//! A reader copies a payload first and finds out afterwards, by the slot's stamp, whether it was overwritten
//! meanwhile. A copy that races like that is undefined behaviour if it is made of plain or volatile accesses, so
//! the shared side is only ever accessed by relaxed atomics. The copy may then be a mixture of two messages, but
//! it *is* something, and the stamp decides whether it counts. Order comes from the slot protocol's fences
//! around the copy; nothing here orders anything.
//!
//! # Two kernels
//! |                  | [`Kernel::Words`]                      | [`Kernel::Bytes`]                        |
//! |------------------|----------------------------------------|------------------------------------------|
//! | an access is     | one `AtomicU64`, relaxed               | one `AtomicU8`, relaxed, made by assembly |
//! | good for         | short slots, every target, the models  | long slots: 3 times as fast from 1 KiB   |
//! | a message's end  | a whole word, filled up with zeros     | its last byte                            |
//!
//! Rust has no atomic copy of many bytes, and a loop over atomics is not vectorised: hence the assembly. Atomics
//! of two sizes may not race on the same bytes: hence a ring keeps to one kernel, which follows from its slot
//! size alone, never from a message's length. The threshold belongs to the segment format for the same reason.
//!
//! # What the assembly means
//! Each `asm!` block stands for the following Rust, and for the compiler it might as well be that:
//! ```text
//! for i in 0..len, in any order, some of them twice {
//!     dst[i].store(src[i].load(Relaxed), Relaxed)             // dst, src: AtomicU8
//! }
//! ```
//! - *The processor does that.* A move of any width, aligned or not, reads and writes each of its bytes in one
//!   piece, and all cores agree on the order of the values of a byte. Ordinary x86 moves keep loads in order and
//!   stores in order, which is more than Relaxed asks for. Non-temporal stores keep less than the fences around
//!   the copy rely on; an `sfence` on each side of them, inside the block, makes up for it.
//! - *The compiler cannot tell the difference.* It takes a block that is neither `pure` nor `readonly` nor
//!   `nomem` for code that may read and write all memory that its pointers lead to, atomically, and that may
//!   contain fences: it does not move other accesses or fences across it, drop it or repeat it. `nostack` and,
//!   where no instruction touches the flags, `preserves_flags` are the only promises that a block makes.
//! - *Twice* is where the pieces of a copy overlap. A load of a byte whose first result is overwritten by that of
//!   the second, or two stores of the same value, are things that Rust code may do as well.
//!
//! # Thresholds
//! | threshold | why | measured |
//! |-----------|-----|----------|
//! | words up to 256-byte slots | below it the kernels are equals, and words are what the models check | @A@ |
//! | 8-byte moves up to 128 bytes, vectors above | a message is often written just before it is sent, and a vector load that spans a word still on its way to the cache waits for it | @B@ |
//! | AVX if the machine has it, else SSE2 | twice as wide; AVX-512 gained nothing | @C@ |
//! | non-temporal stores from half the L3 | source and destination no longer fit in together: stored lines would be fetched, then evicted | @D@ |
//!
//! Not used: `rep movsb`. It was never the fastest (@E@).
//!
//! The machine: 2 vCPUs of an AMD EPYC (Zen 4) with 32 MiB of L3, under KVM; Rust 1.95; medians. Measure again by
//! the command at the top of `measure.rs`. The figures in parentheses come from code that is not kept.
#![allow(unsafe_code)] // The contract of a copy is about raw pointers.

#[cfg(test)]
mod measure;
#[cfg(test)]
mod tests;
mod words;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use crate::sync::{AtomicU64, MODELLED};

/// Up to this slot size a ring uses [`Kernel::Words`].
///
/// Part of the segment format: everybody who maps a ring must choose the same kernel.
const WORDS_UP_TO: usize = 256;

/// How the payloads of one ring are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kernel {
    /// Relaxed atomic loads and stores of 64-bit words.
    Words,
    /// Assembly that means a relaxed atomic load and store of each byte.
    #[cfg(target_arch = "x86_64")]
    Bytes(x86_64::ByteCopy),
}

impl Kernel {
    /// The kernel of a ring whose slots hold `slot_bytes` of payload, whatever the length of a single message.
    pub(crate) fn for_slot_bytes(slot_bytes: usize) -> Kernel {
        if MODELLED || slot_bytes <= WORDS_UP_TO {
            Kernel::Words
        } else {
            Kernel::for_large_slots()
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn for_large_slots() -> Kernel {
        Kernel::Bytes(x86_64::ByteCopy::detect())
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn for_large_slots() -> Kernel {
        Kernel::Words
    }

    /// Copies `src` into shared memory. Of the last word touched, the bytes behind `src` are left undetermined.
    ///
    /// # Safety
    /// - `shared` is aligned and valid for `src.len().div_ceil(8)` words;
    /// - nobody accesses these words meanwhile but through the same kernel.
    #[inline(always)]
    pub(crate) unsafe fn store(self, shared: *const AtomicU64, src: &[u8]) {
        match self {
            // SAFETY: the caller's promise is that of `words::store`.
            Kernel::Words => unsafe { words::store(shared, src) },
            // SAFETY: `src` is a slice, and distinct from memory that others may store to; the shared side is
            // the caller's promise; a `ByteCopy` names what `detect` found.
            #[cfg(target_arch = "x86_64")]
            Kernel::Bytes(bytes) => unsafe { bytes.copy(shared.cast_mut().cast(), src.as_ptr(), src.len()) },
        }
    }

    /// Copies `src` into shared memory from byte `offset` behind `shared` on, and changes no other byte.
    ///
    /// # Safety
    /// - `shared` is aligned and valid for `(offset + src.len()).div_ceil(8)` words;
    /// - nobody accesses these words meanwhile but through the same kernel, and nobody else stores to them: a
    ///   partly covered word is loaded, changed and stored.
    #[inline]
    pub(crate) unsafe fn store_at(self, shared: *const AtomicU64, offset: usize, src: &[u8]) {
        match self {
            // SAFETY: the caller's promise is that of `words::store_at`.
            Kernel::Words => unsafe { words::store_at(shared, offset, src) },
            // SAFETY: as in `store`; the caller's words reach from `shared` to the last byte.
            #[cfg(target_arch = "x86_64")]
            Kernel::Bytes(bytes) => unsafe {
                bytes.copy(
                    shared.cast_mut().cast::<u8>().add(offset),
                    src.as_ptr(),
                    src.len(),
                );
            },
        }
    }

    /// Copies `len` bytes out of shared memory. What they are worth is for the slot's stamp to say.
    ///
    /// # Safety
    /// - `shared` is aligned and valid for `len.div_ceil(8)` words;
    /// - nobody accesses these words meanwhile but through the same kernel;
    /// - `dst` is valid for writes of `len` bytes, which need not be initialised and which nobody else accesses.
    #[inline(always)]
    pub(crate) unsafe fn load(self, dst: *mut u8, shared: *const AtomicU64, len: usize) {
        match self {
            // SAFETY: the caller's promise is that of `words::load`.
            Kernel::Words => unsafe { words::load(dst, shared, len) },
            // SAFETY: the caller's promise; private memory does not overlap shared memory; a `ByteCopy` names
            // what `detect` found.
            #[cfg(target_arch = "x86_64")]
            Kernel::Bytes(bytes) => unsafe { bytes.copy(dst, shared.cast(), len) },
        }
    }
}
