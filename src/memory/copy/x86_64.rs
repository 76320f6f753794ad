//! The byte kernel: copies written in assembly whose meaning is a relaxed atomic load and store of
//! each byte.
//!
//! The [module docs above](super) say what the blocks mean. Each takes its arguments in registers,
//! uses no stack, and names every vector register it changes; none is `pure`, `readonly` or
//! `nomem`.
#![allow(unsafe_code)] // The copies are assembly on raw pointers.

use core::arch::asm;
use core::arch::x86_64::{__cpuid, __cpuid_count};
use std::sync::OnceLock;

/// Up to this length a copy is made of moves of at most eight bytes, above of vectors.
const SHORT: usize = 128;

/// Assumed where the processor does not report its L3.
const L3_IF_UNKNOWN: usize = 32 << 20;

/// The choices among the copies that depend on the machine.
///
/// Two processes may differ in them: byte by byte, the meaning is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteCopy {
    pub(super) width: Width,
    /// From this length on, stores bypass the caches.
    pub(super) stream_from: usize,
}

/// The registers of the loop. AVX-512 was measured too and gained nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    /// 16 bytes: every x86-64 has these.
    Sse2,
    /// 32 bytes.
    Avx,
}

impl ByteCopy {
    /// Asks the processor, once a process.
    pub(super) fn detect() -> &'static Self {
        static HERE: OnceLock<ByteCopy> = OnceLock::new();
        HERE.get_or_init(|| ByteCopy {
            width: if is_x86_feature_detected!("avx") { Width::Avx } else { Width::Sse2 },
            // From a third of the L3 on, source, slot and target of a message no longer fit into
            // it.
            stream_from: l3_bytes().unwrap_or(L3_IF_UNKNOWN) / 3,
        })
    }

    /// Copies `len` bytes, either side of which may be the shared one. Loads and stores no byte
    /// outside.
    ///
    /// # Safety
    /// - `src` is valid for reads of `len` bytes, `dst` for writes of `len` bytes, and they do not
    ///   overlap;
    /// - other threads and processes access these bytes atomically and byte by byte, or not at all
    ///   meanwhile;
    /// - this processor has what `self.width` names.
    #[inline]
    pub(super) unsafe fn copy(self, dst: *mut u8, src: *const u8, len: usize) {
        // The sanitizer does not see into assembly: access the ends of what is copied for it.
        #[cfg(seqring_fuzz)]
        for byte in [0, len.wrapping_sub(1)].into_iter().filter(|byte| *byte < len) {
            // SAFETY: the caller's promise for all `len` bytes.
            unsafe { std::hint::black_box((src.add(byte).read_volatile(), dst.add(byte).read_volatile())) };
        }
        // SAFETY: each move starts and ends within 0..len by the condition above it; the rest is
        // the caller's.
        unsafe {
            if len > SHORT {
                self.copy_long(dst, src, len);
            } else if len > 32 {
                for at in (0..len - 32).step_by(32) {
                    move_32(dst.add(at), src.add(at));
                }
                move_32(dst.add(len - 32), src.add(len - 32));
            } else if len >= 16 {
                move_8([dst, dst.add(8)], [src, src.add(8)]);
                move_8([dst.add(len - 16), dst.add(len - 8)], [src.add(len - 16), src.add(len - 8)]);
            } else if len >= 8 {
                move_8([dst, dst.add(len - 8)], [src, src.add(len - 8)]);
            } else if len >= 4 {
                move_4([dst, dst.add(len - 4)], [src, src.add(len - 4)]);
            } else if len >= 2 {
                move_2([dst, dst.add(len - 2)], [src, src.add(len - 2)]);
            } else if len == 1 {
                move_1([dst; 2], [src; 2]);
            }
        }
    }

    /// Copies more than [`SHORT`] bytes. Out of line: one copy of the loops serves all callers.
    ///
    /// # Safety
    /// As [`Self::copy`], and `len` > [`SHORT`].
    #[inline(never)]
    unsafe fn copy_long(self, dst: *mut u8, src: *const u8, len: usize) {
        // SAFETY: the caller's, and SHORT is as long as four of the widest vectors.
        unsafe {
            match (self.width, len >= self.stream_from) {
                (Width::Sse2, false) => sse2(dst, src, len),
                (Width::Sse2, true) => sse2_streaming(dst, src, len),
                (Width::Avx, false) => avx(dst, src, len),
                (Width::Avx, true) => avx_streaming(dst, src, len),
            }
        }
    }
}

