//! Who published what, and who got it.

use std::collections::BTreeSet;
use std::sync::Mutex;

/// A message says whose it is and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Message {
    pub(crate) writer: usize,
    pub(crate) n: usize,
}

impl Message {
    pub(crate) fn bytes(self) -> [u8; 16] {
        // Both words say both: a mixture of two messages shows.
        let word = (self.writer as u64) << 32 | self.n as u64;
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&word.to_le_bytes());
        bytes[8..].copy_from_slice(&(!word).to_le_bytes());
        bytes
    }

    #[track_caller]
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        assert!(bytes.len() == 16 && word(0) == !word(8), "torn: {bytes:x?}");
        Message { writer: (word(0) >> 32) as usize, n: (word(0) & 0xffff_ffff) as usize }
    }
}

/// What was published and what was taken, each message once.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    published: Mutex<BTreeSet<Message>>,
    got: Mutex<BTreeSet<Message>>,
}

impl Ledger {
    pub(crate) fn publishes(&self, message: Message) {
        assert!(self.published.lock().unwrap().insert(message), "{message:?} is published twice");
    }

    pub(crate) fn gets(&self, message: Message) {
        assert!(self.got.lock().unwrap().insert(message), "{message:?} goes to two");
    }

    /// Messages that somebody got.
    pub(crate) fn count(&self) -> usize {
        self.got.lock().unwrap().len()
    }

    /// Everybody is done: what was published is what somebody got.
    pub(crate) fn assert_balanced(&self) {
        let (published, got) = (self.published.lock().unwrap(), self.got.lock().unwrap());
        let lost: Vec<_> = published.difference(&got).collect();
        let foreign: Vec<_> = got.difference(&published).collect();
        assert!(lost.is_empty() && foreign.is_empty(), "lost: {lost:?}, foreign: {foreign:?}");
    }
}

/// What one receiver saw: numbers rise, and so do those of each writer.
#[derive(Debug, Default)]
pub(crate) struct Order {
    next: u64,
    of_writers: Vec<usize>,
}

impl Order {
    pub(crate) fn follows(&mut self, sequence: u64, message: Message) {
        assert!(sequence >= self.next, "{sequence} after {}", self.next);
        self.next = sequence + 1;
        if self.of_writers.len() <= message.writer {
            self.of_writers.resize(message.writer + 1, 0);
        }
        let next = &mut self.of_writers[message.writer];
        assert!(message.n >= *next, "{message:?} after {}", *next);
        *next = message.n + 1;
    }
}
