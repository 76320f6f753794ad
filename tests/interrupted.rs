//! A storm of signals, each of which interrupts a system call (no `SA_RESTART`): no call fails for
//! it, and no wait ends early.
#![cfg(target_os = "linux")]
#![allow(missing_docs, unsafe_code)]

mod common;

use common::{TEST_TIMEOUT, fresh_name};
use seqring::{Config, Location, ReadError, Ring, Start};
use std::mem::zeroed;
use std::os::unix::fs::MetadataExt;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Far less than the allocation of a large ring takes.
const BETWEEN_SIGNALS: Duration = Duration::from_micros(200);
const LARGE: usize = 64 << 20;

static SIGNALS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: libc::c_int) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

/// Signals to the thread that made it, until it is dropped.
struct Storm(libc::timer_t);

impl Storm {
    fn begin() -> Self {
        let every = libc::timespec { tv_sec: 0, tv_nsec: BETWEEN_SIGNALS.as_nanos().try_into().unwrap() };
        // SAFETY: the handler only adds to an atomic. Every structure is whole, and zeros are valid
        // in each of its fields.
        unsafe {
            let mut action: libc::sigaction = zeroed();
            action.sa_sigaction = count as extern "C" fn(libc::c_int) as usize;
            assert_eq!(libc::sigaction(libc::SIGALRM, &raw const action, null_mut()), 0);
            let mut event: libc::sigevent = zeroed();
            (event.sigev_notify, event.sigev_signo) = (libc::SIGEV_THREAD_ID, libc::SIGALRM);
            event.sigev_notify_thread_id = libc::gettid();
            let mut timer = null_mut();
            assert_eq!(libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer), 0);
            let interval = libc::itimerspec { it_interval: every, it_value: every };
            assert_eq!(libc::timer_settime(timer, 0, &raw const interval, null_mut()), 0);
            Storm(timer)
        }
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        // SAFETY: the timer is that of `begin`.
        assert_eq!(unsafe { libc::timer_delete(self.0) }, 0);
    }
}

/// Fails if a signal in the creation or opening of a ring is an error.
#[test]
fn rings_are_created_and_opened_in_a_storm_of_signals() {
    let (name, config) = (fresh_name("storm"), Config::slots(64).of_bytes(LARGE / 64));
    let _storm = Storm::begin();
    for at in [Location::named(&name), Location::portable(&name)] {
        let before = SIGNALS.load(Ordering::Relaxed);
        let ring = Ring::create(&at, &config).unwrap();
        assert!(SIGNALS.load(Ordering::Relaxed) > before, "no signal came");
        Ring::open(&at).unwrap().writer().unwrap().write(b"x").unwrap();
        assert_eq!(Ring::open_or_create(&at, &config).unwrap().next_sequence(), 1);
        drop(ring);
        assert!(matches!(Ring::open(&at), Err(seqring::RingError::NotFound { .. })));
    }
    Ring::anonymous(&config).unwrap();
}

/// From now on a signal interrupts each call of this thread that allocates more than that.
fn interrupt_allocations_beyond(bytes: u32) {
    // Of `seccomp_data`: the number of the call, and the lower half of its fourth argument.
    let [call, fourth] = [0, 16 + 3 * 8];
    let step = |code: u32, k: u32, jt, jf| libc::sock_filter { code: code as u16, jt, jf, k };
    let (load, equal) = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, libc::BPF_JMP | libc::BPF_JEQ);
    let interrupted = libc::SECCOMP_RET_ERRNO | libc::EINTR.cast_unsigned();
    let mut filter = [
        step(load, call, 0, 0),
        step(equal, libc::SYS_fallocate as u32, 0, 3),
        step(load, fourth, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JGT, bytes, 0, 1),
        step(libc::BPF_RET, interrupted, 0, 0),
        step(libc::BPF_RET, libc::SECCOMP_RET_ALLOW, 0, 0),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the program is whole, and the kernel copies it.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program), 0);
    }
}

/// Fails if an interrupted allocation is an error, or begins again without end. On older kernels a
/// signal interrupts it on tmpfs, and frees what it allocated.
#[test]
fn an_allocation_that_signals_interrupt_is_made_in_parts() {
    let (name, config) = (fresh_name("parts"), Config::slots(64).of_bytes(LARGE / 64));
    let create = || {
        interrupt_allocations_beyond(1 << 20);
        Ring::create(&name, &config).unwrap()
    };
    let ring = thread::scope(|scope| scope.spawn(create).join().unwrap());
    let blocks = ring.path().unwrap().metadata().unwrap().blocks();
    assert!(blocks * 512 >= LARGE as u64, "{blocks} blocks");
}

/// Fails if a signal ends a wait before its message or its time.
#[test]
fn waits_last_as_long_as_requested_in_a_storm_of_signals() {
    let ring = Ring::create(fresh_name("storm-waits"), &Config::slots(1).of_bytes(64)).unwrap();
    let (mut reader, mut writer, mut out) =
        (ring.reader(Start::Next).unwrap(), ring.writer().unwrap(), [0; 64]);
    let storm = Storm::begin();
    let (before, start, wait) = (SIGNALS.load(Ordering::Relaxed), Instant::now(), Duration::from_millis(50));
    assert!(matches!(reader.read_timeout(&mut out, wait), Err(ReadError::TimedOut { .. })));
    assert!(start.elapsed() >= wait);
    writer.write(b"first").unwrap();
    let start = Instant::now();
    assert!(writer.write_timeout(b"no room", wait).is_err());
    assert!(start.elapsed() >= wait);
    thread::scope(|scope| {
        scope.spawn(|| reader.read_timeout(&mut out, TEST_TIMEOUT).unwrap());
        writer.write(b"second").unwrap();
    });
    assert!(SIGNALS.load(Ordering::Relaxed) > before, "no signal came");
    drop(storm);
}
