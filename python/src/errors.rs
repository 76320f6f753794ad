//! The library's errors as the exceptions of `seqring.errors`, with their attributes.

use crate::membership;
use crate::options;
use crate::python_code;
use pyo3::exceptions::{PyIndexError, PyOSError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyTuple, PyType};
use seqring::table::TableError;
use seqring::{CallError, RegisterError, Ring, RingError, Role, TryReadError, TryWriteError};

/// The exception of that name in `seqring.errors`, made with `args`.
fn make<'py>(
    py: Python<'py>,
    name: &str,
    args: impl IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error = PyErr>,
) -> PyErr {
    membership::instead_of_errors(py)
        .unwrap_or_else(|| module(py).map_or_else(|error| error, |module| make_in(module, name, args)))
}

/// The exception of that name in `module`, made with `args`.
pub(crate) fn make_in<'py>(
    module: &Bound<'py, PyModule>,
    name: &str,
    args: impl IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error = PyErr>,
) -> PyErr {
    let exception = || python_code::call(&module.getattr(name)?, args);
    exception().map_or_else(|error| error, PyErr::from_value)
}

fn module(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    Ok(MODULE.get_or_try_init(py, || py.import("seqring.errors").map(Bound::unbind))?.bind(py))
}

/// Whether an exception is one of `seqring.errors`.
pub(crate) fn is_ours(py: Python<'_>, error: &PyErr) -> bool {
    let base = module(py).and_then(|module| module.getattr(intern!(py, "Error")));
    base.is_ok_and(|base| error.is_instance(py, &base))
}

/// The error of `seqring.compat.ringbuffer` when there is no message yet.
pub(crate) fn waiting_for_writer(py: Python<'_>) -> PyErr {
    static KIND: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    match KIND.import(py, "seqring.compat.ringbuffer", "WaitingForWriterError") {
        Ok(kind) => PyErr::from_type(kind.clone(), "there is no message yet"),
        Err(error) => error,
    }
}

/// A call on an object that a forked child inherited.
pub(crate) fn forked(py: Python<'_>, what: &str) -> PyErr {
    make(py, "Forked", (what,))
}

/// A call on an endpoint whose view or claim is still open.
pub(crate) fn busy(py: Python<'_>, what: &str) -> PyErr {
    make(py, "Busy", (what,))
}

/// A call on a closed object.
pub(crate) fn closed_object(py: Python<'_>, what: &str) -> PyErr {
    membership::instead_of_errors(py)
        .unwrap_or_else(|| PyValueError::new_err(format!("this {what} is closed")))
}

/// A wait that ended without a result; `peer` is the role, pid and lag of the process waited for.
pub(crate) fn timed_out(py: Python<'_>, what: &str, peer: Option<(&str, u32, u64)>) -> PyErr {
    match peer {
        Some((role, pid, lag)) => make(py, "TimedOut", (what, role, pid, lag)),
        None => make(py, "TimedOut", (what,)),
    }
}

/// The error of a wait for room in `ring`, which names the readers that the ring awaits, or the
/// participant that is farthest behind.
pub(crate) fn no_room(py: Python<'_>, ring: &Ring) -> PyErr {
    let stats = ring.stats();
    if stats.awaited_readers > 0 {
        let peer = None::<(&str, u32)>;
        return make(py, "TimedOut", ("room", peer, peer, 0, stats.awaited_readers));
    }
    let slowest = stats.participants.iter().filter(|one| one.role != Role::Writer).max_by_key(|one| one.lag);
    let slowest = slowest.map(|one| (options::word(one.role, options::ROLES), one.pid, one.lag));
    timed_out(py, "room", slowest)
}

/// An argument that is no frame of the ring.
pub(crate) fn frame_mismatch(py: Python<'_>, argument: &str, wanted: String, found: String) -> PyErr {
    make(py, "FrameMismatch", (wanted, found, argument))
}

pub(crate) fn too_large(py: Python<'_>, len: usize, max: usize, what: &str) -> PyErr {
    make(py, "TooLarge", (len, max, what))
}

/// Why nothing was read. Not for `Empty`, which is no error in Python.
pub(crate) fn reading(py: Python<'_>, error: TryReadError) -> PyErr {
    match error {
        TryReadError::Empty => unreachable!("callers wait or return None"),
        TryReadError::Lagged(lagged) => make(py, "Lagged", (lagged.lost,)),
        TryReadError::Closed => make(py, "Closed", (error.to_string(),)),
        TryReadError::WriterDied { pid } => make(py, "PeerDied", (pid, "writer")),
        TryReadError::Forked => forked(py, "handle"),
        TryReadError::TooSmall { needed } => make(py, "TooSmall", (needed,)),
        TryReadError::OtherLength { len, expected } => {
            frame_mismatch(py, "data", format!("{expected} bytes"), format!("{len} bytes"))
        }
        TryReadError::Corrupt(corrupt) => make(py, "Corrupt", (corrupt.to_string(),)),
        other => make(py, "Error", (other.to_string(),)),
    }
}

