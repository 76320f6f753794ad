//! A reader, writer or taker in a Python object: in one thread's hands at a time, and in this process's only.
//!
//! A view or claim takes the endpoint out of its cell and puts it back when it is done; meanwhile other calls are told
//! so. Whoever closes a cell that is lent closes it at the return.
//!
//! Whoever holds a cell may call Python, and there a signal's handler or a finalizer may come back to the cell. It is told
//! that it is busy; if it closes it, the holder does when it lets go.

use crate::errors;
use crate::fork::Generation;
use crate::timeout::Deadline;
use parking_lot::lock_api::GetThreadId;
use parking_lot::{Mutex, MutexGuard, RawThreadId};
use pyo3::prelude::*;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// So often a thread that waits for another one's endpoint looks whether it still has to.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// See the module.
pub(crate) struct Cell<T> {
    content: Mutex<Content<T>>,
    /// Asked for by `close`; whoever waits inside looks at it between two slices.
    closing: AtomicBool,
    /// The thread that has a [`Hold`]; 0 if none has.
    holder: AtomicUsize,
    /// Asked for by `close` in the holder's own thread.
    closes_on_release: AtomicBool,
    born: Generation,
    /// For messages to people: "reader", "writer", "taker".
    what: &'static str,
}

enum Content<T> {
    Here(T),
    /// With a view or claim.
    Lent,
    Closed,
}

/// An endpoint in the caller's hands.
pub(crate) struct Hold<'c, T: Send> {
    cell: &'c Cell<T>,
    content: MutexGuard<'c, Content<T>>,
}

impl<T: Send> Drop for Hold<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // Relaxed: this thread stored it, if anybody did.
        if self.cell.closes_on_release.load(Relaxed) {
            self.close();
        }
        self.cell.holder.store(0, Relaxed); // Relaxed: see `is_mine`.
    }
}

impl<T: Send> Hold<'_, T> {
    /// What `close` in this thread left to do. It may take time, and need the interpreter: see [`Cell::close`].
    #[cold]
    fn close(&mut self) {
        if let Content::Here(_) = *self.content {
            let closed = self.lend();
            *self.content = Content::Closed;
            Python::attach(|py| py.detach(|| drop(closed)));
        }
    }

    pub(crate) fn get(&mut self) -> &mut T {
        match &mut *self.content {
            Content::Here(endpoint) => endpoint,
            Content::Lent | Content::Closed => unreachable!("looked at when it was taken hold of"),
        }
    }

    /// Takes the endpoint out, to be brought back by [`Cell::give_back`].
    pub(crate) fn lend(&mut self) -> T {
        match std::mem::replace(&mut *self.content, Content::Lent) {
            Content::Here(endpoint) => endpoint,
            Content::Lent | Content::Closed => unreachable!("looked at when it was taken hold of"),
        }
    }

    /// Puts back at once what [`Self::lend`] gave.
    pub(crate) fn put_back(&mut self, endpoint: T) {
        *self.content = Content::Here(endpoint);
    }

    /// Takes the endpoint out for good.
    pub(crate) fn take(mut self) -> T {
        let endpoint = self.lend();
        *self.content = Content::Closed;
        endpoint
    }
}

impl<T: Send> Cell<T> {
    pub(crate) fn new(what: &'static str, endpoint: T) -> Self {
        Cell {
            content: Mutex::new(Content::Here(endpoint)),
            closing: AtomicBool::new(false),
            holder: AtomicUsize::new(0),
            closes_on_release: AtomicBool::new(false),
            born: Generation::now(),
            what,
        }
    }

