//! The class `Ring`.

use crate::array_layout;
use crate::creation::{creation, location, mapping, unused_name};
use crate::deadline::Deadline;
use crate::errors;
use crate::fork::Generation;
use crate::getters::getters;
use crate::living::registered;
use crate::membership;
use crate::options::{self, Keywords, Start};
use crate::reader::Reader;
use crate::receiver::Copies;
use crate::taker::Taker;
use crate::user_words::Words;
use crate::writer::Writer;
use parking_lot::Mutex;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyDict, PyString, PyTuple, PyType};
use seqring::{Config, RegisterError, RingError, RingHold};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

/// How often `open` looks for a ring that is not created yet.
const OPEN_EVERY: Duration = Duration::from_millis(1);

/// A ring of `slots` messages in shared memory, made by `Ring.create` and opened by its name in any
/// process.
///
/// It pickles to its name, for spawn and forkserver. A child of `os.fork` has it open too. `close`,
/// or the end of a `with` statement, releases the ring; its readers and writers stay. The last
/// process that releases a ring removes it; `python -m seqring gc --remove` removes what killed
/// processes left.
#[pyclass(frozen, weakref, module = "seqring")]
pub(crate) struct Ring {
    name: String,
    home: Home,
    /// What `descriptor` returned; of an anonymous ring from the beginning.
    descriptor: Mutex<Option<OwnedFd>>,
    state: Mutex<RingState>,
    /// Keeps the ring for a forked child, from before the fork until the child opens it.
    hold: Mutex<Option<RingHold>>,
}

/// Where a ring is.
enum Home {
    /// On the heap of the process that made it, not in shared memory.
    Heap,
    /// In the directory, or the usual one.
    Named(Option<PathBuf>),
    /// In a file that its descriptors lead to.
    Anonymous,
}

enum RingState {
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
                RingState::Closed => return Err(errors::closed_object("ring")),
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

/// A new object for a ring of that name.
fn opened(
    py: Python<'_>,
    name: String,
    home: Home,
    open: impl FnOnce(&str, &Home) -> Result<seqring::Ring, RingError> + Send,
) -> PyResult<Bound<'_, Ring>> {
    let ring = membership::joining(py, || membership::open(|| open(&name, &home)))?;
    let descriptor = ring.and_then(|ring| {
        let descriptor = if let Home::Anonymous = home { Some(ring.descriptor()?) } else { None };
        Ok((ring, descriptor))
    });
    let (ring, descriptor) = descriptor.map_err(|error| errors::ring(py, error))?;
    let state = Mutex::new(RingState::Open(ring, Generation::now()));
    let (descriptor, hold) = (Mutex::new(descriptor), Mutex::new(None));
    registered(py, Ring { name, home, descriptor, state, hold })
}

/// A reader, writer or taker.
fn joined<T: Send>(py: Python<'_>, join: impl FnOnce() -> Result<T, RegisterError> + Send) -> PyResult<T> {
    membership::joining(py, join)?.map_err(|error| errors::joining(py, error))
}

