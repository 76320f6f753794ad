//! Filling a message where it will be read from.

/// Room for one message, to be filled once and never read.
///
/// Write-only in general: the bytes behind it may be shared with a reader that copies from them at
/// the same time, and then no `&mut [u8]` to them may exist. An engine over raw shared memory
/// stores through atomics or a race-free copy; one that holds a lock, or whose slot no reader can
/// read yet, has a slice.
pub trait Sink {
    /// Copies `bytes` to the message's bytes from `offset` on.
    ///
    /// # Panics
    /// If they reach over the end of the message.
    fn put(&mut self, offset: usize, bytes: &[u8]);

    /// The bytes themselves, with the content of an earlier message; `None` if a reader may be
    /// reading them.
    fn as_mut_slice(&mut self) -> Option<&mut [u8]> {
        None
    }
}

impl Sink for &mut [u8] {
    fn put(&mut self, offset: usize, bytes: &[u8]) {
        self[offset..][..bytes.len()].copy_from_slice(bytes);
    }

    fn as_mut_slice(&mut self) -> Option<&mut [u8]> {
        Some(self)
    }
}
