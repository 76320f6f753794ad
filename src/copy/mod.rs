//! draft
#![allow(unsafe_code)]
mod words;
mod x86_64;
use core::sync::atomic::AtomicU64;
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kernel { Words, Bytes(x86_64::ByteCopy) }
impl Kernel {
    pub(crate) fn for_slot_bytes(n: usize) -> Kernel { if n <= 256 { Kernel::Words } else { Kernel::bytes() } }
    pub(crate) fn bytes() -> Kernel { Kernel::Bytes(x86_64::ByteCopy::detect()) }
    #[allow(private_interfaces)]
    pub(crate) fn forced(avx: bool, stream_from: usize) -> Kernel { Kernel::Bytes(x86_64::ByteCopy { width: if avx { x86_64::Width::Avx } else { x86_64::Width::Sse2 }, stream_from }) }
    #[inline(always)]
    pub(crate) unsafe fn store(self, shared: *mut AtomicU64, src: &[u8]) { unsafe { match self {
        Kernel::Words => words::store(shared, src),
        Kernel::Bytes(b) => b.copy(shared.cast(), src.as_ptr(), src.len()),
    } } }
    pub(crate) unsafe fn store_at(self, shared: *mut AtomicU64, offset: usize, src: &[u8]) { unsafe { match self {
        Kernel::Words => words::store_at(shared, offset, src),
        Kernel::Bytes(b) => b.copy(shared.cast::<u8>().add(offset), src.as_ptr(), src.len()),
    } } }
    #[inline(always)]
    pub(crate) unsafe fn load(self, dst: *mut u8, shared: *const AtomicU64, len: usize) { unsafe { match self {
        Kernel::Words => words::load(dst, shared, len),
        Kernel::Bytes(b) => b.copy(dst, shared.cast(), len),
    } } }
}
