//! A descriptor that becomes readable when there is something to read.
//!
//! A thread, the watcher, sleeps on the ring's event count in the reader's place, and then makes an
//! eventfd readable. For the writer it is one more sleeping participant.
//!
//! # Steps
//! | reader, after it found nothing | watcher                                                |
//! |--------------------------------|--------------------------------------------------------|
//! | 1 descriptor: not readable     | a wait for an order                                    |
//! | 2 order: watch for message `n` | b sleep until `n` can be read, or the stream has ended |
//! | 3 poll the descriptor          | c no order; descriptor: readable                       |
//!
//! No wake is lost. The descriptor is readable from the start: what was published before it was
//! made has no order. A message published between the last look and 2 is found in b: the watcher
//! checks before it sleeps ([`crate::sync::event_count`]). A lock makes 1 and 2 one step for c, so
//! that 1 never undoes a c that answers this order. If the reader continues before c and finds
//! nothing again, it changes the order; the watcher still answers the old one, with one spurious
//! wake.
//!
//! # Ends
//! The watcher ends with its reader, and the reader waits for that end: the watcher's use of the
//! reader's attachment is then over. A forked child has no watcher. It must not use the notifier
//! that it inherited, and dropping it there does nothing.

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

/// Enough: the watcher's calls nest a few levels only.
const STACK_BYTES: usize = 128 << 10;

/// A descriptor that becomes readable when a reader has something to read: see
/// [`Reader::notifier`](crate::Reader::notifier).
///
/// Once the reader is dropped, the descriptor stays readable. It is closed when the reader and the
/// last handle are dropped.
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

/// The order of a reader to its watcher.
#[derive(Clone, Copy, Debug)]
enum Order {
    Rest,
    /// Watch until this message can be read, or the stream has an end that the reader has not
    /// reported.
    WatchFor(u64, stream_state::StreamObserver),
    End,
}

/// The state that the reader and the watcher share.
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
            // An error means that it was not readable.
            let _ = rustix::io::read(&self.descriptor, &mut [0; 8]);
            self.ordered.notify_one();
        }
        *order = Order::WatchFor(sequence, stream);
    }

    /// Step a: the next order. `None` after `End`.
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
        // The counter holds up to 2⁶⁴ - 2 and each order resets it: the write never blocks.
        let _ = rustix::io::write(&self.descriptor, &1_u64.to_ne_bytes());
    }

    /// The watcher's loop.
    fn run(&self, attachment: &Attachment, entry: usize) {
        let slots = Slots::new(attachment.memory.clone());
        let own_entry = attachment.memory.own_entry(entry);
        let (event_count, sleeps) = (&attachment.memory.control().published, AtomicU64::default());
        while let Some((sequence, stream)) = self.next_order() {
            let index = SlotIndex::new(sequence, slots.config().slots);
            let ready = || {
                matches!(*self.order(), Order::End)
                    || is_ready(&slots, &index, ReaderEntry(&own_entry), &stream)
            };
            let look_after = || registry::recover_dead(attachment, Role::Writer);
            attachment.event_counts.wait(
                event_count,
                WaitStrategy::SLEEPING,
                None,
                &sleeps,
                look_after,
                ready,
            );
            self.answer();
        }
    }
}

/// The watcher of a reader. Dropping this ends the thread.
#[derive(Debug)]
pub(crate) struct NotifierThread {
    state: Arc<NotifierState>,
    attachment: Arc<Attachment>,
    thread: Option<JoinHandle<()>>,
    process: u32,
}

impl NotifierThread {
    /// Starts a watcher for the reader in `registration`.
    pub(crate) fn start(registration: &Registration) -> io::Result<Self> {
        let descriptor = eventfd(1, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let state =
            Arc::new(NotifierState { descriptor, order: Mutex::new(Order::Rest), ordered: Condvar::new() });
        let (attachment, entry) = (Arc::clone(registration.attachment()), registration.index());
        let thread = Builder::new().name("seqring-watcher".into()).stack_size(STACK_BYTES).spawn({
            let (state, attachment) = (Arc::clone(&state), Arc::clone(&attachment));
            move || state.run(&attachment, entry)
        })?;
        Ok(NotifierThread { state, attachment, thread: Some(thread), process: std::process::id() })
    }

    /// Orders the watcher to watch for message `sequence`, after a read found nothing.
    pub(crate) fn arm(&self, sequence: u64, stream: stream_state::StreamObserver) {
        self.state.arm(sequence, stream);
    }

    pub(crate) fn notifier(&self) -> Notifier {
        Notifier(Arc::clone(&self.state))
    }
}

impl Drop for NotifierThread {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        if self.process != std::process::id() {
            // A forked child has no watcher, and must not touch the parent's descriptor.
            return std::mem::forget(thread);
        }
        *self.state.order() = Order::End;
        self.state.ordered.notify_one();
        self.attachment.event_counts.notify(&self.attachment.memory.control().published);
        // The watcher does not panic. If it did, the panic hook has printed the message.
        let _ = thread.join();
        self.state.make_readable();
    }
}
