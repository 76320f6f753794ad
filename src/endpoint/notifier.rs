//! A descriptor that becomes readable when there is something to read.
//!
//! A thread of the reader's sleeps on the ring's event_count in its place, and then makes an eventfd readable. The writer sees
//! one sleeper more, and nothing else.
//!
//! # Steps
//! | reader, at an `Empty`                     | watcher                                                       |
//! |-------------------------------------------|---------------------------------------------------------------|
//! | 1 descriptor: not readable                | a wait for an order                                           |
//! | 2 order: watch for message `n`            | b sleep until `n` can be read, or the stream has ended        |
//! | 3 poll the descriptor                     | c no order; descriptor: readable                              |
//!
//! No wake is lost: what comes between the `Empty` and 2 the watcher finds in b, for it looks before it sleeps
//! ([`crate::sync::event_count`]). 1 and 2 are one step for c, by a lock, so that 1 never undoes a c that answers this order. A reader
//! that goes on before c, and finds nothing again, changes the order; the watcher answers the old one all the same, once
//! for nothing.
//!
//! # Who ends
//! The watcher ends with its reader, which waits for that: then the reader's attachment is left by all who used it. In a
//! forked child there is no watcher; what the child inherited it must neither use nor drop, and if it drops it, nothing
//! happens.

use crate::endpoint::read_cursor::is_ready;
use crate::memory::slot_index::SlotIndex;
use crate::protocol::attachment::Attachment;
use crate::protocol::reader_entry::ReaderEntry;
use crate::protocol::registry::{self, Registration};
use crate::protocol::slots::Slots;
use crate::protocol::stream_state;
use crate::sync::AtomicU64;
use crate::types::participant::Role;
use crate::types::waiting::WaitStrategy;
use rustix::event::{EventfdFlags, eventfd};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

/// It keeps a few calls deep.
const STACK_BYTES: usize = 128 << 10;

/// A descriptor that becomes readable when a reader has something to read: see
/// [`Reader::notifier`](crate::Reader::notifier).
///
/// When the reader is gone, it is readable for ever. It is closed when that is so and the last handle is dropped.
#[derive(Clone, Debug)]
pub struct Notifier(Arc<NotifierState>);

impl AsFd for Notifier {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.descriptor.as_fd()
    }
}

impl AsRawFd for Notifier {
    fn as_raw_fd(&self) -> RawFd {
        self.0.descriptor.as_raw_fd()
    }
}

/// What a reader tells its watcher.
#[derive(Clone, Copy, Debug)]
enum Order {
    Rest,
    /// Until this message can be read, or there is news of the stream for a reader that knows so much.
    WatchFor(u64, stream_state::StreamObserver),
    End,
}

/// What reader and watcher share.
#[derive(Debug)]
struct NotifierState {
    descriptor: OwnedFd,
    order: Mutex<Order>,
    ordered: Condvar,
}

impl NotifierState {
    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Steps 1 and 2.
    fn arm(&self, sequence: u64, stream: stream_state::StreamObserver) {
        let mut order = self.order();
        if let Order::Rest = *order {
            // Readable or not: it is not now.
            let _ = rustix::io::read(&self.descriptor, &mut [0; 8]);
            self.ordered.notify_one();
        }
        *order = Order::WatchFor(sequence, stream);
    }

    /// Step a: what to watch for; none when all is over.
    fn next_order(&self) -> Option<(u64, stream_state::StreamObserver)> {
        let mut order = self.order();
        loop {
            match *order {
                Order::WatchFor(sequence, stream) => return Some((sequence, stream)),
                Order::End => return None,
                Order::Rest => order = self.ordered.wait(order).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Step c.
    fn answer(&self) {
        let mut order = self.order();
        if let Order::WatchFor(..) = *order {
            *order = Order::Rest;
        }
        self.make_readable();
    }

    fn make_readable(&self) {
        // It counts to 2⁶⁴ and is reset before each order: one more always fits.
        let _ = rustix::io::write(&self.descriptor, &1_u64.to_ne_bytes());
    }

    /// The watcher's life.
    fn run(&self, attachment: &Attachment, entry: usize) {
        let slots = Slots::new(attachment.memory.clone());
        let own_entry = attachment.memory.own_entry(entry);
        let (event_count, naps) = (&attachment.memory.control().published, AtomicU64::default());
        while let Some((sequence, stream)) = self.next_order() {
            let place = SlotIndex::new(sequence, slots.config().slots);
            let ready = || {
                matches!(*self.order(), Order::End)
                    || is_ready(&slots, &place, ReaderEntry(&own_entry), &stream)
            };
            let look_after = || registry::recover_dead(attachment, Role::Writer);
            attachment.event_counts.wait(event_count, WaitStrategy::SLEEPING, None, &naps, look_after, ready);
            self.answer();
        }
    }
}

/// The thread that watches for a reader; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct NotifierThread {
    watch: Arc<NotifierState>,
    attachment: Arc<Attachment>,
    thread: Option<JoinHandle<()>>,
    process: u32,
}

impl NotifierThread {
    /// Starts a watcher for the reader in `registration`.
    pub(crate) fn start(registration: &Registration) -> io::Result<Self> {
        let descriptor = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let watch =
            Arc::new(NotifierState { descriptor, order: Mutex::new(Order::Rest), ordered: Condvar::new() });
        let (attachment, entry) = (Arc::clone(registration.attachment()), registration.index());
        let thread = Builder::new().name("seqring-watcher".into()).stack_size(STACK_BYTES).spawn({
            let (watch, attachment) = (Arc::clone(&watch), Arc::clone(&attachment));
            move || watch.run(&attachment, entry)
        })?;
        Ok(NotifierThread { watch, attachment, thread: Some(thread), process: std::process::id() })
    }

    /// The reader found nothing, stands at message `sequence`, and knows so much of the stream.
    pub(crate) fn arm(&self, sequence: u64, stream: stream_state::StreamObserver) {
        self.watch.arm(sequence, stream);
    }

    pub(crate) fn notifier(&self) -> Notifier {
        Notifier(Arc::clone(&self.watch))
    }
}

impl Drop for NotifierThread {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        if self.process != std::process::id() {
            // A forked child has no such thread, and must not touch the parent's descriptor.
            return std::mem::forget(thread);
        }
        *self.watch.order() = Order::End;
        self.watch.ordered.notify_one();
        self.attachment.event_counts.notify(&self.attachment.memory.control().published);
        // It does not panic; and if it did, its message was printed.
        let _ = thread.join();
        self.watch.make_readable();
    }
}
