//! What a ring promises, on every backend: one suite, and what a backend does not offer is skipped by name.
//!
//! Whoever has a location or a descriptor opens the ring a second time within this process: that is a handle with a
//! mapping, locks and waits of its own, as in another process. What dies is another process: this very test binary, run
//! again for the one test `child`.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

mod common;

use common::{assert_whole, fresh_name, message, read_to_the_end};
use seqring::{
    Backend, Capabilities, Config, Delivery, Location, Observer, OpenOptions, ReadError, Ring, RingError,
    SlotClass, Start, TryReadError, TryWriteError, Writers,
};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

const SLOT_BYTES: usize = 300;
const SLOTS: usize = 5;
const NEVER: Duration = Duration::from_secs(20);

/// A ring on some backend, and how others get to it.
struct Place {
    ring: Ring,
    location: Option<Location>,
}

impl Place {
    fn new(backend: Backend, config: &Config) -> Self {
        let name = fresh_name("conformance");
        let location = match backend {
            Backend::File => Some(Location::named(name)),
            Backend::Portable => Some(Location::portable(name)),
            Backend::Heap | Backend::Memfd => None,
        };
        let ring = match (&location, backend) {
            (Some(location), _) => Ring::create(location, config),
            (None, Backend::Memfd) => Ring::anonymous(config),
            (None, _) => Ring::heap(config),
        };
        let ring = ring.unwrap();
        assert_eq!(ring.capabilities(), Capabilities::of(backend));
        Place { ring, location }
    }

    /// A handle of its own, where that can be had; else a clone of the creator's.
    fn other(&self) -> Ring {
        match &self.location {
            Some(location) => Ring::open(location).unwrap(),
            None if self.capabilities().descriptors => {
                Ring::from_descriptor(self.ring.descriptor().unwrap()).unwrap()
            }
            None => self.ring.clone(),
        }
    }

    fn capabilities(&self) -> Capabilities {
        self.ring.capabilities()
    }

    /// A child that does `what` with the ring.
    fn peer(&self, what: &str) -> Child {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["child", "--exact", "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let inherited = self.location.is_none().then(|| self.ring.descriptor().unwrap()); // Until the child is there.
        let address = if let Some(location) = &self.location {
            format!("{} {what} {}", location.backend() == Backend::Portable, location.name())
        } else {
            let descriptor = inherited.as_ref().unwrap();
            rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::empty()).unwrap(); // Lets a child have it.
            format!("descriptor {what} {}", descriptor.as_raw_fd())
        };
        let mut child = command.env("SEQRING_CONFORMANCE", address).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.ends_with("joined")), "the child did not join");
        drop(inherited);
        child
    }
}

#[test]
#[ignore = "this is what the children of the other tests run"]
fn child() {
    let Ok(order) = std::env::var("SEQRING_CONFORMANCE") else { return };
    let [how, what, address] = order.split(' ').collect::<Vec<_>>()[..] else { panic!("{order}") };
    let ring = match how {
        "descriptor" => {
            let inherited = format!("/proc/self/fd/{address}");
            Ring::from_descriptor(File::options().read(true).write(true).open(inherited).unwrap())
        }
        "true" => Ring::open(Location::portable(address)),
        _ => Ring::open(address),
    };
    let ring = ring.unwrap();
    let (writer, reader) = match what {
        "write" => (Some(ring.writer().unwrap()), None),
        "read" => (None, Some(ring.reader(Start::Next).unwrap())),
        other => panic!("{other}"),
    };
    println!("joined");
    let _ = std::io::stdin().read_line(&mut String::new());
    drop((writer, reader));
}

const BACKENDS: [Backend; 4] = [Backend::Heap, Backend::File, Backend::Memfd, Backend::Portable];

fn backends() -> impl Iterator<Item = Backend> {
    BACKENDS.into_iter().filter(|backend| *backend != Backend::Portable || cfg!(feature = "portable"))
}

/// The backends that offer something; the others are named.
fn offering(what: &str, offers: impl Fn(Capabilities) -> bool) -> Vec<Backend> {
    let (with, without): (Vec<_>, Vec<_>) =
        backends().partition(|backend| offers(Capabilities::of(*backend)));
    println!("{what}: run on {with:?}, skipped on {without:?}");
    assert!(!with.is_empty());
    with
}

