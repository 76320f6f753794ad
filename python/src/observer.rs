//! The class `Observer`.

use crate::common_methods::{reading_endpoint, reading_methods, receiving_methods};
use crate::errors;
use crate::options::StartWord;
use crate::receiving::Receiving;
use crate::ring::made;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyTuple, PyType};

reading_endpoint!(seqring::Observer, "observer");

/// Reads a ring without taking part: through a read-only mapping, unseen by everybody, needing only the right to read.
///
/// >>> import seqring
/// >>> with seqring.Ring.create(4, 64, observers=True) as ring, ring.writer() as writer:
/// ...     _ = writer.write(b"seen")
/// ...     with seqring.Observer.open(ring.name, "oldest") as observer:
/// ...         observer.read()
/// bytearray(b'seen')
///
/// Nobody waits for it, not in a gated ring either: what it is too slow for it is told by `Lagged`. Nobody wakes it: while
/// nothing comes it looks again, at first at once, later every 20 ms. Calls and errors are else those of `Reader`.
#[pyclass(frozen, weakref, module = "seqring")]
pub(crate) struct Observer {
    receiving: Receiving<seqring::Observer>,
}

receiving_methods!(Observer);
reading_methods!(Observer);

#[pymethods]
impl Observer {
    /// Observes the ring of that name, from the `"next"` message on, the `"oldest"` or `"latest"` that is there, or a
    /// sequence. `skip_lost`: lost messages are counted in `lost`, but no error.
    ///
    /// Raises `RingNotFound`, `NotPermitted`, and `Corrupt` for what was not made with `observers=True`, or is a queue.
    #[classmethod]
    #[pyo3(signature = (name, start=StartWord::Word("next".into()), *, skip_lost=false),
           text_signature = "($cls, name, start='next', *, skip_lost=False)")]
    fn open<'py>(
        cls: &Bound<'py, PyType>,
        name: &str,
        start: StartWord,
        skip_lost: bool,
    ) -> PyResult<Bound<'py, Observer>> {
        let (py, start) = (cls.py(), start.start()?);
        let opened = py.detach(|| seqring::Observer::open(name, start));
        let observer = opened.map_err(|error| errors::ring(py, error))?;
        let config = observer.segment().config();
        let (slot_bytes, frame) = (config.slot_bytes(), None); // It shows no arrays.
        made(py, Observer { receiving: Receiving::new(observer, slot_bytes, frame, skip_lost) })
    }
}
