//! The class `Host`: the consumer's end of a pipeline.

use crate::deadline::Deadline;
use crate::endpoint_cell::{EndpointCell, EndpointGuard, Waits};
use crate::errors;
use crate::options;
use crate::pipeline::errors::exception;
use crate::pipeline::item_buffer::ItemBuffer;
use crate::pipeline::pending_exception::PendingException;
use crate::pipeline::python_role::PythonRole;
use crate::pipeline::worker_processes::PythonSpawner;
use pyo3::prelude::*;
use seqring::pipeline::{Item, ItemOrder, Items, OnFailure, Pipeline, PipelineError};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// Starts a pipeline and receives its items.
#[pyclass(frozen, weakref, module = "seqring")]
pub(crate) struct Host {
    cell: EndpointCell<Items>,
    /// Items held in the producer's memory, and the limit.
    held: Arc<AtomicUsize>,
    max_held: usize,
    copied: AtomicU64,
    pending: PendingException,
}

/// Half of the two seconds that workers have when the pipeline stops.
const INTERRUPT_AFTER: Duration = Duration::from_secs(1);

/// Room for the message of a failure and its traceback.
const TEXT_BYTES: usize = 8 << 10;

impl Waits for Items {
    fn ready_within(&mut self, timeout: Duration) -> bool {
        Items::ready_within(self, timeout)
    }
}

#[pymethods]
impl Host {
    /// `spawner` is an object of `seqring.pipeline._spawner`, kept by the caller; `nbytes` is the
    /// size of each array.
    #[new]
    #[pyo3(signature = (
        spawner, nbytes, *, producers, in_flight, held_items, ordered, skips, retries, produce_timeout, meta_bytes,
        message_bytes,
    ))]
    #[expect(clippy::too_many_arguments, reason = "the keywords of one Python function")]
    fn new(
        spawner: Bound<'_, PyAny>,
        nbytes: Vec<usize>,
        producers: usize,
        in_flight: Option<usize>,
        held_items: usize,
        ordered: bool,
        skips: bool,
        retries: u8,
        produce_timeout: Option<f64>,
        meta_bytes: usize,
        message_bytes: usize,
    ) -> PyResult<Self> {
        let on_failure = if skips { OnFailure::Skip } else { OnFailure::Retry(retries) };
        let mut pipeline = nbytes
            .into_iter()
            .fold(Pipeline::new(), Pipeline::bytes)
            .producers(producers)
            // One more than are held in place: an item must arrive before it can be copied.
            .held_items(if held_items == 0 { 0 } else { held_items.saturating_add(1) })
            .order(if ordered { ItemOrder::Ordered } else { ItemOrder::Unordered })
            .on_failure(if on_failure == OnFailure::Retry(0) { OnFailure::Fail } else { on_failure })
            .metadata_bytes(meta_bytes)
            .command_bytes(message_bytes)
            .message_bytes(TEXT_BYTES);
        if let Some(in_flight) = in_flight {
            pipeline = pipeline.in_flight(in_flight);
        }
        if let Some(seconds) = produce_timeout {
            pipeline = pipeline.produce_timeout(options::positive_seconds("produce_timeout", seconds)?);
        }
        let pending = PendingException::default();
        let items = start(&pipeline, &spawner, &pending)?;
        Ok(Host {
            cell: EndpointCell::new("pipeline", items),
            held: Arc::new(AtomicUsize::new(0)),
            max_held: held_items,
            copied: AtomicU64::new(0),
            pending,
        })
    }

    /// The next item, waiting for at most `timeout` seconds; `None` after the last.
    #[pyo3(signature = (timeout=None))]
    fn next(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<ItemBuffer>> {
        let attempt = |guard: &mut EndpointGuard<'_, '_, Items>| {
            let items = guard.get();
            // An item that is ready stays ready if a pending exception is raised first. At the end
            // of the stream `next` also ends the workers, which need the interpreter for that.
            let next = || {
                let is_next = items.ready_within(Duration::ZERO) && !self.pending.is_here();
                is_next.then(|| items.next_timeout(Duration::ZERO))
            };
            let Some(next) = py.detach(next) else { return self.pending.raise().map(|()| None) };
            match next {
                Err(PipelineError::TimedOut { .. }) => Ok(None),
                // Under the guard: otherwise another thread finds all items held while this one
                // copies.
                Ok(item) => Ok(Some(item.map(|item| self.lease(py, item)))),
                Err(error) => Err(exception(py, error)),
            }
        };
        let item = self.cell.wait(py, Deadline::after(timeout)?, attempt);
        if let Ok(Some(Some(lease))) = item {
            return Ok(Some(lease));
        }
        let end = item.and_then(|item| item.ok_or_else(|| errors::timed_out(py, "item", None)));
        let end = end.map_err(|error| self.pending.instead_of(py, error))?;
        self.pending.raise().map(|()| end)
    }

    /// Waits for at most `timeout` seconds until `next` will not wait; returns whether it will not.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let attempt = |guard: &mut EndpointGuard<'_, '_, Items>| {
            let items = guard.get();
            let is_ready = py.detach(|| items.ready_within(Duration::ZERO));
            self.pending.raise().map(|()| is_ready.then_some(()))
        };
        let waited = self.cell.wait(py, Deadline::after(timeout)?, attempt);
        let waited = waited.map_err(|error| self.pending.instead_of(py, error))?;
        self.pending.raise().map(|()| waited.is_some())
    }

    /// Messages issued, items done, messages in flight, items copied; and for each producer: items
    /// made, items failed, seconds at work, and how often it was replaced.
    #[expect(clippy::type_complexity, reason = "a tuple for Python")]
    fn stats(&self, py: Python<'_>) -> PyResult<(u64, u64, u64, u64, Vec<(u64, u64, f64, u64)>)> {
        let progress = self.cell.with(py, |items| items.progress())?;
        let producers = progress.producers.iter();
        let producers =
            producers.map(|one| (one.made, one.failed, one.busy.as_secs_f64(), one.replaced)).collect();
        // Relaxed: a count, orders nothing.
        Ok((progress.issued, progress.done, progress.in_flight, self.copied.load(Relaxed), producers))
    }

    /// Ends the pipeline. Raises `Stuck`, and last an exception of a signal handler. A call that
    /// waits in another thread raises `ValueError`. In a signal handler that interrupts a wait of
    /// this thread, that wait ends the pipeline instead.
    ///
    /// `interrupt` is called if workers are still running after half of their time.
    #[pyo3(signature = (interrupt=None))]
    fn stop(&self, py: Python<'_>, interrupt: Option<Py<PyAny>>) -> PyResult<()> {
        let Some(items) = self.cell.take(py)? else { return self.pending.raise() };
        let stopped = py.detach(|| stop(items, interrupt.as_ref()));
        stopped.map_err(|error| self.pending.instead_of(py, exception(py, error)))?;
        self.pending.raise()
    }

    /// In a forked child: the pipeline is the parent's.
    fn forget(&self) {
        self.cell.forget();
    }
}

