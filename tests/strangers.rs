//! A process that may only read a ring's file holds shared locks on all of it, or moves its
//! sleepers to another futex. What the members rely on nevertheless, and the bounds that remain.
#![cfg(target_os = "linux")]
#![allow(missing_docs, unsafe_code)]

mod common;

use common::peer::{Peer, answer, order, wait_for_parent};
use common::{TEST_TIMEOUT, create, fresh_name, path_of};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use seqring::inspect::Segment;
use seqring::process::{receive_descriptor, send_descriptor};
use seqring::{Config, Delivery, ReadError, RegisterError, Ring, RingError, Start, TryWriteError, Writers};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

#[test]
#[ignore = "the child processes of the other tests run this"]
fn child() {
    let Some((verb, argument)) = order() else { return };
    let ring = match argument.strip_prefix("socket:") {
        Some(path) => Ring::from_descriptor(receive_descriptor(UnixStream::connect(path).unwrap()).unwrap()),
        None => Ring::open(&argument),
    };
    let ring = ring.unwrap();
    match verb.as_str() {
        "read" => {
            let _reader = ring.reader(Start::Next).unwrap();
            answer("registered");
            wait_for_parent();
        }
        "write" => {
            ring.writer().unwrap().write(b"left").unwrap();
            let mut writer = ring.writer().unwrap();
            writer.write(b"last").unwrap();
            answer("written");
            wait_for_parent();
        }
        other => panic!("{other}"),
    }
}

/// Shared locks, by a descriptor that only reads, on every byte that no member has locked.
struct Stranger(OwnedFd);

impl Stranger {
    fn of(file: OwnedFd) -> Self {
        let write = rustix::io::write(&file, b"x");
        assert_eq!(write, Err(rustix::io::Errno::BADF), "the descriptor may write");
        let stranger = Stranger(file);
        stranger.lock(0, i64::MAX);
        stranger
    }

    fn at(name: &str) -> Self {
        Self::of(File::open(path_of(name)).unwrap().into())
    }

    /// Locks what it can from `start` on, before `end`.
    fn lock(&self, mut start: i64, end: i64) {
        while start < end {
            // SAFETY: zeros are a valid value of these integers.
            let mut wanted: libc::flock = unsafe { std::mem::zeroed() };
            (wanted.l_type, wanted.l_start, wanted.l_len) =
                (libc::F_RDLCK as libc::c_short, start, end - start);
            if self.call(libc::F_OFD_SETLK, &mut wanted) == 0 {
                return;
            }
            assert_eq!(self.call(libc::F_OFD_GETLK, &mut wanted), 0);
            if wanted.l_type == libc::F_WRLCK as libc::c_short {
                self.lock(start, wanted.l_start);
                start = wanted.l_start + wanted.l_len;
            }
        }
    }

    fn call(&self, command: libc::c_int, lock: &mut libc::flock) -> libc::c_int {
        // SAFETY: the descriptor is open, and the call accesses a whole `flock`.
        unsafe { libc::fcntl(self.0.as_raw_fd(), command, &raw mut *lock) }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        // Explicitly: a process that another test starts at this moment has a copy of the
        // descriptor until it executes its program.
        // SAFETY: zeros are a valid value of these integers, and mean the whole file.
        let mut all: libc::flock = unsafe { std::mem::zeroed() };
        all.l_type = libc::F_UNLCK as libc::c_short;
        assert_eq!(self.call(libc::F_OFD_SETLK, &mut all), 0);
    }
}

/// A ring with a name, or a memfd, and a child that has it open.
fn ring_with_child(config: &Config, named: bool, verb: &str) -> (Ring, Peer) {
    if named {
        let (name, ring) = create("stranger", config);
        return (ring, Peer::ready(verb, &name));
    }
    let ring = Ring::anonymous(config).unwrap();
    let path = std::env::temp_dir().join(fresh_name("stranger"));
    let listener = UnixListener::bind(&path).unwrap();
    let mut child = Peer::start(verb, &format!("socket:{}", path.display()));
    send_descriptor(listener.accept().unwrap().0, ring.descriptor().unwrap()).unwrap();
    std::fs::remove_file(&path).unwrap();
    child.answer();
    (ring, child)
}

