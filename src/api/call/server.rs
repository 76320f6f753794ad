//! Serving calls.

use super::{check_length, end, ready_within, wait};
use crate::api::form::{Form, forms};
use crate::endpoint::wait::Endpoint;
use crate::protocol::attachment::WaitFor;
use crate::protocol::call::{CallCells, Cell, Sequence};
use crate::protocol::{diagnostics, stream_state};
use crate::types::cast;
use crate::types::error::CallError;
use crate::types::frame::ShapeError;
use crate::types::participant::Peer;
use crate::types::waiting::WaitStrategy;
use crate::zerocopy::{FromBytes, Immutable, KnownLayout};
use std::time::Duration;
use std::{fmt, ops};

/// The registered server of a ring for calls. Dropping it leaves the ring.
///
/// It takes the questions of all callers in turn, and each of them once.
/// [`Caller`](crate::Caller) has an example.
pub struct Server {
    pub(super) endpoint: Endpoint,
    pub(super) cells: CallCells,
    /// The cell to look into next.
    pub(super) next: Cell,
    /// Room for a question.
    pub(super) question: Box<[u8]>,
    /// The question that was taken, until it is answered or refused.
    pub(super) taken: Option<(Cell, Sequence)>,
}

impl Server {
    forms! {
        /// Takes the next question, waiting for it.
        ///
        /// # Errors
        /// [`CallError::Closed`], after all questions that were asked before;
        /// [`CallError::Forked`]; [`CallError::Corrupt`].
        ///
        /// # Cost
        /// Two loads for each caller's cell that has no question.
        #[inline]
        pub fn take, try_take, take_timeout(&mut self)()
            -> Result<Question<'_>, CallError, CallError::Pending> = |form| {
                let len = self.receive(form)?;
                Ok(Question { server: self, len })
            }
    }

    /// Answers the question that was taken last and [kept](Question::keep).
    ///
    /// # Errors
    /// [`CallError::NotAsked`] if there is none; [`CallError::TooLarge`].
    pub fn answer(&mut self, answer: &[u8]) -> Result<(), CallError> {
        self.taken.ok_or(CallError::NotAsked)?;
        check_length(&self.cells.memory, answer)?;
        self.settle(Some(answer));
        Ok(())
    }

    /// Waits for at most `timeout`. Returns true if [`Self::try_take`] would not return
    /// [`CallError::Pending`]. A question may be given up until it is taken.
    pub fn ready_within(&mut self, timeout: Duration) -> bool {
        let Server { endpoint, cells, .. } = self;
        ready_within(endpoint, WaitFor::Room, timeout, || is_ready(cells))
    }

    /// Sets how this server waits.
    pub fn set_wait_strategy(&mut self, strategy: WaitStrategy) {
        self.endpoint.waiting = strategy;
    }

    #[cfg(seqring_model)]
    pub(crate) fn entry(&self) -> usize {
        self.endpoint.registration.index()
    }

    pub(super) fn receive(&mut self, mut form: impl Form) -> Result<usize, CallError> {
        loop {
            match self.attempt() {
                Err(CallError::Pending) => {}
                other => return other,
            }
            wait(&mut self.endpoint, &mut form, WaitFor::Room, || is_ready(&self.cells))?;
        }
    }

    fn attempt(&mut self) -> Result<usize, CallError> {
        self.settle(None); // A question that was kept.
        // The end first: all questions that were asked before it are seen below.
        let over = is_over(&self.cells).then(|| end(&self.cells.memory)).flatten();
        let callers = self.cells.callers();
        for _ in callers.clone() {
            let cell = if callers.contains(&self.next.entry()) { self.next } else { self.cells.first };
            self.next = cell.next();
            if let Some((sequence, len)) = self.cells.take(&cell, &mut self.question)? {
                self.taken = Some((cell, sequence));
                return Ok(len);
            }
        }
        Err(over.unwrap_or(CallError::Pending))
    }

    /// Answers the question that was taken, if there is one, or refuses it.
    #[inline]
    pub(super) fn settle(&mut self, answer: Option<&[u8]>) {
        let Some((cell, sequence)) = self.taken.take() else { return };
        match answer {
            Some(answer) => self.cells.answer(&cell, sequence, answer),
            None => self.cells.refuse(&cell, sequence, 0),
        }
        self.endpoint.registration.attachment().notify(WaitFor::Message);
    }
}

/// A question that the server took: a slice of its bytes. Dropping it without an answer refuses it.
pub struct Question<'s> {
    pub(super) server: &'s mut Server,
    pub(super) len: usize,
}

impl Question<'_> {
    /// Answers, and wakes the caller if it sleeps, with all other callers that sleep.
    ///
    /// # Errors
    /// [`CallError::TooLarge`]: the question is refused.
    #[inline]
    pub fn answer(self, answer: &[u8]) -> Result<(), CallError> {
        self.server.answer(answer)
    }

    /// Keeps the question for [`Server::answer`]. The next take refuses it if it is not answered by
    /// then.
    pub fn keep(self) {
        std::mem::forget(self);
    }

    /// Returns the question as a `T`, which may be a slice, without a copy.
    ///
    /// # Errors
    /// As [`View::value`](crate::View::value).
    pub fn value<T: FromBytes + KnownLayout + Immutable + ?Sized>(&self) -> Result<&T, ShapeError> {
        cast::value(self)
    }

    /// The caller; `None` if it has left. If another caller has got its entry, that one.
    pub fn caller(&self) -> Option<Peer> {
        let Server { cells, taken, .. } = &*self.server;
        diagnostics::peer(&cells.memory, (*taken)?.0.entry(), 0)
    }

    /// Whether the caller still waits for the answer: its entry belongs to a live caller, and that
    /// one has asked no other question. For work that takes long.
    ///
    /// # Cost
    /// Between processes a system call.
    pub fn is_awaited(&self) -> bool {
        let Server { endpoint, cells, taken, .. } = &*self.server;
        let alive = |entry| endpoint.registration.attachment().liveness.is_held(entry);
        taken.is_some_and(|(cell, sequence)| cells.last(&cell) == sequence && alive(cell.entry()))
    }
}

/// Whether a take finds a question, or the end.
fn is_ready(cells: &CallCells) -> bool {
    cells.is_any_asked() || is_over(cells)
}

/// Whether no question comes that is not there now.
fn is_over(cells: &CallCells) -> bool {
    stream_state::is_closed(cells.memory.control())
}

impl ops::Deref for Question<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.server.question[..self.len]
    }
}

impl Drop for Question<'_> {
    #[inline]
    fn drop(&mut self) {
        self.server.settle(None);
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({:?})", self.endpoint.registration.attachment())
    }
}

impl fmt::Debug for Question<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Question").field(&&**self).finish()
    }
}
