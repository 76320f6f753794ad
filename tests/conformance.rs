//! The promises of a ring on every backend: one suite. A backend without a capability is skipped,
//! and the output names it.
//!
//! Where a ring has a location or a descriptor, a test opens it a second time within this process:
//! a handle with its own mapping, locks and waits, as in another process. The processes that die
//! are this test binary, run again for its one test `child`.
#![allow(missing_docs)]

mod common;

#[cfg(target_os = "linux")]
use common::assert_whole;
use common::peer::{Peer, answer, order, wait_for_parent};
use common::{TEST_TIMEOUT, fresh_name, kinds, message, read_to_the_end};
#[cfg(target_os = "linux")]
use seqring::Observer;
use seqring::{
    Backend, Capabilities, Config, Delivery, Location, OpenOptions, ReadError, Ring, RingError, SlotClass,
    Start, TryReadError, TryWriteError, Writers,
};
use std::collections::BTreeSet;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::sync::Mutex;
use std::time::Duration;

const SLOT_BYTES: usize = 300;
const SLOTS: usize = 5;

/// A ring on some backend, and the ways to it.
struct Subject {
    ring: Ring,
    location: Option<Location>,
}

impl Subject {
    fn new(backend: Backend, config: &Config) -> Self {
        let name = fresh_name("conformance");
        let location = match backend {
            Backend::File => Some(Location::named(name)),
            Backend::Portable => Some(Location::portable(name)),
            _ => None,
        };
        let ring = match (&location, backend) {
            (Some(location), _) => Ring::create(location, config),
            #[cfg(target_os = "linux")]
            (None, Backend::Memfd) => Ring::anonymous(config),
            (None, _) => Ring::heap(config),
        };
        let ring = ring.unwrap();
        assert_eq!(ring.capabilities(), Capabilities::of(backend));
        Subject { ring, location }
    }

    /// A second handle where the backend has one, else a clone of the creator's.
    fn other(&self) -> Ring {
        match &self.location {
            Some(location) => Ring::open(location).unwrap(),
            #[cfg(target_os = "linux")]
            None if self.ring.capabilities().descriptors => {
                Ring::from_descriptor(self.ring.descriptor().unwrap()).unwrap()
            }
            None => self.ring.clone(),
        }
    }

    /// A child that registers with the ring: `verb` is `write` or `read`.
    fn peer(&self, verb: &str) -> Peer {
        let Some(location) = &self.location else { return self.heir(verb) };
        let address = format!("{} {}", location.backend() == Backend::Portable, location.name());
        Peer::ready(verb, &address)
    }

    /// The same, by a descriptor that the child inherits.
    #[cfg(target_os = "linux")]
    fn heir(&self, verb: &str) -> Peer {
        let descriptor = self.ring.descriptor().unwrap(); // Open until the child has registered.
        rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::empty()).unwrap(); // Inheritable.
        Peer::ready(verb, &format!("descriptor {}", descriptor.as_raw_fd()))
    }

    #[cfg(not(target_os = "linux"))]
    fn heir(&self, verb: &str) -> Peer {
        panic!("{verb}: only a named ring has peers here")
    }
}

#[test]
#[ignore = "the child processes of the other tests run this"]
fn child() {
    let Some((verb, address)) = order() else { return };
    let ring = match address.split_once(' ').unwrap() {
        #[cfg(target_os = "linux")]
        ("descriptor", number) => {
            let inherited = format!("/proc/self/fd/{number}");
            Ring::from_descriptor(std::fs::File::options().read(true).write(true).open(inherited).unwrap())
        }
        ("true", name) => Ring::open(Location::portable(name)),
        (_, name) => Ring::open(name),
    };
    let ring = ring.unwrap();
    let _registered = match verb.as_str() {
        "write" => (Some(ring.writer().unwrap()), None),
        "read" => (None, Some(ring.reader(Start::Next).unwrap())),
        other => panic!("{other}"),
    };
    answer("registered");
    wait_for_parent();
}

const BACKENDS: [Backend; 4] = [Backend::Heap, Backend::File, Backend::Memfd, Backend::Portable];

fn backends() -> impl Iterator<Item = Backend> {
    BACKENDS.into_iter().filter(|backend| match backend {
        Backend::File | Backend::Memfd => cfg!(target_os = "linux"),
        Backend::Portable => cfg!(feature = "portable"),
        _ => true,
    })
}

/// The backends with a capability. The output names the others.
fn offering(what: &str, offers: impl Fn(Capabilities) -> bool) -> Vec<Backend> {
    let (with, without): (Vec<_>, Vec<_>) =
        backends().partition(|backend| offers(Capabilities::of(*backend)));
    println!("{what}: run on {with:?}, skipped on {without:?}");
    assert!(!with.is_empty());
    with
}