/// Fails if a gated writer waits for a killed reader whose entry a stranger has locked.
#[test]
fn a_gated_writer_does_not_wait_for_a_dead_reader_while_a_stranger_holds_its_lock() {
    for (writers, named) in [(Writers::One, true), (Writers::Many, true), (Writers::One, false)] {
        let config = Config::slots(2).of_bytes(64).writers(writers).participants(4);
        let (ring, child) = ring_with_child(&config, named, "read");
        let mut writer = ring.writer().unwrap();
        let mut survivor = ring.reader(Start::Next).unwrap();
        while writer.try_write(b"x") != Err(TryWriteError::Full) {
            survivor.view().unwrap();
        }
        child.kill();
        let stranger = Stranger::of(ring.read_only_descriptor().unwrap());
        assert!(ring.participants().iter().any(|one| !one.alive), "the dead reader looks alive");
        writer.write_timeout(b"x", TEST_TIMEOUT).unwrap();
        assert_eq!(ring.participants().len(), 2);
        survivor.view().unwrap();
        drop(stranger);
    }
}

/// Fails if readers and takers do not get the death of a writer whose entry a stranger has locked,
/// or get it twice.
#[test]
fn the_death_of_a_writer_is_reported_once_while_a_stranger_holds_its_lock() {
    for (config, named) in [
        (Config::slots(4).of_bytes(64), true),
        (Config::slots(4).of_bytes(64).delivery(Delivery::Lossy), false),
        (Config::slots(4).of_bytes(64).writers(Writers::Many), true),
        (Config::slots(4).of_bytes(64).delivery(Delivery::Queue), true),
    ] {
        let (ring, child) = ring_with_child(&config, named, "write");
        let queue = config.delivery == Delivery::Queue;
        let mut reader = (!queue).then(|| ring.reader(Start::Oldest).unwrap());
        let mut taker = queue.then(|| ring.taker().unwrap());
        let pid = child.pid();
        child.kill();
        let stranger = Stranger::of(ring.read_only_descriptor().unwrap());
        let mut next = || match (&mut reader, &mut taker) {
            (Some(reader), _) => reader.read_timeout(&mut [0; 64], TEST_TIMEOUT).map(drop),
            (_, Some(taker)) => taker.take_timeout(TEST_TIMEOUT).map(drop),
            _ => unreachable!(),
        };
        let died = std::iter::repeat_with(&mut next).find_map(Result::err);
        assert_eq!(died, Some(ReadError::WriterDied { pid }));
        assert_eq!(next(), Err(ReadError::Closed));
        drop(stranger);
    }
}

/// Fails if a stranger keeps the name of a ring that no member has open.
#[test]
fn a_stranger_keeps_no_name_and_counts_as_no_user() {
    let (name, ring) = create("stranger-name", &Config::slots(2).of_bytes(64));
    let _stranger = Stranger::at(&name);
    assert!(Segment::inspect(&name).unwrap().is_in_use());
    assert!(!Ring::unlink_unused_even_kept(&name).unwrap(), "a member has it open");
    drop(ring);
    assert!(!path_of(&name).exists(), "the last member left");

    let (name, ring) = create("stranger-kept", &Config::slots(2).of_bytes(64).keep(true));
    let _stranger = Stranger::at(&name);
    drop(ring);
    assert!(!Segment::inspect(&name).unwrap().is_in_use());
    assert!(Ring::unlink_unused_even_kept(&name).unwrap());
    let (name, _ring) = create("stranger-unlinked", &Config::slots(2).of_bytes(64));
    let _stranger = Stranger::at(&name);
    Ring::unlink(&name).unwrap();
    assert!(!path_of(&name).exists());
}

