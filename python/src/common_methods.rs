//! What classes that receive have in common, written once: the methods of all, those of all that read, and how those do it.

/// For a class with a field `receiving`: how it waits, ends, and tells of the message that came last.
macro_rules! receiving_methods {
    ($class:ty) => {
        #[pyo3::pymethods]
        impl $class {
            /// Waits until there is a message, or why there will be none; says whether that is so. Reads nothing.
            ///
            /// `timeout` is in seconds, `None` for ever.
            #[pyo3(signature = (timeout=None))]
            fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
                self.receiving.ready(py, timeout)
            }

            /// The messages for `async for`. Ends when the stream does.
            fn aio<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
                slf.py().import("seqring._aio")?.getattr("Messages")?.call1((slf,))
            }

            /// The metadata of the message that came last, as bytes; empty if it had none.
            #[getter]
            fn meta<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
                self.receiving.meta(py)
            }

            /// The number of the message that came last: messages are numbered without gaps. `None` before the first.
            #[getter]
            fn sequence(&self, py: Python<'_>) -> PyResult<Option<u64>> {
                self.receiving.look(py, |inbox| inbox.received.map(|received| received.sequence))
            }

            /// The tag of the message that came last; `None` before the first.
            #[getter]
            fn tag(&self, py: Python<'_>) -> PyResult<Option<u64>> {
                self.receiving.look(py, |inbox| inbox.received.map(|received| received.tag))
            }

            /// When the message that came last was published, in ns of `time.CLOCK_MONOTONIC`; 0 in a ring without.
            #[getter]
            fn timestamp_ns(&self, py: Python<'_>) -> PyResult<Option<u64>> {
                self.receiving.look(py, |inbox| inbox.received.map(|received| received.timestamp_ns))
            }

            /// Whether this was closed.
            #[getter]
            fn closed(&self) -> bool {
                self.receiving.cell.is_closed()
            }

            /// Leaves the ring. Whoever waits in another thread is told with a `ValueError`, within 0.1 s.
            ///
            /// With a view that is still open, it leaves when that one is released.
            fn close(&self, py: Python<'_>) -> PyResult<()> {
                self.receiving.cell.close(py)
            }

            fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
                slf
            }

            fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyByteArray>>> {
                crate::errors::until_closed(py, self.receiving.read(py, None))
            }

            fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
                slf
            }

            #[pyo3(signature = (*_error))]
            fn __exit__(&self, py: Python<'_>, _error: &Bound<'_, PyTuple>) -> PyResult<()> {
                self.close(py)
            }

            fn _forget(&self) {
                self.receiving.cell.forget();
            }
        }
    };
}

/// For those that read: the messages stay for others.
macro_rules! reading_methods {
    ($class:ty) => {
        #[pyo3::pymethods]
        impl $class {
            /// The next message as a `bytearray`, or `None` if there is none now.
            fn try_read<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyByteArray>>> {
                self.receiving.try_read(py)
            }

            /// The next message as a `bytearray`, waiting for it for at most `timeout` seconds.
            #[pyo3(signature = (timeout=None))]
            fn read<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Bound<'py, PyByteArray>> {
                self.receiving.read(py, timeout)
            }

            /// As `read_into`, without waiting: `None` if there is no message.
            fn try_read_into(&self, py: Python<'_>, out: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
                self.receiving.try_read_into(py, out)
            }

            /// Copies the next message to the front of `out`, a writable C-contiguous buffer. Returns its bytes.
            ///
            /// Raises `TooSmall` if it does not fit; then it is still there.
            #[pyo3(signature = (out, timeout=None))]
            fn read_into(
                &self,
                py: Python<'_>,
                out: &Bound<'_, PyAny>,
                timeout: Option<f64>,
            ) -> PyResult<usize> {
                self.receiving.read_into(py, out, timeout)
            }

            /// What is there, up to `max` messages; an empty list if there is none.
            fn try_read_batch<'py>(
                &self,
                py: Python<'py>,
                max: usize,
            ) -> PyResult<Vec<Bound<'py, PyByteArray>>> {
                Ok(self.receiving.try_read_batch(py, max)?.unwrap_or_default())
            }

            /// Waits for a message, for at most `timeout` seconds, and returns it and what else is there, up to `max`.
            ///
            /// If messages were lost in the middle, `Lagged.batch` has those before.
            #[pyo3(signature = (max, timeout=None))]
            fn read_batch<'py>(
                &self,
                py: Python<'py>,
                max: usize,
                timeout: Option<f64>,
            ) -> PyResult<Vec<Bound<'py, PyByteArray>>> {
                self.receiving.read_batch(py, max, timeout)
            }

            /// Passes over what was published before the newest message, which is read next. Returns how many messages
            /// that were: `lost` does not count them. For whoever shows a frame now and then.
            fn skip_to_latest(&self, py: Python<'_>) -> PyResult<u64> {
                self.receiving.look(py, |inbox| inbox.endpoint.skip_to_newest())
            }

            /// The sequence that is read next.
            #[getter]
            fn position(&self, py: Python<'_>) -> PyResult<u64> {
                self.receiving.look(py, |inbox| inbox.endpoint.position())
            }

            /// Messages published and not yet read here.
            #[getter]
            fn lag(&self, py: Python<'_>) -> PyResult<u64> {
                self.receiving.look(py, |inbox| inbox.endpoint.lag())
            }

            /// Messages that were lost here: the sum of what `Lagged` said.
            #[getter]
            fn lost(&self, py: Python<'_>) -> PyResult<u64> {
                self.receiving.look(py, |inbox| inbox.endpoint.lost())
            }
        }
    };
}

/// Messages come to what reads one after another by the library's calls of these names.
macro_rules! reading_endpoint {
    ($endpoint:ty, $what:literal) => {
        impl crate::receiving::Endpoint for $endpoint {
            const WHAT: &'static str = $what;

            #[inline]
            fn receive<R>(
                &mut self,
                meta: &mut Vec<u8>,
                mut copy: impl FnMut(crate::output::Payload<'_>) -> R,
            ) -> Result<(seqring::Received, R), seqring::TryReadError> {
                let received = self.try_read_with(|bytes| copy(crate::output::Payload::RacyBytes(bytes)))?;
                meta.clear();
                meta.extend_from_slice(self.metadata());
                Ok(received)
            }

            fn receive_into(
                &mut self,
                meta: &mut Vec<u8>,
                out: &mut [u8],
            ) -> Result<seqring::Received, seqring::TryReadError> {
                let received = self.try_read(out)?;
                meta.clear();
                meta.extend_from_slice(self.metadata());
                Ok(received)
            }

            fn ready_within(&mut self, timeout: std::time::Duration) -> bool {
                <$endpoint>::ready_within(self, timeout)
            }
        }
    };
}

pub(crate) use {reading_endpoint, reading_methods, receiving_methods};