fn config(delivery: Delivery, class: SlotClass) -> Config {
    Config::slots(SLOTS).of_bytes(SLOT_BYTES).slot_class(class).delivery(delivery)
}

/// Fails if a backend has state that works within one mapping only.
#[test]
fn a_stream_reaches_readers_of_other_handles_whole() {
    const COUNT: u64 = 2000;
    for backend in backends() {
        for (class, delivery) in kinds() {
            let subject = Subject::new(backend, &config(delivery, class));
            let handles = [subject.other(), subject.other()];
            let readers = handles.each_ref().map(|handle| handle.reader(Start::Next).unwrap());
            std::thread::scope(|scope| {
                let reading =
                    readers.map(|mut reader| scope.spawn(move || read_to_the_end(&mut reader, SLOT_BYTES)));
                let mut writer = subject.ring.writer().unwrap();
                for sequence in 0..COUNT {
                    writer.write_timeout(&message(sequence, SLOT_BYTES), TEST_TIMEOUT).unwrap();
                }
                drop(writer);
                for counts in reading.map(|reading| reading.join().unwrap()) {
                    assert_eq!(counts.total(), COUNT, "{backend:?} {class:?} {delivery:?}");
                    assert!(delivery == Delivery::Lossy || counts.lost == 0, "{backend:?} {class:?}");
                }
            });
        }
    }
}

/// Fails if two handles can hold one entry at the same time, for example with locks that do not
/// exclude each other.
#[test]
fn an_entry_has_one_holder_across_handles() {
    for backend in backends() {
        let subject = Subject::new(backend, &config(Delivery::Gated, SlotClass::Lines).participants(4));
        let (one, two) = (subject.other(), subject.other());
        let writer = one.writer().unwrap();
        assert!(
            two.writer().is_err() && one.writer().is_err() && subject.ring.writer().is_err(),
            "{backend:?}"
        );
        let readers: Vec<_> =
            [&one, &two, &subject.ring].map(|ring| ring.reader(Start::Next).unwrap()).into();
        assert!(two.reader(Start::Next).is_err(), "{backend:?}");
        for ring in [&subject.ring, &one, &two] {
            let participants = ring.participants();
            assert!(participants.iter().all(|one| one.alive), "{backend:?}: {participants:?}");
            let entries: BTreeSet<_> = participants.iter().map(|one| one.entry).collect();
            assert_eq!(entries, BTreeSet::from([0, 1, 2, 3]), "{backend:?}");
        }
        drop((writer, readers));
        assert!(two.writer().is_ok() && subject.ring.participants().is_empty(), "{backend:?}");
    }
}

/// Fails if a ring of many writers, or a queue, needs a capability that some backend lacks.
#[test]
fn many_writers_and_takers_work_on_every_backend() {
    const EACH: u64 = 200;
    for backend in backends() {
        for delivery in [Delivery::Gated, Delivery::Queue] {
            let config = Config::slots(SLOTS)
                .of_bytes(SLOT_BYTES)
                .writers(Writers::Many)
                .delivery(delivery)
                .participants(6);
            let subject = Subject::new(backend, &config);
            let got = Mutex::new(BTreeSet::new());
            let others = [subject.other(), subject.other()];
            let mut reader = (delivery == Delivery::Gated).then(|| others[0].reader(Start::Next).unwrap());
            let mut taker = (delivery == Delivery::Queue).then(|| others[0].taker().unwrap());
            let writers = [subject.ring.writer().unwrap(), others[1].writer().unwrap()];
            std::thread::scope(|scope| {
                for (number, mut writer) in (0_u64..).zip(writers) {
                    scope.spawn(move || {
                        for sequence in number * EACH..(number + 1) * EACH {
                            writer.write_timeout(&sequence.to_le_bytes(), TEST_TIMEOUT).unwrap();
                        }
                    });
                }
                for _ in 0..2 * EACH {
                    let bytes = match (&mut reader, &mut taker) {
                        (Some(reader), _) => reader.view_timeout(TEST_TIMEOUT).unwrap().to_vec(),
                        (_, Some(taker)) => taker.take_timeout(TEST_TIMEOUT).unwrap().to_vec(),
                        _ => unreachable!(),
                    };
                    assert!(got.lock().unwrap().insert(bytes), "{backend:?} {delivery:?}: twice");
                }
            });
            assert_eq!(got.lock().unwrap().len(), 2 * EACH as usize);
        }
    }
}

