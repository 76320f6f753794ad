//! What a program for the package `ringbuffer` calls once a message, as long as nothing unusual is the matter.
//!
//! The classes of `seqring.compat.ringbuffer` derive from these two. Whatever else there may be to do (joining in another
//! process, an end, a death, an error's name), their methods with an underscore do; nothing here has an effect before it
//! is left to them.

use crate::errors;
use crate::reader::Reader;
use crate::receiving::Receiving;
use crate::ring::Ring;
use crate::writer::Writer;
use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyDict, PyTuple};
use std::collections::HashSet;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::SeqCst;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// The part of the word of active writers that counts them.
const COUNT: u64 = u32::MAX as u64;

/// So often somebody who finds nothing looks for writers that died.
const LOOK_AFTER_EVERY: Duration = Duration::from_millis(50);

/// So many threads are remembered.
const MOST_ENTERED: usize = 1024;

/// A Python object, or none yet.
struct Kept<T>(Mutex<Option<Py<T>>>);

impl<T> Kept<T> {
    fn none() -> Self {
        Kept(Mutex::new(None))
    }

    fn get(&self, py: Python<'_>) -> Option<Py<T>> {
        self.0.lock().as_ref().map(|kept| kept.clone_ref(py))
    }

    fn set(&self, kept: Option<Py<T>>) {
        let before = std::mem::replace(&mut *self.0.lock(), kept);
        drop(before); // With the lock free: what drops may let other threads run.
    }
}

/// The reader of a pointer, once this process reads by it.
#[pyclass(frozen, subclass, module = "seqring._seqring")]
pub(crate) struct PointerBase {
    reader: Kept<Reader>,
}

#[pymethods]
impl PointerBase {
    #[new]
    #[pyo3(signature = (*_arguments, **_keywords))]
    fn new(_arguments: &Bound<'_, PyTuple>, _keywords: Option<&Bound<'_, PyDict>>) -> Self {
        PointerBase { reader: Kept::none() }
    }

    /// The reader by which this process reads, or by which the one read that it was forked from.
    #[getter(_reader)]
    fn reader(&self, py: Python<'_>) -> Option<Py<Reader>> {
        self.reader.get(py)
    }

    #[setter(_reader)]
    fn set_reader(&self, reader: Option<Py<Reader>>) {
        self.reader.set(reader);
    }
}

/// A ring's word of active writers, and this process's writer.
#[pyclass(frozen, subclass, module = "seqring._seqring")]
pub(crate) struct RingBufferBase {
    ring: OnceLock<(Py<Ring>, usize)>,
    writer: Kept<Writer>,
    /// The threads that are known to write by it. For each the death of this process is that of a writer.
    entered: Mutex<HashSet<ThreadId>>,
    looked: Mutex<Option<Instant>>,
}

/// So many seconds, but not so many that a death would go unnoticed.
fn soon(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).map_or(Duration::ZERO, |time| time.min(LOOK_AFTER_EVERY))
}

/// What came of the usual way.
enum Usual<T> {
    Done(T),
    /// The ring is full, or empty.
    Nothing,
    /// It leads nowhere: the other one knows why.
    Ends,
}