fn config(delivery: Delivery, class: SlotClass) -> Config {
    Config::new(SLOTS, SLOT_BYTES).slot_class(class).delivery(delivery)
}

/// Fails with anything of a backend that only works within one mapping.
#[test]
fn a_stream_reaches_readers_of_other_handles_whole() {
    const COUNT: u64 = 2000;
    for backend in backends() {
        for class in common::CLASSES {
            for delivery in common::DELIVERIES {
                let place = Place::new(backend, &config(delivery, class));
                let handles = [place.other(), place.other()];
                let readers = handles.each_ref().map(|handle| handle.reader(Start::Next).unwrap());
                std::thread::scope(|scope| {
                    let reading = readers
                        .map(|mut reader| scope.spawn(move || read_to_the_end(&mut reader, SLOT_BYTES)));
                    let mut writer = place.ring.writer().unwrap();
                    for sequence in 0..COUNT {
                        writer.write_timeout(&message(sequence, SLOT_BYTES), NEVER).unwrap();
                    }
                    drop(writer);
                    for got in reading.map(|reading| reading.join().unwrap()) {
                        assert_eq!(got.read + got.missed, COUNT, "{backend:?} {class:?} {delivery:?}");
                        assert!(delivery == Delivery::Lossy || got.missed == 0, "{backend:?} {class:?}");
                    }
                });
            }
        }
    }
}

/// Fails if two handles can hold one entry: with locks that do not know each other, say.
#[test]
fn an_entry_is_held_once_whichever_handle_asks() {
    for backend in backends() {
        let place = Place::new(backend, &config(Delivery::Gated, SlotClass::Lines).participants(4));
        let (one, two) = (place.other(), place.other());
        let writer = one.writer().unwrap();
        assert!(
            two.writer().is_err() && one.writer().is_err() && place.ring.writer().is_err(),
            "{backend:?}"
        );
        let readers: Vec<_> = [&one, &two, &place.ring].map(|ring| ring.reader(Start::Next).unwrap()).into();
        assert!(two.reader(Start::Next).is_err(), "{backend:?}");
        for ring in [&place.ring, &one, &two] {
            let participants = ring.participants();
            assert!(participants.iter().all(|one| one.alive), "{backend:?}: {participants:?}");
            let entries: BTreeSet<_> = participants.iter().map(|one| one.entry).collect();
            assert_eq!(entries, BTreeSet::from([0, 1, 2, 3]), "{backend:?}");
        }
        drop((writer, readers));
        assert!(two.writer().is_ok() && place.ring.participants().is_empty(), "{backend:?}");
    }
}

/// Fails if a ring of many, or a queue, needs more than what each backend has.
#[test]
fn many_writers_and_takers_meet_in_every_backend() {
    const EACH: u64 = 200;
    for backend in backends() {
        for delivery in [Delivery::Gated, Delivery::Queue] {
            let config =
                Config::new(SLOTS, SLOT_BYTES).writers(Writers::Many).delivery(delivery).participants(6);
            let place = Place::new(backend, &config);
            let got = Mutex::new(BTreeSet::new());
            let ends = [place.other(), place.other()];
            let mut reader = (delivery == Delivery::Gated).then(|| ends[0].reader(Start::Next).unwrap());
            let mut taker = (delivery == Delivery::Queue).then(|| ends[0].taker().unwrap());
            let writers = [place.ring.writer().unwrap(), ends[1].writer().unwrap()];
            std::thread::scope(|scope| {
                for (number, mut writer) in (0_u64..).zip(writers) {
                    scope.spawn(move || {
                        for sequence in number * EACH..(number + 1) * EACH {
                            writer.write_timeout(&sequence.to_le_bytes(), NEVER).unwrap();
                        }
                    });
                }
                for _ in 0..2 * EACH {
                    let bytes = match (&mut reader, &mut taker) {
                        (Some(reader), _) => reader.view_timeout(NEVER).unwrap().to_vec(),
                        (_, Some(taker)) => taker.take_timeout(NEVER).unwrap().to_vec(),
                        _ => unreachable!(),
                    };
                    assert!(got.lock().unwrap().insert(bytes), "{backend:?} {delivery:?}: twice");
                }
            });
            assert_eq!(got.lock().unwrap().len(), 2 * EACH as usize);
        }
    }
}

