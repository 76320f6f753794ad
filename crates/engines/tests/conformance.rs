//! Every contestant is a complete ring: it does what every engine must.

use engines::seqring::Seqring;
use engines::{
    FileLockRing, MutexCondvarRing, ParkingLotRing, PthreadRwLockRing, SemaphoreRing, SemaphoreRwLockRing,
    SlotLocksRing, StdRwLockRing, SysvSemaphoreRing, TicketRing,
};
use harness::conformance_tests;

conformance_tests!(seqring, Seqring);
conformance_tests!(semaphore_rwlock, SemaphoreRwLockRing);
conformance_tests!(semaphore, SemaphoreRing);
conformance_tests!(mutex_condvar, MutexCondvarRing);
conformance_tests!(pthread_rwlock, PthreadRwLockRing);
conformance_tests!(sysv_semaphore, SysvSemaphoreRing);
conformance_tests!(slot_locks, SlotLocksRing);
conformance_tests!(flock, FileLockRing);
conformance_tests!(ticket, TicketRing);
conformance_tests!(std_rwlock, StdRwLockRing);
conformance_tests!(parking_lot, ParkingLotRing);
