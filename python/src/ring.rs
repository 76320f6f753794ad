//! The class `Ring`.

use crate::array_layout;
use crate::call::{Caller, Server};
use crate::creation::location;
use crate::errors;
use crate::fork::Generation;
use crate::getters::getters;
use crate::living::registered;
use crate::membership;
use crate::options::{self, Start};
use crate::python_code;
use crate::reader::Reader;
use crate::receiver::Copies;
use crate::table::{TableReader, TableWriter};
use crate::taker::Taker;
use crate::unread::Unread;
use crate::user_words::Words;
use crate::writer::Writer;
use parking_lot::Mutex;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyString, PyTuple};
use seqring::process::RingHold;
use seqring::{Config, RegisterError, RingError};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// A ring of `slots` messages in shared memory, made by `Ring.create` and opened by its name in any
/// process.
///
/// It pickles to its name, for spawn and forkserver. A child of `os.fork` has it open too. `close`,
/// or the end of a `with` statement, releases the ring; its readers and writers stay. The last
/// process that releases a ring removes it; `python -m seqring gc --remove` removes what killed
/// processes left.
#[pyclass(frozen, weakref, module = "seqring")]
pub(crate) struct Ring {
    pub(crate) name: String,
    pub(crate) home: Home,
    /// What `descriptor` returned; of an anonymous ring from the beginning.
    pub(crate) descriptor: Mutex<Option<OwnedFd>>,
    pub(crate) state: Mutex<RingState>,
    /// Keeps the ring for a forked child, from before the fork until the child opens it.
    pub(crate) hold: Mutex<Option<RingHold>>,
}

/// Where a ring is.
pub(crate) enum Home {
    /// On the heap of the process that made it, not in shared memory.
    Heap,
    /// In the directory, or the usual one.
    Named(Option<PathBuf>),
    /// In a file that its descriptors lead to.
    Anonymous,
}

pub(crate) enum RingState {
    Open(seqring::Ring, Generation),
    /// In a forked child: opened at its first use.
    Forked,
    Closed,
}

impl Ring {
    /// The ring, as this process has it open.
    pub(crate) fn ring(&self, py: Python<'_>) -> PyResult<seqring::Ring> {
        self.with(py, Clone::clone)
    }

    /// Calls `use_ring` with the ring, as this process has it open. `use_ring` must not release the
    /// interpreter's lock.
    pub(crate) fn with<R>(&self, py: Python<'_>, use_ring: impl FnOnce(&seqring::Ring) -> R) -> PyResult<R> {
        let opened = {
            // Making an exception can switch threads: never while the state is locked.
            let mut state = self.state.lock();
            match &*state {
                RingState::Closed => return Err(errors::closed_object(py, "ring")),
                RingState::Open(ring, born) if born.is_now() => return Ok(use_ring(ring)),
                RingState::Open(..) | RingState::Forked if matches!(self.home, Home::Heap) => {
                    drop(state);
                    return Err(errors::forked(py, "ring"));
                }
                RingState::Open(..) | RingState::Forked => self.open_again().map(|ring| {
                    let result = use_ring(&ring);
                    *state = RingState::Open(ring, Generation::now());
                    result
                }),
            }
        };
        opened.map_err(|error| errors::ring(py, error))
    }

    /// Opens the ring in a forked child: what the parent held for it, or else by the name.
    fn open_again(&self) -> Result<seqring::Ring, RingError> {
        let hold = self.hold.lock().take();
        let directory = if let Home::Named(directory) = &self.home { directory.as_ref() } else { None };
        let inherited = self.descriptor.lock().as_ref().and_then(|descriptor| descriptor.try_clone().ok());
        membership::open(|| match (hold, inherited) {
            (Some(hold), _) => hold.open(),
            (None, Some(descriptor)) => seqring::Ring::from_descriptor(descriptor),
            (None, None) => seqring::Ring::open(location(&self.name, directory)),
        })
    }

    /// Releases the ring. A child that did not use it may be its last user.
    fn release(&self) {
        let state = std::mem::replace(&mut *self.state.lock(), RingState::Closed);
        let hold = self.hold.lock().take();
        drop((state, self.descriptor.lock().take()));
        drop(hold.map(RingHold::open));
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.release();
    }
}

