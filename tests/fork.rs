//! A forked child is refused the use of the endpoints that it inherited, and its parent's death is
//! detected while the child lives.
//!
//! The process that forks is this test binary, run again for its one test `child`: its fork copies
//! the thread of one test, and nothing that belongs to other tests.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]
#![allow(unsafe_code, reason = "fork")]

mod common;

use common::peer::{Peer, answer, order, wait_for_parent};
use common::{TEST_TIMEOUT, create, inherited_descriptors, message, path_of};
use rustix::process::{Pid, Resource, Rlimit, Signal, WaitOptions, kill_process, waitpid};
use seqring::{
    Config, Delivery, MessageHeader, ReadError, Reader, RegisterError, Ring, SlotClass, Start, Taker,
    TryReadError, TryWriteError, WriteError, Writer, Writers,
};
use std::any::Any;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::thread::JoinHandleExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

const SLOT_BYTES: usize = 64;

fn kinds() -> [Config; 6] {
    let config = Config::slots(4).of_bytes(SLOT_BYTES);
    [
        config.clone().slot_class(SlotClass::Packed).delivery(Delivery::Lossy),
        config.clone().slot_class(SlotClass::Lines),
        config.clone().slot_class(SlotClass::Arena),
        config.clone().slot_class(SlotClass::Arena).delivery(Delivery::Lossy),
        config.clone().writers(Writers::Many),
        config.delivery(Delivery::Queue),
    ]
}

#[test]
#[ignore = "the child processes of the other tests run this"]
fn child() {
    let Some((verb, name)) = order() else { return };
    let ring = Ring::open(&name).unwrap();
    match verb.as_str() {
        "fork-and-use" => use_what_was_inherited(&ring, &name),
        "fork-and-take" => take_what_came_after(&ring),
        "fork-and-die" | "limit-and-die" => {
            if verb == "limit-and-die" {
                limit(Resource::Nofile, 0);
            }
            let (mut writer, _reader) = (ring.writer().unwrap(), join(&ring));
            writer.write(&message(0, SLOT_BYTES)).unwrap();
            let Some(grandchild) = fork() else {
                in_child(|| {
                    loop {
                        std::thread::park();
                    }
                })
            };
            answer(&grandchild.as_raw_nonzero().to_string());
            wait_for_parent();
        }
        other => {
            let (limit, take_away) = LIMITS.iter().find(|(name, _)| *name == other).expect("an order");
            use_under(*take_away, *limit != "address-space", &ring);
        }
    }
}

/// Forks. Returns `None` in the child, which must continue in [`in_child`] only.
fn fork() -> Option<Pid> {
    // SAFETY: the child of this process with threads runs Rust code, which allocates: glibc keeps
    // its allocator usable across a fork. It takes no lock that another thread of its parent may
    // have held.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork works");
    Pid::from_raw(pid)
}

/// Runs `part`, then ends the process without running destructors or exit handlers that belong to
/// the parent.
fn in_child(part: impl FnOnce()) -> ! {
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(part));
    // SAFETY: ends the process at once.
    unsafe { libc::_exit(i32::from(ended.is_err())) }
}

/// A registered reader or taker.
fn join(ring: &Ring) -> Box<dyn Any> {
    match ring.config().delivery {
        Delivery::Queue => Box::new(ring.taker().unwrap()),
        _ => Box::new(ring.reader(Start::Next).unwrap()),
    }
}

