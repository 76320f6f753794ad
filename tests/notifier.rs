//! The descriptor of a reader, taker or writer becomes readable when a message or room comes, or
//! the stream ends, after a call found nothing. A lost wake fails these tests after a while.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]
#![allow(unsafe_code, reason = "registration of a descriptor with tokio")]

mod common;

use common::{TEST_TIMEOUT, create, segments_named};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use seqring::{
    Config, Delivery, Notifier, ReadError, Reader, Ring, Start, TryReadError, TryWriteError, WaitStrategy,
};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::thread;
use std::time::Duration;
use tokio::io::unix::AsyncFd;

fn is_readable(notifier: &Notifier) -> bool {
    poll(&mut [PollFd::new(notifier, PollFlags::IN)], Some(&Timespec::default())).unwrap() == 1
}

fn wait_readable(notifier: &Notifier) {
    let guard = Timespec { tv_sec: TEST_TIMEOUT.as_secs().cast_signed(), tv_nsec: 0 };
    let readable = poll(&mut [PollFd::new(notifier, PollFlags::IN)], Some(&guard)).unwrap();
    assert_eq!(readable, 1, "a wake is lost");
}

fn try_read(reader: &mut Reader) -> Result<u64, TryReadError> {
    reader.typed::<u64>().unwrap().try_read()
}

#[test]
fn the_descriptor_is_readable_from_a_message_to_the_next_empty() {
    let ring = Ring::heap(&Config::slots(4).of_bytes(8)).unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    let mut writer = ring.writer().unwrap();
    let notifier = reader.notifier().unwrap();
    for n in 0..100_u64 {
        assert_eq!(try_read(&mut reader), Err(TryReadError::Empty));
        assert!(!is_readable(&notifier));
        writer.typed::<u64>().unwrap().write(&n).unwrap();
        wait_readable(&notifier);
        assert_eq!(try_read(&mut reader), Ok(n));
        assert!(is_readable(&notifier), "until a read finds nothing");
    }
}

/// Fails if an event loop that waits first never hears of what was there before.
#[test]
fn the_descriptor_is_readable_at_first() {
    let ring = Ring::heap(&Config::slots(4).of_bytes(8)).unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    let mut writer = ring.writer().unwrap();
    writer.typed::<u64>().unwrap().write(&7).unwrap();
    wait_readable(&reader.notifier().unwrap());
    assert_eq!(try_read(&mut reader), Ok(7));
    let mut second = ring.reader(Start::Next).unwrap();
    let notifier = second.notifier().unwrap();
    wait_readable(&notifier);
    assert_eq!(try_read(&mut second), Err(TryReadError::Empty));
    assert!(!is_readable(&notifier), "a read found nothing");
}

#[test]
fn the_descriptors_of_a_taker_and_a_writer_are_readable_from_a_change_to_the_next_call_that_finds_nothing() {
    for config in [Config::slots(2).of_bytes(8).delivery(Delivery::Queue), Config::slots(2).of_bytes(8)] {
        for ring in [Ring::heap(&config).unwrap(), Ring::anonymous(&config).unwrap()] {
            let queue = config.delivery == Delivery::Queue;
            let mut taker = queue.then(|| ring.taker().unwrap());
            let mut reader = (!queue).then(|| ring.reader(Start::Next).unwrap());
            let mut writer = ring.writer().unwrap();
            let room = writer.notifier().unwrap();
            let messages = match (&mut taker, &mut reader) {
                (Some(taker), _) => taker.notifier().unwrap(),
                (_, reader) => reader.as_mut().unwrap().notifier().unwrap(),
            };
            wait_readable(&room);
            wait_readable(&messages);
            let mut receive = || match (&mut taker, &mut reader) {
                (Some(taker), _) => taker.try_take().map(drop),
                (_, reader) => try_read(reader.as_mut().unwrap()).map(drop),
            };
            for round in 0..100 {
                assert_eq!(receive(), Err(TryReadError::Empty));
                assert!(!is_readable(&messages));
                writer.try_write(&[0; 8]).unwrap();
                wait_readable(&messages);
                writer.try_write(&[0; 8]).unwrap();
                let full = match round % 3 {
                    0 => writer.try_write(&[0; 8]) == Err(TryWriteError::Full),
                    1 => writer.try_claim(8).is_err(),
                    _ => !writer.ready_within(Duration::ZERO),
                };
                assert!(full && !is_readable(&room));
                receive().unwrap();
                wait_readable(&room);
                receive().unwrap();
                assert!(is_readable(&messages), "until a call finds nothing");
            }
            assert_eq!(receive(), Err(TryReadError::Empty));
            while writer.try_write(&[0; 8]).is_ok() {}
            wait_readable(&messages);
            assert!(!is_readable(&room));
            ring.close();
            wait_readable(&room);
            assert_eq!(writer.try_write(&[0; 8]), Err(TryWriteError::Closed));
        }
    }
}

