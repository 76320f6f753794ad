//! Base classes of `seqring.compat.ringbuffer`: the fast path of each call for one message.
//!
//! In all other cases (a process that joins, the end of the stream, a death, the name of an error)
//! the fast path has no effect, and the slow path runs: the method with an underscore of the
//! derived class.

use crate::deadline::Deadline;
use crate::endpoint_cell::Attempt;
use crate::errors;
use crate::reader::Reader;
use crate::receiver::{Message, Receiver};
use crate::ring::Ring;
use crate::writer::Writer;
use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::collections::HashSet;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::SeqCst;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// The bits of the active-writers word that count them.
const COUNT: u64 = u32::MAX as u64;

/// How often a reader without a message checks for dead writers.
const LIVENESS_INTERVAL: Duration = Duration::from_millis(50);

/// Limit of [`RingBufferBase::entered`].
const MAX_ENTERED: usize = 1024;

/// A replaceable reference to a Python object.
type ObjectSlot<T> = Mutex<Option<Py<T>>>;

fn get<T>(slot: &ObjectSlot<T>, py: Python<'_>) -> Option<Py<T>> {
    slot.lock().as_ref().map(|object| object.clone_ref(py))
}

fn set<T>(slot: &ObjectSlot<T>, object: Option<Py<T>>) {
    let before = std::mem::replace(&mut *slot.lock(), object);
    drop(before); // After unlocking: a destructor can switch threads.
}

/// The reader of a pointer, once this process has read by it.
#[pyclass(frozen, subclass, module = "seqring._seqring")]
pub(crate) struct PointerBase {
    reader: ObjectSlot<Reader>,
}

#[pymethods]
impl PointerBase {
    #[new]
    #[pyo3(signature = (*_arguments, **_keywords))]
    fn new(_arguments: &Bound<'_, PyTuple>, _keywords: Option<&Bound<'_, PyDict>>) -> Self {
        PointerBase { reader: Mutex::new(None) }
    }

    /// The reader of this process, or, after a fork, that of the parent.
    #[getter(_reader)]
    fn reader(&self, py: Python<'_>) -> Option<Py<Reader>> {
        get(&self.reader, py)
    }

    #[setter(_reader)]
    fn set_reader(&self, reader: Option<Py<Reader>>) {
        set(&self.reader, reader);
    }
}

/// A ring's active-writers word, and this process's writer.
#[pyclass(frozen, subclass, module = "seqring._seqring")]
pub(crate) struct RingBufferBase {
    /// The ring, and the index of its active-writers word.
    ring: OnceLock<(Py<Ring>, usize)>,
    writer: ObjectSlot<Writer>,
    /// Threads that entered as writers: if this process dies, each counts as one.
    entered: Mutex<HashSet<ThreadId>>,
    last_check: Mutex<Option<Instant>>,
}

/// The outcome of the fast path.
enum FastPath<T> {
    Done(T),
    /// The ring is full, or empty.
    Nothing,
    /// The slow path must decide.
    Unknown,
}

impl<T> FastPath<T> {
    /// The library's own errors, and those of a closed object, are left to the slow path.
    fn of(py: Python<'_>, result: PyResult<Option<T>>, is_closed: impl Fn() -> bool) -> PyResult<Self> {
        match result {
            Ok(Some(done)) => Ok(FastPath::Done(done)),
            Ok(None) => Ok(FastPath::Nothing),
            Err(error) if errors::is_ours(py, &error) || is_closed() => Ok(FastPath::Unknown),
            Err(error) => Err(error),
        }
    }
}

impl RingBufferBase {
    fn has_writers(&self, py: Python<'_>) -> PyResult<bool> {
        let Some((ring, at)) = self.ring.get() else { return Ok(false) };
        let word = ring.get().with(py, |ring| ring.user_words().get(*at).map_or(0, |word| word.load(SeqCst)));
        Ok(word? & COUNT > 0)
    }

    fn write_fast(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<FastPath<()>> {
        let writer = self.writer(py);
        let Some(writer) = writer.filter(|_| self.has_entered() && self.has_writers(py).unwrap_or(false))
        else {
            return Ok(FastPath::Unknown);
        };
        let written = writer.get().try_write(py, data, None, 0);
        FastPath::of(py, written.map(|written| written.map(drop)), || writer.get().closed())
    }

    fn read_with<'py>(
        py: Python<'py>,
        reader: &Reader,
        read: impl FnOnce(&Receiver<seqring::Reader>) -> Attempt<Message<'py>>,
    ) -> PyResult<FastPath<Message<'py>>> {
        FastPath::of(py, read(&reader.receiver), || reader.closed())
    }

    /// The next message; `Unknown` as well while another thread has the reader.
    fn read_fast<'py>(py: Python<'py>, reader: &Reader) -> PyResult<FastPath<Message<'py>>> {
        match reader.receiver.cell.try_hold(py) {
            Ok(Some(mut guard)) => Self::read_with(py, reader, |receiver| receiver.copy(&mut guard)),
            Ok(None) => Ok(FastPath::Unknown),
            Err(error) => Self::read_with(py, reader, |_| Err(error)),
        }
    }
}

#[pymethods]
impl RingBufferBase {
    #[new]
    #[pyo3(signature = (*_arguments, **_keywords))]
    fn new(_arguments: &Bound<'_, PyTuple>, _keywords: Option<&Bound<'_, PyDict>>) -> Self {
        RingBufferBase {
            ring: OnceLock::new(),
            writer: Mutex::new(None),
            entered: Mutex::default(),
            last_check: Mutex::new(None),
        }
    }

