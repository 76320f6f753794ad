//! Published and received messages of all participants.

use crate::linearizable::message::Message;
use std::collections::BTreeSet;
use std::sync::Mutex;

/// The published and the received messages, each once.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    published: Mutex<BTreeSet<Message>>,
    received: Mutex<BTreeSet<Message>>,
}

impl Ledger {
    pub(crate) fn publish(&self, message: Message) {
        assert!(self.published.lock().unwrap().insert(message), "{message:?} is published twice");
    }

    pub(crate) fn receive(&self, message: Message) {
        assert!(self.received.lock().unwrap().insert(message), "{message:?} is received twice");
    }

    pub(crate) fn received(&self) -> usize {
        self.received.lock().unwrap().len()
    }

    /// No thread is running: the received messages are the published ones.
    pub(crate) fn assert_balanced(&self) {
        let (published, received) = (self.published.lock().unwrap(), self.received.lock().unwrap());
        let lost: Vec<_> = published.difference(&received).collect();
        let foreign: Vec<_> = received.difference(&published).collect();
        assert!(lost.is_empty() && foreign.is_empty(), "lost: {lost:?}, foreign: {foreign:?}");
    }
}

/// The order at one receiver: sequences rise, and so do the numbers of each writer.
#[derive(Debug, Default)]
pub(crate) struct Order {
    next: u64,
    of_writers: Vec<usize>,
}

impl Order {
    pub(crate) fn check_next(&mut self, sequence: u64, message: Message) {
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