impl Host {
    fn lease(&self, py: Python<'_>, item: Item) -> ItemBuffer {
        // Relaxed, both: counts, which order nothing.
        if self.held.load(Relaxed) < self.max_held {
            return ItemBuffer::in_place(item, &self.held);
        }
        self.copied.fetch_add(1, Relaxed);
        py.detach(|| ItemBuffer::copied(item))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Workers that are threads need the interpreter to end.
        Python::try_attach(|py| self.cell.close(py));
    }
}

/// Stops the pipeline, and calls `interrupt` if that takes long.
fn stop(items: Items, interrupt: Option<&Py<PyAny>>) -> Result<(), PipelineError> {
    let (stopped, stopping) = channel::<()>();
    thread::scope(|scope| {
        if let Some(interrupt) = interrupt {
            scope.spawn(move || {
                // No message is ever sent: the channel only closes.
                if stopping.recv_timeout(INTERRUPT_AFTER) == Err(RecvTimeoutError::Timeout) {
                    // If this fails, the workers are reported as `Stuck`.
                    Python::try_attach(|py| interrupt.call0(py).map(drop));
                }
            });
        }
        let result = items.stop();
        drop(stopped);
        result
    })
}

/// Starts the pipeline: with threads if `spawner` has `roles`, else with the workers that it
/// starts.
fn start(pipeline: &Pipeline, spawner: &Bound<'_, PyAny>, pending: &PendingException) -> PyResult<Items> {
    let py = spawner.py();
    let roles: Option<(Py<PyAny>, Vec<Py<PyAny>>)> = spawner.getattr("roles")?.extract()?;
    let started = if let Some((commander, producers)) = roles {
        let mut producers = producers.into_iter().map(PythonRole::new);
        py.detach(|| pipeline.start(PythonRole::new(commander), |_| producers.next().expect("one each")))
    } else {
        let spawner = PythonSpawner::new(spawner, pending.clone())?;
        py.detach(|| pipeline.start_with(spawner))
    };
    started.map_err(|error| pending.instead_of(py, exception(py, error)))
}
