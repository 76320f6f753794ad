//! The warning about messages that go with their ring before a reader that it awaits has come.

use pyo3::exceptions::PyResourceWarning;
use pyo3::prelude::*;
use seqring::Ring;
use std::ffi::CString;
use std::path::PathBuf;

/// The messages of a ring that awaits readers.
pub(crate) struct Unread {
    path: PathBuf,
    messages: u64,
    awaited_readers: u32,
}

impl Unread {
    /// Those of a ring with a name, which goes with its last user. For a user that is about to
    /// leave.
    pub(crate) fn of(ring: &Ring) -> Option<Self> {
        let (config, path) = (ring.config(), ring.path()?);
        if config.await_readers == 0 || config.keep || !ring.is_named() {
            return None;
        }
        let (stats, path) = (ring.stats(), path.to_owned());
        let messages = stats.next_sequence.saturating_sub(config.first_sequence);
        let awaited_readers = stats.awaited_readers;
        (messages > 0 && awaited_readers > 0).then_some(Unread { path, messages, awaited_readers })
    }

    /// Warns if the user that has left was the last one.
    pub(crate) fn warn_if_gone(self, py: Python<'_>) -> PyResult<()> {
        let Unread { path, messages, awaited_readers } = self;
        if path.exists() {
            return Ok(());
        }
        let text = format!(
            "{} is gone with {messages} unread messages, and still awaited {awaited_readers} readers; call \
             writer.wait_for_readers() before its last user leaves, or create it with keep=True",
            path.display()
        );
        PyErr::warn(py, &py.get_type::<PyResourceWarning>(), &CString::new(text)?, 1)
    }
}
