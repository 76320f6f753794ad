//! The readers/writer lock of the Python package `ringbuffer`, mechanism by mechanism, on POSIX
//! semaphores.
//!
//! One semaphore as a mutex, a count of readers and a mark of the writer under it, and two
//! conditions built of three semaphores each, as `multiprocessing.Condition` builds them:
//!
//! | wait | notify up to n |
//! |---|---|
//! | 1 give `sleeping` | a take back one `sleeping` for each `woken`: waiters that timed out |
//! | 2 release the mutex | b take `sleeping` up to n times, give `wait` for each |
//! | 3 take `wait`, up to the deadline | c take `woken` for each: wait until it has woken |
//! | 4 give `woken`, take the mutex | d take what is left in `wait` |
//!
//! Every read takes the mutex twice, at its begin and its end, and so does every write; the end of
//! a write notifies all waiting readers. A holder or a waiter that is killed leaves wrong counts,
//! and the next notifier waits in step c for one that is dead.
//!
//! Waiting for room is polling: that package has no blocking write.

use super::semaphore::Sem;
use crate::locks::lock::{Access, Change, Lock, Shared, poll};
use harness::clock::Moment;
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed; // Of both counts: the mutex orders them.

/// Everything that is shared.
#[repr(C)]
#[derive(Debug)]
pub struct RwState {
    mutex: Sem,
    /// Readers wait here for the writer to leave, and for news.
    readers_condition: Condition,
    /// Writers wait here for readers or another writer to leave.
    writer_condition: Condition,
    readers: AtomicU32,
    has_writer: AtomicU32,
}

/// A handle of the lock.
#[derive(Debug)]
pub struct SemaphoreRwLock(Shared<RwState>);

impl Lock for SemaphoreRwLock {
    const NAME: &'static str = "semaphore-rwlock";
    const BETWEEN_PROCESSES: bool = true;
    type Shared = RwState;

    fn make(place: NonNull<RwState>) -> io::Result<()> {
        // The counts start at zero, and so does the memory.
        Sem::make(field(place, std::mem::offset_of!(RwState, mutex)), 1)?;
        Condition::make(field(place, std::mem::offset_of!(RwState, readers_condition)))?;
        Condition::make(field(place, std::mem::offset_of!(RwState, writer_condition)))
    }

    fn attach(place: Shared<RwState>) -> io::Result<Self> {
        Ok(Self(place))
    }

    fn with<T>(&self, access: Access, job: impl FnOnce() -> T) -> io::Result<T> {
        let state = &*self.0;
        match access {
            Access::Read => state.begin_read()?,
            Access::Write => state.begin_write()?,
        }
        let value = job();
        match access {
            Access::Read => state.end_read()?,
            Access::Write => state.end_write()?,
        }
        Ok(value)
    }

    fn when<T>(
        &self,
        access: Access,
        change: Change,
        deadline: Moment,
        mut job: impl FnMut() -> Option<T>,
    ) -> io::Result<Option<T>> {
        if change == Change::Room {
            return poll(self, access, deadline, job);
        }
        let state = &*self.0;
        state.begin_read()?;
        loop {
            let value = job();
            if value.is_some() || Moment::now() >= deadline {
                state.end_read()?;
                return Ok(value);
            }
            state.wait_for_write(deadline)?;
        }
    }
}

impl RwState {
    fn begin_read(&self) -> io::Result<()> {
        self.mutex.take()?;
        self.enter_as_reader()?;
        self.mutex.give()
    }

    fn end_read(&self) -> io::Result<()> {
        self.mutex.take()?;
        self.leave_as_reader()?;
        self.mutex.give()
    }

    fn begin_write(&self) -> io::Result<()> {
        self.mutex.take()?;
        while self.has_writer.load(Relaxed) != 0 || self.readers.load(Relaxed) > 0 {
            self.writer_condition.wait(&self.mutex, None)?;
        }
        self.has_writer.store(1, Relaxed);
        self.mutex.give()
    }

    fn end_write(&self) -> io::Result<()> {
        self.mutex.take()?;
        self.has_writer.store(0, Relaxed);
        self.writer_condition.notify(1)?;
        self.readers_condition.notify(u32::MAX)?;
        self.mutex.give()
    }

    /// Gives up the read lock until a writer has left, and takes it again.
    fn wait_for_write(&self, deadline: Moment) -> io::Result<()> {
        self.mutex.take()?;
        self.leave_as_reader()?;
        self.readers_condition.wait(&self.mutex, Some(deadline))?;
        self.enter_as_reader()?;
        self.mutex.give()
    }

    fn enter_as_reader(&self) -> io::Result<()> {
        while self.has_writer.load(Relaxed) != 0 {
            self.readers_condition.wait(&self.mutex, None)?;
        }
        self.readers.fetch_add(1, Relaxed);
        Ok(())
    }

    fn leave_as_reader(&self) -> io::Result<()> {
        if self.readers.fetch_sub(1, Relaxed) == 1 { self.writer_condition.notify(1) } else { Ok(()) }
    }
}

/// A condition of three semaphores. All of it is called with the mutex held.
#[repr(C)]
#[derive(Debug)]
struct Condition {
    sleeping: Sem,
    woken: Sem,
    wait: Sem,
}

impl Condition {
    fn make(place: NonNull<Self>) -> io::Result<()> {
        (0..3).try_for_each(|index| Sem::make(field(place, index * size_of::<Sem>()), 0))
    }

    /// Steps 1 to 4.
    fn wait(&self, mutex: &Sem, deadline: Option<Moment>) -> io::Result<()> {
        self.sleeping.give()?;
        mutex.give()?;
        match deadline {
            None => self.wait.take()?,
            Some(deadline) => drop(self.wait.take_until(deadline)?),
        }
        self.woken.give()?;
        mutex.take()
    }

    /// Steps a to d.
    fn notify(&self, most: u32) -> io::Result<()> {
        while self.woken.try_take() {
            self.sleeping.try_take();
        }
        let mut notified = 0;
        while notified < most && self.sleeping.try_take() {
            self.wait.give()?;
            notified += 1;
        }
        for _ in 0..notified {
            self.woken.take()?;
        }
        while notified > 0 && self.wait.try_take() {}
        Ok(())
    }
}

/// The field at `offset` of the structure at `place`.
fn field<S, T>(place: NonNull<S>, offset: usize) -> NonNull<T> {
    debug_assert!(offset + size_of::<T>() <= size_of::<S>());
    let start = place.as_ptr().cast::<u8>().wrapping_add(offset);
    NonNull::new(start.cast()).expect("inside a structure that is not at address 0")
}
