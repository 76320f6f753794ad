//! The class `Ring`.

use crate::errors;
use crate::fork::Generation;
use crate::frame;
use crate::options::{self, StartWord};
use crate::reader::Reader;
use crate::taker::Taker;
use crate::words::Words;
use crate::writer::Writer;
use parking_lot::Mutex;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};
use pyo3::{PyClass, PyClassInitializer};
use seqring::{Config, Delivery, Role, Writers};

/// A ring of `slots` messages in shared memory, made by `Ring.create` and opened by its name in any process.
///
/// Pickles to its name, for spawn and forkserver; after a fork it opens itself anew. Closing it, or the end of a `with`
/// statement, lets go of it; its readers and writers stay. The last one out removes it, and `python -m seqring gc --remove`
/// what was killed.
#[pyclass(frozen, weakref, module = "seqring")]
pub(crate) struct Ring {
    name: String,
    /// Not in shared memory, but on the heap of the process that made it.
    on_heap: bool,
    state: Mutex<State>,
}

enum State {
    Open(seqring::Ring, Generation),
    /// In a fork's child: opened at its first use.
    Elsewhere,
    Closed,
}

pub(crate) fn role_word(role: Role) -> &'static str {
    match role {
        Role::Writer => "writer",
        Role::Reader => "reader",
        Role::Taker => "taker",
    }
}

/// So many writers of a ring of many may come without anybody having thought of them.
const WRITERS: usize = 16;

impl Ring {
    fn new(name: String, ring: seqring::Ring, on_heap: bool) -> Self {
        Ring { name, on_heap, state: Mutex::new(State::Open(ring, Generation::now())) }
    }

    /// The ring, as this process has it open.
    pub(crate) fn ring(&self, py: Python<'_>) -> PyResult<seqring::Ring> {
        self.with(py, Clone::clone)
    }

    /// Looks at the ring, as this process has it open; `look` does not let other threads run.
    pub(crate) fn with<R>(&self, py: Python<'_>, look: impl FnOnce(&seqring::Ring) -> R) -> PyResult<R> {
        let opened = {
            // Making an exception may let other threads run: not while this is locked.
            let mut state = self.state.lock();
            match &*state {
                State::Closed => return Err(errors::shut("ring")),
                State::Open(ring, born) if born.is_now() => return Ok(look(ring)),
                State::Open(..) | State::Elsewhere if self.on_heap => {
                    drop(state);
                    return Err(errors::forked(py, "ring"));
                }
                State::Open(..) | State::Elsewhere => seqring::Ring::open(&self.name).map(|ring| {
                    let result = look(&ring);
                    *state = State::Open(ring, Generation::now());
                    result
                }),
            }
        };
        opened.map_err(|error| errors::ring(py, error))
    }
}

