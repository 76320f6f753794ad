//! The classes `Caller` and `Server`.

use crate::buffer_import::ImportedBytes;
use crate::closing_methods::closing_methods;
use crate::deadline::Deadline;
use crate::endpoint_cell::{Attempt, EndpointCell, EndpointGuard, Waits};
use crate::errors;
use crate::ring;
use pyo3::prelude::*;
use pyo3::types::PyByteArray;
use seqring::{CallError, Ring};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// An endpoint of the library, and room for what it receives.
pub(crate) struct Buffered<E> {
    endpoint: E,
    payload: Vec<u8>,
}

impl Waits for Buffered<seqring::Caller> {
    fn ready_within(&mut self, timeout: Duration) -> bool {
        self.endpoint.ready_within(timeout)
    }
}

impl Waits for Buffered<seqring::Server> {
    fn ready_within(&mut self, timeout: Duration) -> bool {
        self.endpoint.ready_within(timeout)
    }
}

/// An attempt to receive a payload; `None` if there is none yet.
fn received<'py, E>(
    guard: &mut EndpointGuard<'_, 'py, Buffered<E>>,
    receive: impl FnOnce(&mut E, &mut [u8]) -> Result<usize, CallError>,
) -> Attempt<Bound<'py, PyByteArray>>
where
    Buffered<E>: Waits,
{
    let (py, buffered) = (guard.py, guard.get());
    match receive(&mut buffered.endpoint, &mut buffered.payload) {
        Ok(len) => Ok(Some(PyByteArray::new(py, &buffered.payload[..len]))),
        Err(CallError::Pending) => Ok(None),
        Err(error) => Err(errors::calling(py, error)),
    }
}

/// A registered caller. Made by `Ring.caller`; a `with` statement closes it at its end.
///
/// Each question is taken by one server at most, and each answer goes to the question's caller.
/// Payloads are any object with a buffer, and come as `bytearray`s. Threads that ask at the same
/// time need a caller each.
///
/// Calls raise `Unanswered` if the server died with the question or refused it, or if another
/// thread asked meanwhile; `NoServer` if none is left (the question then waits for the next one),
/// `TimedOut`, which names the server, `Closed` after `Ring.shutdown`, `TooLarge`, `Forked`, and
/// `ValueError` once the caller is closed.
#[pyclass(frozen, weakref, module = "seqring")]
pub(crate) struct Caller {
    cell: EndpointCell<Buffered<seqring::Caller>>,
    /// Questions so far. Changed and checked by the thread that holds the cell.
    asked: AtomicU64,
    ring: String,
}

impl Caller {
    pub(crate) fn new(endpoint: seqring::Caller, name: &str, ring: &Ring) -> Self {
        let payload = vec![0; ring.config().slot_bytes];
        let cell = EndpointCell::new("caller", Buffered { endpoint, payload });
        Caller { cell, asked: AtomicU64::new(0), ring: ring::text(name, ring.config()) }
    }

    /// Asks. Returns how many questions were asked so far.
    fn put<'py>(&self, py: Python<'py>, question: &Bound<'py, PyAny>) -> PyResult<u64> {
        let question = ImportedBytes::of(question)?;
        let asked = self.cell.with(py, |buffered| {
            buffered.endpoint.ask(question.bytes())?;
            Ok::<_, CallError>(self.asked.fetch_add(1, Relaxed) + 1) // Relaxed: the lock of the cell orders it.
        })?;
        asked.map_err(|error| errors::calling(py, error))
    }

    /// Waits for the answer to question `asked`.
    fn get<'py>(&self, py: Python<'py>, asked: u64, deadline: Deadline) -> PyResult<Bound<'py, PyByteArray>> {
        let attempt = |guard: &mut EndpointGuard<'_, 'py, _>, receive: Receive| {
            // Relaxed: as in `put`.
            if self.asked.load(Relaxed) != asked {
                return Err(errors::given_up(py));
            }
            received(guard, receive)
        };
        if let Some(answer) =
            self.cell.wait(py, deadline, |guard| attempt(guard, seqring::Caller::try_answer))?
        {
            return Ok(answer);
        }
        // The last attempt names the server.
        let last: Receive = |caller, out| caller.answer_timeout(out, Duration::ZERO);
        self.cell
            .try_once(py, |guard| attempt(guard, last))?
            .ok_or_else(|| errors::timed_out(py, "answer", None))
    }
}

