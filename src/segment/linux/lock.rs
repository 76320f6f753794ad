//! Byte-range locks on a file that belong to an open file description (`F_OFD_SETLK`).
//!
//! A shared lock needs only a descriptor that may read, so any process that may read the file can
//! take one on any byte. Therefore no member depends on a byte that is free of shared locks, except
//! to register and to open: liveness is an exclusive lock, and is asked with [`conflict`] of a
//! shared one.
#![allow(unsafe_code, reason = "rustix has no OFD locks")]

use rustix::fd::{AsRawFd, OwnedFd};
use rustix::io::{Errno, retry_on_intr};
use std::ops::Range;

/// The lock on a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    None,
    Shared,
    Exclusive,
}

/// Changes the lock on a range to `kind`; fails at once if a lock of another description conflicts.
///
/// # Cost
/// One system call, about 0.5 µs.
pub(crate) fn set(fd: &OwnedFd, bytes: Range<u64>, kind: Kind) -> Result<(), Errno> {
    let request = request(bytes, kind);
    retry_on_intr(|| {
        // SAFETY: `fd` is open, as it is owned and borrowed; `request` is a whole `flock` that the
        // call only reads.
        if unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_SETLK, &raw const request) } == 0 {
            return Ok(());
        }
        Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO))
    })
}

/// A lock of another description that a lock of this kind would conflict with. Takes no lock, and
/// works through a read-only descriptor.
///
/// # Cost
/// One system call, about 0.5 µs.
pub(crate) fn conflict(fd: &OwnedFd, bytes: Range<u64>, kind: Kind) -> Option<Kind> {
    let mut request = request(bytes, kind);
    // SAFETY: `fd` is open, as it is owned and borrowed; `request` is a whole `flock` that only
    // this thread accesses.
    let known = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_GETLK, &raw mut request) } == 0;
    match libc::c_int::from(request.l_type) {
        libc::F_RDLCK if known => Some(Kind::Shared),
        libc::F_WRLCK if known => Some(Kind::Exclusive),
        _ => None,
    }
}

fn request(bytes: Range<u64>, kind: Kind) -> libc::flock {
    libc::flock {
        l_type: match kind {
            Kind::None => libc::F_UNLCK,
            Kind::Shared => libc::F_RDLCK,
            Kind::Exclusive => libc::F_WRLCK,
        } as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: bytes.start.cast_signed(),
        l_len: (bytes.end - bytes.start).cast_signed(),
        l_pid: 0, // The kernel refuses anything else here.
    }
}
