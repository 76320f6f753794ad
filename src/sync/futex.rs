//! A word that threads and processes sleep on.
//!
//! [`FutexWord::wait`] compares and sleeps in one step, so no wake between the two is lost. Heap
//! rings sleep through the crate `atomic-wait`, whose futexes are private to the process. Rings in
//! shared memory need shared futexes, and a timed sleep needs a timeout; that crate has neither, so
//! these call the kernel directly. [`wait_any`] sleeps on several words, private and shared ones.

pub(crate) use imp::{FutexWord, wait_any};

use std::time::Duration;

/// One of several words to sleep on, and the value at which to sleep.
#[derive(Clone, Copy)]
pub(crate) struct Expected<'a> {
    pub(crate) word: &'a FutexWord,
    pub(crate) value: u32,
    pub(crate) scope: Scope,
}

/// The most words of one sleep in the kernel. With more, [`wait_any`] naps.
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "no such sleep"))]
pub(crate) const MOST_WORDS: usize = 128;

/// A sleep without a futex: the caller loads the words again after it.
const NAP: Duration = Duration::from_millis(1);

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
    use super::{Expected, NAP, Scope};
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
        let timeout = timeout.map(timespec);
        // Woken, timed out, interrupted, or the word had changed already: the caller checks again
        // in any case.
        let _ = futex::wait(word, flags, expected, timeout.as_ref());
    }

    #[cfg(target_os = "linux")]
    fn timespec(duration: Duration) -> rustix::time::Timespec {
        rustix::time::Timespec {
            tv_sec: duration.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: duration.subsec_nanos().into(),
        }
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

    /// Sleeps while each word has its expected value, until woken or for at most `timeout`. May
    /// return early. Without words it sleeps for `timeout`.
    ///
    /// Where the kernel has no `futex_waitv` (Linux before 5.16, a filter of system calls, other
    /// systems), or for more than [`MOST_WORDS`](super::MOST_WORDS), it naps: the caller loads the
    /// words again after a millisecond.
    ///
    /// # Cost
    /// One system call. The kernel queues and removes the caller at each word: a sleep and its wake
    /// take 1 µs longer with 8 words than with one, and 10 µs longer with 128.
    pub(crate) fn wait_any(words: &[Expected<'_>], timeout: Option<Duration>) {
        let changed = |one: &Expected<'_>| one.word.load(Ordering::Relaxed) != one.value;
        if !sleep_any(words, timeout) && !words.iter().any(changed) {
            let longest = if words.is_empty() { Duration::MAX } else { NAP };
            std::thread::sleep(timeout.map_or(longest, |timeout| timeout.min(longest)));
        }
    }

    /// Returns false if the kernel refuses.
    #[cfg(target_os = "linux")]
    fn sleep_any(words: &[Expected<'_>], timeout: Option<Duration>) -> bool {
        use rustix::io::Errno;
        use rustix::thread::futex::{Wait, WaitFlags, WaitPtr, WaitvFlags, waitv};
        use rustix::time::{ClockId, clock_gettime};
        if words.len() > super::MOST_WORDS || words.iter().any(|one| one.scope == Scope::Timed) {
            return false;
        }
        let waits: Vec<_> = words
            .iter()
            .map(|one| {
                let mut wait = Wait::new();
                wait.val = one.value.into();
                wait.uaddr = WaitPtr::new((&raw const one.word.0).cast_mut().cast());
                wait.flags = match one.scope {
                    Scope::Threads => WaitFlags::SIZE_U32 | WaitFlags::PRIVATE,
                    Scope::Processes | Scope::Timed => WaitFlags::SIZE_U32,
                };
                wait
            })
            .collect();
        // This call wants a point in time. `None` if the clock cannot represent it.
        let until = timeout.and_then(|timeout| {
            let now = clock_gettime(ClockId::Monotonic);
            now.checked_add(timespec(timeout))
        });
        match waitv(&waits, WaitvFlags::empty(), until.as_ref(), ClockId::Monotonic) {
            // Woken, timed out, interrupted, or a word had changed already.
            Ok(_) | Err(Errno::AGAIN | Errno::INTR | Errno::TIMEDOUT) => true,
            Err(_) => false,
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn sleep_any(_: &[Expected<'_>], _: Option<Duration>) -> bool {
        false
    }

    /// As [`wait_any`] for one word.
    fn nap(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        if word.load(Ordering::Relaxed) == expected {
            std::thread::sleep(timeout.map_or(NAP, |t| t.min(NAP)));
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn wake_shared(_: &AtomicU32) {}
}

#[cfg(seqring_model)]
mod imp {
    use super::{Expected, Scope};
    use crate::sync::checker::sync::atomic::{AtomicU32, Ordering};
    use crate::sync::checker::sync::{Arc, Condvar, Mutex};
    use std::time::Duration;

    /// The model of a futex: the kernel's bucket lock is a mutex, its queue a condition variable.
    #[derive(Debug)]
    pub(crate) struct FutexWord {
        word: AtomicU32,
        /// The threads that sleep on this word and on others.
        bucket: Mutex<Vec<Arc<Sleeper>>>,
        queue: Condvar,
    }

    /// A thread that sleeps on several words.
    #[derive(Debug)]
    struct Sleeper {
        woken: Mutex<bool>,
        queue: Condvar,
    }

    impl Default for FutexWord {
        fn default() -> Self {
            FutexWord { word: AtomicU32::new(0), bucket: Mutex::new(Vec::new()), queue: Condvar::new() }
        }
    }

    /// As the kernel does: it queues the caller at one word after the other, each under the lock of
    /// its bucket. Never times out, see [`FutexWord::wait`].
    pub(crate) fn wait_any(words: &[Expected<'_>], _: Option<Duration>) {
        let sleeper = Arc::new(Sleeper { woken: Mutex::new(false), queue: Condvar::new() });
        for one in words {
            let mut bucket = one.word.bucket.lock().unwrap();
            if one.word.word.load(Ordering::Relaxed) != one.value {
                return; // It stays in the buckets before: to wake it there does nothing.
            }
            bucket.push(Arc::clone(&sleeper));
        }
        let mut woken = sleeper.woken.lock().unwrap();
        while !*woken {
            woken = sleeper.queue.wait(woken).unwrap();
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
            let mut bucket = self.bucket.lock().unwrap();
            self.queue.notify_all();
            for sleeper in bucket.drain(..) {
                *sleeper.woken.lock().unwrap() = true;
                sleeper.queue.notify_one();
            }
        }
    }
}
