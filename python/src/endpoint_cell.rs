//! A reader, writer or taker inside a Python object. One thread uses it at a time, and only in the
//! process that made it.
//!
//! A view or claim takes the endpoint out of its cell and returns it when it ends; calls in between
//! raise `Busy`, and a `close` takes effect at the return.
//!
//! A thread that holds a guard may run Python code: a signal handler or a finalizer can then call
//! the same object. Such a call raises `Busy`, and such a `close` takes effect when the guard
//! drops.

use crate::deadline::Deadline;
use crate::errors;
use crate::fork::Generation;
use crate::python_code;
use parking_lot::lock_api::GetThreadId;
use parking_lot::{Mutex, MutexGuard, RawThreadId};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::mem::replace;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// How often [`EndpointCell::once_in_turn`] asks again whether to give up.
const RECHECK: Duration = Duration::from_millis(10);

/// An endpoint that can wait for a message or for room.
pub(crate) trait Waits: Send {
    /// Waits for at most `timeout` until the next attempt will succeed or report an error.
    fn ready_within(&mut self, timeout: Duration) -> bool;
}

/// See the module documentation.
pub(crate) struct EndpointCell<T> {
    content: Mutex<Content<T>>,
    /// Set by `close`. A waiting thread checks it between two slices.
    closing: AtomicBool,
    /// The thread that holds the guard, or 0.
    holder: AtomicUsize,
    /// Set by a `close` in the holder's own thread.
    closes_on_release: AtomicBool,
    born: Generation,
    /// The kind of endpoint, for error texts: "reader", "writer", "taker".
    kind: &'static str,
}

enum Content<T> {
    Present(T),
    /// Taken out by a view or claim.
    Lent,
    Closed,
}

/// The outcome of one attempt; `None` if there is no message, or no room.
pub(crate) type Attempt<R> = PyResult<Option<R>>;

/// Exclusive access to the endpoint of a cell.
pub(crate) struct EndpointGuard<'c, 'py, T: Waits> {
    pub(crate) py: Python<'py>,
    cell: &'c EndpointCell<T>,
    content: MutexGuard<'c, Content<T>>,
}

impl<T: Waits> Drop for EndpointGuard<'_, '_, T> {
    #[inline]
    fn drop(&mut self) {
        // Relaxed: only this thread stores it while the guard exists.
        if self.cell.closes_on_release.load(Relaxed) {
            self.close();
        }
        self.cell.holder.store(0, Relaxed); // Relaxed: see `is_mine`.
    }
}

impl<T: Waits> EndpointGuard<'_, '_, T> {
    /// Finishes a `close` that this thread requested. Dropping an endpoint can block and can need
    /// the interpreter.
    #[cold]
    fn close(&mut self) {
        if let Content::Present(_) = *self.content {
            let closed = self.replace(Content::Closed);
            self.py.detach(|| drop(closed));
        }
    }

    fn replace(&mut self, next: Content<T>) -> T {
        match replace(&mut *self.content, next) {
            Content::Present(endpoint) => endpoint,
            Content::Lent | Content::Closed => unreachable!("checked by `try_hold`"),
        }
    }

    pub(crate) fn get(&mut self) -> &mut T {
        match &mut *self.content {
            Content::Present(endpoint) => endpoint,
            Content::Lent | Content::Closed => unreachable!("checked by `try_hold`"),
        }
    }

    /// Takes the endpoint out. [`EndpointCell::give_back`] or [`Self::put_back`] must follow.
    pub(crate) fn lend(&mut self) -> T {
        self.replace(Content::Lent)
    }

    /// Undoes [`Self::lend`] under the same guard.
    pub(crate) fn put_back(&mut self, endpoint: T) {
        *self.content = Content::Present(endpoint);
    }

    /// Takes the endpoint out for good.
    pub(crate) fn take(mut self) -> T {
        self.replace(Content::Closed)
    }
}

impl<T: Waits> EndpointCell<T> {
    pub(crate) fn new(kind: &'static str, endpoint: T) -> Self {
        EndpointCell {
            content: Mutex::new(Content::Present(endpoint)),
            closing: AtomicBool::new(false),
            holder: AtomicUsize::new(0),
            closes_on_release: AtomicBool::new(false),
            born: Generation::now(),
            kind,
        }
    }

