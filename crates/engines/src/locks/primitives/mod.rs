//! The locks.

mod flock;
mod in_process;
mod mutex_condvar;
mod pthread_rwlock;
mod semaphore;
mod semaphore_rwlock;
mod sysv;

pub use flock::FileLock;
pub use in_process::{ParkingLot, StdRwLock};
pub use mutex_condvar::MutexCondvar;
pub use pthread_rwlock::PthreadRwLock;
pub(crate) use pthread_rwlock::RawRwLock;
pub use semaphore::Semaphore;
pub use semaphore_rwlock::SemaphoreRwLock;
pub use sysv::SysvSemaphore;

use std::io;

/// The result of a call that returns -1 and sets `errno`.
fn checked(answer: libc::c_int) -> io::Result<libc::c_int> {
    if answer == -1 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

/// The result of a call that returns an error number.
fn returned(error: libc::c_int) -> io::Result<()> {
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

/// A moment of the monotonic clock, as the C library wants it.
fn timespec(moment: harness::clock::Moment) -> libc::timespec {
    const NANOS_PER_SECOND: u64 = 1_000_000_000;
    libc::timespec {
        tv_sec: (moment.as_nanos() / NANOS_PER_SECOND).cast_signed(),
        tv_nsec: (moment.as_nanos() % NANOS_PER_SECOND).cast_signed(),
    }
}
