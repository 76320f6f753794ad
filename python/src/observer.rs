//! The class `Observer`.

use crate::creation::location;
use crate::errors;
use crate::living::registered;
use crate::options::Start;
use crate::receiver::{Copies, Receiver};
use pyo3::prelude::*;
use pyo3::types::PyType;
use std::path::PathBuf;

/// Reads a ring without registering: through a read-only mapping, which needs only the right to
/// read. Participants do not see it.
///
/// >>> import seqring
/// >>> with seqring.Ring.create(4, 64, observers=True) as ring, ring.writer() as writer:
/// ...     _ = writer.write(b"seen")
/// ...     with seqring.Observer.open(ring.name, "oldest") as observer:
/// ...         observer.read()
/// bytearray(b'seen')
///
/// Writers do not wait for it, not even in a gated ring: `Lagged` reports what it was too slow for.
/// Writers do not wake it: it polls, at first without a pause and later every 20 ms. Otherwise
/// calls and errors are those of `Reader`.
#[pyclass(frozen, weakref, module = "seqring")]
pub(crate) struct Observer {
    pub(crate) receiver: Receiver<seqring::Observer>,
}

#[pymethods]
impl Observer {
    /// Observes the ring of that name, from the `"next"` message on, from the `"oldest"` or
    /// `"latest"` that is there, or from a sequence. `skip_lost`: lost messages are counted in
    /// `lost` and raise no error.
    ///
    /// Raises `RingNotFound`, `NotPermitted`, and `Unusable` for a ring that was made without
    /// `observers=True` or is a queue.
    #[classmethod]
    #[pyo3(signature = (name, start=Start(seqring::Start::Next), *, skip_lost=false, as_bytes=false, directory=None),
           text_signature = "($cls, name, start='next', *, skip_lost=False, as_bytes=False, directory=None)")]
    fn open<'py>(
        cls: &Bound<'py, PyType>,
        name: &str,
        start: Start,
        skip_lost: bool,
        as_bytes: bool,
        directory: Option<PathBuf>,
    ) -> PyResult<Bound<'py, Observer>> {
        let py = cls.py();
        let opened = py.detach(|| seqring::Observer::open(location(name, directory.as_ref()), start.0));
        let observer = opened.map_err(|error| errors::ring(py, error))?;
        let config = observer.segment().config().clone();
        registered(
            py,
            Observer { receiver: Receiver::new(observer, name, &config, Copies { skip_lost, as_bytes }) },
        )
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        self.receiver.repr(py, "Observer", |one| format!("next is {}, {} behind", one.position(), one.lag()))
    }
}