/// Defines a copy of two pieces of `$bytes` bytes, both loaded before the first is stored. They may
/// overlap each other: the first and the last `$bytes` bytes cover every length from `$bytes` to
/// twice that.
macro_rules! two_moves {
    ($name:ident, $class:ident, $part:literal, $bytes:literal) => {
        #[doc = concat!("Copies two pieces of ", $bytes, " bytes, which may overlap each other.")]
        ///
        /// # Safety
        /// As [`ByteCopy::copy`], for each of the two pairs of pointers.
        #[inline(always)]
        unsafe fn $name(dst: [*mut u8; 2], src: [*const u8; 2]) {
            // SAFETY: two loads and two stores at addresses that the caller promises; `mov` needs
            // no alignment and leaves the flags alone; its two registers are outputs, hence not
            // those of an input.
            unsafe {
                asm!(
                    concat!("mov {x", $part, "}, [{src_x}]"),
                    concat!("mov {y", $part, "}, [{src_y}]"),
                    concat!("mov [{dst_x}], {x", $part, "}"),
                    concat!("mov [{dst_y}], {y", $part, "}"),
                    src_x = in(reg) src[0],
                    src_y = in(reg) src[1],
                    dst_x = in(reg) dst[0],
                    dst_y = in(reg) dst[1],
                    x = out($class) _,
                    y = out($class) _,
                    options(nostack, preserves_flags),
                );
            }
        }
    };
}

two_moves!(move_1, reg_byte, "", "1");
two_moves!(move_2, reg, ":x", "2");
two_moves!(move_4, reg, ":e", "4");
two_moves!(move_8, reg, ":r", "8");

/// Copies 32 bytes.
///
/// # Safety
/// As [`ByteCopy::copy`], for 32 bytes.
#[inline(always)]
unsafe fn move_32(dst: *mut u8, src: *const u8) {
    // SAFETY: as in `two_moves`, with four neighbours of eight bytes.
    unsafe {
        asm!(
            "mov {a}, [{src}]",
            "mov {b}, [{src} + 8]",
            "mov {c}, [{src} + 16]",
            "mov {d}, [{src} + 24]",
            "mov [{dst}], {a}",
            "mov [{dst} + 8], {b}",
            "mov [{dst} + 16], {c}",
            "mov [{dst} + 24], {d}",
            src = in(reg) src,
            dst = in(reg) dst,
            a = out(reg) _,
            b = out(reg) _,
            c = out(reg) _,
            d = out(reg) _,
            options(nostack, preserves_flags),
        );
    }
}

/// Defines a copy of more than four vectors `$v0`–`$v3` of `$width` bytes: first one vector, then
/// four at a time from the next aligned destination on, then the last four, which overlap the ones
/// before them.
///
/// `$load` and `$store` need no alignment; `$aligned` stores to aligned addresses in the loop;
/// `$enter` and `$leave` surround the whole. `$changed` are the registers that it changes.
macro_rules! long_copy {
    (
        $name:ident, $width:literal, [$v0:literal, $v1:literal, $v2:literal, $v3:literal],
        $move:literal, $aligned:literal, enter $enter:literal, leave $leave:literal,
        changes [$($changed:tt)*]
    ) => {
        /// # Safety
        /// As [`ByteCopy::copy`], and `len` is more than four vectors.
        #[inline(always)]
        unsafe fn $name(dst: *mut u8, src: *const u8, len: usize) {
            // SAFETY:
            // - in bounds: the first vector and the last four lie in 0..len because len is more
            //   than four vectors; the loop runs while d < last, so its four end before `dst_end`;
            // - aligned: d is the first multiple of the width above `dst`, and grows by multiples
            //   of it;
            // - registers: d, s and last are outputs, the vectors are in `$changed`, flags are not
            //   preserved.
            unsafe {
                asm!(
                    $enter,
                    concat!($move, " ", $v0, ", [{s}]"),
                    concat!($move, " [{d}], ", $v0),
                    // s += (next aligned d) - d, with `last` as scratch.
                    "mov {last}, {d}",
                    concat!("or {d}, ", $width, " - 1"),
                    "inc {d}",
                    "sub {last}, {d}",
                    "sub {s}, {last}",
                    concat!("lea {last}, [{dst_end} - 4*", $width, "]"),
                    "cmp {d}, {last}",
                    "jae 3f",
                    ".p2align 5",
                    "2:",
                    concat!($move, " ", $v0, ", [{s}]"),
                    concat!($move, " ", $v1, ", [{s} + ", $width, "]"),
                    concat!($move, " ", $v2, ", [{s} + 2*", $width, "]"),
                    concat!($move, " ", $v3, ", [{s} + 3*", $width, "]"),
                    concat!("add {s}, 4*", $width),
                    concat!($aligned, " [{d}], ", $v0),
                    concat!($aligned, " [{d} + ", $width, "], ", $v1),
                    concat!($aligned, " [{d} + 2*", $width, "], ", $v2),
                    concat!($aligned, " [{d} + 3*", $width, "], ", $v3),
                    concat!("add {d}, 4*", $width),
                    "cmp {d}, {last}",
                    "jb 2b",
                    "3:",
                    concat!($move, " ", $v0, ", [{src_end} - 4*", $width, "]"),
                    concat!($move, " ", $v1, ", [{src_end} - 3*", $width, "]"),
                    concat!($move, " ", $v2, ", [{src_end} - 2*", $width, "]"),
                    concat!($move, " ", $v3, ", [{src_end} - ", $width, "]"),
                    concat!($move, " [{last}], ", $v0),
                    concat!($move, " [{last} + ", $width, "], ", $v1),
                    concat!($move, " [{last} + 2*", $width, "], ", $v2),
                    concat!($move, " [{last} + 3*", $width, "], ", $v3),
                    $leave,
                    d = inout(reg) dst => _,
                    s = inout(reg) src => _,
                    last = out(reg) _,
                    dst_end = in(reg) dst.add(len),
                    src_end = in(reg) src.add(len),
                    $($changed)*
                    options(nostack),
                );
            }
        }
    };
}

