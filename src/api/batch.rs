//! Messages of any lengths, read together.

use crate::endpoint::read_cursor::{ReadCursor, TooSmall};
use crate::memory::RacyBytes;
use crate::types::error::TryReadError;
use crate::types::message::Received;
use std::cell::Cell;
use std::{fmt, slice};

/// Room for a number of messages, which [`Reader::read_each`](crate::Reader::read_each) fills again
/// and again.
///
/// ```
/// use seqring::{Batch, Config, Ring, Start};
/// let ring = Ring::heap(&Config::slots(64).of_bytes(32))?;
/// let mut reader = ring.reader(Start::Next)?;
/// let mut writer = ring.writer()?;
/// writer.write_each(&["one", "two", "three", "four"])?;
///
/// let mut batch = Batch::new(3, 1024); // At most three messages, and 1024 bytes.
/// reader.read_each(&mut batch)?;
/// assert!(batch.iter().map(|(_, bytes)| bytes).eq([&b"one"[..], b"two", b"three"]));
/// reader.read_each(&mut batch)?;
/// for (received, bytes) in &batch {
///     assert_eq!((received.sequence, bytes), (3, &b"four"[..]));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Batch {
    messages: Vec<Received>,
    most: usize,
    bytes: Box<[u8]>,
}

impl Batch {
    /// Creates a batch with room for `messages` messages of `bytes` bytes together. Allocates all
    /// of it.
    ///
    /// # Panics
    /// If `messages` is 0.
    pub fn new(messages: usize, bytes: usize) -> Self {
        assert!(messages > 0, "a batch of no messages is always full");
        Batch { messages: Vec::with_capacity(messages), most: messages, bytes: vec![0; bytes].into() }
    }

    /// The number of messages in the batch.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether the batch has no messages.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The messages in order, each with its sequence, length, tag and time.
    pub fn iter(&self) -> BatchIter<'_> {
        BatchIter { messages: self.messages.iter(), bytes: &self.bytes }
    }

    /// Replaces the messages by the next ones of `cursor`.
    pub(crate) fn fill(&mut self, cursor: &mut ReadCursor) -> Result<(), TryReadError> {
        let Batch { messages, most, bytes } = self;
        messages.clear();
        let filled = Cell::new(0);
        let copy = |message: RacyBytes<'_>| {
            let free = &mut bytes[filled.get()..];
            let out = free.get_mut(..message.len()).ok_or(TooSmall { needed: message.len() })?;
            message.copy_to_slice(out);
            Ok(())
        };
        cursor.read_each(*most, copy, |received| {
            filled.set(filled.get() + received.len);
            messages.push(received);
        })
    }
}

/// The messages of a [`Batch`], in order.
#[derive(Clone, Debug)]
pub struct BatchIter<'b> {
    messages: slice::Iter<'b, Received>,
    bytes: &'b [u8],
}

impl<'b> Iterator for BatchIter<'b> {
    type Item = (Received, &'b [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let received = *self.messages.next()?;
        let (message, rest) = self.bytes.split_at(received.len);
        self.bytes = rest;
        Some((received, message))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.messages.size_hint()
    }
}

impl ExactSizeIterator for BatchIter<'_> {}

impl<'b> IntoIterator for &'b Batch {
    type Item = (Received, &'b [u8]);
    type IntoIter = BatchIter<'b>;

    fn into_iter(self) -> BatchIter<'b> {
        self.iter()
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Batch({} of {} messages)", self.len(), self.most)
    }
}