fn use_what_was_inherited(ring: &Ring, name: &str) {
    let (mut writer, mut reader) = (ring.writer().unwrap(), join(ring));
    let shows_in_place =
        ring.config().delivery == Delivery::Gated && ring.config().slot_class == SlotClass::Arena;
    let mut viewer = shows_in_place.then(|| ring.reader(Start::Next).unwrap());
    writer.write(&message(0, SLOT_BYTES)).unwrap();
    let view = viewer.as_mut().map(|viewer| viewer.view().unwrap());
    let parked = (ring.config().delivery != Delivery::Queue)
        .then(|| ring.reader(Start::Next).unwrap().park().unwrap());
    let table = |ring: &Ring| -> Vec<_> {
        let participants = ring.participants();
        participants.iter().map(|one| (one.entry, one.role, one.pid, one.position, one.alive)).collect()
    };
    let before = table(ring);
    let Some(child) = fork() else {
        in_child(|| {
            assert_refused(ring, &mut writer, reader.as_mut());
            assert_eq!(inherited_descriptors(name), [""; 0]);
            if let Some(parked) = parked {
                assert_eq!(ring.resume(parked.ticket()).err(), Some(RegisterError::Forked));
            }
            ring.close();
            ring.skip_readers_to_newest();
            if let Some(view) = view {
                assert!(view.is_in_place());
                assert_eq!(*view, *message(0, SLOT_BYTES));
                drop(view);
            }
            drop((writer, reader));
            let Some(grandchild) = fork() else {
                in_child(|| assert!(matches!(ring.writer(), Err(RegisterError::Forked))))
            };
            assert!(succeeded(grandchild));
            // The child may use a ring that it opens itself. Its own child may not.
            let own = Ring::open(name).unwrap();
            let _joined = join(&own);
            assert_eq!(own.participants().len(), before.len() + 1);
            let Some(grandchild) = fork() else {
                in_child(|| assert!(matches!(own.writer(), Err(RegisterError::Forked))))
            };
            assert!(succeeded(grandchild));
        })
    };
    assert!(succeeded(child));
    assert_eq!(table(ring), before);
    assert!(parked.is_none_or(|parked| ring.resume(parked.ticket()).is_ok()));
    assert!(view.is_none_or(|view| *view == *message(0, SLOT_BYTES)));
    writer.write(&message(1, SLOT_BYTES)).unwrap();
    answer("forked");
    wait_for_parent();
    drop(reader);
}

/// What a process may lack when it forks, each with a function that takes it away.
const LIMITS: [(&str, fn()); 5] = [
    ("descriptors", || limit(Resource::Nofile, 0)),
    ("data", || limit(Resource::Data, 0)),
    ("address-space", || limit(Resource::As, 0)),
    ("proc", || {
        if rustix::process::geteuid().is_root() {
            rustix::process::chroot("/dev/shm").unwrap();
        }
    }),
    ("privileges", || {
        if rustix::process::geteuid().is_root() {
            // SAFETY: the call takes an integer.
            let left = unsafe { libc::setuid(65534) };
            let error = std::io::Error::last_os_error().raw_os_error();
            assert!(left == 0 || error == Some(libc::EINVAL)); // The namespace may lack that user.
        }
    }),
];

fn limit(resource: Resource, current: u64) {
    let maximum = rustix::process::getrlimit(resource).maximum;
    rustix::process::setrlimit(resource, Rlimit { current: Some(current), maximum }).unwrap();
}

/// Forks without what `take_away` takes. If not `mapped_anew`, there is no address space for memory
/// in the place of the ring's.
fn use_under(take_away: fn(), mapped_anew: bool, ring: &Ring) {
    let (mut writer, mut reader) = (ring.writer().unwrap(), join(ring));
    writer.write(&message(0, SLOT_BYTES)).unwrap();
    // What the test itself allocates from here on was allocated and freed before.
    drop((0..64).map(|_| vec![0_u8; 1000]).collect::<Vec<_>>());
    take_away();
    let Some(child) = fork() else {
        in_child(|| {
            if mapped_anew {
                assert_refused(ring, &mut writer, reader.as_mut());
                drop((writer, reader));
            }
        })
    };
    let succeeded = succeeded(child);
    writer.write(&message(1, SLOT_BYTES)).unwrap();
    answer(if succeeded { "forked" } else { "its child ended by a signal, or failed" });
    wait_for_parent();
}