/// [`long_copy`] with 16-byte registers.
macro_rules! sse2_copy {
    ($name:ident, $aligned:literal, enter $enter:literal, leave $leave:literal) => {
        long_copy!(
            $name, 16, ["xmm0", "xmm1", "xmm2", "xmm3"], "movdqu", $aligned, enter $enter, leave $leave,
            changes [out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,]
        );
    };
}

/// [`long_copy`] with 32-byte registers. `vzeroupper`, without which later SSE code is slow,
/// changes all of them.
macro_rules! avx_copy {
    ($name:ident, $aligned:literal, enter $enter:literal, leave $leave:literal) => {
        long_copy!(
            $name, 32, ["ymm0", "ymm1", "ymm2", "ymm3"], "vmovdqu", $aligned, enter $enter, leave $leave,
            changes [
                out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _,
                out("ymm4") _, out("ymm5") _, out("ymm6") _, out("ymm7") _,
                out("ymm8") _, out("ymm9") _, out("ymm10") _, out("ymm11") _,
                out("ymm12") _, out("ymm13") _, out("ymm14") _, out("ymm15") _,
            ]
        );
    };
}

sse2_copy!(sse2, "movdqa", enter "", leave "");
avx_copy!(avx, "vmovdqa", enter "", leave "vzeroupper");

// Non-temporal stores obey none of x86's store order. The first `sfence` keeps them behind the
// stamp that marks the slot as being written: a reader that sees a new byte sees that mark. The
// second keeps them before the stamp that publishes the message: a reader that sees the stamp sees
// the bytes.
sse2_copy!(sse2_streaming, "movntdq", enter "sfence", leave "sfence");
avx_copy!(avx_streaming, "vmovntdq", enter "sfence", leave "sfence\nvzeroupper");

/// The size of one L3 cache as the processor reports it; `None` where it reports none.
fn l3_bytes() -> Option<usize> {
    const DETERMINISTIC_CACHES: u32 = 4;
    const TOPOLOGY_EXTENSIONS: u32 = 1 << 22;
    const AMD_CACHES: u32 = 0x8000_001d;

    // Both leaves have the same fields. A leaf that the processor lacks returns another one's
    // values.
    let has_amd =
        __cpuid(0x8000_0000).eax >= AMD_CACHES && __cpuid(0x8000_0001).ecx & TOPOLOGY_EXTENSIONS != 0;
    let has_intel = __cpuid(0).eax >= DETERMINISTIC_CACHES;
    let leaf = if has_amd { AMD_CACHES } else { has_intel.then_some(DETERMINISTIC_CACHES)? };

    let field = |register: u32, shift: u32, bits: u32| (register >> shift & ((1 << bits) - 1)) as usize;
    (0..16)
        .map(|index| __cpuid_count(leaf, index))
        .take_while(|cache| field(cache.eax, 0, 5) != 0)
        .find(|cache| field(cache.eax, 5, 3) == 3)
        .map(|cache| {
            let ways = field(cache.ebx, 22, 10) + 1;
            let partitions = field(cache.ebx, 12, 10) + 1;
            let line_bytes = field(cache.ebx, 0, 12) + 1;
            let sets = cache.ecx as usize + 1;
            ways * partitions * line_bytes * sets
        })
}
