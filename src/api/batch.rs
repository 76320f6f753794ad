//! Messages of any lengths, read in one go.

use crate::endpoint::read_cursor::{ReadCursor, TooSmall};
use crate::types::error::TryReadError;
use crate::types::message::Received;
use std::cell::Cell;

/// Room for a number of messages, to be filled by [`Reader::read_into`](crate::Reader::read_into) again and again.
///
/// ```
/// use seqring::{Batch, Config, Ring, Start};
/// let ring = Ring::heap(&Config::new(64, 32))?;
/// let mut reader = ring.reader(Start::Next)?;
/// let mut writer = ring.writer()?;
/// writer.write_each(&["one", "two", "three", "four"])?;
///
/// let mut batch = Batch::new(3, 1024); // SlotState most three messages, at most 1024 bytes.
/// reader.read_into(&mut batch)?;
/// assert!(batch.iter().map(|(_, bytes)| bytes).eq([&b"one"[..], b"two", b"three"]));
/// reader.read_into(&mut batch)?;
/// assert_eq!(batch.iter().next().unwrap().0.sequence, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Batch {
    messages: Vec<Received>,
    most: usize,
    bytes: Box<[u8]>,
}

impl Batch {
    /// Room for `messages` messages of `bytes` bytes together. Allocates all of it.
    ///
    /// # Panics
    /// If there is no room for even one message.
    pub fn new(messages: usize, bytes: usize) -> Self {
        assert!(messages > 0, "a batch of no messages is always full");
        Batch { messages: Vec::with_capacity(messages), most: messages, bytes: vec![0; bytes].into() }
    }

    /// How many messages are in it.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether no messages are in it.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The messages in it, in order, with their numbers, lengths and options.
    pub fn iter(&self) -> impl Iterator<Item = (Received, &[u8])> {
        let mut rest = &self.bytes[..];
        self.messages.iter().map(move |received| {
            let (bytes, behind) = rest.split_at(received.len);
            rest = behind;
            (*received, bytes)
        })
    }

    /// Fills it from `position`.
    pub(crate) fn fill(&mut self, position: &mut ReadCursor) -> Result<(), TryReadError> {
        let Batch { messages, most, bytes } = self;
        messages.clear();
        let filled = Cell::new(0);
        let copy = |message: crate::memory::RacyBytes<'_>| {
            let free = &mut bytes[filled.get()..];
            let out = free.get_mut(..message.len()).ok_or(TooSmall { needed: message.len() })?;
            message.copy_to_slice(out);
            Ok(())
        };
        position.read_each(*most, copy, |received| {
            filled.set(filled.get() + received.len);
            messages.push(received);
        })
    }
}
