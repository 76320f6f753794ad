//! Bytes that may change while they are looked at.

use crate::memory::Payload;

/// The payload of a message that a writer may be overwriting at this moment.
///
/// There is no `&[u8]` here, because such a slice promises that its bytes stay. What is read through this may
/// be a mix of two messages: whoever hands out a `Racy` checks afterwards, and drops what came of it if so.
#[derive(Clone, Copy, Debug)]
pub struct Racy<'a> {
    payload: Payload<'a>,
    len: usize,
}

impl<'a> Racy<'a> {
    pub(crate) fn new(payload: Payload<'a>, len: usize) -> Self {
        Racy { payload, len }
    }
}

impl Racy<'_> {
    /// Bytes of the message.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the message has no bytes.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies the first `out.len()` bytes.
    ///
    /// # Panics
    /// If the message is shorter.
    #[inline]
    pub fn copy_to_slice(&self, out: &mut [u8]) {
        assert!(out.len() <= self.len, "the message has {} bytes, not {}", self.len, out.len());
        self.payload.load(out);
    }

    /// Eight bytes from `8 * index` on.
    ///
    /// # Panics
    /// If the message does not reach that far.
    #[inline]
    pub fn word(&self, index: usize) -> [u8; 8] {
        assert!(index < self.len / 8, "the message has {} whole words, not {}", self.len / 8, index + 1);
        self.payload.word(index)
    }
}
