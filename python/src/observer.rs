//! The class `Observer`.

use crate::common_methods::{reading_methods, receiving_methods};
use crate::errors;
use crate::options::StartWord;
use crate::output::Payload;
use crate::receiving::{Endpoint, Receiving};
use crate::ring::made;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyTuple, PyType};
use seqring::{Received, TryReadError};
use std::time::Duration;

impl Endpoint for seqring::Observer {
    const WHAT: &'static str = "observer";

    fn receive<R>(
        &mut self,
        meta: &mut Vec<u8>,
        mut copy: impl FnMut(Payload<'_>) -> R,
    ) -> Result<(Received, R), TryReadError> {
        let received = self.try_read_with(|bytes| copy(Payload::Racy(bytes)))?;
        meta.clear();
        meta.extend_from_slice(self.metadata());
        Ok(received)
    }

    fn receive_into(&mut self, meta: &mut Vec<u8>, out: &mut [u8]) -> Result<Received, TryReadError> {
        let received = self.try_read(out)?;
        meta.clear();
        meta.extend_from_slice(self.metadata());
        Ok(received)
    }

    fn ready_within(&mut self, timeout: Duration) -> bool {
        seqring::Observer::ready_within(self, timeout)
    }
}

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
/// nothing comes it looks again, at first at once, later every 10 ms. Calls and errors are else those of `Reader`.
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