/// Fails if a waiting reader is neither woken nor looks again, or if it sleeps beyond its timeout's end for good.
#[test]
fn waits_end_by_a_message_by_the_end_and_by_time() {
    for backend in backends() {
        let place = Place::new(backend, &config(Delivery::Gated, SlotClass::Lines));
        let mut reader = place.other().reader(Start::Next).unwrap();
        let mut out = [0; SLOT_BYTES];
        let late = reader.read_timeout(&mut out, Duration::from_millis(5));
        assert!(matches!(late, Err(ReadError::TimedOut { .. })), "{backend:?}: {late:?}");
        let mut writer = place.ring.writer().unwrap();
        std::thread::scope(|scope| {
            let reading = scope.spawn(move || read_to_the_end(&mut reader, SLOT_BYTES));
            for sequence in 0..3 * SLOTS as u64 {
                writer.write_timeout(&message(sequence, SLOT_BYTES), NEVER).unwrap();
            }
            drop(writer);
            assert_eq!(reading.join().unwrap().read, 3 * SLOTS as u64, "{backend:?}");
        });
    }
}

/// Fails if a backend that says so does not notice the dead: a writer would wait for ever, and nobody could succeed one.
#[test]
fn who_is_killed_is_noticed_where_the_backend_says_so() {
    for backend in offering("liveness", |offers| offers.liveness) {
        let place = Place::new(backend, &config(Delivery::Gated, SlotClass::Arena));
        let mut victim = place.peer("read");
        let mut writer = place.ring.writer().unwrap();
        while writer.try_write(b"x") != Err(TryWriteError::Full) {}
        let alive = |pid| place.ring.participants().iter().find(|one| one.pid == pid).map(|one| one.alive);
        assert_eq!(alive(victim.id()), Some(true), "{backend:?}");
        victim.kill().unwrap();
        victim.wait().unwrap();
        assert_eq!(alive(victim.id()), Some(false), "{backend:?}");
        assert!(writer.write_timeout(b"x", NEVER).is_ok(), "{backend:?}");
        drop(writer);
        let mut victim = place.peer("write");
        let mut reader = place.ring.reader(Start::Next).unwrap();
        assert_eq!(reader.try_read(&mut [0; SLOT_BYTES]), Err(TryReadError::Empty));
        victim.kill().unwrap();
        victim.wait().unwrap();
        assert!(place.ring.writer().is_ok(), "{backend:?}: the dead writer's entry is not free");
    }
}

/// Fails if a name outlives its last user, is not kept when it should be, or is taken twice.
#[test]
fn a_name_lives_as_long_as_its_users_or_as_it_is_told() {
    for backend in offering("names", |offers| offers.named) {
        let place = Place::new(backend, &config(Delivery::Gated, SlotClass::Lines));
        let location = place.location.clone().unwrap();
        let other = place.other();
        let twice = Ring::create(&location, place.ring.config());
        assert!(matches!(twice, Err(RingError::AlreadyExists { .. })), "{backend:?}: {twice:?}");
        drop(place);
        assert!(Ring::open(&location).is_ok(), "{backend:?}: the creator took the name along");
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
        // The portable backend keeps files beside the ring, named by what the ring's own file says.
        let path = location.path().unwrap();
        let id = match backend {
            Backend::Portable => std::fs::read_to_string(&path).unwrap(),
            _ => location.name().into(),
        };
        Ring::unlink(&location).unwrap();
        let id = id.trim_start_matches('/');
        for directory in [path.parent().unwrap(), std::path::Path::new("/dev/shm")] {
            let mut left = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
            assert!(
                !left.any(|name| name.to_string_lossy().contains(id)),
                "{backend:?}: something of {id} is left"
            );
        }
        assert!(matches!(Ring::unlink(&location), Err(RingError::NotFound { .. })), "{backend:?}");
    }
}

