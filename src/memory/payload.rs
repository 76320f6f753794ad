//! The bytes of a message in shared memory.
#![allow(unsafe_code, reason = "copies from and to raw pointers")]
#![allow(clippy::cast_ptr_alignment, reason = "payloads are aligned to 8")]

use crate::memory::copy::Kernel;
use crate::sync::AtomicU64;
use std::marker::PhantomData;

/// The payload of one slot or buffer, which a peer may be storing to at this moment.
///
/// Copies in and out are atomic byte by byte ([`crate::memory::copy`]). Whether the bytes belong
/// together is for the slot protocol to decide.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Payload<'a> {
    /// 8-aligned and valid for `bytes` rounded up to 8, for `'a`.
    start: *mut u8,
    bytes: usize,
    kernel: Kernel,
    memory: PhantomData<&'a AtomicU64>,
}

impl<'a> Payload<'a> {
    /// # Safety
    /// For `'a`, `start` is aligned to 8 and valid for `bytes` rounded up to 8, and all accesses to
    /// them go through `kernel` (ATOMIC-ONLY, [`Memory`](super::Memory)).
    #[inline(always)]
    pub(crate) unsafe fn new(start: *mut u8, bytes: usize, kernel: Kernel) -> Self {
        Payload { start, bytes, kernel, memory: PhantomData }
    }

    /// The bytes that it has room for.
    #[inline(always)]
    pub(crate) fn bytes(self) -> usize {
        self.bytes
    }

    /// The first `len` bytes as a message to read, if there are so many.
    #[inline(always)]
    pub(crate) fn message(self, len: usize) -> Option<RacyBytes<'a>> {
        (len <= self.bytes).then_some(RacyBytes {
            start: self.start,
            len,
            kernel: self.kernel,
            memory: PhantomData,
        })
    }

    /// Copies `bytes` in.
    #[inline(always)]
    pub(crate) fn store(self, bytes: &[u8]) {
        assert!(bytes.len() <= self.bytes, "lengths are checked against the slot before the copy");
        // SAFETY: valid and aligned (see `start`), and the length was just checked; the shared side
        // is accessed by `copy` only (ATOMIC-ONLY).
        unsafe { self.kernel.store(self.start.cast(), bytes) };
    }

    /// The address of the payload, for filling in place and for views over frozen bytes.
    pub(crate) fn as_ptr(self) -> *mut u8 {
        self.start
    }
}

/// The payload of a message that a writer may be overwriting at this moment.
///
/// There is no `&[u8]` here, because such a slice promises that its bytes stay. What is read
/// through this may be a mix of two messages: the call that hands out a `RacyBytes` checks
/// afterwards, and then drops what was made of it.
#[derive(Clone, Copy, Debug)]
pub struct RacyBytes<'a> {
    /// 8-aligned and valid for `len` rounded up to 8, for `'a`.
    start: *mut u8,
    len: usize,
    kernel: Kernel,
    memory: PhantomData<&'a AtomicU64>,
}

impl RacyBytes<'_> {
    /// Bytes of the message.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the message has no bytes.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies the first `out.len()` bytes.
    ///
    /// # Panics
    /// If the message is shorter.
    #[inline(always)]
    pub fn copy_to_slice(&self, out: &mut [u8]) {
        assert!(out.len() <= self.len, "the message has {} bytes, not {}", self.len, out.len());
        // SAFETY: valid and aligned (see `start`), and the length was just checked; `out` is
        // private memory.
        unsafe { self.kernel.load(out.as_mut_ptr(), self.start.cast(), out.len()) };
    }

    /// Eight bytes from `8 * index` on.
    ///
    /// # Panics
    /// If the message does not reach that far.
    #[inline(always)]
    pub fn word(&self, index: usize) -> [u8; 8] {
        assert!(index < self.len / 8, "the message has {} whole words, not {}", self.len / 8, index + 1);
        let mut word = [0; 8];
        // SAFETY: as above; the word lies within the message and is aligned as its start is.
        unsafe { self.kernel.load(word.as_mut_ptr(), self.start.cast::<AtomicU64>().add(index), 8) };
        word
    }

    /// The address of the message, for views over frozen bytes.
    pub(crate) fn as_ptr(self) -> *const u8 {
        self.start
    }
}

/// The bytes that a view shows.
///
/// # Safety
/// - `start` is a [`RacyBytes::as_ptr`], `len` at most that message's length, and the memory lives
///   for `'a`;
/// - no thread or process stores to these bytes for `'a`.
pub(crate) unsafe fn frozen_bytes<'a>(start: *const u8, len: usize) -> &'a [u8] {
    // SAFETY: the caller's promise is what a slice needs.
    unsafe { std::slice::from_raw_parts(start, len) }
}

/// The bytes that a claim fills; never `None` here, always in the models.
///
/// # Safety
/// - `start` is a [`Payload::as_ptr`], `len` at most that payload's length, and the memory lives
///   for `'a`;
/// - no other thread or process loads from or stores to these bytes for `'a`.
#[expect(clippy::unnecessary_wraps, reason = "the models have none")]
pub(crate) unsafe fn exclusive_bytes<'a>(start: *mut u8, len: usize) -> Option<&'a mut [u8]> {
    // SAFETY: the caller's promise is what a slice needs.
    Some(unsafe { std::slice::from_raw_parts_mut(start, len) })
}
