//! The calls of the class `Ring` that create, open and pass on rings.

use crate::creation::{creation, location, mapping, unused_name};
use crate::deadline::Deadline;
use crate::descriptor::duplicate;
use crate::errors;
use crate::fork::Generation;
use crate::living::registered;
use crate::membership;
use crate::options::Keywords;
use crate::ring::{Home, Ring, RingState};
use parking_lot::Mutex;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};
use seqring::inspect::Segment;
use seqring::{Location, RingError};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How often `open` looks for a ring that is not created yet.
const OPEN_EVERY: Duration = Duration::from_millis(1);

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

/// Whether the ring there is left from killed processes, and not to be kept.
fn is_unused(place: &Location) -> bool {
    Segment::inspect(place).is_ok_and(|found| !found.is_in_use() && !found.config().keep)
}

#[pymethods]
impl Ring {
    /// Creates a ring of `slots` messages of at most `slot_bytes` bytes each.
    ///
    /// `name`: for `Ring.open`; an unused one if `None`.
    /// `delivery`: `"gated"`: nothing is lost, writers wait for the slowest reader. `"lossy"`:
    /// writers never wait, `Lagged` reports what a slow reader lost. `"queue"`: each message goes
    /// to one taker. `"call"`: no messages, but questions of `slots` callers at most, and answers:
    /// see `Caller`. `"latest"`: a table of the latest value of each of `slots` keys
    /// (`table_writer`, `table_reader`), with time stamps.
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

    /// Opens the ring of that name, waiting for at most `timeout` seconds until it is created. A
    /// ring whose processes were all killed, without `keep`, is opened at once only with
    /// `timeout=0`. Else this waits until another process opens or replaces it, and opens it in the
    /// end.
    ///
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
        let (begun, mut waited) = (Instant::now(), Duration::ZERO);
        loop {
            let slice = deadline.slice();
            if slice.is_none() || !is_unused(&place) {
                let open = || match options.open(&place) {
                    Err(RingError::NotFound { path, .. }) => Err(RingError::NotFound { path, waited }),
                    opened => opened,
                };
                match opened(py, name.clone(), Home::Named(directory.clone()), |_, _| open()) {
                    Err(error) if slice.is_some() && errors::is(py, &error, "RingNotFound")? => {}
                    opened => return opened,
                }
            }
            py.detach(|| std::thread::sleep(slice.unwrap_or_default().min(OPEN_EVERY)));
            py.check_signals()?;
            waited = begun.elapsed();
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
        let descriptor = duplicate(descriptor)?;
        opened(py, "anonymous".into(), Home::Anonymous, |_, _| options.from_descriptor(descriptor))
    }

    /// A descriptor of the ring's memory, for `socket.send_fds` or a child that inherits it. It
    /// stays open as long as this object. Another process opens it by `from_descriptor`.
    ///
    /// A ring with `anonymous=True` has no other way to other processes: it pickles to its
    /// descriptor, for processes that multiprocessing starts.
    pub(crate) fn descriptor(&self, py: Python<'_>) -> PyResult<i32> {
        if let Some(descriptor) = &*self.descriptor.lock() {
            return Ok(descriptor.as_raw_fd());
        }
        let made = self.with(py, seqring::Ring::descriptor)?.map_err(|error| errors::ring(py, error))?;
        // The first one stays, if another thread made one too.
        Ok(self.descriptor.lock().get_or_insert(made).as_raw_fd())
    }

    /// Removes the name. Processes that have the ring open keep it.
    #[staticmethod]
    #[pyo3(signature = (name, *, directory=None))]
    fn unlink(py: Python<'_>, name: &str, directory: Option<PathBuf>) -> PyResult<()> {
        let unlinked = seqring::Ring::unlink(location(name, directory.as_ref()));
        unlinked.map_err(|error| errors::ring(py, error))
    }
}