/// Fails if a call that finds the ring still full arms nothing.
#[test]
fn the_descriptor_of_a_writer_that_is_still_blocked_is_not_readable() {
    let ring = Ring::heap(&Config::slots(1).of_bytes(8)).unwrap();
    let (mut reader, mut writer) = (ring.reader(Start::Next).unwrap(), ring.writer().unwrap());
    writer.try_write(b"x").unwrap();
    for _ in 0..2 {
        assert_eq!(writer.try_write(b"y"), Err(TryWriteError::Full));
    }
    let room = writer.notifier().unwrap();
    assert_eq!(writer.try_write(b"y"), Err(TryWriteError::Full));
    assert!(!is_readable(&room));
    reader.try_read(&mut [0; 8]).unwrap();
    wait_readable(&room);
}

/// Fails if each endpoint has a thread of its own, or if the thread outlives them.
#[test]
fn one_thread_of_the_process_serves_many_descriptors() {
    fn watchers() -> usize {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        // A thread may end meanwhile.
        let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).ok();
        let names = tasks.filter_map(Result::ok).filter_map(name);
        names.filter(|name| name.starts_with("seqring-watcher")).count()
    }
    let ring = Ring::heap(&Config::slots(4).of_bytes(8).participants(65)).unwrap();
    let mut readers: Vec<_> = (0..64).map(|_| ring.reader(Start::Next).unwrap()).collect();
    let notifiers: Vec<_> = readers.iter_mut().map(|reader| reader.notifier().unwrap()).collect();
    for reader in &mut readers {
        assert_eq!(try_read(reader), Err(TryReadError::Empty));
    }
    // Other tests of this process have a few; a thread that ends may still be there.
    while watchers() != 1 {
        thread::yield_now();
    }
    ring.writer().unwrap().typed::<u64>().unwrap().write(&7).unwrap();
    notifiers.iter().for_each(wait_readable);
}

/// Fails if a call that waits and finds nothing leaves the descriptor as it was.
#[test]
fn the_descriptor_becomes_readable_after_each_call_that_found_nothing() {
    const SHORT: Duration = Duration::from_millis(1);
    fn timed_out(result: Result<(), ReadError>) -> bool {
        matches!(result, Err(ReadError::TimedOut { .. }))
    }
    type FoundNothing = fn(&mut Reader) -> bool;
    let calls: [(&str, FoundNothing); 7] = [
        ("ready_within", |reader| !reader.ready_within(SHORT)),
        ("read", |reader| timed_out(reader.read_timeout(&mut [0; 8], SHORT).map(drop))),
        ("view", |reader| timed_out(reader.view_timeout(SHORT).map(drop))),
        ("read_in_place", |reader| timed_out(reader.read_in_place_timeout(|_| (), SHORT).map(drop))),
        ("read_batch", |reader| timed_out(reader.read_batch_timeout(8, &mut [0; 8], SHORT).map(drop))),
        ("typed", |reader| timed_out(reader.typed::<u64>().unwrap().read_timeout(SHORT).map(drop))),
        ("try_view", |reader| matches!(reader.try_view(), Err(TryReadError::Empty))),
    ];
    for (delivery, (name, found_nothing)) in
        common::DELIVERIES.into_iter().flat_map(|delivery| calls.map(|call| (delivery, call)))
    {
        let ring = Ring::heap(&Config::slots(4).of_bytes(8).delivery(delivery)).unwrap();
        let mut reader = ring.reader(Start::Next).unwrap();
        let mut writer = ring.writer().unwrap();
        let notifier = reader.notifier().unwrap();
        for n in 0..3_u64 {
            assert!(found_nothing(&mut reader), "{name}");
            assert!(!is_readable(&notifier), "{name}");
            writer.typed::<u64>().unwrap().write(&n).unwrap();
            wait_readable(&notifier);
            assert_eq!(try_read(&mut reader), Ok(n), "{name}");
        }
        assert!(found_nothing(&mut reader), "{name}");
        drop(writer);
        wait_readable(&notifier);
    }
}

