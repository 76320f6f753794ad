//! What a forked child may do with what it inherited, and that its parent's death is noticed while it lives.
//!
//! The process that forks is this very test binary, run again for the one test `child`: its fork copies one test's
//! thread, and nothing that other tests hold.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]
#![allow(unsafe_code, reason = "fork")]

mod common;
#[path = "common/peer.rs"]
mod peer;

use common::{fresh_name, message, path_of};
use peer::{Peer, answer, order, wait_for_parent};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use seqring::{
    Config, Delivery, MessageHeader, ReadError, Reader, RegisterError, Ring, SlotClass, Start, Taker,
    TryReadError, TryWriteError, WriteError, Writer, Writers,
};
use std::any::Any;
use std::time::{Duration, Instant};

const SLOT_BYTES: usize = 64;
/// How long a call that must not hang may take before the test says that it hangs.
const NEVER: Duration = Duration::from_secs(20);

fn kinds() -> [Config; 6] {
    let config = Config::new(4, SLOT_BYTES);
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
#[ignore = "this is what the children of the other tests run"]
fn child() {
    let Some((what, name)) = order() else { return };
    let ring = Ring::open(&name).unwrap();
    match what.as_str() {
        "fork-and-use" => use_what_was_inherited(&ring, &name),
        "fork-and-die" => {
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
        other => panic!("unknown order {other}"),
    }
}

/// Forks. `None` in the child, which must go on in [`in_child`] and nowhere else.
fn fork() -> Option<Pid> {
    // SAFETY: the child of this process with threads runs Rust code, which allocates: glibc keeps its allocator usable
    // across a fork. It takes no lock that another thread of its parent may have held.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork works");
    Pid::from_raw(pid)
}

/// Runs `part`, and ends the process without running anything that its parent has yet to run.
fn in_child(part: impl FnOnce()) -> ! {
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(part));
    // SAFETY: ends the process at once.
    unsafe { libc::_exit(i32::from(ended.is_err())) }
}

/// A registered reader or taker, to be held.
fn join(ring: &Ring) -> Box<dyn Any> {
    match ring.delivery() {
        Delivery::Queue => Box::new(ring.taker().unwrap()),
        _ => Box::new(ring.reader(Start::Next).unwrap()),
    }
}

fn use_what_was_inherited(ring: &Ring, name: &str) {
    let (mut writer, mut reader) = (ring.writer().unwrap(), join(ring));
    let shows_in_place = ring.delivery() == Delivery::Gated && ring.slot_class() == SlotClass::Arena;
    let mut viewer = shows_in_place.then(|| ring.reader(Start::Next).unwrap());
    writer.write(&message(0, SLOT_BYTES)).unwrap();
    let view = viewer.as_mut().map(|viewer| viewer.view().unwrap());
    let parked =
        (ring.delivery() != Delivery::Queue).then(|| ring.reader(Start::Next).unwrap().park().unwrap());
    let table = |ring: &Ring| -> Vec<_> {
        let participants = ring.participants();
        participants.iter().map(|one| (one.entry, one.role, one.pid, one.position, one.alive)).collect()
    };
    let before = table(ring);
    let Some(child) = fork() else {
        in_child(|| {
            assert_refused(ring, &mut writer, reader.as_mut());
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
            // What it opens itself is its own, and not its child's.
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

fn create(what: &str, config: &Config) -> (String, Ring) {
    let name = fresh_name(what);
    let ring = Ring::create(&name, config).unwrap();
    (name, ring)
}

/// Fails if a child writes into the ring, takes or lets go of anything by what it inherited, or closes the ring.
#[test]
fn a_child_is_refused_what_is_its_parent_s_and_its_parent_keeps_all_of_it() {
    for config in kinds() {
        let (name, _ring) = create("fork-use", &config);
        let mut parent = Peer::start("fork-and-use", &name);
        assert_eq!(parent.answer(), "forked", "{config:?}");
        parent.finish();
    }
}

/// Fails if the locks that a child inherits outlive its parent.
#[test]
fn a_killed_parent_is_found_dead_while_its_child_lives() {
    for config in kinds() {
        let (name, ring) = create("fork-die", &config);
        let mut parent = Peer::start("fork-and-die", &name);
        let child = Pid::from_raw(parent.answer().parse().unwrap()).unwrap();
        let pid = parent.pid();
        parent.kill();
        // The child lets go of what it inherited when it first runs, and that may be after its parent's end.
        let begin = Instant::now();
        while ring.participants().iter().any(|one| one.alive) {
            assert!(begin.elapsed() < NEVER, "the child keeps its parent alive: {config:?}");
            std::thread::yield_now();
        }
        if config == kinds()[5] {
            let mut taker = ring.taker().unwrap();
            taker.take_timeout(NEVER).unwrap();
            assert_eq!(taker.take_timeout(NEVER).err(), Some(ReadError::WriterDied { pid }));
        } else {
            let mut reader = ring.reader(Start::Next).unwrap();
            let told = reader.read_timeout(&mut [0; SLOT_BYTES], NEVER);
            assert_eq!(told, Err(ReadError::WriterDied { pid }), "{config:?}");
            drop(reader);
            let mut writer = ring.writer().unwrap();
            for sequence in 1..10 {
                writer.write_timeout(&message(sequence, SLOT_BYTES), NEVER).unwrap();
            }
            // The child lets go of its copy when it gets to run; and where no writer waits for them, dead readers stay in
            // the table until somebody takes their entries.
            let deadline = Instant::now() + NEVER;
            let living = || ring.participants().iter().filter(|one| one.alive).count();
            while living() > 1 {
                assert!(Instant::now() < deadline, "the dead hold entries: {config:?}");
                std::thread::yield_now();
            }
        }
        drop(ring);
        assert!(!path_of(&name).exists(), "the child keeps the name");
        kill_process(child, Signal::KILL).unwrap();
    }
}