    /// Takes the guard; `None` while another thread holds it (and possibly waits). Raises `Busy` if
    /// this thread holds it.
    #[inline]
    pub(crate) fn try_hold<'py>(&self, py: Python<'py>) -> Attempt<EndpointGuard<'_, 'py, T>> {
        if !self.born.is_now() {
            return Err(errors::forked(py, self.kind));
        }
        let Some(content) = self.content.try_lock() else {
            return if self.is_mine() { Err(errors::busy(py, self.kind)) } else { Ok(None) };
        };
        if let Content::Present(_) = *content {
            self.holder.store(this_thread(), Relaxed); // Relaxed: see `is_mine`.
            return Ok(Some(EndpointGuard { py, cell: self, content }));
        }
        let is_lent = matches!(*content, Content::Lent);
        // Unlock first: making an exception can switch threads, and `give_back` needs the lock.
        drop(content);
        Err(if is_lent { errors::busy(py, self.kind) } else { errors::closed_object(py, self.kind) })
    }

    /// Takes the guard, waiting until `deadline` for another thread that holds it.
    #[inline]
    pub(crate) fn hold<'py>(
        &self,
        py: Python<'py>,
        deadline: Deadline,
    ) -> Attempt<EndpointGuard<'_, 'py, T>> {
        loop {
            if let Some(guard) = self.try_hold(py)? {
                return Ok(Some(guard));
            }
            let Some(slice) = deadline.slice() else { return Ok(None) };
            py.detach(|| drop(self.content.try_lock_for(slice)));
            py.check_signals()?;
        }
    }

    /// Calls `use_endpoint` with the endpoint, after waiting for another thread that holds it.
    pub(crate) fn with<R>(&self, py: Python<'_>, use_endpoint: impl FnOnce(&mut T) -> R) -> PyResult<R> {
        Ok(use_endpoint(self.hold(py, Deadline::NEVER)?.expect("no deadline").get()))
    }

    /// Calls `attempt` once; `None` as well while another thread holds the guard.
    #[inline]
    pub(crate) fn try_once<'py, R>(
        &self,
        py: Python<'py>,
        attempt: impl FnOnce(&mut EndpointGuard<'_, 'py, T>) -> Attempt<R>,
    ) -> Attempt<R> {
        self.try_hold(py)?.map_or(Ok(None), |mut guard| attempt(&mut guard))
    }

    /// As [`Self::try_once`], but waits while another thread holds the guard, until `gives_up()`
    /// returns true.
    pub(crate) fn once_in_turn<'py, R>(
        &self,
        py: Python<'py>,
        gives_up: &Bound<'_, PyAny>,
        attempt: impl FnOnce(&mut EndpointGuard<'_, 'py, T>) -> Attempt<R>,
    ) -> Attempt<R> {
        let mut guard = self.try_hold(py)?;
        while guard.is_none() && !python_code::call(gives_up, PyTuple::empty(py))?.is_truthy()? {
            guard = self.hold(py, Deadline::within(RECHECK))?;
        }
        guard.map_or(Ok(None), |mut guard| attempt(&mut guard))
    }

    /// Calls `attempt` until it returns a result, and waits in between; `None` after `deadline`.
    pub(crate) fn wait<'py, R>(
        &self,
        py: Python<'py>,
        deadline: Deadline,
        mut attempt: impl FnMut(&mut EndpointGuard<'_, 'py, T>) -> Attempt<R>,
    ) -> Attempt<R> {
        loop {
            let Some(mut guard) = self.hold(py, deadline)? else { return Ok(None) };
            if let Some(result) = attempt(&mut guard)? {
                return Ok(Some(result));
            }
            let Some(slice) = deadline.slice() else { return Ok(None) };
            let endpoint = guard.get();
            py.detach(|| endpoint.ready_within(slice));
            drop(guard);
            py.check_signals()?;
            if self.closing.load(Relaxed) {
                return Err(errors::closed_object(py, self.kind));
            }
        }
    }

    /// Waits for at most `timeout` seconds until the endpoint is ready; returns whether it is.
    pub(crate) fn wait_ready(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let waited = self.wait(py, Deadline::after(timeout)?, |guard| {
            Ok(guard.get().ready_within(Duration::ZERO).then_some(()))
        });
        Ok(waited?.is_some())
    }

    /// Whether this thread holds the guard.
    fn is_mine(&self) -> bool {
        // Relaxed: only this thread stores its own number, and only it removes that number.
        self.holder.load(Relaxed) == this_thread()
    }

    /// Returns a lent endpoint. The lock is free or held briefly while the endpoint is lent.
    pub(crate) fn give_back(&self, endpoint: T) {
        let mut content = self.content.lock();
        // Relaxed: `take` stores `closing` before it examines the content under the same lock.
        *content = if self.closing.load(Relaxed) { Content::Closed } else { Content::Present(endpoint) };
    }

    /// Drops the endpoint once no thread holds it; a thread that waits raises `ValueError`. In a
    /// forked child it drops a copy.
    pub(crate) fn close(&self, py: Python<'_>) -> PyResult<()> {
        let closed = self.take(py)?;
        py.detach(|| drop(closed));
        Ok(())
    }

    /// As [`Self::close`], but returns the endpoint; `None` if it is closed, lent, a copy, or held
    /// by this thread.
    pub(crate) fn take(&self, py: Python<'_>) -> Attempt<T> {
        if !self.born.is_now() {
            self.forget();
            return Ok(None);
        }
        self.closing.store(true, Relaxed); // Relaxed: see `give_back`.
        if self.is_mine() {
            self.closes_on_release.store(true, Relaxed); // Relaxed: read by this thread only.
            return Ok(None);
        }
        loop {
            if let Some(mut content) = self.content.try_lock() {
                if let Content::Lent = *content {
                    return Ok(None);
                }
                return Ok(match replace(&mut *content, Content::Closed) {
                    Content::Present(endpoint) => Some(endpoint),
                    Content::Lent | Content::Closed => None,
                });
            }
            py.detach(|| drop(self.content.try_lock_for(Duration::from_millis(100))));
            py.check_signals()?;
        }
    }

    /// In a forked child: drops the copy of the parent's endpoint, unless a thread of the parent
    /// held it at the fork. The library recognizes the copy.
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

/// A nonzero number that is unique among the live threads of this process.
fn this_thread() -> usize {
    RawThreadId::INIT.nonzero_thread_id().get()
}