/// Fails if a ring that is used, or kept, is removed or replaced; or one that nobody uses is not.
#[test]
fn what_killed_users_left_can_be_removed_and_replaced_and_nothing_else() {
    let config = config(Delivery::Gated, SlotClass::Lines);
    let replace = OpenOptions::new().replace_unused(true);
    for backend in offering("names", |offers| offers.named) {
        let orphan = |config: &Config| {
            let place = Place::new(backend, config);
            let location = place.location.clone().unwrap();
            place.ring.writer().unwrap().write(b"x").unwrap();
            let mut victim = place.peer("read");
            drop(place);
            assert!(!Ring::unlink_unused(&location, true).unwrap(), "{backend:?}: it is in use");
            let refused = replace.create(&location, config);
            assert!(matches!(refused, Err(RingError::AlreadyExists { .. })), "{backend:?}: {refused:?}");
            victim.kill().unwrap();
            victim.wait().unwrap();
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
        assert!(replace.create(&location, &config).is_ok(), "{backend:?}: there need not be one");
        let location = orphan(&config);
        let ring = replace.open_or_create(&location, &config).unwrap();
        assert_eq!(ring.next_sequence(), 0, "{backend:?}: the old ring");
        ring.writer().unwrap().write(b"x").unwrap();
        let same = replace.open_or_create(&location, &config).unwrap();
        assert_eq!(same.next_sequence(), 1, "{backend:?}: not the ring that is in use");
        drop((ring, same));
        let location = orphan(&config);
        assert!(Ring::unlink_unused(&location, false).unwrap() && !location.path().unwrap().exists());
        let location = orphan(&config.clone().keep(true));
        assert!(!Ring::unlink_unused(&location, false).unwrap(), "{backend:?}: it was to be kept");
        assert!(replace.create(&location, &config).is_err() && Ring::open(&location).is_ok(), "{backend:?}");
        assert!(Ring::unlink_unused(&location, true).unwrap() && !location.path().unwrap().exists());
    }
}

/// Fails if an observer is noticed, if it holds somebody back, or if it takes a torn message or miscounts.
#[test]
fn an_observer_sees_what_goes_by_and_nobody_sees_it() {
    for backend in offering("observers", |offers| offers.observers) {
        for class in common::CLASSES {
            for delivery in common::DELIVERIES {
                let place = Place::new(backend, &config(delivery, class).observers(true));
                let descriptor = place.ring.read_only_descriptor().unwrap();
                let mut observer = Observer::from_descriptor(descriptor, Start::Next).unwrap();
                let watching = std::thread::spawn(move || {
                    let (mut out, mut read) = ([0; SLOT_BYTES], 0);
                    loop {
                        match observer.read_timeout(&mut out, NEVER) {
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
                let mut reader = place.ring.reader(Start::Next).unwrap();
                let mut writer = place.ring.writer().unwrap();
                let mut out = [0; SLOT_BYTES];
                for sequence in 0..5000 {
                    writer.try_write(&message(sequence, SLOT_BYTES)).expect("an observer holds nobody back");
                    reader.try_read(&mut out).unwrap();
                }
                assert_eq!(place.ring.participants().len(), 2);
                drop(writer);
                assert_eq!(watching.join().unwrap(), 5000, "{backend:?} {class:?} {delivery:?}");
            }
        }
    }
}

/// Fails if what is asked of a backend that cannot do it is not refused by name.
#[test]
fn what_a_backend_does_not_offer_is_refused() {
    for backend in backends() {
        let place = Place::new(backend, &config(Delivery::Gated, SlotClass::Lines));
        let offers = place.capabilities();
        assert_eq!(place.ring.descriptor().is_ok(), offers.descriptors, "{backend:?}");
        assert_eq!(place.ring.seal_against_writers().is_ok(), offers.sealing, "{backend:?}");
        assert_eq!(place.ring.path().is_some(), offers.named, "{backend:?}");
        if !offers.descriptors {
            let error = place.ring.descriptor().unwrap_err();
            assert!(error.to_string().contains(&format!("{backend:?}")), "{error}");
        }
    }
}
