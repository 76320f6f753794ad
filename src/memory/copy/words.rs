//! The word kernel: every access to the shared side is one relaxed atomic load or store of a whole,
//! aligned 64-bit word.
//!
//! A message that ends inside a word still moves that whole word, so no byte is accessed by two
//! sizes. Words carry bytes in memory order, on either endianness.
#![allow(unsafe_code)] // Raw pointers: the private side has any alignment, the shared side no exclusive owner.

use crate::sync::{AtomicU64, Relaxed};

const WORD: usize = size_of::<u64>();
const LINE: usize = 64;

/// Stores `src`; a last, partial word is filled up with zeros.
///
/// # Safety
/// `shared` is aligned and valid for `src.len().div_ceil(8)` words.
#[inline(always)]
pub(super) unsafe fn store(shared: *const AtomicU64, src: &[u8]) {
    if src.len() == WORD {
        // One word is the most common short message, and a loop would cost more than the copy.
        // SAFETY: the caller's word is valid, and `src` has its eight bytes.
        return unsafe { (*shared).store(src.as_ptr().cast::<u64>().read_unaligned(), Relaxed) };
    }
    if src.len() == LINE {
        // A cache line is common, too: eight stores and nothing else where the caller knows the
        // length.
        // SAFETY: the caller's promise.
        return unsafe { store_inline(shared, src) };
    }
    // SAFETY: the caller's promise.
    unsafe { store_many(shared, src) };
}

/// [`store`] for any length, out of line so that it takes no registers from the caller's path.
#[inline(never)]
unsafe fn store_many(shared: *const AtomicU64, src: &[u8]) {
    // SAFETY: the caller's promise.
    unsafe { store_inline(shared, src) };
}

/// [`store`] in its caller's code: for loops, and where the length is known.
#[inline(always)]
pub(super) unsafe fn store_inline(shared: *const AtomicU64, src: &[u8]) {
    let (whole, rest) = (src.len() / WORD, src.len() % WORD);
    let from = src.as_ptr();
    in_blocks(whole, |i| {
        // SAFETY: i < whole, so these 8 bytes lie inside `src` and word i inside what the caller
        // promises.
        unsafe {
            let word = from.add(i * WORD).cast::<u64>().read_unaligned();
            (*shared.add(i)).store(word, Relaxed);
        }
    });
    if rest != 0 {
        // SAFETY: the last `rest` bytes of `src` start at whole * 8; the caller counted this word
        // in.
        unsafe { (*shared.add(whole)).store(read_partial(from.add(whole * WORD), rest), Relaxed) };
    }
}

/// Loads `len` bytes; the last word is loaded whole and only the bytes asked for are kept.
///
/// # Safety
/// `shared` is aligned and valid for `len.div_ceil(8)` words, `dst` valid for writes of `len` bytes
/// that no other thread accesses.
#[inline(always)]
pub(super) unsafe fn load(dst: *mut u8, shared: *const AtomicU64, len: usize) {
    if len == WORD {
        // As in `store`.
        // SAFETY: the caller's word is valid, and `dst` has room for its eight bytes.
        return unsafe { dst.cast::<u64>().write_unaligned((*shared).load(Relaxed)) };
    }
    if len == LINE {
        // As in `store`.
        // SAFETY: the caller's promise.
        return unsafe { load_inline(dst, shared, len) };
    }
    // SAFETY: the caller's promise.
    unsafe { load_many(dst, shared, len) };
}

/// [`load`] for any length, as [`store_many`].
#[inline(never)]
unsafe fn load_many(dst: *mut u8, shared: *const AtomicU64, len: usize) {
    // SAFETY: the caller's promise.
    unsafe { load_inline(dst, shared, len) };
}

/// [`load`] in its caller's code, as [`store_inline`].
#[inline(always)]
pub(super) unsafe fn load_inline(dst: *mut u8, shared: *const AtomicU64, len: usize) {
    let (whole, rest) = (len / WORD, len % WORD);
    in_blocks(whole, |i| {
        // SAFETY: i < whole, so the word is inside the shared range and its 8 bytes inside `dst`.
        unsafe {
            let word = (*shared.add(i)).load(Relaxed);
            dst.add(i * WORD).cast::<u64>().write_unaligned(word);
        }
    });
    if rest != 0 {
        // SAFETY: the caller counted this word in, and `rest` bytes remain in `dst` from whole * 8
        // on.
        unsafe { write_partial(dst.add(whole * WORD), (*shared.add(whole)).load(Relaxed), rest) };
    }
}

/// Calls `move_word` for each index below `words`, eight at a time: 64 bytes take 16 moves and a
/// branch.
#[inline(always)]
fn in_blocks(words: usize, move_word: impl Fn(usize)) {
    let mut i = 0;
    while i + 8 <= words {
        for k in 0..8 {
            move_word(i + k);
        }
        i += 8;
    }
    while i < words {
        move_word(i);
        i += 1;
    }
}

/// The word whose first `rest` bytes are those at `from`, the others zero.
///
/// # Safety
/// `rest` < 8, and `from` is valid for reads of `rest` bytes.
#[inline(always)]
unsafe fn read_partial(from: *const u8, rest: usize) -> u64 {
    let (mut word, mut taken) = (0_u64, 0);
    // SAFETY: the set bits of `rest` add up to `rest`: each read starts where the one before it
    // ended.
    unsafe {
        if rest & 4 != 0 {
            word = u64::from(u32::from_le(from.cast::<u32>().read_unaligned()));
            taken = 4;
        }
        if rest & 2 != 0 {
            word |= u64::from(u16::from_le(from.add(taken).cast::<u16>().read_unaligned())) << (8 * taken);
            taken += 2;
        }
        if rest & 1 != 0 {
            word |= u64::from(from.add(taken).read()) << (8 * taken);
        }
    }
    word.to_le()
}

/// Writes the first `rest` bytes of `word` to `to`.
///
/// # Safety
/// `rest` < 8, and `to` is valid for writes of `rest` bytes.
#[inline(always)]
unsafe fn write_partial(mut to: *mut u8, word: u64, rest: usize) {
    let mut word = u64::from_le(word);
    // SAFETY: as in `read_partial`.
    unsafe {
        if rest & 4 != 0 {
            to.cast::<u32>().write_unaligned((word as u32).to_le());
            to = to.add(4);
            word >>= 32;
        }
        if rest & 2 != 0 {
            to.cast::<u16>().write_unaligned((word as u16).to_le());
            to = to.add(2);
            word >>= 16;
        }
        if rest & 1 != 0 {
            to.write(word as u8);
        }
    }
}
