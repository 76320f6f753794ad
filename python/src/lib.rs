//! The extension module of the Python package `seqring`: one file for each class.
//!
//! The package re-exports the public classes; names with an underscore serve the package's own
//! Python files.
//!
//! # Threads and the interpreter's lock
//! Any thread may use any object, with or without the lock. A reader, writer, taker, caller or
//! server is in an [`endpoint_cell`] that one thread holds at a time. A thread that waits for a
//! cell or a message, or that copies much, releases the interpreter's lock first.

mod array_layout;
mod borrowed_endpoint;
mod buffer_export;
mod buffer_import;
mod call;
mod claim;
mod claim_shape;
mod closing_methods;
mod collection;
mod command;
mod creation;
mod deadline;
mod descriptor;
mod dlpack;
mod endpoint_cell;
mod errors;
mod fork;
mod getters;
mod living;
mod membership;
mod observer;
mod opening;
mod options;
mod parked;
mod payload;
mod pipeline;
mod python_code;
mod reader;
mod receiver;
mod receiver_methods;
mod ring;
mod ringbuffer_base;
mod table;
mod taker;
mod unread;
mod user_words;
mod view;
mod writer;

use pyo3::prelude::*;

/// The private module.
#[pymodule(gil_used = false)]
mod _seqring {
    #[pymodule_export]
    use super::call::{Caller, Server};
    #[pymodule_export]
    use super::claim::Claim;
    #[pymodule_export]
    use super::collection::gc;
    #[pymodule_export]
    use super::command::command;
    #[pymodule_export]
    use super::living::{living, register};
    #[pymodule_export]
    use super::membership::{end_daemon_threads, leave_rings};
    #[pymodule_export]
    use super::observer::Observer;
    #[pymodule_export]
    use super::parked::Parked;
    #[pymodule_export]
    use super::pipeline::{Host, ItemBuffer, interrupt_thread, refuse_start, run_commander, run_producer};
    #[pymodule_export]
    use super::reader::Reader;
    #[pymodule_export]
    use super::ring::Ring;
    #[pymodule_export]
    use super::ringbuffer_base::{PointerBase, RingBufferBase};
    #[pymodule_export]
    use super::table::{TableReader, TableWriter};
    #[pymodule_export]
    use super::taker::Taker;
    #[pymodule_export]
    use super::user_words::Words;
    #[pymodule_export]
    use super::view::View;
    #[pymodule_export]
    use super::writer::Writer;

    use super::{Bound, PyModule, PyModuleMethods, PyResult};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::fork::watch();
        super::membership::watch();
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
