//! The extension module behind the Python package `seqring`: one file a class.
//!
//! The package re-exports what is public; names with an underscore are for the package's own Python files.
//!
//! # Threads and the interpreter's lock
//! Every object may be used by any thread, with or without the lock. A reader, writer or taker is in a [`cell`] that one
//! thread holds at a time; whoever waits for a cell, for a message, or copies much, lets go of the interpreter first.

mod cell;
mod claim;
mod command;
mod common_methods;
mod compat;
mod dlpack;
mod errors;
mod exported;
mod fork;
mod frame;
mod held;
mod observer;
mod options;
mod output;
mod parked;
mod pipeline;
mod reader;
mod receiving;
mod ring;
mod source;
mod taker;
mod timeout;
mod view;
mod words;
mod writer;

use pyo3::prelude::*;

/// The private module.
#[pymodule(gil_used = false)]
mod _seqring {
    #[pymodule_export]
    use super::claim::Claim;
    #[pymodule_export]
    use super::command::command;
    #[pymodule_export]
    use super::compat::{PointerBase, RingBufferBase};
    #[pymodule_export]
    use super::observer::Observer;
    #[pymodule_export]
    use super::parked::Parked;
    #[pymodule_export]
    use super::pipeline::{Filling, Host, Lease, be_commander, be_producer, interrupt, refuse};
    #[pymodule_export]
    use super::reader::Reader;
    #[pymodule_export]
    use super::ring::Ring;
    #[pymodule_export]
    use super::taker::Taker;
    #[pymodule_export]
    use super::view::View;
    #[pymodule_export]
    use super::words::Words;
    #[pymodule_export]
    use super::writer::Writer;

    use super::{Bound, PyModule, PyResult};

    #[pymodule_init]
    #[expect(clippy::unnecessary_wraps, reason = "as PyO3 wants it")]
    fn init(_module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::fork::watch();
        Ok(())
    }
}