    /// Sets the ring, and the index of the word whose low half counts the active writers.
    #[pyo3(name = "_set_ring")]
    fn set_ring(&self, ring: Py<Ring>, writers_at: usize) {
        drop(self.ring.set((ring, writers_at))); // The constructor calls this once.
    }

    /// The writer of this process, or, after a fork, that of the parent.
    #[getter(_writer)]
    fn writer(&self, py: Python<'_>) -> Option<Py<Writer>> {
        get(&self.writer, py)
    }

    /// Every thread that writes must enter again.
    #[setter(_writer)]
    fn set_writer(&self, writer: Option<Py<Writer>>) {
        self.entered.lock().clear();
        set(&self.writer, writer);
    }

    /// Notes that this thread has entered as a writer.
    #[pyo3(name = "_enter")]
    fn enter(&self) {
        let mut entered = self.entered.lock();
        if entered.len() >= MAX_ENTERED {
            entered.clear(); // Most of the threads have ended.
        }
        entered.insert(thread::current().id());
    }

    /// Whether this thread has entered as a writer.
    #[pyo3(name = "_has_entered")]
    fn has_entered(&self) -> bool {
        self.entered.lock().contains(&thread::current().id())
    }

    /// Whether a check for dead writers is due. If so, the caller makes it.
    #[pyo3(name = "_is_due")]
    fn is_due(&self) -> bool {
        let (now, mut last) = (Instant::now(), self.last_check.lock());
        let due = last.is_none_or(|last| now.duration_since(last) >= LIVENESS_INTERVAL);
        if due {
            *last = Some(now);
        }
        due
    }

    /// Writes any object with a buffer, without waiting.
    ///
    /// Raises `WaitingForReaderError` if the ring is full, `AlreadyClosedError` without an active
    /// writer, `DataTooLargeError`, and `TypeError` for an object without a buffer.
    fn try_write(slf: &Bound<'_, Self>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        if let FastPath::Done(()) = slf.get().write_fast(slf.py(), data)? {
            return Ok(());
        }
        slf.call_method1(intern!(slf.py(), "_try_write"), (data,)).map(drop)
    }

    /// Writes any object with a buffer, waiting for the slowest reader for at most `timeout`
    /// seconds.
    ///
    /// Raises `TimedOutError`, and the errors of `try_write`.
    #[pyo3(signature = (data, timeout=None))]
    fn blocking_write(slf: &Bound<'_, Self>, data: &Bound<'_, PyAny>, timeout: Option<f64>) -> PyResult<()> {
        Deadline::after(timeout)?; // Also where nothing is waited for.
        if let FastPath::Done(()) = slf.get().write_fast(slf.py(), data)? {
            return Ok(());
        }
        slf.call_method1(intern!(slf.py(), "_blocking_write"), (data, timeout)).map(drop)
    }

    /// The next message for `pointer`, as a `bytearray` of the length that was written, without
    /// waiting.
    ///
    /// Raises `WaitingForWriterError` if there is none, `WriterFinishedError` if none will come.
    fn try_read<'py>(
        slf: &Bound<'py, Self>,
        pointer: &Bound<'py, PointerBase>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        if let Some(reader) = pointer.get().reader(py) {
            match Self::read_fast(py, reader.get())? {
                FastPath::Done(message) => return Ok(message.into_any()),
                FastPath::Nothing if !this.is_due() && this.has_writers(py)? => {
                    return Err(errors::waiting_for_writer(py));
                }
                FastPath::Nothing | FastPath::Unknown => {}
            }
        }
        slf.call_method1(intern!(py, "_try_read"), (pointer,))
    }

    /// The next message for `pointer`, as a `bytearray` of the length that was written. Waits for
    /// at most `timeout` seconds.
    ///
    /// Raises `WriterFinishedError` if none will come, `WriterDiedError` if a writer's process
    /// ended without `writer_done()`, `TimedOutError`, and `PointerInUseError` if another process
    /// reads by `pointer`.
    #[pyo3(signature = (pointer, timeout=None))]
    fn blocking_read<'py>(
        slf: &Bound<'py, Self>,
        pointer: &Bound<'py, PointerBase>,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Deadline::after(timeout)?; // As in `blocking_write`.
        let (py, this) = (slf.py(), slf.get());
        let mut left = timeout;
        if let Some(reader) = pointer.get().reader(py) {
            let reader = reader.get();
            let try_copy = |receiver: &Receiver<_>| receiver.cell.try_once(py, |guard| receiver.copy(guard));
            let mut read = Self::read_with(py, reader, try_copy)?;
            if matches!(read, FastPath::Nothing) && this.has_writers(py)? {
                // The wait is bounded, so that the slow path can check for dead writers.
                let longest = timeout.map_or(LIVENESS_INTERVAL, |seconds| {
                    let time = Duration::try_from_secs_f64(seconds);
                    time.map_or(Duration::ZERO, |time| time.min(LIVENESS_INTERVAL))
                });
                read = Self::read_with(py, reader, |receiver| {
                    receiver.cell.wait(py, Deadline::within(longest), |guard| receiver.copy(guard))
                })?;
                left = timeout.map(|timeout| timeout - longest.as_secs_f64());
            }
            if let FastPath::Done(message) = read {
                return Ok(message.into_any());
            }
        }
        slf.call_method1(intern!(py, "_blocking_read"), (pointer, left))
    }
}