type Receive = fn(&mut seqring::Caller, &mut [u8]) -> Result<usize, CallError>;

#[pymethods]
impl Caller {
    /// Asks, and returns the answer. Waits for at most `timeout` seconds; the question then stays
    /// asked, and `answer` waits on.
    #[pyo3(signature = (question, timeout=None))]
    fn call<'py>(
        &self,
        py: Python<'py>,
        question: &Bound<'py, PyAny>,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyByteArray>> {
        let deadline = Deadline::after(timeout)?;
        let asked = self.put(py, question)?;
        self.get(py, asked, deadline)
    }

    /// Asks, without waiting. A question that has no answer yet is given up.
    fn ask(&self, py: Python<'_>, question: &Bound<'_, PyAny>) -> PyResult<()> {
        self.put(py, question).map(drop)
    }

    /// The answer to the last question, or `None` if it is not there yet.
    fn try_answer<'py>(&self, py: Python<'py>) -> Attempt<Bound<'py, PyByteArray>> {
        self.cell.try_once(py, |guard| received(guard, seqring::Caller::try_answer))
    }

    /// The answer to the last question. Waits for at most `timeout` seconds.
    #[pyo3(signature = (timeout=None))]
    fn answer<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Bound<'py, PyByteArray>> {
        self.get(py, self.asked.load(Relaxed), Deadline::after(timeout)?) // Relaxed: as in `put`.
    }
}

/// The registered server of a ring for calls. Made by `Ring.server`; a `with` statement closes it
/// at its end.
///
/// Iterating takes one question after the other, and ends with `Ring.shutdown`. A question that is
/// not answered when the next one is taken is refused.
///
/// Calls raise `Closed`, `TimedOut`, `TooLarge`, `Forked`, and `ValueError` once the server is
/// closed.
#[pyclass(frozen, weakref, module = "seqring")]
pub(crate) struct Server {
    cell: EndpointCell<Buffered<seqring::Server>>,
    ring: String,
}

impl Server {
    pub(crate) fn new(endpoint: seqring::Server, name: &str, ring: &Ring) -> Self {
        let cell =
            EndpointCell::new("server", Buffered { endpoint, payload: vec![0; ring.config().slot_bytes] });
        Server { cell, ring: ring::text(name, ring.config()) }
    }
}

/// Takes the next question, to be answered by a later call.
fn take(server: &mut seqring::Server, payload: &mut [u8]) -> Result<usize, CallError> {
    let question = server.try_take()?;
    let len = question.len();
    payload[..len].copy_from_slice(&question);
    question.keep();
    Ok(len)
}

#[pymethods]
impl Server {
    /// Takes the next question, or returns `None` if there is none.
    fn try_take<'py>(&self, py: Python<'py>) -> Attempt<Bound<'py, PyByteArray>> {
        self.cell.try_once(py, |guard| received(guard, take))
    }

    /// Takes the next question. Waits for at most `timeout` seconds.
    #[pyo3(signature = (timeout=None))]
    fn take<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Bound<'py, PyByteArray>> {
        let question = self.cell.wait(py, Deadline::after(timeout)?, |guard| received(guard, take))?;
        question.ok_or_else(|| errors::timed_out(py, "question", None))
    }

    /// Answers the question that was taken last. Raises `ValueError` if there is none.
    fn answer(&self, py: Python<'_>, answer: &Bound<'_, PyAny>) -> PyResult<()> {
        let answer = ImportedBytes::of(answer)?;
        let answered = self.cell.with(py, |buffered| buffered.endpoint.answer(answer.bytes()))?;
        answered.map_err(|error| errors::calling(py, error))
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyByteArray>>> {
        errors::until_closed(py, self.take(py, None))
    }
}

closing_methods!(Caller);
closing_methods!(Server);
