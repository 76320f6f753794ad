//! A worker's watch over its host: when that ends, however it ends, the worker ends, too.

use super::workshop::Workshop;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::io::retry_on_intr;
use rustix::process::{Pid, PidfdFlags, Signal, getpid, kill_process, pidfd_open};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{Builder, sleep};
use std::time::Duration;

/// How long the user's code has to come back once the host is gone.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// A descriptor of the host, and whether this process still works for it.
#[derive(Debug)]
pub(crate) struct Guard {
    host: Arc<OwnedFd>,
    left: Arc<AtomicBool>,
}

impl Guard {
    pub(crate) fn of(host: u32) -> io::Result<Self> {
        let pid = i32::try_from(host).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
        let host = Arc::new(pidfd_open(pid, PidfdFlags::empty())?);
        Ok(Guard { host, left: Arc::new(AtomicBool::new(false)) })
    }

    /// Has a thread sleep until the host ends, or this process does. It then closes the rings, so that whoever waits at them
    /// goes; who is in the user's code for too long is ended with the process.
    pub(crate) fn watch(&self, workshop: &Workshop) -> io::Result<()> {
        let (host, left, workshop) = (self.host.clone(), self.left.clone(), workshop.clone());
        let watch = move || {
            let _ = retry_on_intr(|| poll(&mut [PollFd::new(&host, PollFlags::IN)], None));
            workshop.close();
            sleep(LEAVE_WITHIN);
            // Relaxed: a flag, orders nothing.
            if !left.load(Relaxed) {
                let _ = kill_process(getpid(), Signal::KILL);
            }
        };
        Builder::new().name("seqring-guard".into()).spawn(watch).map(drop)
    }
}

impl Drop for Guard {
    /// This process does other things from now on.
    fn drop(&mut self) {
        self.left.store(true, Relaxed);
    }
}
