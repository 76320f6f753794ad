//! The errors that backends have in common.
#![cfg_attr(
    not(any(target_os = "linux", feature = "portable")),
    allow(dead_code, reason = "only the heap is left")
)]

use crate::types::config::Config;
use crate::types::error::RingError;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) const LINK: &str = "it is a symbolic link";
pub(super) const NOT_REGULAR: &str = "it is not a regular file";

pub(super) fn unusable(path: &Path, reason: impl Into<String>) -> RingError {
    RingError::Unusable { path: path.into(), reason: reason.into() }
}

/// The error for a segment whose last user locked it in order to remove it, and did not finish.
pub(super) fn stuck_leaver(path: &Path) -> RingError {
    let reason = "its last user locked it to remove it, and does not finish: if that process is stopped, \
                  continue or kill it";
    unusable(path, reason)
}

/// Refuses a ring with another configuration than the wanted one.
pub(super) fn check_config(path: &Path, has: &Config, wanted: Option<&Config>) -> Result<(), RingError> {
    match wanted.map_or_else(String::new, |wanted| has.differences(wanted)) {
        same if same.is_empty() => Ok(()),
        different => Err(unusable(path, format!("it has another configuration than asked for: {different}"))),
    }
}

/// The error for a name that is taken: by a ring, or by what can be none.
pub(super) fn taken(path: &Path) -> RingError {
    match std::fs::symlink_metadata(path).map(|found| found.file_type()) {
        Ok(kind) if kind.is_symlink() => unusable(path, LINK),
        Ok(kind) if !kind.is_file() => unusable(path, NOT_REGULAR),
        _ => RingError::AlreadyExists { path: path.into() },
    }
}

/// The error of a call that does not wait for a ring to be created.
pub(super) fn not_found(path: PathBuf) -> RingError {
    RingError::NotFound { path, waited: Duration::ZERO }
}

/// The error of a file that could not be created in `directory`.
pub(super) fn not_created(directory: &Path, error: RingError) -> RingError {
    match error {
        RingError::NotFound { .. } => RingError::NoDirectory { path: directory.into() },
        error => error,
    }
}

/// The error of an operation on a file, by its kind.
pub(super) fn failure(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> RingError {
    move |source| {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::AlreadyExists => taken(&path),
            io::ErrorKind::NotFound => not_found(path),
            io::ErrorKind::PermissionDenied => RingError::PermissionDenied { path },
            _ => RingError::Io { doing, path, source },
        }
    }
}
