//! One thread waits for several rings and descriptors. A lost wake fails these tests after a while.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

mod common;

use common::peer::{Peer, answer, order, wait_for_parent};
use common::{TEST_TIMEOUT, create, fresh_name};
use rustix::event::{PollFd, PollFlags, poll};
use seqring::wait::{Descriptor, Source, Token, WaitError, WaitSet};
use seqring::{
    Config, Delivery, Location, Observer, Reader, Ring, Role, Start, Taker, TryReadError, WaitStrategy,
};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

#[test]
#[ignore = "the child processes of the other tests run this"]
fn child() {
    let Some((verb, name)) = order() else { return };
    let ring = Ring::open(name.as_str()).unwrap();
    match verb.as_str() {
        "hold" => {
            let _writer = ring.writer().unwrap();
            answer("ready");
            wait_for_parent();
        }
        "take" => {
            let mut taker = ring.taker().unwrap();
            let _taken = taker.take().unwrap();
            answer("taken");
            wait_for_parent();
        }
        other => panic!("{other}"),
    }
}

fn small() -> Config {
    Config::slots(4).of_bytes(8)
}

/// A heap ring, a file, a memfd, and a ring without wakes, each with this configuration.
fn rings(config: &Config) -> Vec<Ring> {
    vec![
        Ring::heap(config).unwrap(),
        create("wait-set", config).1,
        Ring::anonymous(config).unwrap(),
        Ring::create(Location::portable(fresh_name("wait-set")), config).unwrap(),
    ]
}

fn sleeping<S: Source>() -> WaitSet<S> {
    let mut set = WaitSet::new();
    set.set_wait_strategy(WaitStrategy::SLEEPING);
    set
}

fn write(ring: &Ring, message: u64) {
    ring.writer().unwrap().typed::<u64>().unwrap().write(&message).unwrap();
}

/// Waits until the participants of a role have slept in this ring.
fn wait_until_asleep(ring: &Ring, role: Role) {
    let sleeps = || ring.participants().iter().any(|one| one.role == role && one.sleeps > 0);
    while !sleeps() {
        thread::yield_now();
    }
}

#[test]
fn what_was_there_before_is_reported_until_it_is_used_up() {
    let rings = rings(&small());
    let (name, observed) = create("observed", &small().observers(true));
    let queue = Ring::heap(&small().delivery(Delivery::Queue)).unwrap();
    let (mut sender, receiver) = UnixStream::pair().unwrap();
    let full = Ring::heap(&small()).unwrap();
    let mut slow = full.reader(Start::Next).unwrap();
    let mut writer = full.writer().unwrap();
    while writer.try_write(b"x").is_ok() {}

    let mut readers: Vec<Reader> = rings.iter().map(|ring| ring.reader(Start::Next).unwrap()).collect();
    let mut observer = Observer::open(&name, Start::Oldest).unwrap();
    let mut taker = queue.taker().unwrap();
    let mut socket = Descriptor(&receiver);
    let mut writers: Vec<_> =
        rings.iter().chain([&observed, &queue]).map(|ring| ring.writer().unwrap()).collect();

    let mut set: WaitSet<&mut dyn Source> = WaitSet::new();
    let mut tokens: Vec<Token> = readers.iter_mut().map(|reader| set.add(reader)).collect();
    tokens.extend([set.add(&mut observer), set.add(&mut taker), set.add(&mut socket), set.add(&mut writer)]);
    assert_eq!(set.try_wait(), []);
    for writer in &mut writers {
        writer.write(b"one").unwrap();
    }
    sender.write_all(b"one").unwrap();
    slow.try_read(&mut [0; 8]).unwrap();
    let mut all = set.try_wait();
    all.sort_unstable();
    assert_eq!(all, tokens);
    assert_eq!(set.wait().unwrap().len(), tokens.len(), "reported again");
    assert_eq!(set.wait_timeout(TEST_TIMEOUT).unwrap().len(), tokens.len());
    drop(set);
    for reader in &mut readers {
        reader.try_read(&mut [0; 8]).unwrap();
    }
    observer.try_read(&mut [0; 8]).unwrap();
    drop(taker.try_take().unwrap());
    writer.try_write(b"x").unwrap();
    let mut set: WaitSet<&mut dyn Source> = WaitSet::new();
    for reader in &mut readers {
        set.add(reader);
    }
    set.add(&mut observer);
    set.add(&mut taker);
    set.add(&mut writer);
    assert_eq!(set.try_wait(), []);
    let socket = set.add(&mut socket);
    assert_eq!(set.try_wait(), [socket]);
}

