//! Fetches of cache lines that a writer is about to store to.
#![allow(unsafe_code, reason = "an instruction that Rust does not offer")]

use crate::memory::layout::LINE;

/// Asks the processor for the lines from `start` on, exclusively, and does not wait for them.
///
/// A line that another core has read must come from there before a store to it completes, and
/// stores complete in program order. Without this, the next line is not requested before the
/// previous one has arrived. Requests made here are under way together. A hint changes
/// no memory, so the models have none.
#[inline(always)]
pub(crate) fn fetch_for_writing(start: *const u8, bytes: usize) {
    let mut line = start.wrapping_sub(start.addr() % LINE);
    let end = start.wrapping_add(bytes);
    while line < end {
        fetch_line_for_writing(line);
        line = line.wrapping_add(LINE);
    }
}

/// As [`fetch_for_writing`], the line that `address` is in.
#[inline(always)]
pub(crate) fn fetch_line_for_writing(address: *const u8) {
    // SAFETY: a prefetch of any address is a hint, and faults nowhere.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        // A processor without the instruction executes it as a no-op.
        std::arch::asm!("prefetchw [{}]", in(reg) address, options(nostack, preserves_flags, readonly));
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!("prfm pstl1keep, [{}]", in(reg) address, options(nostack, preserves_flags, readonly));
    }
    let _ = address; // Elsewhere there is no such hint.
}
