//! The classes `TableWriter` and `TableReader`.

use crate::buffer_import::ImportedBytes;
use crate::closing_methods::closing_methods;
use crate::endpoint_cell::{EndpointCell, Waits};
use crate::errors;
use crate::options::named;
use crate::python_code;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyByteArray;
use seqring::inspect::Stream;
use std::os::fd::AsRawFd;
use std::time::Duration;

impl Waits for seqring::table::TableWriter {
    /// A table has always room.
    fn ready_within(&mut self, _: Duration) -> bool {
        true
    }
}

/// The writer of a table: a ring made with `delivery="latest"`. Made by `Ring.table_writer`; a
/// `with` statement closes it at its end. The values stay.
///
/// >>> import seqring
/// >>> with seqring.Ring.create(3, 64, delivery="latest") as table:
/// ...     with table.table_writer() as writer, table.table_reader() as reader:
/// ...         for value in (b"first", b"second"):
/// ...             version = writer.set(1, value)
/// ...         latest = reader.get(1)
/// ...         latest.data, latest.version, latest.stream, latest.age < 60
/// (bytearray(b'second'), 2, 'open', True)
#[pyclass(frozen, weakref, module = "seqring")]
pub(crate) struct TableWriter {
    cell: EndpointCell<seqring::table::TableWriter>,
    ring: String,
}

impl TableWriter {
    pub(crate) fn new(writer: seqring::table::TableWriter, ring: String) -> Self {
        TableWriter { cell: EndpointCell::new("table writer", writer), ring }
    }
}

#[pymethods]
impl TableWriter {
    /// Sets the value of `key`, a number from 0 to `Ring.slots` - 1. Never waits for readers.
    /// Returns the number of the value's version: from 1 on, for each key.
    ///
    /// Raises `IndexError` if there is no such key, `TooLarge`, `Closed` after `Ring.shutdown`,
    /// `Forked`, and `ValueError` once the writer is closed.
    fn set(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = named::key)] key: usize,
        data: &Bound<'_, PyAny>,
    ) -> PyResult<u64> {
        let data = ImportedBytes::of(data)?;
        let version = self.cell.with(py, |writer| writer.set(key, data.bytes()))?;
        version.map_err(|error| errors::table(py, error))
    }
}

closing_methods!(TableWriter);

/// A reader, and room for a value.
pub(crate) struct Reading {
    reader: seqring::table::TableReader,
    value: Vec<u8>,
}

impl Waits for Reading {
    fn ready_within(&mut self, timeout: Duration) -> bool {
        self.reader.ready_within(timeout)
    }
}

/// A reader of a table: a ring made with `delivery="latest"`. Made by `Ring.table_reader`.
///
/// It never waits for the writer, except in `wait`. `seqring.wait` takes it, too.
#[pyclass(frozen, weakref, module = "seqring")]
pub(crate) struct TableReader {
    cell: EndpointCell<Reading>,
    ring: String,
}

impl TableReader {
    pub(crate) fn new(reader: seqring::table::TableReader, value_bytes: usize, ring: String) -> Self {
        let value = vec![0; value_bytes];
        TableReader { cell: EndpointCell::new("table reader", Reading { reader, value }), ring }
    }
}

#[pymethods]
impl TableReader {
    /// The latest value of `key`, with its version, age and the state of the stream: a `Latest`.
    /// `None` if the key was never set. Raises `IndexError` if there is no such key.
    fn get<'py>(
        &self,
        py: Python<'py>,
        #[pyo3(from_py_with = named::key)] key: usize,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let got = self.cell.with(py, |Reading { reader, value }| {
            let latest = reader.get(key, value)?;
            Ok(latest.map(|latest| (latest, PyByteArray::new(py, &value[..latest.len]))))
        })?;
        let Some((latest, data)) = got.map_err(|error| errors::table(py, error))? else { return Ok(None) };
        let make = py.import(intern!(py, "seqring._stats"))?.getattr(intern!(py, "Latest"))?;
        let fields = (data, latest.version, latest.timestamp_ns, stream_word(latest.stream));
        python_code::call(&make, fields).map(Some)
    }

    /// The keys whose values have changed since this reader got them; at first, all that were set.
    fn changed(&self, py: Python<'_>) -> PyResult<Vec<usize>> {
        self.cell.with(py, |reading| reading.reader.changed())
    }

    /// Waits until a value has changed since this reader got it, or a writer has come or gone, for
    /// at most `timeout` seconds. Returns whether that is so.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        self.cell.wait_ready(py, timeout)
    }

    /// A descriptor that becomes readable when a wait would end, as `Reader.fileno`: it stays so
    /// until `changed` finds no key.
    fn fileno(&self, py: Python<'_>) -> PyResult<i32> {
        Ok(self.cell.with(py, |reading| reading.reader.notifier())??.as_raw_fd())
    }

    /// Whether the table has a living writer: `"open"`. Else `"fresh"` (none came yet), `"ended"`
    /// (it left), `"died"` (it was killed) or `"closed"`.
    #[getter]
    fn stream(&self, py: Python<'_>) -> PyResult<&'static str> {
        self.cell.with(py, |reading| stream_word(reading.reader.stream()))
    }
}

closing_methods!(TableReader);

fn stream_word(stream: Stream) -> &'static str {
    match stream {
        Stream::Fresh => "fresh",
        Stream::Open => "open",
        Stream::Ended => "ended",
        Stream::Died => "died",
        Stream::Closed => "closed",
        Stream::Forked => "forked",
        _ => "unknown",
    }
}