/// Fails if a waiting reader is neither woken nor polls again, or if it sleeps past its timeout.
#[test]
fn a_wait_ends_with_a_message_the_end_of_the_stream_or_its_timeout() {
    for backend in backends() {
        let subject = Subject::new(backend, &config(Delivery::Gated, SlotClass::Lines));
        let mut reader = subject.other().reader(Start::Next).unwrap();
        let mut out = [0; SLOT_BYTES];
        let late = reader.read_timeout(&mut out, Duration::from_millis(5));
        assert!(matches!(late, Err(ReadError::TimedOut { .. })), "{backend:?}: {late:?}");
        let mut writer = subject.ring.writer().unwrap();
        std::thread::scope(|scope| {
            let reading = scope.spawn(move || read_to_the_end(&mut reader, SLOT_BYTES));
            for sequence in 0..3 * SLOTS as u64 {
                writer.write_timeout(&message(sequence, SLOT_BYTES), TEST_TIMEOUT).unwrap();
            }
            drop(writer);
            assert_eq!(reading.join().unwrap().read, 3 * SLOTS as u64, "{backend:?}");
        });
    }
}

/// Fails if a backend with liveness does not detect a dead process: a writer would wait for ever
/// for a dead reader, and a dead writer would have no successor.
#[test]
fn a_killed_process_is_detected_on_backends_with_liveness() {
    for backend in offering("liveness", |offers| offers.liveness) {
        let subject = Subject::new(backend, &config(Delivery::Gated, SlotClass::Arena));
        let victim = subject.peer("read");
        let mut writer = subject.ring.writer().unwrap();
        while writer.try_write(b"x") != Err(TryWriteError::Full) {}
        let alive = |pid| subject.ring.participants().iter().find(|one| one.pid == pid).map(|one| one.alive);
        let pid = victim.pid();
        assert_eq!(alive(pid), Some(true), "{backend:?}");
        victim.kill();
        assert_eq!(alive(pid), Some(false), "{backend:?}");
        assert!(writer.write_timeout(b"x", TEST_TIMEOUT).is_ok(), "{backend:?}");
        drop(writer);
        let victim = subject.peer("write");
        let mut reader = subject.ring.reader(Start::Next).unwrap();
        assert_eq!(reader.try_read(&mut [0; SLOT_BYTES]), Err(TryReadError::Empty));
        victim.kill();
        assert!(subject.ring.writer().is_ok(), "{backend:?}: the dead writer's entry is not free");
    }
}

/// Fails if a name outlives its last user, is not kept with `keep`, or is created twice.
#[test]
fn a_name_exists_until_its_last_user_leaves_or_is_kept() {
    for backend in offering("names", |offers| offers.named) {
        let subject = Subject::new(backend, &config(Delivery::Gated, SlotClass::Lines));
        let location = subject.location.clone().unwrap();
        let other = subject.other();
        let twice = Ring::create(&location, subject.ring.config());
        assert!(matches!(twice, Err(RingError::AlreadyExists { .. })), "{backend:?}: {twice:?}");
        drop(subject);
        assert!(Ring::open(&location).is_ok(), "{backend:?}: the creator removed the name");
        drop(other);
        let gone = Ring::open(&location);
        assert!(matches!(gone, Err(RingError::NotFound { .. })), "{backend:?}: {gone:?}");
        assert!(!location.path().unwrap().exists());

        let kept = Ring::create(&location, &config(Delivery::Gated, SlotClass::Lines).keep(true)).unwrap();
        kept.writer().unwrap().write(b"still there").unwrap();
        drop(kept);
        let again = Ring::open(&location).unwrap();
        assert_eq!(again.next_sequence(), 1, "{backend:?}");
        drop(again);
        // The portable backend keeps files beside the ring; the ring's own file contains their
        // names.
        let path = location.path().unwrap();
        let id = match backend {
            Backend::Portable => std::fs::read_to_string(&path).unwrap(),
            _ => location.name().into(),
        };
        Ring::unlink(&location).unwrap();
        let id = id.trim_start_matches('/');
        let memory = cfg!(target_os = "linux").then(|| std::path::Path::new("/dev/shm"));
        for directory in path.parent().into_iter().chain(memory) {
            let mut left = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
            assert!(
                !left.any(|name| name.to_string_lossy().contains(id)),
                "{backend:?}: something of {id} is left"
            );
        }
        assert!(matches!(Ring::unlink(&location), Err(RingError::NotFound { .. })), "{backend:?}");
    }
}