/// One sleeping set for each kind of source, with other sources that stay as they are.
#[test]
fn each_kind_of_source_wakes_a_sleeping_set() {
    /// Waits in a set of `source` and of three idle readers, one of them of a heap ring.
    fn wait_for(source: &mut (dyn Source + Send), act: impl FnOnce() + Send) {
        let idle = rings(&small());
        let mut readers: Vec<_> = idle.iter().take(3).map(|ring| ring.reader(Start::Next).unwrap()).collect();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                let mut set: WaitSet<&mut dyn Source> = sleeping();
                for reader in &mut readers {
                    set.add(reader);
                }
                let token = set.add(source);
                (set.wait_timeout(TEST_TIMEOUT).unwrap(), token)
            });
            wait_until_asleep(&idle[0], Role::Reader);
            act();
            let (ready, token) = waiting.join().unwrap();
            assert_eq!(ready, [token]);
        });
    }
    for ring in rings(&small()) {
        let mut writer = ring.writer().unwrap();
        wait_for(&mut ring.reader(Start::Next).unwrap(), || assert!(writer.write(b"x").is_ok()));
        wait_for(&mut ring.reader(Start::Next).unwrap(), || drop(writer));
    }
    for ring in rings(&small()) {
        let (mut writer, mut reader) = (ring.writer().unwrap(), ring.reader(Start::Next).unwrap());
        while writer.try_write(b"x").is_ok() {}
        wait_for(&mut writer, || assert!(reader.read(&mut [0; 8]).is_ok()));
    }
    for ring in rings(&small().delivery(Delivery::Queue)) {
        let (mut writer, mut taker) = (ring.writer().unwrap(), ring.taker().unwrap());
        wait_for(&mut taker, || assert!(writer.write(b"x").is_ok()));
        while writer.try_write(b"x").is_ok() {}
        wait_for(&mut writer, || drop(taker.take().unwrap()));
    }
    let (name, observed) = create("observed", &small().observers(true));
    let mut writer = observed.writer().unwrap();
    let mut observer = Observer::open(&name, Start::Next).unwrap();
    wait_for(&mut observer, || assert!(writer.write(b"x").is_ok()));
    let (mut sender, receiver) = UnixStream::pair().unwrap();
    wait_for(&mut Descriptor(&receiver), || sender.write_all(b"x").unwrap());
    let (sender, receiver) = UnixStream::pair().unwrap();
    wait_for(&mut Descriptor(&receiver), || drop(sender));
    // A set with a descriptor sleeps in another way: its rings wake it, too.
    let (_sender, receiver) = UnixStream::pair().unwrap();
    for ring in rings(&small()) {
        let mut writer = ring.writer().unwrap();
        let mut reader = ring.reader(Start::Next).unwrap();
        let mut socket = Descriptor(&receiver);
        let mut set: WaitSet<&mut (dyn Source + Send)> = sleeping();
        set.add(&mut socket);
        let token = set.add(&mut reader);
        thread::scope(|scope| {
            let waiting = scope.spawn(move || set.wait_timeout(TEST_TIMEOUT).unwrap());
            wait_until_asleep(&ring, Role::Reader);
            writer.write(b"x").unwrap();
            assert_eq!(waiting.join().unwrap(), [token]);
        });
    }
}

/// Fails if a program that handles only the first of each report never hears of the others.
#[test]
fn each_ready_source_is_reported_first_once_a_round() {
    let ring = Ring::heap(&small()).unwrap();
    let mut set = WaitSet::new();
    let tokens: Vec<_> = (0..5).map(|_| set.add(ring.reader(Start::Next).unwrap())).collect();
    write(&ring, 7);
    for round in 0..3 {
        let first: Vec<_> = tokens.iter().map(|_| set.try_wait()[0]).collect();
        assert_eq!(first, tokens, "round {round}");
    }
    set.remove(tokens[0]).unwrap();
    let late = set.add(ring.reader(Start::Oldest).unwrap());
    assert!(set.remove(tokens[0]).is_none() && late > tokens[4], "no token is given twice");
    let first: Vec<_> = (0..5).map(|_| set.wait().unwrap()[0]).collect();
    assert_eq!(first, [&[late], &tokens[1..]].concat());
}

