//! The descriptor of a reader becomes readable when a message arrives or the stream ends after a
//! read returned `Empty`. A lost wake hangs these tests.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

mod common;

use common::{create, segments_named};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use seqring::{Config, Notifier, Reader, Ring, Start, TryReadError, WaitStrategy};
use std::thread;

fn is_readable(notifier: &Notifier) -> bool {
    poll(&mut [PollFd::new(notifier, PollFlags::IN)], Some(&Timespec::default())).unwrap() == 1
}

fn wait_readable(notifier: &Notifier) {
    assert_eq!(poll(&mut [PollFd::new(notifier, PollFlags::IN)], None).unwrap(), 1);
}

fn try_read(reader: &mut Reader) -> Result<u64, TryReadError> {
    reader.typed::<u64>().unwrap().try_read()
}

#[test]
fn the_descriptor_is_readable_from_a_message_to_the_next_empty() {
    let ring = Ring::heap(&Config::new(4, 8)).unwrap();
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

/// Fails if the notifier thread sleeps without a check, or confirms a request that came after its
/// check.
#[test]
fn no_wake_is_lost() {
    const COUNT: u64 = 20_000;
    for delivery in common::DELIVERIES {
        let ring = Ring::heap(&Config::new(8, 8).delivery(delivery)).unwrap();
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
                            Err(TryReadError::Lagged(lagged)) => next += lagged.missed,
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
    let ring = Ring::heap(&Config::new(4, 8)).unwrap();
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
    let (name, ring) = create("notifier", &Config::new(4, 8));
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
