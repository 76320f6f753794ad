//! The function `gc`.

use crate::creation::location;
use crate::errors;
use pyo3::prelude::*;
use seqring::inspect::Segment;
use seqring::{Ring, RingError};
use std::path::PathBuf;

/// The names of the rings that killed processes left, as `python -m seqring gc` lists them. With
/// `remove=True` it removes these rings. A ring that a living process has open stays.
///
/// `kept`: also rings that were created with `keep=True`. `directory`: `/dev/shm` if `None`.
#[pyfunction]
#[pyo3(signature = (*, remove=false, kept=false, directory=None))]
pub(crate) fn gc(
    py: Python<'_>,
    remove: bool,
    kept: bool,
    directory: Option<PathBuf>,
) -> PyResult<Vec<String>> {
    let place = directory.clone().unwrap_or_else(|| "/dev/shm".into());
    let found = py.detach(|| seqring::inspect::segments_in(&place))?;
    if remove {
        seqring::inspect::remove_drafts_in(&place)?;
    }
    let is_unused = |segment: &Segment| !segment.is_in_use() && (kept || !segment.config().keep);
    let unused = found.into_iter().filter_map(|found| found.segment.ok()).filter(is_unused);
    let unlink = if kept { Ring::unlink_unused_even_kept } else { Ring::unlink_unused };
    let mut names = Vec::new();
    for name in unused.filter_map(|segment| segment.name()) {
        let removed = !remove
            || match unlink(location(&name, directory.as_ref())) {
                Err(RingError::NotFound { .. } | RingError::PermissionDenied { .. }) => false,
                removed => removed.map_err(|error| errors::ring(py, error))?,
            };
        if removed {
            names.push(name);
        }
    }
    Ok(names)
}
