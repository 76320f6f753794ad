//! A descriptor that becomes readable when there is something for an endpoint to do.
//!
//! The process's [watcher](super::watcher) makes it readable. For the ring's other participants the
//! endpoint is then one more that sleeps. The descriptor is readable from the start: what was there
//! before it was made has armed nothing.
//!
//! Futures of an endpoint use the same watch: the watcher wakes their task.

use super::watcher::{Alarm, Awaited, Look, Watch};
use crate::protocol::attachment::{Attachment, WaitFor};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;

/// A descriptor that becomes readable when an endpoint has something to read, to take, or room to
/// write: see [`Reader::notifier`](crate::Reader::notifier).
///
/// Once the endpoint is dropped, the descriptor stays readable. It is closed when the endpoint and
/// the last handle are dropped.
#[derive(Clone, Debug)]
pub struct Notifier(Arc<Alarm>);

impl AsFd for Notifier {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.descriptor().expect("it was made with the notifier").as_fd()
    }
}

impl AsRawFd for Notifier {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// An endpoint's watch.
pub(crate) struct Watched(Watch);

impl Watched {
    /// # Errors
    /// The system's, if it cannot start a thread.
    pub(crate) fn new() -> io::Result<Self> {
        Watch::new(Arc::default()).map(Watched)
    }

    /// # Errors
    /// The system's, if it cannot create a descriptor.
    pub(crate) fn notifier(&self) -> io::Result<Notifier> {
        self.0.alarm.descriptor()?;
        Ok(Notifier(Arc::clone(&self.0.alarm)))
    }

    #[cfg(feature = "async")]
    pub(crate) fn set_task(&self, task: &std::task::Waker) {
        self.0.alarm.set_task(task);
    }

    /// Steps 1 to 4, after a call found nothing. `is_ready` says whether it would find something
    /// now.
    pub(crate) fn arm(&self, attachment: &Arc<Attachment>, event: WaitFor, is_ready: impl FnOnce() -> bool) {
        let Watched(watch) = self;
        if watch.is_inherited() {
            return;
        }
        if watch.is_armed() {
            // The watcher may have rung late, for a change that a call before this one has used up.
            watch.alarm.reset();
            // Still armed after the reset: a ring for the next change has not begun.
            if watch.is_armed() {
                return;
            }
        }
        watch.disarm();
        watch.alarm.reset();
        let memory = attachment.memory.clone();
        let (word, scope, fenced) = attachment.event_counts.announce(event.event_count(memory.control()));
        let look = Look::new(attachment, event, scope, fenced);
        if is_ready() {
            watch.alarm.ring();
        } else {
            watch.arm(Awaited { memory, event, scope, word }, look);
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.0.is_inherited() {
            self.0.disarm();
            self.0.alarm.ring();
        }
    }
}

#[cfg(all(test, not(seqring_model)))]
mod tests {
    use super::{WaitFor, Watched};
    use crate::{Config, Ring};
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    /// Fails if an event loop then finds the descriptor readable again and again, and nothing to
    /// read.
    #[test]
    fn a_ring_that_comes_late_leaves_the_descriptor_readable_until_the_next_call_only() {
        let ring = Ring::heap(&Config::slots(1).of_bytes(1)).unwrap();
        let watched = Watched::new().unwrap();
        let notifier = watched.notifier().unwrap();
        let is_readable =
            || poll(&mut [PollFd::new(&notifier, PollFlags::IN)], Some(&Timespec::default())).unwrap() == 1;
        for _ in 0..2 {
            watched.arm(&ring.attachment, WaitFor::Message, || false);
            assert!(!is_readable());
            watched.0.alarm.ring(); // By a watcher that was suspended since the change before.
            assert!(is_readable());
        }
        watched.arm(&ring.attachment, WaitFor::Message, || false);
        let mut writer = ring.writer().unwrap();
        writer.write(b"x").unwrap();
        poll(&mut [PollFd::new(&notifier, PollFlags::IN)], None).unwrap(); // Hangs if the wake is lost.
    }
}