/// The bound: a stranger keeps processes from opening and registering. The errors say so, members
/// that are registered go on, and everything works when the stranger is gone.
#[test]
fn a_stranger_can_refuse_registrations_which_the_errors_say() {
    for config in [Config::slots(2).of_bytes(64), Config::slots(2).of_bytes(64).delivery(Delivery::Queue)] {
        let (name, ring) = create("stranger-refused", &config);
        let mut writer = ring.writer().unwrap();
        let queue = config.delivery == Delivery::Queue;
        let mut reader = (!queue).then(|| ring.reader(Start::Next).unwrap());
        let parked = (!queue).then(|| ring.reader(Start::Next).unwrap().park().unwrap());
        let stranger = Stranger::at(&name);
        let resume = || parked.as_ref().map(|parked| ring.resume(parked.ticket()).map(drop));
        assert!(matches!(resume(), None | Some(Err(RegisterError::Obstructed))));
        let other = if queue { ring.taker().map(drop) } else { ring.reader(Start::Next).map(drop) };
        assert_eq!(other, Err(RegisterError::Obstructed));
        let error = Ring::open(&name).unwrap_err();
        let is_right =
            matches!(&error, RingError::Unusable { reason, .. } if reason.contains("may only read it"));
        assert!(is_right, "{error:?}");
        writer.write(b"goes on").unwrap();
        if let Some(reader) = reader.take() {
            let mut reader = reader.park().expect_err("it cannot be locked");
            assert_eq!(&*reader.view().unwrap(), b"goes on");
        }
        drop(writer);
        stranger.lock(0, i64::MAX);
        assert_eq!(ring.writer().map(drop), Err(RegisterError::Obstructed));
        assert!(RegisterError::Obstructed.to_string().contains("no participant"));
        drop(stranger);
        assert!(matches!(resume(), None | Some(Ok(()))));
        drop(ring.writer().unwrap());
        drop(Ring::open(&name).unwrap());
    }
}

/// The bound: a read-only mapping is enough to move all sleepers to another futex, where no wake
/// finds them. Their sleeps end by themselves: messages are late, and none is lost.
#[test]
fn sleepers_that_a_stranger_moves_to_another_futex_wake_by_themselves() {
    const PUBLISHED: usize = 4096 + 384; // The event count of readers: see FORMAT.md.
    let (name, ring) = create("stranger-futex", &Config::slots(4).of_bytes(64));
    let file = File::open(path_of(&name)).unwrap();
    let (start, flags) = (std::ptr::null_mut(), MapFlags::SHARED);
    // SAFETY: the kernel chooses a free range.
    let map = unsafe { mmap(start, 8192, ProtFlags::READ, flags, &file, 0).unwrap() };
    let from = map.addr() + PUBLISHED;
    let mut writer = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    let (done, moved) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                // SAFETY: the addresses are in the mapping, and the kernel only uses them as names.
                let count = unsafe {
                    libc::syscall(libc::SYS_futex, from, libc::FUTEX_REQUEUE, 0, i32::MAX, from + 8, 0)
                };
                moved.fetch_add(u32::try_from(count).unwrap_or(0), Ordering::Relaxed);
            }
        });
        scope.spawn(|| {
            let read = [(); 5].map(|()| reader.read_timeout(&mut [0; 64], TEST_TIMEOUT));
            done.store(true, Ordering::Relaxed);
            assert_eq!(read.map(|message| message.unwrap().sequence), [0, 1, 2, 3, 4]);
        });
        for n in 1..=5 {
            while moved.load(Ordering::Relaxed) < n && !done.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            writer.write(b"late").unwrap();
        }
    });
    assert!(moved.into_inner() >= 5, "no sleeper was moved");
    // SAFETY: nothing uses the mapping any more.
    unsafe { munmap(map, 8192).unwrap() };
}
