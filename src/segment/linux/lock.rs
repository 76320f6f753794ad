//! One-byte locks on a file that belong to an open file description (`F_OFD_SETLK`).
#![allow(unsafe_code, reason = "rustix has no OFD locks")]

use rustix::fd::{AsRawFd, OwnedFd};
use rustix::io::Errno;

/// The lock to hold on a byte.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    None,
    Shared,
    Exclusive,
}

/// Changes the lock on a byte to `kind`; fails at once if a lock of another description conflicts.
///
/// # Cost
/// One system call, about 0.5 µs.
pub(crate) fn set(fd: &OwnedFd, byte: u64, kind: Kind) -> Result<(), Errno> {
    let request = request(byte, kind);
    // SAFETY: `fd` is open, as it is owned and borrowed; `request` is a whole `flock` that the call
    // only reads.
    if unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_SETLK, &raw const request) } == 0 {
        return Ok(());
    }
    Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO))
}

/// Whether another description holds a lock on a byte. Takes no lock, and works through a read-only
/// descriptor.
///
/// # Cost
/// One system call, about 0.5 µs.
pub(crate) fn is_held(fd: &OwnedFd, byte: u64) -> bool {
    let mut request = request(byte, Kind::Exclusive);
    // SAFETY: `fd` is open, as it is owned and borrowed; `request` is a whole `flock` that only
    // this thread accesses.
    let known = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_GETLK, &raw mut request) } == 0;
    known && request.l_type != libc::F_UNLCK as libc::c_short
}

fn request(byte: u64, kind: Kind) -> libc::flock {
    libc::flock {
        l_type: match kind {
            Kind::None => libc::F_UNLCK,
            Kind::Shared => libc::F_RDLCK,
            Kind::Exclusive => libc::F_WRLCK,
        } as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: byte.cast_signed(),
        l_len: 1,
        l_pid: 0, // The kernel refuses anything else here.
    }
}