fn take_what_came_after(ring: &Ring) {
    let (mut writer, mut taker) = (ring.writer().unwrap(), ring.taker().unwrap());
    let (mut here, mut there) = UnixStream::pair().unwrap();
    let Some(child) = fork() else {
        in_child(|| {
            there.write_all(&[0]).unwrap();
            there.read_exact(&mut [0; 1]).unwrap();
            assert_eq!(taker.try_take().err(), Some(TryReadError::Forked));
        })
    };
    here.read_exact(&mut [0; 1]).unwrap();
    // A child that continues a few laps above the message that was next finds this one there.
    let last = 4 * ring.config().slots as u64;
    for sequence in 0..=last {
        writer.write(&message(sequence, SLOT_BYTES)).unwrap();
        if sequence < last {
            taker.take().unwrap();
        }
    }
    here.write_all(&[0]).unwrap();
    answer(if succeeded(child) { "forked" } else { "its child took a message" });
    wait_for_parent();
}

fn assert_refused(ring: &Ring, writer: &mut Writer, reader: &mut dyn Any) {
    assert_eq!(writer.try_write(&message(9, SLOT_BYTES)), Err(TryWriteError::Forked));
    assert_eq!(writer.write(&message(9, SLOT_BYTES)), Err(WriteError::Forked));
    assert!(matches!(writer.try_claim(1).err(), Some(TryWriteError::Forked)));
    if let Some(reader) = reader.downcast_mut::<Reader>() {
        assert_eq!(reader.try_read(&mut [0; SLOT_BYTES]), Err(TryReadError::Forked));
        assert_eq!(reader.read(&mut [0; SLOT_BYTES]), Err(ReadError::Forked));
        assert_eq!(reader.messages().take(2).collect::<Vec<_>>(), [Err(ReadError::Forked)]);
        assert!(matches!(reader.try_view().err(), Some(TryReadError::Forked)));
    }
    if let Some(taker) = reader.downcast_mut::<Taker>() {
        let placed = writer.assigned().unwrap().try_write(9, &[], &MessageHeader::default());
        assert_eq!(placed, Err(TryWriteError::Forked));
        assert!(matches!(taker.try_take().err(), Some(TryReadError::Forked)));
        assert!(matches!(taker.take().err(), Some(ReadError::Forked)));
    }
    assert!(matches!(ring.writer(), Err(RegisterError::Forked)));
    assert_eq!(ring.participants(), []);
}

fn succeeded(child: Pid) -> bool {
    waitpid(Some(child), WaitOptions::empty()).unwrap().unwrap().1.exit_status() == Some(0)
}

/// Fails if a child writes to the ring, takes or releases anything through an inherited endpoint,
/// or closes the ring.
#[test]
fn a_child_cannot_use_the_endpoints_of_its_parent_and_the_parent_keeps_them() {
    for config in kinds() {
        let (name, _ring) = create("fork-use", &config);
        let mut parent = Peer::start("fork-and-use", &name);
        assert_eq!(parent.answer(), "forked", "{config:?}");
        parent.finish();
    }
}

/// Fails if a step that keeps the ring from a child needs a free descriptor, `/proc`, data,
/// privileges, or address space beyond its parent's: the child would be aborted before it can
/// execute a program.
#[test]
fn a_child_needs_nothing_to_be_kept_from_its_parents_ring() {
    for config in kinds() {
        for (limit, _) in LIMITS {
            let (name, _ring) = create("fork-limit", &config);
            let mut parent = Peer::start(limit, &name);
            assert_eq!(parent.answer(), "forked", "{limit}, {config:?}");
            parent.finish();
        }
    }
}

/// Fails if an inherited taker takes what is published after the fork, some laps later.
#[test]
fn a_child_takes_nothing_that_its_parents_peers_publish() {
    let (name, _ring) = create("fork-take", &kinds()[5]);
    let mut parent = Peer::start("fork-and-take", &name);
    assert_eq!(parent.answer(), "forked");
    parent.finish();
}

