//! A worker's watch over its host: when that ends, however it ends, the worker ends, too.

use super::channels::Workshop;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, getpid, kill_process, pidfd_open};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::{Builder, JoinHandle, sleep};
use std::time::Duration;

/// How long the user's code has to come back once the host is gone.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);
/// How soon to try again what the system refuses, as it does when it has no memory.
const TRY_AGAIN: Duration = Duration::from_millis(50);

/// A descriptor of the host, and whether this process still works for it.
#[derive(Debug)]
pub(crate) struct Guard {
    host: Arc<OwnedFd>,
    watch: Option<Watch>,
}

/// The thread that sleeps until the host ends.
#[derive(Debug)]
struct Watch {
    process: Pid,
    /// Written to when this process does other things from now on,
    woken: Arc<OwnedFd>,
    /// which is then dropped.
    works: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Guard {
    pub(crate) fn of(host: u32) -> io::Result<Self> {
        let pid = i32::try_from(host).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Guard { host: Arc::new(pidfd_open(pid, PidfdFlags::empty())?), watch: None })
    }

    /// Has a thread sleep until the host ends, or this guard is dropped. If the host ends, it closes the rings, so that
    /// whoever waits at them goes; who is in the user's code for too long is ended with the process.
    pub(crate) fn watch(&mut self, workshop: &Workshop) -> io::Result<()> {
        let woken = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (works, left) = channel();
        let thread = Builder::new().name("seqring-guard".into()).spawn({
            let (host, woken, workshop) = (self.host.clone(), woken.clone(), workshop.clone());
            move || {
                if !outlives(&host, &woken, &left) {
                    return;
                }
                workshop.close();
                // Nothing is ever sent.
                if left.recv_timeout(LEAVE_WITHIN) == Err(RecvTimeoutError::Timeout) {
                    let _ = kill_process(getpid(), Signal::KILL);
                }
            }
        })?;
        self.watch = Some(Watch { process: getpid(), woken, works: Some(works), thread: Some(thread) });
        Ok(())
    }
}

/// Waits until the host has ended, or this process has left. Whether it was the host.
fn outlives(host: &OwnedFd, woken: &OwnedFd, left: &Receiver<()>) -> bool {
    loop {
        let mut either = [PollFd::new(host, PollFlags::IN), PollFd::new(woken, PollFlags::IN)];
        let polled = poll(&mut either, None);
        if left.try_recv() == Err(TryRecvError::Disconnected) {
            return false;
        }
        match polled {
            Ok(_) if either[0].revents().contains(PollFlags::IN) => return true,
            // Woken by somebody who has a copy of that descriptor: it would be so for ever.
            Ok(_) => drop(rustix::io::read(woken, &mut [0; 8])),
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => sleep(TRY_AGAIN),
        }
    }
}

impl Drop for Watch {
    /// This process does other things from now on.
    fn drop(&mut self) {
        if getpid() != self.process {
            std::mem::forget(self.thread.take()); // A forked child's copy: the thread is its parent's.
            return;
        }
        self.works = None;
        let _ = rustix::io::write(&self.woken, &1u64.to_ne_bytes());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

#[cfg(test)]
mod tests {
    use super::super::channels::tests::on_heap;
    use super::super::failure::OnFailure;
    use super::super::results::Order;
    use super::Guard;
    use std::sync::Arc;

    /// Fails if what it watches with is kept until the host ends: this very process.
    #[test]
    fn a_guard_that_is_dropped_leaves_nothing_and_nothing_closed() {
        let workshop = on_heap(Order::Ordered, OnFailure::Fail, 1);
        let mut guard = Guard::of(std::process::id()).unwrap();
        guard.watch(&workshop).unwrap();
        let (host, rings) = (Arc::downgrade(&guard.host), Arc::downgrade(&workshop.commands.attachment));
        drop(guard);
        assert!(host.upgrade().is_none());
        drop(workshop.taker().unwrap()); // Nobody closed it.
        drop(workshop);
        assert!(rings.upgrade().is_none());
    }
}