/// Fails if a ring in use, or a kept ring, is removed or replaced; or if an unused one is not.
#[test]
fn only_an_unused_ring_can_be_removed_or_replaced() {
    let config = config(Delivery::Gated, SlotClass::Lines);
    let replace = OpenOptions::new().replace_unused(true);
    for backend in offering("names", |offers| offers.named) {
        let orphan = |config: &Config| {
            let subject = Subject::new(backend, config);
            let location = subject.location.clone().unwrap();
            subject.ring.writer().unwrap().write(b"x").unwrap();
            let victim = subject.peer("read");
            drop(subject);
            assert!(!Ring::unlink_unused_even_kept(&location).unwrap(), "{backend:?}: it is in use");
            let refused = replace.create(&location, config);
            assert!(matches!(refused, Err(RingError::AlreadyExists { .. })), "{backend:?}: {refused:?}");
            victim.kill();
            location
        };
        let location = orphan(&config);
        assert!(
            matches!(Ring::create(&location, &config), Err(RingError::AlreadyExists { .. })),
            "{backend:?}"
        );
        let ring = replace.create(&location, &config).unwrap();
        assert_eq!((ring.next_sequence(), ring.participants().len()), (0, 0), "{backend:?}: the old ring");
        drop(ring);
        assert!(replace.create(&location, &config).is_ok(), "{backend:?}: there is no old ring");
        let location = orphan(&config);
        let ring = replace.open_or_create(&location, &config).unwrap();
        assert_eq!(ring.next_sequence(), 0, "{backend:?}: the old ring");
        ring.writer().unwrap().write(b"x").unwrap();
        let same = replace.open_or_create(&location, &config).unwrap();
        assert_eq!(same.next_sequence(), 1, "{backend:?}: not the ring that is in use");
        drop((ring, same));
        let location = orphan(&config);
        assert!(Ring::unlink_unused(&location).unwrap() && !location.path().unwrap().exists());
        let location = orphan(&config.clone().keep(true));
        assert!(!Ring::unlink_unused(&location).unwrap(), "{backend:?}: it was to be kept");
        assert!(replace.create(&location, &config).is_err() && Ring::open(&location).is_ok(), "{backend:?}");
        assert!(Ring::unlink_unused_even_kept(&location).unwrap() && !location.path().unwrap().exists());
    }
}

/// Fails if an observer appears among the participants, blocks the writer, accepts a torn message,
/// or miscounts.
#[cfg(target_os = "linux")]
#[test]
fn an_observer_sees_the_stream_and_does_not_affect_it() {
    for backend in offering("observers", |offers| offers.observers) {
        for (class, delivery) in kinds() {
            let subject = Subject::new(backend, &config(delivery, class).observers(true));
            let descriptor = subject.ring.read_only_descriptor().unwrap();
            let mut observer = Observer::from_descriptor(descriptor, Start::Next).unwrap();
            let observing = std::thread::spawn(move || {
                let (mut out, mut read) = ([0; SLOT_BYTES], 0);
                loop {
                    match observer.read_timeout(&mut out, TEST_TIMEOUT) {
                        Ok(received) => {
                            assert_whole(received, &out[..received.len], SLOT_BYTES);
                            read += 1;
                        }
                        Err(ReadError::Lagged(_)) => {}
                        Err(ReadError::Closed) => return read + observer.lost(),
                        Err(other) => panic!("{other}"),
                    }
                }
            });
            let mut reader = subject.ring.reader(Start::Next).unwrap();
            let mut writer = subject.ring.writer().unwrap();
            let mut out = [0; SLOT_BYTES];
            for sequence in 0..5000 {
                let written = writer.try_write(&message(sequence, SLOT_BYTES));
                written.expect("an observer does not block the writer");
                reader.try_read(&mut out).unwrap();
            }
            assert_eq!(subject.ring.participants().len(), 2);
            drop(writer);
            assert_eq!(observing.join().unwrap(), 5000, "{backend:?} {class:?} {delivery:?}");
        }
    }
}

/// Fails if an operation that a backend lacks does not return an error that names the backend.
#[cfg(target_os = "linux")]
#[test]
fn an_operation_that_a_backend_lacks_is_refused() {
    for backend in backends() {
        let subject = Subject::new(backend, &config(Delivery::Gated, SlotClass::Lines));
        let offers = subject.ring.capabilities();
        assert_eq!(subject.ring.descriptor().is_ok(), offers.descriptors, "{backend:?}");
        assert_eq!(subject.ring.seal_against_writers().is_ok(), offers.sealing, "{backend:?}");
        assert_eq!(subject.ring.path().is_some(), offers.named, "{backend:?}");
        if !offers.descriptors {
            let error = subject.ring.descriptor().unwrap_err();
            assert!(error.to_string().contains(&format!("{backend:?}")), "{error}");
        }
    }
}
