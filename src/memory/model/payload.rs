//! The payloads of the models.
//!
//! A payload is made of the checker's atomics where several threads may access it at once (lossy
//! rings), or of its `UnsafeCell`s where the protocol rules that out (`exclusive`). Then the
//! checker reports any access that is not ordered with a store to the same bytes, which is a
//! stronger check than finding a torn message.
#![allow(unsafe_code, reason = "loom's cells hand out raw pointers")]

use crate::memory::copy::Kernel;
use crate::sync::AtomicU64;
use crate::sync::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, Ordering};

static EXCLUSIVE: AtomicBool = AtomicBool::new(false);

/// Whether the checker reports unordered accesses to the payloads of rings made from now on.
pub fn exclusive_payloads(on: bool) {
    EXCLUSIVE.store(on, Ordering::Relaxed);
}

#[derive(Debug)]
pub(super) enum Cells {
    Shared(Vec<AtomicU64>),
    Exclusive(Vec<UnsafeCell<u64>>),
}

/// The bytes of one message: at most 16 of them, so that models stay small.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Payload<'a> {
    pub(super) cells: &'a Cells,
}

impl<'a> Payload<'a> {
    pub(crate) fn bytes(self) -> usize {
        self.cells.len() * 8
    }

    pub(crate) fn message(self, len: usize) -> Option<RacyBytes<'a>> {
        (len <= self.bytes()).then_some(RacyBytes { cells: self.cells, len })
    }

    pub(crate) fn store(self, bytes: &[u8]) {
        assert!(bytes.len().is_multiple_of(8), "models store whole words");
        match self.cells {
            // SAFETY: the words lie in one vector, whose bounds the slice below checks.
            Cells::Shared(cells) => unsafe {
                Kernel::Words.store(cells[..bytes.len() / 8].as_ptr(), bytes);
            },
            Cells::Exclusive(cells) => {
                for (cell, word) in cells.iter().zip(bytes.chunks_exact(8)) {
                    let word = u64::from_ne_bytes(word.try_into().expect("eight bytes"));
                    // SAFETY: the checker panics if another thread has the cell.
                    cell.with_mut(|cell| unsafe { *cell = word });
                }
            }
        }
    }

    /// Identifies the payload to [`frozen_bytes`].
    pub(crate) fn as_ptr(self) -> *mut u8 {
        std::ptr::from_ref(self.cells).cast_mut().cast()
    }
}

impl Cells {
    pub(super) fn new(words: usize) -> Self {
        match EXCLUSIVE.load(Ordering::Relaxed) {
            false => Cells::Shared((0..words).map(|_| AtomicU64::new(0)).collect()),
            true => Cells::Exclusive((0..words).map(|_| UnsafeCell::new(0)).collect()),
        }
    }

    fn len(&self) -> usize {
        match self {
            Cells::Shared(cells) => cells.len(),
            Cells::Exclusive(cells) => cells.len(),
        }
    }

    fn load(&self, out: &mut [u8]) {
        assert!(out.len().is_multiple_of(8), "models load whole words");
        match self {
            // SAFETY: the words lie in one vector, whose bounds the slice checks.
            Cells::Shared(cells) => unsafe {
                Kernel::Words.load(out.as_mut_ptr(), cells[..out.len() / 8].as_ptr(), out.len());
            },
            Cells::Exclusive(cells) => {
                for (cell, out) in cells.iter().zip(out.chunks_exact_mut(8)) {
                    // SAFETY: the checker panics if another thread stores to the cell.
                    out.copy_from_slice(&cell.with(|cell| unsafe { *cell }).to_ne_bytes());
                }
            }
        }
    }
}

/// See `payload::RacyBytes`.
#[derive(Clone, Copy, Debug)]
pub struct RacyBytes<'a> {
    cells: &'a Cells,
    len: usize,
}

impl RacyBytes<'_> {
    /// Bytes of the message.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the message has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies the first `out.len()` bytes.
    pub fn copy_to_slice(&self, out: &mut [u8]) {
        assert!(out.len() <= self.len);
        self.cells.load(out);
    }

    /// Eight bytes from `8 * index` on.
    pub fn word(&self, index: usize) -> [u8; 8] {
        let mut bytes = vec![0; 8 * (index + 1)];
        self.copy_to_slice(&mut bytes);
        bytes[8 * index..].try_into().expect("eight bytes")
    }

    pub(crate) fn as_ptr(self) -> *const u8 {
        std::ptr::from_ref(self.cells).cast()
    }
}

/// A copy of the bytes that a view shows. The checker sees the accesses.
///
/// # Safety
/// As for `payload::frozen_bytes`.
pub(crate) unsafe fn frozen_bytes<'a>(start: *const u8, len: usize) -> &'a [u8] {
    // SAFETY: `as_ptr` made it from a reference to cells, which the caller keeps alive.
    let cells = unsafe { &*start.cast::<Cells>() };
    let mut bytes = vec![0; len];
    cells.load(&mut bytes);
    bytes.leak()
}

/// The checker's cells are no slice: models fill claims by copying in.
///
/// # Safety
/// None needed; the product's has.
pub(crate) unsafe fn exclusive_bytes<'a>(_: *mut u8, _: usize) -> Option<&'a mut [u8]> {
    None
}