#[pymethods]
impl Ring {
    /// Creates a ring of `slots` messages of at most `slot_bytes` bytes each.
    ///
    /// `name`: for `Ring.open`; an unused one if `None`.
    /// `delivery`: `"gated"`: nothing is lost, writers wait for the slowest reader. `"lossy"`:
    /// writers never wait, `Lagged` reports what a slow reader lost. `"queue"`: each message goes
    /// to one taker.
    /// `writers`: `"one"` at a time or `"many"`. `readers`: how many at a time (takers, in a
    /// queue);
    /// `participants`: how many readers and writers together.
    /// `shape`, `dtype`: of every message; an element type of numpy, `ml_dtypes` or torch, or its
    /// name. Then `slot_bytes` is optional.
    /// `meta_bytes`: room for metadata with each message. `tag`, `timestamps`: each message carries
    /// a number, its time.
    /// `words`: 64-bit words for the application's own use.
    /// `slot_class`: how messages are stored: `"packed"`, `"lines"`, `"arena"`; by size if `None`.
    /// `shared=False`: a ring on the heap, for the threads of this process. It has no file, and
    /// cannot be opened or sent.
    /// `observers`: permits `Observer.open`; then claims are private memory. `keep`: the ring stays
    /// when the last process releases it, until `Ring.unlink`.
    /// `await_readers`: in a gated ring, how many readers it awaits; 1 if `None`. Until they have
    /// joined, nothing is overwritten, and each of them gets every message.
    /// `evict_after`: in a gated ring, how many seconds a live reader may hold back writers; then
    /// it skips to the newest message and raises `Lagged`. `unfinished`: in a queue, whether a
    /// message that a dead taker had not finished goes to another taker (`"redeliver"`, the
    /// default) or is dropped (`"drop"`).
    /// `replace_unused`: replaces a ring of that name whose processes were all killed. `mode`,
    /// `group`: access rights of the file, whatever the umask, and the number of its group.
    /// `directory`: of the file, on tmpfs or hugetlbfs; `/dev/shm` if `None`. `anonymous`: a ring
    /// without a name, in a memfd: see `descriptor`.
    /// `huge_pages`, `lock_memory`, `numa_node`: asks for huge pages, for memory that is not
    /// swapped out, for memory of that node; `warnings` says what the system refused. `core_dump`:
    /// includes the ring in core dumps of this process.
    ///
    /// Raises `RingExists`, `NoSpace`, `ValueError`.
    #[classmethod]
    #[pyo3(signature = (slots, slot_bytes=None, **options), text_signature = "($cls, slots, slot_bytes=None, *, \
        name=None, delivery='gated', writers='one', readers=16, participants=None, shape=None, dtype=None, \
        meta_bytes=0, tag=False, timestamps=False, words=0, slot_class=None, first_sequence=0, shared=True, \
        observers=False, keep=False, await_readers=None, evict_after=None, unfinished=None, replace_unused=False, mode=0o600, \
        group=None, directory=None, anonymous=False, huge_pages=False, lock_memory=False, numa_node=None, \
        core_dump=False)")]
    fn create<'py>(
        cls: &Bound<'py, PyType>,
        slots: &Bound<'py, PyAny>,
        slot_bytes: Option<&Bound<'py, PyAny>>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, Ring>> {
        let py = cls.py();
        let keywords = Keywords::new(py, options)?;
        let (name, shared) = (keywords.take::<String>("name")?, keywords.take("shared")?.unwrap_or(true));
        let (directory, anonymous) = (keywords.take("directory")?, keywords.flag("anonymous")?);
        let (config, options) = creation(slots, slot_bytes, keywords, "create")?;
        let home = match (shared, anonymous) {
            (true, false) => Home::Named(directory),
            _ if directory.is_some() || (anonymous && (name.is_some() || !shared)) => {
                let text = "shared=False, anonymous=True, and a directory or a name exclude each other";
                return Err(PyValueError::new_err(text));
            }
            (false, _) => Home::Heap,
            (true, true) => Home::Anonymous,
        };
        opened(py, name.unwrap_or_else(unused_name), home, |name, home| match home {
            Home::Heap => options.heap(&config),
            Home::Named(directory) => options.create(location(name, directory.as_ref()), &config),
            Home::Anonymous => options.anonymous(&config),
        })
    }

    /// Opens the ring of that name, waiting for at most `timeout` seconds until it is created.
    /// Raises `RingNotFound`, `NotPermitted`, `Unusable`. The other options are those of `create`.
    #[classmethod]
    #[pyo3(signature = (name, *, timeout=0.0, directory=None, **options), text_signature = "($cls, name, *, \
        timeout=0.0, directory=None, huge_pages=False, lock_memory=False, numa_node=None, core_dump=False)")]
    fn open<'py>(
        cls: &Bound<'py, PyType>,
        name: String,
        timeout: Option<f64>,
        directory: Option<PathBuf>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, Ring>> {
        let (py, deadline) = (cls.py(), Deadline::after(timeout)?);
        let keywords = Keywords::new(py, options)?;
        let options = mapping(&keywords)?;
        keywords.end("open")?;
        let place = location(&name, directory.as_ref());
        loop {
            let home = Home::Named(directory.clone());
            let result = opened(py, name.clone(), home, |_, _| options.open(&place));
            match (result, deadline.slice()) {
                (Err(error), Some(slice)) if errors::is(py, &error, "RingNotFound")? => {
                    py.detach(|| std::thread::sleep(slice.min(OPEN_EVERY)));
                    py.check_signals()?;
                }
                (result, _) => return result,
            }
        }
    }

    /// Opens the ring of that name, or creates it as `create` does. If several processes call this
    /// at once, one creates the ring.
    ///
    /// Raises `Unusable` if there is a ring with other properties, and what `create` and `open`
    /// raise.
    #[classmethod]
    #[pyo3(signature = (name, slots, slot_bytes=None, **options), text_signature = "($cls, name, slots, \
        slot_bytes=None, *, delivery='gated', writers='one', readers=16, participants=None, shape=None, dtype=None, \
        meta_bytes=0, tag=False, timestamps=False, words=0, slot_class=None, first_sequence=0, observers=False, \
        keep=False, await_readers=None, evict_after=None, unfinished=None, replace_unused=False, mode=0o600, group=None, \
        directory=None, huge_pages=False, lock_memory=False, numa_node=None, core_dump=False)")]
    fn open_or_create<'py>(
        cls: &Bound<'py, PyType>,
        name: String,
        slots: &Bound<'py, PyAny>,
        slot_bytes: Option<&Bound<'py, PyAny>>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, Ring>> {
        let keywords = Keywords::new(cls.py(), options)?;
        let directory = keywords.take::<PathBuf>("directory")?;
        let (config, options) = creation(slots, slot_bytes, keywords, "open_or_create")?;
        let place = location(&name, directory.as_ref());
        opened(cls.py(), name, Home::Named(directory), |_, _| options.open_or_create(&place, &config))
    }

    /// Opens the ring behind a descriptor that another process passed on, as by
    /// `socket.send_fds`. The descriptor stays open. The options are those of `open`.
    #[classmethod]
    #[pyo3(signature = (descriptor, **options), text_signature = "($cls, descriptor, *, huge_pages=False, \
        lock_memory=False, numa_node=None, core_dump=False)")]
    fn from_descriptor<'py>(
        cls: &Bound<'py, PyType>,
        descriptor: i32,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, Ring>> {
        let (py, keywords) = (cls.py(), Keywords::new(cls.py(), options)?);
        let options = mapping(&keywords)?;
        keywords.end("from_descriptor")?;
        let descriptor = crate::descriptor::duplicate(descriptor)?;
        opened(py, "anonymous".into(), Home::Anonymous, |_, _| options.from_descriptor(descriptor))
    }

    /// A descriptor of the ring's memory, for `socket.send_fds` or a child that inherits it. It
    /// stays open as long as this object. Another process opens it by `from_descriptor`.
    ///
    /// A ring with `anonymous=True` has no other way to other processes: it pickles to its
    /// descriptor, for processes that multiprocessing starts.
    fn descriptor(&self, py: Python<'_>) -> PyResult<i32> {
        let made = self.with(py, seqring::Ring::descriptor)?.map_err(|error| errors::ring(py, error));
        let mut descriptor = self.descriptor.lock();
        let descriptor = match &mut *descriptor {
            Some(descriptor) => descriptor,
            none => none.insert(made?),
        };
        Ok(descriptor.as_raw_fd())
    }

    /// Removes the name. Processes that have the ring open keep it.
    #[staticmethod]
    #[pyo3(signature = (name, *, directory=None))]
    fn unlink(py: Python<'_>, name: &str, directory: Option<PathBuf>) -> PyResult<()> {
        let unlinked = seqring::Ring::unlink(location(name, directory.as_ref()));
        unlinked.map_err(|error| errors::ring(py, error))
    }

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
        let ticket = seqring::ParkTicket { entry: ticket.0, state: ticket.1 };
        let mut reader = joined(py, || ring.resume(ticket))?;
        reader.set_wait_strategy(waiting);
        registered(py, Reader::new(reader, &self.name, &ring, Copies { skip_lost, as_bytes }))
    }

    /// The sequence that the reader of that ticket reads next, in any process; `None` once it left.
    fn position_of(&self, py: Python<'_>, ticket: (usize, u64)) -> PyResult<Option<u64>> {
        Ok(self.ring(py)?.position_of(seqring::ParkTicket { entry: ticket.0, state: ticket.1 }))
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

    /// The name.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// The shape of the frames, if the ring declares one.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        self.ring(py)?.frame().map(|frame| PyTuple::new(py, array_layout::shape(&frame))).transpose()
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
        let participants = ring.participants().into_iter().map(|one| {
            let role = options::word(one.role, options::ROLES);
            (one.entry, role, one.pid, one.alive, one.position, one.lag, one.missed, one.sleeps)
        });
        let participants = participants.collect::<Vec<_>>();
        let make = py.import("seqring._stats")?.getattr("make")?;
        make.call1((&self.name, ring.next_sequence(), ring.config().slots(), participants))
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

    /// Releases the ring. The last process that releases it removes it.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.release());
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
    fn __exit__(&self, py: Python<'_>, _error: &Bound<'_, PyTuple>) {
        self.close(py);
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
    let (slots, delivery) = (config.slots(), options::word(config.delivery_mode(), options::DELIVERIES));
    match config.described_frame() {
        Some(frame) => format!("{name:?}, {slots} frames {}, {delivery}", array_layout::text(&frame)),
        None => format!("{name:?}, {slots} slots of {} bytes, {delivery}", config.slot_bytes()),
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
    slots: usize = |ring| ring.config().slots();
    /// Largest message, in bytes.
    slot_bytes: usize = |ring| ring.config().slot_bytes();
    /// Longest metadata, in bytes.
    meta_bytes: usize = |ring| ring.config().meta_bytes_max();
    /// What happens when a reader is slow.
    delivery: &'static str = |ring| options::word(ring.delivery(), options::DELIVERIES);
    /// How messages are stored.
    slot_class: &'static str = |ring| options::word(ring.slot_class(), options::SLOT_CLASSES);
    /// The element type of the frames, if the ring declares one.
    dtype: Option<&'static str> = |ring| ring.frame().as_ref().and_then(array_layout::element_name);
    /// Memory of the ring, in bytes, at most.
    total_bytes: usize = |ring| ring.total_bytes();
    /// The sequence of the next message.
    next_sequence: u64 = |ring| ring.next_sequence();
}
