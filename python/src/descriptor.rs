//! Descriptors that Python code passes as numbers.
#![allow(unsafe_code, reason = "a number that should be a descriptor")]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// A duplicate of a descriptor. The original stays open.
pub(crate) fn duplicate(descriptor: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the kernel checks the number.
    let duplicate = unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 0) };
    if duplicate < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is new, and no other value owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(duplicate) })
}