/// A reader, writer or taker.
fn joined<T: Send>(py: Python<'_>, join: impl FnOnce() -> Result<T, RegisterError> + Send) -> PyResult<T> {
    membership::joining(py, join)?.map_err(|error| errors::joining(py, error))
}

#[pymethods]
impl Ring {
    /// Registers a writer. Raises `WriterTaken`, `TableFull`, `NoSpace`, `Closed`.
    ///
    /// `waiting`: `"balanced"` spins for some µs and then sleeps; `"spinning"` and `"streaming"`
    /// never sleep, for processes with a core of their own; `"sleeping"` sleeps at once.
    #[pyo3(signature = (*, waiting="balanced"))]
    fn writer<'py>(&self, py: Python<'py>, waiting: &str) -> PyResult<Bound<'py, Writer>> {
        let (ring, waiting) = (self.ring(py)?, options::waiting(waiting)?);
        let mut writer = joined(py, || ring.writer())?;
        writer.set_wait_strategy(waiting);
        registered(py, Writer::new(writer, &self.name, ring))
    }

    /// Registers a reader, from the `"next"` message on, from the `"oldest"` or `"latest"` that is
    /// there, or from a sequence.
    ///
    /// `skip_lost`: lost messages are counted in `lost` and raise no error. `as_bytes`: copies of
    /// frames are `bytearray`s, not arrays. `waiting`: as for `writer`. Raises `TableFull`.
    #[pyo3(signature = (start=Start(seqring::Start::Next), *, waiting="balanced", skip_lost=false, as_bytes=false),
           text_signature = "($self, start='next', *, waiting='balanced', skip_lost=False, as_bytes=False)")]
    fn reader<'py>(
        &self,
        py: Python<'py>,
        start: Start,
        waiting: &str,
        skip_lost: bool,
        as_bytes: bool,
    ) -> PyResult<Bound<'py, Reader>> {
        let (ring, waiting) = (self.ring(py)?, options::waiting(waiting)?);
        let mut reader = joined(py, || ring.reader(start.0))?;
        reader.set_wait_strategy(waiting);
        registered(py, Reader::new(reader, &self.name, &ring, Copies { skip_lost, as_bytes }))
    }

    /// Resumes a parked reader: see `Reader.park`. Raises `RegisterError` if it is not parked any
    /// more.
    #[pyo3(signature = (ticket, *, waiting="balanced", skip_lost=false, as_bytes=false))]
    fn resume<'py>(
        &self,
        py: Python<'py>,
        ticket: (usize, u64),
        waiting: &str,
        skip_lost: bool,
        as_bytes: bool,
    ) -> PyResult<Bound<'py, Reader>> {
        let (ring, waiting) = (self.ring(py)?, options::waiting(waiting)?);
        let ticket = seqring::process::ParkTicket { entry: ticket.0, state: ticket.1 };
        let mut reader = joined(py, || ring.resume(ticket))?;
        reader.set_wait_strategy(waiting);
        registered(py, Reader::new(reader, &self.name, &ring, Copies { skip_lost, as_bytes }))
    }

    /// The sequence that the reader of that ticket reads next, in any process; `None` once it left.
    fn position_of(&self, py: Python<'_>, ticket: (usize, u64)) -> PyResult<Option<u64>> {
        Ok(self.ring(py)?.position_of(seqring::process::ParkTicket { entry: ticket.0, state: ticket.1 }))
    }

    /// Registers a taker of a queue. `waiting`, `as_bytes`: as for `reader`. Raises `TableFull`,
    /// `NoSpace`.
    #[pyo3(signature = (*, waiting="balanced", as_bytes=false))]
    fn taker<'py>(&self, py: Python<'py>, waiting: &str, as_bytes: bool) -> PyResult<Bound<'py, Taker>> {
        let (ring, waiting) = (self.ring(py)?, options::waiting(waiting)?);
        let mut taker = joined(py, || ring.taker())?;
        taker.set_wait_strategy(waiting);
        registered(py, Taker::new(taker, &self.name, &ring, as_bytes))
    }

    /// Registers the server of a ring with `delivery="call"`. `waiting`: as for `writer`. Raises
    /// `WriterTaken` while another one lives.
    #[pyo3(signature = (*, waiting="balanced"))]
    fn server<'py>(&self, py: Python<'py>, waiting: &str) -> PyResult<Bound<'py, Server>> {
        let (ring, waiting) = (self.ring(py)?, options::waiting(waiting)?);
        let mut server = joined(py, || ring.server())?;
        server.set_wait_strategy(waiting);
        registered(py, Server::new(server, &self.name, &ring))
    }

    /// Registers a caller in a ring with `delivery="call"`. `waiting`: as for `writer`. Raises
    /// `TableFull`.
    #[pyo3(signature = (*, waiting="balanced"))]
    fn caller<'py>(&self, py: Python<'py>, waiting: &str) -> PyResult<Bound<'py, Caller>> {
        let (ring, waiting) = (self.ring(py)?, options::waiting(waiting)?);
        let mut caller = joined(py, || ring.caller())?;
        caller.set_wait_strategy(waiting);
        registered(py, Caller::new(caller, &self.name, &ring))
    }

    /// Registers the writer of a table: a ring made with `delivery="latest"`. Raises `WriterTaken`,
    /// `Closed`, and `RegisterError` if the ring is no table.
    fn table_writer<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, TableWriter>> {
        let ring = self.ring(py)?;
        let writer = joined(py, || ring.table_writer())?;
        registered(py, TableWriter::new(writer, text(&self.name, ring.config())))
    }

    /// Registers a reader of a table: a ring made with `delivery="latest"`. `waiting`: as for
    /// `writer`. Raises `TableFull`, and `RegisterError` if the ring is no table.
    #[pyo3(signature = (*, waiting="balanced"))]
    fn table_reader<'py>(&self, py: Python<'py>, waiting: &str) -> PyResult<Bound<'py, TableReader>> {
        let (ring, waiting) = (self.ring(py)?, options::waiting(waiting)?);
        let mut reader = joined(py, || ring.table_reader())?;
        reader.set_wait_strategy(waiting);
        let (config, ring) = (ring.config(), text(&self.name, ring.config()));
        registered(py, TableReader::new(reader, config.slot_bytes, ring))
    }

    /// The name.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// The shape of the frames, if the ring declares one.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        self.ring(py)?.config().frame.map(|frame| PyTuple::new(py, array_layout::shape(&frame))).transpose()
    }

    /// What the ring's memory offers here: see `Capabilities`.
    #[getter]
    fn capabilities<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let it = self.ring(py)?.capabilities();
        let backend = format!("{:?}", it.backend).to_lowercase();
        let make = py.import("seqring._stats")?.getattr("Capabilities")?;
        let flags = (it.processes, it.named, it.wakes, it.liveness, it.descriptors, it.observers, it.sealing);
        make.call1((backend, flags.0, flags.1, flags.2, flags.3, flags.4, flags.5, flags.6))
    }

    /// The application's own words.
    #[getter]
    fn words(slf: Bound<'_, Self>) -> Words {
        Words::new(slf.unbind())
    }

    /// The participants: position and lag of each.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let ring = self.ring(py)?;
        let stats = ring.stats();
        let participants = stats.participants.into_iter().map(|one| {
            let role = options::word(one.role, options::ROLES);
            (one.entry, role, one.pid, one.alive, one.position, one.lag, one.lost, one.refused, one.sleeps)
        });
        let participants = participants.collect::<Vec<_>>();
        let make = py.import("seqring._stats")?.getattr("make")?;
        let (slots, awaited) = (ring.config().slots, stats.awaited_readers);
        python_code::call(&make, (&self.name, stats.next_sequence, slots, awaited, participants))
    }

    /// Moves every reader to the newest message. Each raises `Lagged`.
    fn skip_readers(&self, py: Python<'_>) -> PyResult<()> {
        self.ring(py)?.skip_readers_to_newest();
        Ok(())
    }

    /// Ends the stream for good: writers are refused, readers get the remaining messages and then
    /// `Closed`.
    fn shutdown(&self, py: Python<'_>) -> PyResult<()> {
        self.ring(py)?.close();
        Ok(())
    }

    /// Whether this object is closed.
    #[getter]
    fn closed(&self) -> bool {
        matches!(*self.state.lock(), RingState::Closed)
    }

    /// Releases the ring. The last process that releases it removes it, with a `ResourceWarning` if
    /// it has messages and still awaits readers.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let unread = py.detach(|| {
            let unread = match &*self.state.lock() {
                RingState::Open(ring, born) if born.is_now() => Unread::of(ring),
                _ => None,
            };
            self.release();
            unread
        });
        unread.map_or(Ok(()), |unread| unread.warn_if_gone(py))
    }

    fn _before_fork(&self, py: Python<'_>) {
        // Without a hold, a child opens the ring by its name.
        let hold = self.with(py, |ring| ring.hold().ok()).ok().flatten();
        *self.hold.lock() = hold;
    }

    fn _after_fork(&self) {
        self.hold.lock().take();
    }

    fn _forget(&self) {
        // The library recognizes a copy of the parent's.
        if let Some(mut state) = self.state.try_lock()
            && matches!(*state, RingState::Open(..))
        {
            *state = RingState::Forked;
        }
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&self, py: Python<'_>, _error: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.close(py)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyAny>,))> {
        let (py, this) = (slf.py(), slf.get());
        let open = slf.get_type().getattr("open")?;
        let name = PyString::new(py, &this.name).into_any();
        match &this.home {
            Home::Heap => {
                let text = "a ring made with shared=False belongs to its process and cannot be sent";
                Err(PyTypeError::new_err(text))
            }
            Home::Named(None) => Ok((open, (name,))),
            Home::Named(directory) => {
                let options = [("directory", directory)].into_py_dict(py)?;
                let open = py.import("functools")?.getattr("partial")?.call((open,), Some(&options))?;
                Ok((open, (name,)))
            }
            Home::Anonymous => {
                let duplicate = py.import("multiprocessing.reduction")?.getattr("DupFd")?;
                let open = py.import("seqring._lifetime")?.getattr("open_duplicate")?;
                Ok((open, (duplicate.call1((this.descriptor(py)?,))?,)))
            }
        }
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        match self.with(py, |ring| (text(&self.name, ring.config()), ring.next_sequence())) {
            Ok((ring, next)) => format!("<seqring.Ring {ring}: next is {next}>"),
            Err(_) => format!("<seqring.Ring {:?}: closed>", self.name),
        }
    }
}

