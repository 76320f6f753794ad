//! placeholder docs
#![allow(unsafe_code)]

use core::arch::asm;
use core::arch::x86_64::__cpuid_count;
use std::sync::OnceLock;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteCopy {
    pub(super) width: Width,
    pub(super) stream_from: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    Sse2,
    Avx,
}

macro_rules! move_two {
    ($name:ident, $class:ident, $mov:literal, $part:literal) => {
        #[inline(always)]
        unsafe fn $name(dst: [*mut u8; 2], src: [*const u8; 2]) {
            unsafe {
                asm!(
                    concat!($mov, " {x", $part, "}, [{sx}]"),
                    concat!($mov, " {y", $part, "}, [{sy}]"),
                    concat!($mov, " [{dx}], {x", $part, "}"),
                    concat!($mov, " [{dy}], {y", $part, "}"),
                    x = out($class) _,
                    y = out($class) _,
                    sx = in(reg) src[0],
                    sy = in(reg) src[1],
                    dx = in(reg) dst[0],
                    dy = in(reg) dst[1],
                    options(nostack, preserves_flags),
                );
            }
        }
    };
}
move_two!(two_of_1, reg_byte, "mov", "");
move_two!(two_of_2, reg, "mov", ":x");
move_two!(two_of_4, reg, "mov", ":e");
move_two!(two_of_8, reg, "mov", ":r");
move_two!(two_of_16, xmm_reg, "movdqu", "");

macro_rules! both_ends {
    ($move:ident, $bytes:literal, $dst:ident, $src:ident, $len:ident) => {
        $move([$dst, $dst.add($len - $bytes)], [$src, $src.add($len - $bytes)])
    };
}

impl ByteCopy {
    pub(super) fn detect() -> Self {
        static HERE: OnceLock<ByteCopy> = OnceLock::new();
        *HERE.get_or_init(|| ByteCopy {
            width: if is_x86_feature_detected!("avx") { Width::Avx } else { Width::Sse2 },
            stream_from: l3_bytes().unwrap_or(32 << 20),
        })
    }

    #[inline]
    pub(super) unsafe fn copy(self, dst: *mut u8, src: *const u8, len: usize) {
        unsafe {
            match len {
                0 => {}
                1 => two_of_1([dst, dst], [src, src]),
                2..4 => both_ends!(two_of_2, 2, dst, src, len),
                4..8 => both_ends!(two_of_4, 4, dst, src, len),
                8..16 => both_ends!(two_of_8, 8, dst, src, len),
                16..=32 => both_ends!(two_of_16, 16, dst, src, len),
                33..=64 => {
                    move_32(dst, src);
                    move_32(dst.add(len - 32), src.add(len - 32));
                }
                65..=128 => {
                    move_32(dst, src);
                    move_32(dst.add(32), src.add(32));
                    move_32(dst.add(len - 64), src.add(len - 64));
                    move_32(dst.add(len - 32), src.add(len - 32));
                }
                _ => self.copy_long(dst, src, len),
            }
        }
    }

    #[inline(never)]
    unsafe fn copy_long(self, dst: *mut u8, src: *const u8, len: usize) {
        unsafe {
            match (self.width, len >= self.stream_from) {
                (Width::Sse2, false) => sse2(dst, src, len),
                (Width::Sse2, true) => sse2_stream(dst, src, len),
                (Width::Avx, false) => avx(dst, src, len),
                (Width::Avx, true) => avx_stream(dst, src, len),
            }
        }
    }
}

#[inline(always)]
unsafe fn move_32(dst: *mut u8, src: *const u8) {
    unsafe { two_of_16([dst, dst.add(16)], [src, src.add(16)]) }
}

