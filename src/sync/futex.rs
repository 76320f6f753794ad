//! A word that threads and processes sleep on.
//!
//! [`FutexWord::wait`] compares and sleeps in one step, so no wake between the two is lost. Heap
//! rings sleep through the crate `atomic-wait`, whose futexes are private to the process. Rings in
//! shared memory need shared futexes, and a timed sleep needs a timeout; that crate has neither, so
//! these call the kernel directly.

pub(crate) use imp::FutexWord;

/// Where the sleepers of a word are. A private futex wakes no sleeper of another process, whatever
/// the mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Threads of this process only.
    Threads,
    /// Any process that maps the word.
    Processes,
    /// Any process that maps the word, on a system without shared futexes: sleepers load the word
    /// every millisecond.
    Timed,
}

#[cfg(not(seqring_model))]
mod imp {
    use super::Scope;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    /// A 32-bit word to sleep on. It is accessed as 32 bits only, never as part of a wider word.
    #[derive(Debug, Default)]
    #[repr(transparent)]
    pub(crate) struct FutexWord(AtomicU32);

    impl FutexWord {
        #[inline(always)]
        pub(crate) fn load(&self, order: Ordering) -> u32 {
            self.0.load(order)
        }

        #[inline(always)]
        pub(crate) fn fetch_or(&self, bits: u32, order: Ordering) -> u32 {
            self.0.fetch_or(bits, order)
        }

        #[inline(always)]
        pub(crate) fn compare_exchange(&self, old: u32, new: u32, order: Ordering) -> Result<u32, u32> {
            self.0.compare_exchange(old, new, order, Ordering::Relaxed)
        }

        /// Sleeps while the word is `expected`, until woken or for at most `timeout`. May return
        /// early.
        ///
        /// # Cost
        /// One system call; a sleep and its wake take 20–30 µs across cores.
        pub(crate) fn wait(&self, expected: u32, timeout: Option<Duration>, scope: Scope) {
            match (scope, timeout) {
                (Scope::Threads, None) => atomic_wait::wait(&self.0, expected),
                (Scope::Timed, timeout) => nap(&self.0, expected, timeout),
                (scope, timeout) => sleep(&self.0, expected, timeout, scope),
            }
        }

        /// Wakes every sleeper.
        ///
        /// # Cost
        /// One system call.
        pub(crate) fn wake_all(&self, scope: Scope) {
            match scope {
                Scope::Threads => atomic_wait::wake_all(&raw const self.0),
                Scope::Processes => wake_shared(&self.0),
                Scope::Timed => {}
            }
        }
    }

    #[cfg(target_os = "linux")]
    fn sleep(word: &AtomicU32, expected: u32, timeout: Option<Duration>, scope: Scope) {
        use rustix::thread::futex;
        let flags = match scope {
            Scope::Threads => futex::Flags::PRIVATE,
            Scope::Processes | Scope::Timed => futex::Flags::empty(),
        };
        let timeout = timeout.map(|t| futex::Timespec {
            tv_sec: t.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: t.subsec_nanos().into(),
        });
        // Woken, timed out, interrupted, or the word had changed already: the caller checks again
        // in any case.
        let _ = futex::wait(word, flags, expected, timeout.as_ref());
    }

    #[cfg(target_os = "linux")]
    fn wake_shared(word: &AtomicU32) {
        use rustix::thread::futex;
        let _ = futex::wake(word, futex::Flags::empty(), i32::MAX as u32);
    }

    #[cfg(not(target_os = "linux"))]
    fn sleep(word: &AtomicU32, expected: u32, timeout: Option<Duration>, _: Scope) {
        nap(word, expected, timeout);
    }

    /// A sleep without a futex: the caller loads the word again after a millisecond.
    fn nap(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        const NAP: Duration = Duration::from_millis(1);
        if word.load(Ordering::Relaxed) == expected {
            std::thread::sleep(timeout.map_or(NAP, |t| t.min(NAP)));
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn wake_shared(_: &AtomicU32) {}
}

#[cfg(seqring_model)]
mod imp {
    use super::Scope;
    use crate::sync::checker::sync::atomic::{AtomicU32, Ordering};
    use crate::sync::checker::sync::{Condvar, Mutex};
    use std::time::Duration;

    /// The model of a futex: the kernel's bucket lock is a mutex, its queue a condition variable.
    #[derive(Debug)]
    pub(crate) struct FutexWord {
        word: AtomicU32,
        bucket: Mutex<()>,
        queue: Condvar,
    }

    impl Default for FutexWord {
        fn default() -> Self {
            FutexWord { word: AtomicU32::new(0), bucket: Mutex::new(()), queue: Condvar::new() }
        }
    }

    impl FutexWord {
        pub(crate) fn load(&self, order: Ordering) -> u32 {
            self.word.load(order)
        }

        pub(crate) fn fetch_or(&self, bits: u32, order: Ordering) -> u32 {
            self.word.fetch_or(bits, order)
        }

        pub(crate) fn compare_exchange(&self, old: u32, new: u32, order: Ordering) -> Result<u32, u32> {
            self.word.compare_exchange(old, new, order, Ordering::Relaxed)
        }

        /// Never times out: a model that needs the timeout has lost a wake, and loom reports the
        /// deadlock.
        pub(crate) fn wait(&self, expected: u32, _: Option<Duration>, _: Scope) {
            let bucket = self.bucket.lock().unwrap();
            if self.word.load(Ordering::Relaxed) == expected {
                drop(self.queue.wait(bucket).unwrap());
            }
        }

        pub(crate) fn wake_all(&self, _: Scope) {
            let _bucket = self.bucket.lock().unwrap();
            self.queue.notify_all();
        }
    }
}
