//! The class `Host`: the consumer's end of a pipeline.

use crate::cell::{Cell, Hold};
use crate::errors;
use crate::pipeline::calls::Calls;
use crate::pipeline::failures;
use crate::pipeline::lease::Lease;
use crate::pipeline::raised::Raised;
use crate::pipeline::workers::Workers;
use crate::timeout::Deadline;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use seqring::pipeline::{Item, Items, OnFailure, Order, Pipeline, PipelineError};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// Starts a pipeline, and has what comes out of it.
#[pyclass(frozen, weakref, module = "seqring")]
pub(crate) struct Host {
    cell: Cell<Items>,
    /// Items that are held where they were made, and how many may be.
    held: Arc<AtomicUsize>,
    most_held: usize,
    copied: AtomicU64,
    raised: Raised,
}

/// Of the two seconds that workers have when the pipeline stops.
const INTERRUPT_AFTER: Duration = Duration::from_secs(1);

/// Room for what is said of a failure, with its traceback.
const TEXT_BYTES: usize = 8 << 10;

#[pymethods]
impl Host {
    /// `workers` is an object of `seqring.pipeline._starting`, kept by the caller; `nbytes` says how large each array is.
    #[new]
    #[pyo3(signature = (
        workers, nbytes, *, producers, in_flight, held_items, ordered, skips, retries, produce_timeout, meta_bytes,
        message_bytes,
    ))]
    #[expect(clippy::too_many_arguments, reason = "the keywords of one Python function")]
    fn new(
        workers: Bound<'_, PyAny>,
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
            // One more than are held in place: the next one must come before it can be copied.
            .held_items(if held_items == 0 { 0 } else { held_items.saturating_add(1) })
            .order(if ordered { Order::Ordered } else { Order::Unordered })
            .on_failure(if on_failure == OnFailure::Retry(0) { OnFailure::Fail } else { on_failure })
            .metadata_bytes(meta_bytes)
            .command_bytes(message_bytes)
            .message_bytes(TEXT_BYTES);
        if let Some(in_flight) = in_flight {
            pipeline = pipeline.in_flight(in_flight);
        }
        if let Some(seconds) = produce_timeout {
            let timeout = Duration::try_from_secs_f64(seconds).ok().filter(|timeout| !timeout.is_zero());
            let refusal =
                || PyValueError::new_err(format!("produce_timeout is a time in seconds, not {seconds}"));
            pipeline = pipeline.produce_timeout(timeout.ok_or_else(refusal)?);
        }
        let raised = Raised::default();
        let items = start(&pipeline, &workers, &raised)?;
        Ok(Host {
            cell: Cell::new("pipeline", items),
            held: Arc::new(AtomicUsize::new(0)),
            most_held: held_items,
            copied: AtomicU64::new(0),
            raised,
        })
    }

    /// The next item, waiting for it for at most `timeout` seconds; `None` after the last.
    #[pyo3(signature = (timeout=None))]
    fn next(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<Lease>> {
        let attempt = |hold: &mut Hold<'_, Items>| {
            let items = hold.get();
            // What is ready stays so if something else is to be raised. The end ends workers, too, who need the interpreter
            // for that.
            let next = || {
                let is_next = items.ready_within(Duration::ZERO) && !self.raised.is_here();
                is_next.then(|| items.next_timeout(Duration::ZERO))
            };
            let Some(next) = py.detach(next) else { return self.raised.raise().map(|()| None) };
            match next {
                Err(PipelineError::TimedOut { .. }) => Ok(None),
                // With the cell: else another thread would find all items held, while this one makes a copy of the last.
                Ok(item) => Ok(Some(item.map(|item| self.lease(py, item)))),
                Err(error) => Err(failures::raised(py, error)),
            }
        };
        let item = self.cell.wait(py, Deadline::after(timeout)?, attempt, Items::ready_within);
        if let Ok(Some(Some(lease))) = item {
            return Ok(Some(lease));
        }
        let end = item.and_then(|item| item.ok_or_else(|| errors::timed_out(py, "item", None)));
        let end = end.map_err(|error| self.raised.raise_before(py, error))?;
        self.raised.raise().map(|()| end)
    }

    /// Waits until `next` need not wait, for at most `timeout` seconds; says whether that is so.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let attempt = |hold: &mut Hold<'_, Items>| {
            let items = hold.get();
            let is_ready = py.detach(|| items.ready_within(Duration::ZERO));
            self.raised.raise().map(|()| is_ready.then_some(()))
        };
        let waited = self.cell.wait(py, Deadline::after(timeout)?, attempt, Items::ready_within);
        let waited = waited.map_err(|error| self.raised.raise_before(py, error))?;
        self.raised.raise().map(|()| waited.is_some())
    }

    /// Messages issued, items done, messages in flight, items copied, and of each producer what it made, failed at, its
    /// seconds at work, and how often it was replaced.
    #[expect(clippy::type_complexity, reason = "a tuple for Python")]
    fn stats(&self, py: Python<'_>) -> PyResult<(u64, u64, u64, u64, Vec<(u64, u64, f64, u64)>)> {
        let deadline = Deadline::after(None)?;
        let progress = self.cell.hold(py, deadline)?.expect("no deadline").get().progress();
        let producers = progress.producers.iter();
        let producers =
            producers.map(|one| (one.made, one.failed, one.busy.as_secs_f64(), one.replaced)).collect();
        // Relaxed: a count, orders nothing.
        Ok((progress.issued, progress.done, progress.in_flight, self.copied.load(Relaxed), producers))
    }

    /// Ends it all. Raises `Stuck`, and at last what signals' handlers raised meanwhile. Whoever waits in another thread is
    /// told with a `ValueError`. From a handler that interrupts this thread's own wait: that one ends it all.
    ///
    /// `interrupt` is called if workers are still there after half of their time.
    #[pyo3(signature = (interrupt=None))]
    fn stop(&self, py: Python<'_>, interrupt: Option<Py<PyAny>>) -> PyResult<()> {
        let Some(items) = self.cell.take(py)? else { return self.raised.raise() };
        let stopped = py.detach(|| stop(items, interrupt.as_ref()));
        stopped.map_err(|error| self.raised.raise_before(py, failures::raised(py, error)))?;
        self.raised.raise()
    }

    /// In a fork's child: the pipeline is its parent's.
    fn forget(&self) {
        self.cell.forget();
    }
}