    /// Takes hold of the endpoint; `None` while another thread has it, which then may be waiting. Raises `Busy` if this one
    /// has.
    #[inline]
    pub(crate) fn try_hold(&self, py: Python<'_>) -> PyResult<Option<Hold<'_, T>>> {
        if !self.born.is_now() {
            return Err(errors::forked(py, self.what));
        }
        let Some(content) = self.content.try_lock() else {
            return if self.is_mine() { Err(errors::busy(py, self.what)) } else { Ok(None) };
        };
        if let Content::Here(_) = *content {
            self.holder.store(this_thread(), Relaxed); // Relaxed: see `is_mine`.
            return Ok(Some(Hold { cell: self, content }));
        }
        let is_lent = matches!(*content, Content::Lent);
        // Let go first: making an exception may let other threads run, and `give_back` waits for the lock.
        drop(content);
        Err(if is_lent { errors::busy(py, self.what) } else { errors::shut(self.what) })
    }

    /// Takes hold of the endpoint, waiting for another thread that has it.
    #[inline]
    pub(crate) fn hold(&self, py: Python<'_>, deadline: Deadline) -> PyResult<Option<Hold<'_, T>>> {
        loop {
            if let Some(hold) = self.try_hold(py)? {
                return Ok(Some(hold));
            }
            let Some(slice) = deadline.slice() else { return Ok(None) };
            py.detach(|| drop(self.content.try_lock_for(slice)));
            py.check_signals()?;
        }
    }

    /// Takes hold of the endpoint, waiting for another thread that has it, until `is_vain()` says that it would be in vain.
    pub(crate) fn hold_unless(
        &self,
        py: Python<'_>,
        is_vain: &Bound<'_, PyAny>,
    ) -> PyResult<Option<Hold<'_, T>>> {
        loop {
            if let Some(hold) = self.try_hold(py)? {
                return Ok(Some(hold));
            }
            if is_vain.call0()?.is_truthy()? {
                return Ok(None);
            }
            if let Some(hold) = self.hold(py, Deadline::within(LOOK_AGAIN))? {
                return Ok(Some(hold));
            }
        }
    }

    /// Calls `attempt` until it has a result, and `wait` in between, for as long as `deadline` lets it. `None` if it
    /// does not any more.
    pub(crate) fn wait<R>(
        &self,
        py: Python<'_>,
        deadline: Deadline,
        mut attempt: impl FnMut(&mut Hold<'_, T>) -> PyResult<Option<R>>,
        wait: impl Fn(&mut T, Duration) -> bool + Sync,
    ) -> PyResult<Option<R>> {
        loop {
            let Some(mut hold) = self.hold(py, deadline)? else { return Ok(None) };
            if let Some(result) = attempt(&mut hold)? {
                return Ok(Some(result));
            }
            let Some(slice) = deadline.slice() else { return Ok(None) };
            let endpoint = hold.get();
            py.detach(|| wait(endpoint, slice));
            drop(hold);
            py.check_signals()?;
            if self.closing.load(Relaxed) {
                return Err(errors::shut(self.what));
            }
        }
    }

    /// Whether this very thread has a [`Hold`].
    fn is_mine(&self) -> bool {
        // Relaxed: only this thread ever stores its own number, and takes it away again.
        self.holder.load(Relaxed) == this_thread()
    }

    /// Brings back what was lent. Nobody holds a cell for long whose endpoint is lent.
    pub(crate) fn give_back(&self, endpoint: T) {
        let mut content = self.content.lock();
        // Relaxed: `close` looks at the content after it asked, under the same lock.
        *content = if self.closing.load(Relaxed) { Content::Closed } else { Content::Here(endpoint) };
    }

    /// Drops the endpoint, once nobody has it. Whoever waits with it is told to leave. In a fork's child: drops a copy.
    pub(crate) fn close(&self, py: Python<'_>) -> PyResult<()> {
        let closed = self.take(py)?;
        py.detach(|| drop(closed));
        Ok(())
    }

    /// As [`Self::close`], and hands the endpoint out; `None` if it was closed, is lent, is a copy, or is held by this very
    /// thread.
    pub(crate) fn take(&self, py: Python<'_>) -> PyResult<Option<T>> {
        if !self.born.is_now() {
            self.forget();
            return Ok(None);
        }
        self.closing.store(true, Relaxed); // Relaxed: see `give_back`.
        if self.is_mine() {
            self.closes_on_release.store(true, Relaxed); // Relaxed: for this thread itself.
            return Ok(None);
        }
        loop {
            if let Some(mut content) = self.content.try_lock() {
                if let Content::Lent = *content {
                    return Ok(None);
                }
                return Ok(match std::mem::replace(&mut *content, Content::Closed) {
                    Content::Here(endpoint) => Some(endpoint),
                    Content::Lent | Content::Closed => None,
                });
            }
            py.detach(|| drop(self.content.try_lock_for(Duration::from_millis(100))));
            py.check_signals()?;
        }
    }

    /// In a fork's child: drops the copy of the parent's endpoint, unless a thread that is not here had it. The library
    /// knows that it is a copy.
    pub(crate) fn forget(&self) {
        if let Some(mut content) = self.content.try_lock() {
            *content = Content::Closed;
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        !self.born.is_now()
            || self.closing.load(Relaxed)
            || self.content.try_lock().is_some_and(|content| matches!(*content, Content::Closed))
    }
}

/// A number that no other thread of this process has as long as this one lives; not 0.
fn this_thread() -> usize {
    RawThreadId::INIT.nonzero_thread_id().get()
}