/// Fails if a future that is dropped while it waits takes a message or a wake with it.
#[test]
fn a_future_that_is_dropped_while_it_waits_loses_nothing() {
    const COUNT: u64 = 5000;
    async fn read(reader: &mut Reader, notifier: &AsyncFd<Notifier>) -> Result<u64, TryReadError> {
        loop {
            match try_read(reader) {
                Err(TryReadError::Empty) => notifier.readable().await.unwrap().clear_ready(),
                other => return other,
            }
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    for delivery in common::DELIVERIES {
        let ring = Ring::heap(&Config::slots(2 * COUNT as usize).of_bytes(8).delivery(delivery)).unwrap();
        let mut reader = ring.reader(Start::Next).unwrap();
        let mut writer = ring.writer().unwrap();
        let writing = thread::spawn(move || {
            for n in 0..COUNT {
                writer.typed::<u64>().unwrap().write(&n).unwrap();
                if n % 3 == 0 {
                    thread::yield_now(); // So that the reader finds the ring empty now and then.
                }
            }
        });
        let (dropped, next) = runtime.block_on(async {
            let notifier = reader.notifier().unwrap();
            // SAFETY: the descriptor stays open and the same until the last handle on it drops.
            let notifier = unsafe { AsyncFd::register(notifier).unwrap() };
            let (mut dropped, mut next) = (0, 0);
            loop {
                {
                    let mut first = pin!(read(&mut reader, &notifier));
                    match poll_fn(|context| Poll::Ready(first.as_mut().poll(context))).await {
                        Poll::Ready(Ok(n)) => {
                            assert_eq!(n, next);
                            next += 1;
                            continue;
                        }
                        Poll::Ready(Err(error)) => {
                            assert_eq!(error, TryReadError::Closed);
                            break (dropped, next);
                        }
                        Poll::Pending => dropped += 1,
                    }
                }
                match read(&mut reader, &notifier).await {
                    Ok(n) => assert_eq!(n, next),
                    Err(error) => {
                        assert_eq!(error, TryReadError::Closed);
                        break (dropped, next);
                    }
                }
                next += 1;
            }
        });
        writing.join().unwrap();
        assert_eq!(next, COUNT);
        println!("{delivery:?}: {dropped} futures were dropped");
    }
}

/// Fails if the notifier thread sleeps without a check, or confirms a request that came after its
/// check.
#[test]
fn no_wake_is_lost() {
    const COUNT: u64 = 20_000;
    for delivery in common::DELIVERIES {
        let ring = Ring::heap(&Config::slots(8).of_bytes(8).delivery(delivery)).unwrap();
        let mut readers = [(); 2].map(|()| ring.reader(Start::Next).unwrap());
        let mut writer = ring.writer().unwrap();
        writer.set_wait_strategy(WaitStrategy::SLEEPING);
        thread::scope(|scope| {
            for reader in &mut readers {
                scope.spawn(move || {
                    let notifier = reader.notifier().unwrap();
                    let mut next = 0;
                    loop {
                        match try_read(reader) {
                            Ok(n) => {
                                assert_eq!(n, next);
                                next += 1;
                            }
                            Err(TryReadError::Empty) => wait_readable(&notifier),
                            Err(TryReadError::Lagged(lagged)) => next += lagged.lost,
                            Err(TryReadError::Closed) => break,
                            Err(error) => panic!("{error}"),
                        }
                    }
                    assert_eq!(next, COUNT);
                });
            }
            for n in 0..COUNT {
                writer.typed::<u64>().unwrap().write(&n).unwrap();
                if n % 3 == 0 {
                    thread::yield_now(); // So that readers find the ring empty now and then.
                }
            }
            drop(writer);
        });
    }
}

#[test]
fn the_descriptor_is_readable_after_the_end_and_after_the_closing_of_a_stream() {
    let ring = Ring::heap(&Config::slots(4).of_bytes(8)).unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    let notifier = reader.notifier().unwrap();
    let writer = ring.writer().unwrap();
    assert_eq!(try_read(&mut reader), Err(TryReadError::Empty));
    drop(writer);
    wait_readable(&notifier);
    assert_eq!(try_read(&mut reader), Err(TryReadError::Closed));
    let _writer = ring.writer().unwrap();
    assert_eq!(try_read(&mut reader), Err(TryReadError::Empty));
    assert!(!is_readable(&notifier));
    ring.close();
    wait_readable(&notifier);
    assert_eq!(try_read(&mut reader), Err(TryReadError::Closed));
}

/// Fails if the notifier thread outlives its reader: it holds the attachment, and so the name.
#[test]
fn a_dropped_reader_ends_its_notifier_thread_and_leaves_the_descriptor_readable() {
    let (name, ring) = create("notifier", &Config::slots(4).of_bytes(8));
    let mut writer = Ring::open(&name).unwrap().writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    let notifier = reader.notifier().unwrap();
    assert_eq!(try_read(&mut reader), Err(TryReadError::Empty));
    writer.typed::<u64>().unwrap().write(&1_u64).unwrap();
    wait_readable(&notifier);
    assert_eq!(try_read(&mut reader), Ok(1));
    assert_eq!(try_read(&mut reader), Err(TryReadError::Empty));
    drop((reader, ring, writer));
    wait_readable(&notifier);
    assert_eq!(segments_named(&name), Vec::<String>::new());
}