impl Host {
    fn lease(&self, py: Python<'_>, item: Item) -> Lease {
        // Relaxed, both: counts, which order nothing.
        if self.held.load(Relaxed) < self.most_held {
            return Lease::in_place(item, &self.held);
        }
        self.copied.fetch_add(1, Relaxed);
        py.detach(|| Lease::copied(item))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Workers that are threads need the interpreter in order to leave.
        Python::try_attach(|py| self.cell.close(py));
    }
}

/// Stops, and calls `interrupt` on the way if that takes long.
fn stop(items: Items, interrupt: Option<&Py<PyAny>>) -> Result<(), PipelineError> {
    let (stopped, stopping) = channel::<()>();
    thread::scope(|scope| {
        if let Some(interrupt) = interrupt {
            scope.spawn(move || {
                // Nothing is ever sent.
                if stopping.recv_timeout(INTERRUPT_AFTER) == Err(RecvTimeoutError::Timeout) {
                    // Who does not leave the user's code is `Stuck`, whatever the reason.
                    Python::try_attach(|py| interrupt.call0(py).map(drop));
                }
            });
        }
        let result = items.stop();
        drop(stopped);
        result
    })
}

/// With threads, if `workers` has `roles`; else with the processes that it starts.
fn start(pipeline: &Pipeline, workers: &Bound<'_, PyAny>, raised: &Raised) -> PyResult<Items> {
    let py = workers.py();
    let roles: Option<(Py<PyAny>, Vec<Py<PyAny>>)> = workers.getattr("roles")?.extract()?;
    let started = if let Some((commanding, makings)) = roles {
        let mut makings = makings.into_iter().map(Calls::new);
        py.detach(|| pipeline.start(Calls::new(commanding), |_| makings.next().expect("one each")))
    } else {
        let workers = Workers::new(workers, raised.clone())?;
        py.detach(|| pipeline.start_with(workers))
    };
    started.map_err(|error| raised.raise_before(py, failures::raised(py, error)))
}