#[test]
fn a_timeout_names_the_participants_of_all_rings() {
    const SHORT: Duration = Duration::from_millis(1);
    let ring = Ring::heap(&small()).unwrap();
    let (_, shared) = create("named", &small());
    let queue = Ring::heap(&small().delivery(Delivery::Queue)).unwrap();
    let (mut writer, mut reader) = (ring.writer().unwrap(), shared.reader(Start::Next).unwrap());
    let (_slow, _other) = (ring.reader(Start::Next).unwrap(), shared.writer().unwrap());
    while writer.try_write(b"x").is_ok() {}
    let (mut feeder, _taker) = (queue.writer().unwrap(), queue.taker().unwrap());
    while feeder.try_write(b"x").is_ok() {}
    let mut set: WaitSet<&mut dyn Source> = WaitSet::new();
    set.add(&mut writer);
    set.add(&mut reader);
    set.add(&mut feeder);
    let error = set.wait_timeout(SHORT).unwrap_err();
    let WaitError::TimedOut { peers, .. } = &error else { panic!("{error}") };
    let roles: Vec<_> = peers.iter().map(|peer| (peer.role, peer.pid == std::process::id())).collect();
    assert_eq!(roles, [(Role::Reader, true), (Role::Writer, true), (Role::Taker, true)]);
    let pid = std::process::id();
    let expected = format!("the writer of process {pid}; the taker of process {pid}");
    assert!(error.to_string().ends_with(&expected), "{error}");
}

#[test]
fn a_set_without_sources_waits_only_with_a_timeout() {
    let mut set = WaitSet::<Reader>::new();
    assert!(matches!(set.wait(), Err(WaitError::NoSource)));
    let Err(WaitError::TimedOut { peers, .. }) = set.wait_timeout(Duration::from_millis(1)) else { panic!() };
    assert_eq!(peers, []);
    assert_eq!(set.try_wait(), []);
}

/// The messages of `writers` threads to each of `rings` arrive in order, and every wait ends.
fn read_all(rings: &[Ring], count: u64, descriptor: bool) {
    let (_sender, receiver) = UnixStream::pair().unwrap();
    let mut socket = Descriptor(receiver);
    let mut readers: Vec<_> = rings.iter().map(|ring| ring.reader(Start::Next).unwrap()).collect();
    let writers: Vec<_> = rings.iter().map(|ring| ring.writer().unwrap()).collect();
    thread::scope(|scope| {
        let (mut parts, mut writers) = (Vec::new(), writers);
        while !writers.is_empty() {
            parts.push(writers.split_off(writers.len().saturating_sub(writers.len().div_ceil(2))));
        }
        for mut part in parts {
            scope.spawn(move || {
                for n in 0..count {
                    for writer in &mut part {
                        writer.typed::<u64>().unwrap().write(&n).unwrap();
                    }
                    if n % 3 == 0 {
                        thread::yield_now(); // So that the set finds nothing now and then.
                    }
                }
            });
        }
        let mut next = vec![0; readers.len()];
        let mut open: Vec<usize> = (0..readers.len()).collect();
        while !open.is_empty() {
            let mut set: WaitSet<&mut dyn Source> = sleeping();
            let mut tokens = Vec::new();
            for (index, reader) in readers.iter_mut().enumerate().filter(|(index, _)| open.contains(index)) {
                tokens.push((set.add(reader), index));
            }
            if descriptor {
                set.add(&mut socket);
            }
            let ready = set.wait_timeout(TEST_TIMEOUT).expect("a wake is lost");
            let of = |token: &Token| tokens.iter().find(|(one, _)| one == token).expect("not the socket").1;
            let ready: Vec<usize> = ready.iter().map(of).collect();
            for index in ready {
                match readers[index].typed::<u64>().unwrap().try_read() {
                    Ok(n) => {
                        assert_eq!(n, next[index]);
                        next[index] += 1;
                    }
                    Err(TryReadError::Closed) => open.retain(|one| *one != index),
                    Err(error) => panic!("reported as ready: {error}"),
                }
            }
        }
        assert_eq!(next, vec![count; next.len()]);
    });
}

