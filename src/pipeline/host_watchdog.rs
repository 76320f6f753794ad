//! The host watchdog: a thread in each worker process that ends the worker when its host has ended,
//! in whatever way.

use super::channels::Channels;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, getpid, kill_process, pidfd_open};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::{Builder, JoinHandle, sleep};
use std::time::Duration;

/// How long the user's code may take to return once the host has ended.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);
/// The pause after a failed `poll`, which fails if the system has no memory.
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// A descriptor of the host process, and the thread that waits for its end.
#[derive(Debug)]
pub(crate) struct HostWatchdog {
    host: Arc<OwnedFd>,
    thread: Option<WatchThread>,
}

#[derive(Debug)]
struct WatchThread {
    process: Pid,
    /// Written to when the worker leaves, after `working` was dropped.
    wake: Arc<OwnedFd>,
    /// Dropped when the worker leaves. Carries no message.
    working: Option<Sender<()>>,
    handle: Option<JoinHandle<()>>,
}

impl HostWatchdog {
    /// Opens the host, without watching it yet.
    pub(crate) fn of(host: u32) -> io::Result<Self> {
        let pid = i32::try_from(host).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(HostWatchdog { host: Arc::new(pidfd_open(pid, PidfdFlags::empty())?), thread: None })
    }

    /// Starts the thread, which sleeps until the host ends or this watchdog is dropped. When the
    /// host ends, the thread closes the rings, so that waits return. If the worker has not left
    /// after [`LEAVE_WITHIN`], because it is in the user's code, the thread kills this process.
    pub(crate) fn start(&mut self, channels: &Channels) -> io::Result<()> {
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (working, left) = channel();
        let handle = Builder::new().name("seqring-watchdog".into()).spawn({
            let (host, wake, channels) = (self.host.clone(), wake.clone(), channels.clone());
            move || {
                if !host_ends_first(&host, &wake, &left) {
                    return;
                }
                channels.close();
                if left.recv_timeout(LEAVE_WITHIN) == Err(RecvTimeoutError::Timeout) {
                    let _ = kill_process(getpid(), Signal::KILL);
                }
            }
        })?;
        self.thread =
            Some(WatchThread { process: getpid(), wake, working: Some(working), handle: Some(handle) });
        Ok(())
    }
}

/// Waits until the host has ended, or the worker has left. Whether it was the host.
fn host_ends_first(host: &OwnedFd, wake: &OwnedFd, left: &Receiver<()>) -> bool {
    loop {
        let mut either = [PollFd::new(host, PollFlags::IN), PollFd::new(wake, PollFlags::IN)];
        let polled = poll(&mut either, None);
        if left.try_recv() == Err(TryRecvError::Disconnected) {
            return false;
        }
        match polled {
            Ok(_) if either[0].revents().contains(PollFlags::IN) => return true,
            // Another process with a copy of the descriptor wrote to it: read, or `poll` would
            // spin.
            Ok(_) => drop(rustix::io::read(wake, &mut [0; 8])),
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => sleep(RETRY_AFTER),
        }
    }
}

impl Drop for WatchThread {
    fn drop(&mut self) {
        if getpid() != self.process {
            std::mem::forget(self.handle.take()); // A forked child's copy: the thread is the parent's.
            return;
        }
        self.working = None;
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
        let _ = self.handle.take().map(JoinHandle::join);
    }
}

#[cfg(test)]
mod tests {
    use super::super::channels::tests::on_heap;
    use super::super::plan::{ItemOrder, OnFailure};
    use super::HostWatchdog;
    use std::sync::Arc;

    /// Fails if a dropped watchdog keeps its resources until the host ends, which is this process.
    #[test]
    fn a_dropped_watchdog_leaves_nothing_behind_and_closes_nothing() {
        let channels = on_heap(ItemOrder::Ordered, OnFailure::Fail, 1);
        let mut watchdog = HostWatchdog::of(std::process::id()).unwrap();
        watchdog.start(&channels).unwrap();
        let (host, rings) = (Arc::downgrade(&watchdog.host), Arc::downgrade(&channels.commands.attachment));
        drop(watchdog);
        assert!(host.upgrade().is_none());
        drop(channels.result_taker().unwrap()); // The rings are open.
        drop(channels);
        assert!(rings.upgrade().is_none());
    }
}