impl<T> Usual<T> {
    /// An error of the library says no more than that the usual way ends; so does that of an object which is closed.
    fn of(py: Python<'_>, result: PyResult<Option<T>>, is_closed: impl Fn() -> bool) -> PyResult<Self> {
        match result {
            Ok(Some(done)) => Ok(Usual::Done(done)),
            Ok(None) => Ok(Usual::Nothing),
            Err(error) if errors::is_ours(py, &error) || is_closed() => Ok(Usual::Ends),
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

    fn write_now(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<Usual<()>> {
        let writer = self.writer(py);
        let Some(writer) = writer.filter(|_| self.has_entered() && self.has_writers(py).unwrap_or(false))
        else {
            return Ok(Usual::Ends);
        };
        let written = writer.get().try_write(py, data, None, 0);
        Usual::of(py, written.map(|written| written.map(drop)), || writer.get().closed())
    }

    /// What `read` of the reader comes to.
    fn read_by<'py>(
        py: Python<'py>,
        reader: &Reader,
        read: impl FnOnce(&Receiving<seqring::Reader>) -> PyResult<Option<Bound<'py, PyByteArray>>>,
    ) -> PyResult<Usual<Bound<'py, PyByteArray>>> {
        Usual::of(py, read(&reader.receiving), || reader.receiving.cell.is_closed())
    }

    /// The next message; `Ends` as well while another thread has the reader.
    fn read_now<'py>(py: Python<'py>, reader: &Reader) -> PyResult<Usual<Bound<'py, PyByteArray>>> {
        match reader.receiving.cell.try_hold(py) {
            Ok(Some(mut hold)) => Self::read_by(py, reader, |receiving| receiving.copy(py, &mut hold)),
            Ok(None) => Ok(Usual::Ends),
            Err(error) => Self::read_by(py, reader, |_| Err(error)),
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
            writer: Kept::none(),
            entered: Mutex::default(),
            looked: Mutex::new(None),
        }
    }

    /// The ring, and which of its words counts the active writers in its low half.
    #[pyo3(name = "_found_on")]
    fn found_on(&self, ring: Py<Ring>, writers_at: usize) {
        drop(self.ring.set((ring, writers_at))); // Said once, by the constructor.
    }

    /// The writer by which this process writes, or by which the one wrote that it was forked from.
    #[getter(_writer)]
    fn writer(&self, py: Python<'_>) -> Option<Py<Writer>> {
        self.writer.get(py)
    }

    /// Whoever writes by it enters anew.
    #[setter(_writer)]
    fn set_writer(&self, writer: Option<Py<Writer>>) {
        self.entered.lock().clear();
        self.writer.set(writer);
    }

    /// This thread writes, from now on.
    #[pyo3(name = "_enter")]
    fn enter(&self) {
        let mut entered = self.entered.lock();
        if entered.len() >= MOST_ENTERED {
            entered.clear(); // Most of them have ended.
        }
        entered.insert(thread::current().id());
    }

    /// Whether this thread is known to write.
    #[pyo3(name = "_has_entered")]
    fn has_entered(&self) -> bool {
        self.entered.lock().contains(&thread::current().id())
    }

    /// Whether it is time to look for writers that died; then it was done.
    #[pyo3(name = "_is_due")]
    fn is_due(&self) -> bool {
        let (now, mut looked) = (Instant::now(), self.looked.lock());
        let due = looked.is_none_or(|looked| now.duration_since(looked) >= LOOK_AFTER_EVERY);
        if due {
            *looked = Some(now);
        }
        due
    }

    /// Writes any object with a buffer, without waiting.
    ///
    /// Raises `WaitingForReaderError` if the ring is full, `AlreadyClosedError` without an active writer,
    /// `DataTooLargeError`, and `TypeError` for what has no buffer.
    fn try_write(slf: &Bound<'_, Self>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        if let Usual::Done(()) = slf.get().write_now(slf.py(), data)? {
            return Ok(());
        }
        slf.call_method1(intern!(slf.py(), "_try_write"), (data,)).map(drop)
    }

    /// Writes any object with a buffer, waiting for the slowest reader, for at most `timeout` seconds.
    ///
    /// Raises `TimedOutError`, and what `try_write` raises.
    #[pyo3(signature = (data, timeout=None))]
    fn blocking_write(slf: &Bound<'_, Self>, data: &Bound<'_, PyAny>, timeout: Option<f64>) -> PyResult<()> {
        if let Usual::Done(()) = slf.get().write_now(slf.py(), data)? {
            return Ok(());
        }
        slf.call_method1(intern!(slf.py(), "_blocking_write"), (data, timeout)).map(drop)
    }

    /// The next message for `pointer`, as a `bytearray` of the length that was written, without waiting.
    ///
    /// Raises `WaitingForWriterError` if there is none, `WriterFinishedError` if none will come.
    fn try_read<'py>(
        slf: &Bound<'py, Self>,
        pointer: &Bound<'py, PointerBase>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        if let Some(reader) = pointer.get().reader(py) {
            match Self::read_now(py, reader.get())? {
                Usual::Done(message) => return Ok(message.into_any()),
                Usual::Nothing if !this.is_due() && this.has_writers(py)? => {
                    return Err(errors::waiting_for_writer(py));
                }
                Usual::Nothing | Usual::Ends => {}
            }
        }
        slf.call_method1(intern!(py, "_try_read"), (pointer,))
    }

    /// The next message for `pointer`, as a `bytearray` of the length that was written, waiting for it for at most
    /// `timeout` seconds.
    ///
    /// Raises `WriterFinishedError` if none will come, `WriterDiedError` if a writer's process ended without
    /// `writer_done()`, `TimedOutError`, and `PointerInUseError` if another process reads by `pointer`.
    #[pyo3(signature = (pointer, timeout=None))]
    fn blocking_read<'py>(
        slf: &Bound<'py, Self>,
        pointer: &Bound<'py, PointerBase>,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        let mut left = timeout;
        if let Some(reader) = pointer.get().reader(py) {
            let mut read = Self::read_by(py, reader.get(), |receiving| receiving.try_read(py))?;
            if matches!(read, Usual::Nothing) && this.has_writers(py)? {
                let longest = timeout.map_or(LOOK_AFTER_EVERY, soon);
                read = Self::read_by(py, reader.get(), |receiving| receiving.read_within(py, longest))?;
                left = timeout.map(|timeout| timeout - longest.as_secs_f64());
            }
            if let Usual::Done(message) = read {
                return Ok(message.into_any());
            }
        }
        slf.call_method1(intern!(py, "_blocking_read"), (pointer, left))
    }
}