#[test]
fn no_wake_is_lost() {
    for descriptor in [false, true] {
        read_all(&rings(&small())[..3], 5000, descriptor);
    }
}

/// More than one sleep in the kernel has words, and more than one thread of the watcher.
#[test]
fn a_set_of_more_than_128_rings_misses_no_wake() {
    let shared = (0..10).map(|_| Ring::anonymous(&small()).unwrap());
    let rings: Vec<_> = (0..290).map(|_| Ring::heap(&small()).unwrap()).chain(shared).collect();
    read_all(&rings, 30, false);
    let mut set = sleeping();
    let tokens: Vec<_> = rings.iter().map(|ring| set.add(ring.reader(Start::Next).unwrap())).collect();
    let mut writers: Vec<_> = rings.iter().map(|ring| ring.writer().unwrap()).collect();
    for index in [0, 126, 127, 128, 254, 255, 299] {
        thread::scope(|scope| {
            let before = rings[index].participants()[0].sleeps;
            let waiting = scope.spawn(|| set.wait_timeout(TEST_TIMEOUT).expect("a wake is lost"));
            while rings[index].participants().iter().all(|one| one.sleeps == before) {
                thread::yield_now();
            }
            writers[index].typed::<u64>().unwrap().write(&1).unwrap();
            assert_eq!(waiting.join().unwrap(), [tokens[index]]);
        });
        assert_eq!(set[tokens[index]].typed::<u64>().unwrap().try_read(), Ok(1));
    }
}

/// Fails if a set looks for deaths in some of its rings only.
#[test]
fn a_killed_writer_of_any_ring_is_reported() {
    const RINGS: usize = 20;
    let rings: Vec<_> = (0..RINGS).map(|_| create("killed", &small())).collect();
    let mut set = sleeping();
    let tokens: Vec<_> = rings.iter().map(|(_, ring)| set.add(ring.reader(Start::Next).unwrap())).collect();
    let _writers: Vec<_> = rings[1..RINGS - 1].iter().map(|(_, ring)| ring.writer().unwrap()).collect();
    for index in [0, RINGS - 1] {
        let writer = Peer::ready("hold", &rings[index].0);
        let pid = writer.pid();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| set.wait_timeout(TEST_TIMEOUT).expect("a death is not found"));
            wait_until_asleep(&rings[index].1, Role::Reader);
            writer.kill();
            assert_eq!(waiting.join().unwrap(), [tokens[index]]);
        });
        let mut reader = set.remove(tokens[index]).unwrap();
        assert_eq!(reader.try_read(&mut [0; 8]), Err(TryReadError::WriterDied { pid }));
    }
}

#[test]
fn the_message_of_a_killed_taker_is_reported_and_taken() {
    let (name, ring) = create("orphan", &small().delivery(Delivery::Queue));
    let mut writer = ring.writer().unwrap();
    let mut set: WaitSet<Taker> = sleeping();
    let mut killed = Peer::start("take", &name);
    writer.write(b"x").unwrap();
    assert_eq!(killed.answer(), "taken");
    let token = set.add(ring.taker().unwrap());
    thread::scope(|scope| {
        let waiting = scope.spawn(|| set.wait_timeout(TEST_TIMEOUT).expect("the message is not found"));
        while ring.participants().iter().all(|one| one.sleeps == 0 || one.pid != std::process::id()) {
            thread::yield_now();
        }
        killed.kill();
        assert_eq!(waiting.join().unwrap(), [token]);
    });
    assert!(set[token].try_take().unwrap().is_redelivered());
    assert_eq!(set.try_wait(), []);

    // As an event loop waits.
    let mut killed = Peer::start("take", &name);
    writer.write(b"y").unwrap();
    assert_eq!(killed.answer(), "taken");
    let taker = &mut set[token];
    let notifier = taker.notifier().unwrap();
    assert!(!taker.ready_within(Duration::ZERO));
    killed.kill();
    while !taker.ready_within(Duration::ZERO) {
        poll(&mut [PollFd::new(&notifier, PollFlags::IN)], None).unwrap();
    }
    assert!(taker.try_take().unwrap().is_redelivered());
}