/// A ring in a text: its name, and its geometry.
pub(crate) fn text(name: &str, config: &Config) -> String {
    let (slots, delivery) = (config.slots, options::word(config.delivery, options::DELIVERIES));
    match config.frame {
        Some(frame) => format!("{name:?}, {slots} frames {}, {delivery}", array_layout::text(&frame)),
        None => format!("{name:?}, {slots} slots of {} bytes, {delivery}", config.slot_bytes),
    }
}

getters! {
    Ring;
    /// The file that holds the ring; `None` for a ring on the heap.
    path: Option<String> = |ring| ring.path().map(|path| path.display().to_string());
    /// Whether the name still leads to this ring, so that other processes can open it: any process
    /// that may write to the directory can remove it.
    is_named: bool = |ring| ring.is_named();
    /// What the system refused, and the ring works without.
    warnings: Vec<String> = |ring| ring.warnings().iter().map(ToString::to_string).collect();
    /// How many messages fit.
    slots: usize = |ring| ring.config().slots;
    /// Largest message, in bytes.
    slot_bytes: usize = |ring| ring.config().slot_bytes;
    /// Longest metadata, in bytes.
    meta_bytes: usize = |ring| ring.config().meta_bytes;
    /// What happens when a reader is slow.
    delivery: &'static str = |ring| options::word(ring.config().delivery, options::DELIVERIES);
    /// How messages are stored.
    slot_class: &'static str = |ring| options::word(ring.config().slot_class, options::SLOT_CLASSES);
    /// The element type of the frames, if the ring declares one.
    dtype: Option<&'static str> = |ring| ring.config().frame.as_ref().and_then(array_layout::element_name);
    /// Memory of the ring, in bytes, at most.
    total_bytes: usize = |ring| ring.total_bytes();
    /// The sequence of the next message.
    next_sequence: u64 = |ring| ring.next_sequence();
}