/// Whether it is an error of this type of `seqring.errors`.
pub(crate) fn is(py: Python<'_>, error: &PyErr, name: &str) -> PyResult<bool> {
    Ok(error.get_type(py).name()? == name)
}

/// For iterators: `Closed` ends the iteration.
pub(crate) fn until_closed<T>(py: Python<'_>, read: PyResult<T>) -> PyResult<Option<T>> {
    match read {
        Ok(message) => Ok(Some(message)),
        Err(error) if is(py, &error, "Closed")? => Ok(None),
        Err(error) => Err(error),
    }
}

/// Why nothing was written. Not for `Full`, which is no error in Python.
pub(crate) fn writing(py: Python<'_>, error: TryWriteError) -> PyErr {
    match error {
        TryWriteError::Full => unreachable!("callers wait or return None"),
        TryWriteError::TooLarge { len, max } => too_large(py, len, max, "a message"),
        TryWriteError::OtherLength { len, expected } => {
            frame_mismatch(py, "data", format!("{expected} bytes"), format!("{len} bytes"))
        }
        TryWriteError::Closed => make(py, "Closed", (error.to_string(),)),
        TryWriteError::Forked => forked(py, "handle"),
        TryWriteError::Corrupt(corrupt) => make(py, "Corrupt", (corrupt.to_string(),)),
        other => make(py, "Error", (other.to_string(),)),
    }
}

/// Why a value of a table was not set, or not got.
pub(crate) fn table(py: Python<'_>, error: TableError) -> PyErr {
    match error {
        TableError::NoKey { .. } => PyIndexError::new_err(error.to_string()),
        TableError::TooLarge { len, max } => too_large(py, len, max, "a value"),
        TableError::Closed => make(py, "Closed", (error.to_string(),)),
        TableError::Forked => forked(py, "handle"),
        TableError::Corrupt(corrupt) => make(py, "Corrupt", (corrupt.to_string(),)),
        other => make(py, "Error", (other.to_string(),)),
    }
}

/// Why there is no answer, or no question. Not for `Pending`, which is no error in Python.
pub(crate) fn calling(py: Python<'_>, error: CallError) -> PyErr {
    let text = error.to_string();
    match error {
        CallError::ServerDied { pid } => make(py, "Unanswered", (text, Some(pid))),
        CallError::Refused => make(py, "Unanswered", (text, None::<u32>)),
        CallError::NoServer { died } => make(py, "NoServer", (text, died)),
        CallError::TimedOut { awaits_first: true, .. } => make(py, "TimedOut", ("answer", "server")),
        CallError::TimedOut { server, .. } => {
            timed_out(py, "answer", server.map(|server| ("server", server.pid, 0)))
        }
        CallError::NotAsked => PyValueError::new_err(text),
        CallError::Closed => make(py, "Closed", (text,)),
        CallError::Forked => forked(py, "handle"),
        CallError::TooLarge { len, max } => too_large(py, len, max, "a payload"),
        CallError::Corrupt(_) => make(py, "Corrupt", (text,)),
        _ => make(py, "Error", (text,)),
    }
}

/// The error of a call whose question was replaced.
pub(crate) fn given_up(py: Python<'_>) -> PyErr {
    make(py, "Unanswered", ("another thread asked this caller another question", None::<u32>))
}

pub(crate) fn joining(py: Python<'_>, error: RegisterError) -> PyErr {
    let text = error.to_string();
    match error {
        RegisterError::WriterTaken { pid } => make(py, "WriterTaken", (text, pid)),
        RegisterError::TableFull { holders } => make(py, "TableFull", (text, holders.len())),
        RegisterError::NoSpace { .. } => make(py, "NoSpace", (libc::ENOSPC, text)),
        RegisterError::Forked => forked(py, "ring"),
        RegisterError::Closed => make(py, "Closed", (text,)),
        RegisterError::Corrupt(_) => make(py, "Corrupt", (text,)),
        RegisterError::Obstructed => make(py, "NotPermitted", (libc::EACCES, text)),
        _ => make(py, "RegisterError", (text,)),
    }
}

pub(crate) fn ring(py: Python<'_>, error: RingError) -> PyErr {
    let text = error.to_string();
    match error {
        RingError::Config(_) | RingError::Name { .. } | RingError::Unsupported { .. } => {
            PyValueError::new_err(text)
        }
        RingError::AlreadyExists { .. } => make(py, "RingExists", (libc::EEXIST, text)),
        RingError::NotFound { .. } | RingError::NoDirectory { .. } => {
            make(py, "RingNotFound", (libc::ENOENT, text))
        }
        RingError::PermissionDenied { .. } | RingError::ForeignOwner { .. } => {
            make(py, "NotPermitted", (libc::EACCES, text))
        }
        RingError::NoSpace { .. } | RingError::Limit { .. } => make(py, "NoSpace", (libc::ENOSPC, text)),
        RingError::Unusable { .. } => make(py, "Unusable", (text,)),
        RingError::Io { source, .. } => match source.raw_os_error() {
            Some(code) => PyOSError::new_err((code, text)),
            None => PyOSError::new_err(text),
        },
        _ => make(py, "Error", (text,)),
    }
}
