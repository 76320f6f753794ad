//! See `word_slots`: where there are no such slots.
#![allow(unsafe_code, reason = "the product's are unsafe")]

pub(super) const SLOT: usize = 16;

pub(super) fn are_indivisible() -> bool {
    false
}

/// # Safety
/// Not called.
pub(super) unsafe fn store_all(_: *mut u8, _: u64, _: u64, _: &[u8]) {
    unreachable!("no slot is stored at once")
}

/// # Safety
/// Not called.
pub(super) unsafe fn load_all(_: *const u8, _: u64, _: u64, _: &mut [u8]) -> usize {
    unreachable!("no slot is loaded at once")
}

/// # Safety
/// Not called.
pub(super) unsafe fn store_word(_: *mut u8, _: u64, _: &[u8; 8]) {
    unreachable!("no slot is stored at once")
}

/// # Safety
/// Not called.
pub(super) unsafe fn load_word(_: *const u8, _: u64, _: &mut [u8; 8]) -> u64 {
    unreachable!("no slot is loaded at once")
}
