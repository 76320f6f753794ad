//! Filling a message where it will be read from, and the private memory for engines that cannot.

/// Room for one message, to be filled once and never read.
///
/// Write-only in general: the bytes behind it may be shared with a reader that copies from them at
/// the same time, and then no `&mut [u8]` to them may exist. An engine over raw shared memory
/// stores through atomics or a race-free copy; one that holds a lock, or whose slot no reader can
/// read yet, has a slice.
pub trait Sink {
    /// Bytes of the message.
    fn message_bytes(&self) -> usize;

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
    fn message_bytes(&self) -> usize {
        self.len()
    }

    fn put(&mut self, offset: usize, bytes: &[u8]) {
        self[offset..][..bytes.len()].copy_from_slice(bytes);
    }

    fn as_mut_slice(&mut self) -> Option<&mut [u8]> {
        Some(self)
    }
}

/// Private memory for one message, allocated once for the longest.
#[derive(Clone, Debug)]
pub struct Scratch(Vec<u8>);

impl Scratch {
    /// Memory for messages of up to `slot_bytes` bytes; its pages are present.
    pub fn new(slot_bytes: usize) -> Self {
        // Not zeros: their allocation leaves the pages of a large buffer to the first touch.
        Self(vec![0x5a; slot_bytes])
    }

    /// The first `bytes` bytes.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn bytes_mut(&mut self, bytes: usize) -> &mut [u8] {
        &mut self.0[..bytes]
    }

    /// All of it.
    pub fn all_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}