static IN_HANDLER: AtomicBool = AtomicBool::new(false);
static FORKED: AtomicBool = AtomicBool::new(false);

/// Keeps the thread that gets the signal where it is until the process has forked.
extern "C" fn wait_for_fork(_: libc::c_int) {
    IN_HANDLER.store(true, Ordering::SeqCst);
    let begin = Instant::now();
    while !FORKED.load(Ordering::SeqCst) && begin.elapsed() < TEST_TIMEOUT {
        std::hint::spin_loop();
    }
}

/// Fails if a fork waits for the allocation of a ring. The memory becomes accessible before it is
/// allocated; the creating thread is stopped then.
#[test]
fn a_process_forks_while_a_ring_is_allocated() {
    let is_mapped = || {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        maps.lines().any(|line| line.contains("rw-s") && line.contains("/memfd:seqring"))
    };
    // SAFETY: the handler stores, loads and reads the clock.
    unsafe { libc::signal(libc::SIGUSR1, wait_for_fork as *const () as libc::sighandler_t) };
    let creator = std::thread::spawn(|| {
        // The signal may interrupt the allocation, and creation fail.
        let _ring = Ring::anonymous(&Config::slots(256).of_bytes(1 << 20));
        while !IN_HANDLER.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
    });
    while !is_mapped() {
        assert!(!creator.is_finished());
    }
    // SAFETY: the thread is not joined yet.
    assert_eq!(unsafe { libc::pthread_kill(creator.as_pthread_t(), libc::SIGUSR1) }, 0);
    while !IN_HANDLER.load(Ordering::SeqCst) {
        std::thread::yield_now();
    }
    let begin = Instant::now();
    let Some(child) = fork() else { in_child(|| ()) };
    let waited = begin.elapsed();
    FORKED.store(true, Ordering::SeqCst);
    assert!(succeeded(child));
    creator.join().unwrap();
    assert!(waited < TEST_TIMEOUT, "the fork waited until the allocation continued");
}

/// Fails if the locks that a child inherits outlive its parent.
#[test]
fn a_killed_parent_is_detected_while_its_child_lives() {
    let verbs = ["fork-and-die", "limit-and-die"];
    for (config, verb) in kinds().into_iter().flat_map(|config| verbs.map(|verb| (config.clone(), verb))) {
        let (name, ring) = create("fork-die", &config);
        let mut parent = Peer::start(verb, &name);
        let child = Pid::from_raw(parent.answer().parse().unwrap()).unwrap();
        let pid = parent.pid();
        parent.kill();
        // The child releases the inherited locks when it first runs. That may be after its parent's
        // end.
        let living = || ring.participants().iter().filter(|one| one.alive).count();
        let wait_for_living = |count: usize| {
            let begin = Instant::now();
            while living() > count {
                assert!(begin.elapsed() < TEST_TIMEOUT, "the child keeps its parent alive: {config:?}");
                std::thread::yield_now();
            }
        };
        wait_for_living(0);
        if config == kinds()[5] {
            let mut taker = ring.taker().unwrap();
            taker.take_timeout(TEST_TIMEOUT).unwrap();
            assert_eq!(taker.take_timeout(TEST_TIMEOUT).err(), Some(ReadError::WriterDied { pid }));
        } else {
            let mut reader = ring.reader(Start::Next).unwrap();
            let died = reader.read_timeout(&mut [0; SLOT_BYTES], TEST_TIMEOUT);
            assert_eq!(died, Err(ReadError::WriterDied { pid }), "{config:?}");
            drop(reader);
            let mut writer = ring.writer().unwrap();
            for sequence in 1..10 {
                writer.write_timeout(&message(sequence, SLOT_BYTES), TEST_TIMEOUT).unwrap();
            }
            // The writer only. Dead readers for which no writer waited stay in the table until
            // another takes their entries.
            wait_for_living(1);
        }
        drop(ring);
        assert!(!path_of(&name).exists(), "the child keeps the name");
        kill_process(child, Signal::KILL).unwrap();
    }
}