/// A new Python object, which is closed at the end of the process, and forgotten in a fork's child.
pub(crate) fn made<T>(py: Python<'_>, object: T) -> PyResult<Bound<'_, T>>
where
    T: PyClass + Into<PyClassInitializer<T>>,
{
    let object = Bound::new(py, object)?;
    py.import(intern!(py, "seqring._lifetime"))?.getattr(intern!(py, "watch"))?.call1((&object,))?;
    Ok(object)
}

/// What `Ring.create` was asked for, as the library's configuration.
#[expect(clippy::too_many_arguments, reason = "the keywords of one Python function")]
fn config(
    slots: usize,
    slot_bytes: Option<usize>,
    delivery: &str,
    writers: &str,
    readers: usize,
    participants: Option<usize>,
    frame: Option<seqring::Frame>,
    slot_class: Option<&str>,
) -> PyResult<Config> {
    let framed = frame.as_ref().and_then(frame::bytes);
    let slot_bytes = slot_bytes.or(framed);
    let slot_bytes =
        slot_bytes.ok_or_else(|| PyValueError::new_err("a ring needs slot_bytes, or shape and dtype"))?;
    if framed.is_some_and(|bytes| bytes > slot_bytes) {
        return Err(PyValueError::new_err(format!(
            "frames of {} bytes do not fit into slots of {slot_bytes}",
            framed.unwrap_or(0)
        )));
    }
    let delivery = options::delivery(delivery)?;
    let writers = if delivery == Delivery::Queue { Writers::Many } else { options::writers(writers)? };
    let for_writers = if writers == Writers::Many { WRITERS } else { 1 };
    let participants = participants.unwrap_or(readers.saturating_add(for_writers));
    let mut config =
        Config::new(slots, slot_bytes).delivery(delivery).writers(writers).participants(participants);
    if let Some(frame) = frame {
        config = config.frame(frame);
    }
    if let Some(class) = slot_class {
        config = config.slot_class(options::slot_class(class)?);
    }
    Ok(config)
}

#[pymethods]
impl Ring {
    /// Creates a ring of `slots` messages of at most `slot_bytes` bytes each.
    ///
    /// `name`: for `Ring.open`; one that nobody has, if `None`.
    /// `delivery`: `"gated"`: nothing is lost, writers wait for the slowest reader. `"lossy"`: writers never wait, slow readers
    /// are told what they lost. `"queue"`: each message goes to one taker.
    /// `writers`: `"one"` at a time or `"many"`. `readers`: how many at a time (takers, in a queue); `participants` says how many
    /// readers and writers together.
    /// `shape`, `dtype`: what every message is; the name of an element type or a numpy one. Then `slot_bytes` may be left out.
    /// `meta_bytes`: room for metadata with each message. `tag`, `timestamps`: each message carries a number, its time.
    /// `words`: 64-bit words of the user's own.
    /// `slot_class`: where messages lie: `"packed"`, `"lines"`, `"arena"`; by size if `None`.
    /// `shared=False`: a ring for the threads of this process, on the heap: it has no file, and cannot be opened or sent.
    /// `observers`: `Observer.open` may read along; then claims are private memory. `keep`: the ring stays when the last process
    /// lets go of it, until `Ring.unlink`.
    /// `evict_after`: gated: so many seconds may a reader that lives hold writers back; then it skips to the newest message, and
    /// is told by `Lagged`. `redelivery`: queue: what a taker had not done with when it died goes to another (`"redeliver"`, if
    /// `None`), or is gone (`"drop"`).
    ///
    /// Raises `RingExists`, `NoSpace`, `ValueError`.
    #[classmethod]
    #[pyo3(signature = (
        slots, slot_bytes=None, *, name=None, delivery="gated", writers="one", readers=16, participants=None,
        shape=None, dtype=None, meta_bytes=0, tag=false, timestamps=false, words=0, slot_class=None, first_sequence=0,
        shared=true, observers=false, keep=false, evict_after=None, redelivery=None,
    ))]
    #[expect(clippy::too_many_arguments, clippy::fn_params_excessive_bools, reason = "keywords")]
    fn create<'py>(
        cls: &Bound<'py, PyType>,
        slots: usize,
        slot_bytes: Option<usize>,
        name: Option<String>,
        delivery: &str,
        writers: &str,
        readers: usize,
        participants: Option<usize>,
        shape: Option<Vec<u64>>,
        dtype: Option<Bound<'py, PyAny>>,
        meta_bytes: usize,
        tag: bool,
        timestamps: bool,
        words: usize,
        slot_class: Option<&str>,
        first_sequence: u64,
        shared: bool,
        observers: bool,
        keep: bool,
        evict_after: Option<f64>,
        redelivery: Option<&str>,
    ) -> PyResult<Bound<'py, Ring>> {
        let py = cls.py();
        let frame = match (shape, dtype) {
            (None, None) => None,
            (Some(shape), Some(dtype)) => Some(frame::describe(&dtype, &shape)?),
            _ => return Err(PyValueError::new_err("shape and dtype go together")),
        };
        let config = config(slots, slot_bytes, delivery, writers, readers, participants, frame, slot_class)?;
        let config = config.meta_bytes(meta_bytes).tag(tag).timestamp(timestamps).user_words(words);
        let mut config = config.first_sequence(first_sequence).observers(observers).keep(keep);
        if let Some(seconds) = evict_after {
            config = config.evict_after(options::patience(seconds)?);
        }
        if let Some(word) = redelivery {
            config = config.redelivery(options::redelivery(word)?);
        }
        let name = match name {
            Some(name) => name,
            None => py.import("seqring._lifetime")?.getattr("fresh_name")?.call0()?.extract()?,
        };
        let make =
            || if shared { seqring::Ring::create(&name, &config) } else { seqring::Ring::heap(&config) };
        let ring = py.detach(make).map_err(|error| errors::ring(py, error))?;
        made(py, Ring::new(name, ring, !shared))
    }

    /// Opens the ring of that name. Raises `RingNotFound`, `NotPermitted`, `Corrupt`.
    #[classmethod]
    fn open<'py>(cls: &Bound<'py, PyType>, name: String) -> PyResult<Bound<'py, Ring>> {
        let py = cls.py();
        let ring = py.detach(|| seqring::Ring::open(&name)).map_err(|error| errors::ring(py, error))?;
        made(py, Ring::new(name, ring, false))
    }

    /// Removes the name. Who has the ring open keeps it.
    #[staticmethod]
    fn unlink(py: Python<'_>, name: &str) -> PyResult<()> {
        seqring::Ring::unlink(name).map_err(|error| errors::ring(py, error))
    }

    /// Registers a writer. Raises `WriterTaken`, `TableFull`, `NoSpace`, `Closed`.
    ///
    /// `waiting`: `"balanced"` spins for some µs and then sleeps, `"spinning"` and `"streaming"` never sleep, for processes that
    /// have a core to themselves, `"sleeping"` sleeps at once.
    #[pyo3(signature = (*, waiting="balanced"))]
    fn writer<'py>(&self, py: Python<'py>, waiting: &str) -> PyResult<Bound<'py, Writer>> {
        let (ring, waiting) = (self.ring(py)?, options::waiting(waiting)?);
        let mut writer = py.detach(|| ring.writer()).map_err(|error| errors::joining(py, error))?;
        writer.set_wait_strategy(waiting);
        made(py, Writer::new(writer, ring))
    }

    /// Registers a reader, from the `"next"` message on, the `"oldest"` or `"latest"` that is there, or a sequence.
    ///
    /// `skip_lost`: lost messages are counted in `lost`, but no error. `waiting`: as for `writer`. Raises `TableFull`.
    #[pyo3(signature = (start=StartWord::Word("next".into()), *, waiting="balanced", skip_lost=false),
           text_signature = "($self, start='next', *, waiting='balanced', skip_lost=False)")]
    fn reader<'py>(
        &self,
        py: Python<'py>,
        start: StartWord,
        waiting: &str,
        skip_lost: bool,
    ) -> PyResult<Bound<'py, Reader>> {
        let (ring, waiting, start) = (self.ring(py)?, options::waiting(waiting)?, start.start()?);
        let mut reader = py.detach(|| ring.reader(start)).map_err(|error| errors::joining(py, error))?;
        reader.set_wait_strategy(waiting);
        made(py, Reader::new(reader, &ring, skip_lost))
    }

    /// Takes up a parked reader where it was: see `Reader.park`. Raises `RegisterError` if it is not parked any more.
    #[pyo3(signature = (ticket, *, waiting="balanced", skip_lost=false))]
    fn resume<'py>(
        &self,
        py: Python<'py>,
        ticket: (usize, u64),
        waiting: &str,
        skip_lost: bool,
    ) -> PyResult<Bound<'py, Reader>> {
        let (ring, waiting) = (self.ring(py)?, options::waiting(waiting)?);
        let ticket = seqring::ParkTicket { entry: ticket.0, state: ticket.1 };
        let mut reader = ring.resume(ticket).map_err(|error| errors::joining(py, error))?;
        reader.set_wait_strategy(waiting);
        made(py, Reader::new(reader, &ring, skip_lost))
    }

    /// The sequence that the reader of that ticket reads next, in whichever process; `None` once it left.
    fn position_of(&self, py: Python<'_>, ticket: (usize, u64)) -> PyResult<Option<u64>> {
        Ok(self.ring(py)?.position_of(seqring::ParkTicket { entry: ticket.0, state: ticket.1 }))
    }

    /// Registers a taker of a queue. Raises `TableFull`, `NoSpace`.
    #[pyo3(signature = (*, waiting="balanced"))]
    fn taker<'py>(&self, py: Python<'py>, waiting: &str) -> PyResult<Bound<'py, Taker>> {
        let (ring, waiting) = (self.ring(py)?, options::waiting(waiting)?);
        let mut taker = py.detach(|| ring.taker()).map_err(|error| errors::joining(py, error))?;
        taker.set_wait_strategy(waiting);
        made(py, Taker::new(taker, &ring))
    }

    /// The name.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// The file that holds the ring.
    #[getter]
    fn path(&self, py: Python<'_>) -> PyResult<Option<String>> {
        Ok(self.ring(py)?.path().map(|path| path.display().to_string()))
    }

    /// Messages that fit.
    #[getter]
    fn slots(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.ring(py)?.config().slots())
    }

    /// Bytes of the largest message.
    #[getter]
    fn slot_bytes(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.ring(py)?.config().slot_bytes())
    }

    /// Bytes of the longest metadata.
    #[getter]
    fn meta_bytes(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.ring(py)?.config().meta_bytes_max())
    }

    /// What happens when a reader is slow.
    #[getter]
    fn delivery(&self, py: Python<'_>) -> PyResult<&'static str> {
        Ok(options::delivery_word(self.ring(py)?.delivery()))
    }

    /// Where messages lie.
    #[getter]
    fn slot_class(&self, py: Python<'_>) -> PyResult<&'static str> {
        Ok(options::slot_class_word(self.ring(py)?.slot_class()))
    }

    /// The shape of its frames, if it has some.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        self.ring(py)?.frame().map(|frame| PyTuple::new(py, frame::shape(&frame))).transpose()
    }

    /// The element type of its frames, if it has some.
    #[getter]
    fn dtype(&self, py: Python<'_>) -> PyResult<Option<&'static str>> {
        Ok(self.ring(py)?.frame().as_ref().and_then(frame::name))
    }

    /// Bytes of memory that it takes, at most.
    #[getter]
    fn total_bytes(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.ring(py)?.total_bytes())
    }

    /// The sequence that is published next.
    #[getter]
    fn next_sequence(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.ring(py)?.next_sequence())
    }

    /// The user's own words.
    #[getter]
    fn words(slf: Bound<'_, Self>) -> Words {
        Words::new(slf.unbind())
    }

    /// Who is there, how far, and how far behind.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let ring = self.ring(py)?;
        let participants = ring.participants().into_iter().map(|one| {
            let stats = PyDict::new(py);
            stats.set_item("entry", one.entry)?;
            stats.set_item("role", role_word(one.role))?;
            stats.set_item("pid", one.pid)?;
            stats.set_item("alive", one.alive)?;
            stats.set_item("position", one.position)?;
            stats.set_item("lag", one.lag)?;
            stats.set_item("missed", one.missed)?;
            stats.set_item("sleeps", one.sleeps)?;
            Ok(stats)
        });
        let participants = participants.collect::<PyResult<Vec<_>>>()?;
        let make = py.import("seqring._stats")?.getattr("make")?;
        make.call1((&self.name, ring.next_sequence(), ring.config().slots(), participants))
    }

    /// Moves every reader to the newest message. They learn of it by `Lagged`.
    fn skip_readers(&self, py: Python<'_>) -> PyResult<()> {
        self.ring(py)?.skip_readers_to_newest();
        Ok(())
    }

    /// Ends the stream for good: writers are refused, readers get what is there and then `Closed`.
    fn shutdown(&self, py: Python<'_>) -> PyResult<()> {
        self.ring(py)?.close();
        Ok(())
    }

    /// Whether this was closed.
    #[getter]
    fn closed(&self) -> bool {
        matches!(*self.state.lock(), State::Closed)
    }

    /// Lets go of the ring. The last one out removes it.
    fn close(&self, py: Python<'_>) {
        let state = std::mem::replace(&mut *self.state.lock(), State::Closed);
        py.detach(|| drop(state));
    }

    fn _forget(&self) {
        // The library knows that this is a copy of the parent's.
        if let Some(mut state) = self.state.try_lock()
            && matches!(*state, State::Open(..))
        {
            *state = State::Elsewhere;
        }
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&self, py: Python<'_>, _error: &Bound<'_, PyTuple>) {
        self.close(py);
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        if slf.get().on_heap {
            return Err(PyTypeError::new_err(
                "a ring made with shared=False is its process's and cannot be sent",
            ));
        }
        Ok((slf.get_type().getattr("open")?, (slf.get().name.clone(),)))
    }

    fn __repr__(&self) -> String {
        format!("<seqring.Ring {:?}>", self.name)
    }
}
