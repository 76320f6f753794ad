//! Atomics for the fuzz targets: before each access a peer may store anything anywhere.
//!
//! A hostile peer stores at any moment, and its stores matter only between two of our accesses. So
//! one thread suffices: the closure that is called before each access plays the peer, and every run
//! is reproducible.

use std::cell::RefCell;
use std::sync::atomic::{self, Ordering};

type Peer = Box<dyn FnMut()>;

thread_local! {
    static PEER: RefCell<Option<Peer>> = const { RefCell::new(None) };
}

/// Has `peer` called before each access of this thread to a word that is shared, until the next
/// call; `None` ends it.
pub fn before_each_access(peer: Option<Peer>) {
    PEER.with_borrow_mut(|present| *present = peer);
}

/// The peer's turn. Its own accesses come here, too, and find no peer.
fn turn() {
    if let Some(mut peer) = PEER.take() {
        peer();
        PEER.set(Some(peer));
    }
}

/// The atomic of the product, with the peer's turn before each access.
#[derive(Debug, Default)]
#[repr(transparent)]
pub(crate) struct AtomicU64(atomic::AtomicU64);

impl AtomicU64 {
    pub(crate) fn load(&self, order: Ordering) -> u64 {
        turn();
        self.0.load(order)
    }

    pub(crate) fn store(&self, value: u64, order: Ordering) {
        turn();
        self.0.store(value, order);
    }

    pub(crate) fn fetch_max(&self, value: u64, order: Ordering) -> u64 {
        turn();
        self.0.fetch_max(value, order)
    }

    pub(crate) fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
        turn();
        self.0.fetch_add(value, order)
    }

    pub(crate) fn compare_exchange(
        &self,
        old: u64,
        new: u64,
        done: Ordering,
        failed: Ordering,
    ) -> Result<u64, u64> {
        turn();
        self.0.compare_exchange(old, new, done, failed)
    }
}