macro_rules! long_copy {
    ($name:ident, $width:literal, $mov:literal, $aligned:literal, [$x:tt $y:tt $z:tt $w:tt], $enter:literal, $leave:literal, $($clobber:tt)*) => {
        #[inline(never)]
        unsafe fn $name(dst: *mut u8, src: *const u8, len: usize) {
            unsafe {
                asm!(
                    $enter,
                    concat!($mov, " ", $x, ", [{s}]"),
                    concat!($mov, " [{d}], ", $x),
                    "mov {t}, {d}",
                    concat!("or {d}, ", $width, " - 1"),
                    "inc {d}",
                    "sub {t}, {d}",
                    "sub {s}, {t}",
                    concat!("lea {t}, [{de} - 4 * ", $width, "]"),
                    "cmp {d}, {t}",
                    "jae 3f",
                    ".p2align 5",
                    "2:",
                    concat!($mov, " ", $x, ", [{s}]"),
                    concat!($mov, " ", $y, ", [{s} + ", $width, "]"),
                    concat!($mov, " ", $z, ", [{s} + 2 * ", $width, "]"),
                    concat!($mov, " ", $w, ", [{s} + 3 * ", $width, "]"),
                    concat!("add {s}, 4 * ", $width),
                    concat!($aligned, " [{d}], ", $x),
                    concat!($aligned, " [{d} + ", $width, "], ", $y),
                    concat!($aligned, " [{d} + 2 * ", $width, "], ", $z),
                    concat!($aligned, " [{d} + 3 * ", $width, "], ", $w),
                    concat!("add {d}, 4 * ", $width),
                    "cmp {d}, {t}",
                    "jb 2b",
                    "3:",
                    concat!($mov, " ", $x, ", [{se} - 4 * ", $width, "]"),
                    concat!($mov, " ", $y, ", [{se} - 3 * ", $width, "]"),
                    concat!($mov, " ", $z, ", [{se} - 2 * ", $width, "]"),
                    concat!($mov, " ", $w, ", [{se} - 1 * ", $width, "]"),
                    concat!($mov, " [{de} - 4 * ", $width, "], ", $x),
                    concat!($mov, " [{de} - 3 * ", $width, "], ", $y),
                    concat!($mov, " [{de} - 2 * ", $width, "], ", $z),
                    concat!($mov, " [{de} - 1 * ", $width, "], ", $w),
                    $leave,
                    d = inout(reg) dst => _,
                    s = inout(reg) src => _,
                    t = out(reg) _,
                    de = in(reg) dst.add(len),
                    se = in(reg) src.add(len),
                    $($clobber)*
                    options(nostack),
                );
            }
        }
    };
}
long_copy!(sse2, 16, "movdqu", "movdqa", ["xmm0" "xmm1" "xmm2" "xmm3"], "", "", out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,);
long_copy!(sse2_stream, 16, "movdqu", "movntdq", ["xmm0" "xmm1" "xmm2" "xmm3"], "sfence", "sfence", out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,);
long_copy!(avx, 32, "vmovdqu", "vmovdqa", ["ymm0" "ymm1" "ymm2" "ymm3"], "", "vzeroupper", out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _,);
long_copy!(avx_stream, 32, "vmovdqu", "vmovntdq", ["ymm0" "ymm1" "ymm2" "ymm3"], "sfence", "sfence\nvzeroupper", out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _,);

fn l3_bytes() -> Option<usize> {
    let max = core::arch::x86_64::__cpuid(0);
    let amd = core::arch::x86_64::__cpuid(0x8000_0000).eax >= 0x8000_001D && max.ecx == 0x444d_4163;
    let leaf = if amd { 0x8000_001D } else if max.eax >= 4 { 4 } else { return None };
    (0..16).map(|i| __cpuid_count(leaf, i)).take_while(|c| c.eax & 31 != 0).find(|c| (c.eax >> 5) & 7 == 3).map(|c| {
        ((c.ebx >> 22) as usize + 1) * (((c.ebx >> 12) & 0x3ff) as usize + 1) * ((c.ebx & 0xfff) as usize + 1) * (c.ecx as usize + 1)
    })
}
