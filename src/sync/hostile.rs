//! Atomics that can be watched: before each access the fuzz targets let a peer store anything
//! anywhere, and `crates/transfers` accounts the access.
//!
//! A hostile peer stores at any moment, and its stores matter only between two of our accesses. So
//! one thread suffices: the closure that is called before each access plays the peer, and every run
//! is reproducible.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{self, Ordering};

type Peer = Box<dyn FnMut()>;

/// What is about to happen.
#[derive(Clone, Copy, Debug)]
pub enum Access {
    /// A load of the word at this address.
    Load(usize),
    /// A store to it, or a read-modify-write.
    Store(usize),
    /// So many pause instructions.
    Pauses(u32),
}

thread_local! {
    static PEER: RefCell<Option<Peer>> = const { RefCell::new(None) };
    static WATCH: Cell<Option<fn(Access)>> = const { Cell::new(None) };
}

/// Has `watch` called before each access of this thread, until the next call; `None` ends it.
pub fn watch_each_access(watch: Option<fn(Access)>) {
    WATCH.set(watch);
}

/// Pauses, as the watch counts them.
#[cfg(seqring_transfers)]
pub(crate) fn pause(pauses: u32) {
    WATCH.get().into_iter().for_each(|watch| watch(Access::Pauses(pauses)));
}

/// Has `peer` called before each access of this thread to a word that is shared, until the next
/// call; `None` ends it.
pub fn before_each_access(peer: Option<Peer>) {
    PEER.with_borrow_mut(|present| *present = peer);
}

/// The turn of the watch, then that of the peer, whose own accesses come here, too, and find no
/// peer.
fn turn(access: Access) {
    if let Some(watch) = WATCH.get() {
        watch(access);
    }
    if let Some(mut peer) = PEER.take() {
        peer();
        PEER.set(Some(peer));
    }
}

/// The atomic of the product, with a turn before each access.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct AtomicU64(atomic::AtomicU64);

impl AtomicU64 {
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// As that of the standard library; so are the others.
    pub fn load(&self, order: Ordering) -> u64 {
        turn(Access::Load(self.address()));
        self.0.load(order)
    }

    /// See [`Self::load`].
    pub fn store(&self, value: u64, order: Ordering) {
        turn(Access::Store(self.address()));
        self.0.store(value, order);
    }

    /// See [`Self::load`].
    pub fn fetch_max(&self, value: u64, order: Ordering) -> u64 {
        turn(Access::Store(self.address()));
        self.0.fetch_max(value, order)
    }

    /// See [`Self::load`].
    pub fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
        turn(Access::Store(self.address()));
        self.0.fetch_add(value, order)
    }

    /// See [`Self::load`].
    pub fn compare_exchange(&self, old: u64, new: u64, done: Ordering, failed: Ordering) -> Result<u64, u64> {
        turn(Access::Store(self.address()));
        self.0.compare_exchange(old, new, done, failed)
    }
}
