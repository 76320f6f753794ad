//! The descriptor of a reader: it is readable whenever a read that found nothing would find something now. A wake that is
//! lost hangs these tests; nothing here sleeps.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

mod common;

use common::{fresh_name, segments_named};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use seqring::{Config, Delivery, Notifier, Reader, Ring, Start, TryReadError, WaitStrategy};
use std::thread;

fn is_readable(notifier: &Notifier) -> bool {
    poll(&mut [PollFd::new(notifier, PollFlags::IN)], Some(&Timespec::default())).unwrap() == 1
}

fn wait_readable(notifier: &Notifier) {
    assert_eq!(poll(&mut [PollFd::new(notifier, PollFlags::IN)], None).unwrap(), 1);
}

fn try_read(reader: &mut Reader) -> Result<u64, TryReadError> {
    reader.try_read_value()
}

#[test]
fn it_is_readable_from_the_message_to_the_next_empty() {
    let ring = Ring::heap(&Config::new(4, 8)).unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    let mut writer = ring.writer().unwrap();
    let notifier = reader.notifier().unwrap();
    for n in 0..100_u64 {
        assert_eq!(try_read(&mut reader), Err(TryReadError::Empty));
        assert!(!is_readable(&notifier));
        writer.write_value(&n).unwrap();
        wait_readable(&notifier);
        assert_eq!(try_read(&mut reader), Ok(n));
        assert!(is_readable(&notifier), "until a read finds nothing");
    }
}

/// Fails if the watcher sleeps without looking, or answers an order that was given after it looked.
#[test]
fn no_message_is_slept_over() {
    const COUNT: u64 = 20_000;
    for delivery in [Delivery::Gated, Delivery::Lossy] {
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
                writer.write_value(&n).unwrap();
                if n % 3 == 0 {
                    thread::yield_now(); // So that readers find nothing now and then.
                }
            }
            drop(writer);
        });
    }
}

#[test]
fn the_end_and_the_closing_of_a_stream_are_something_to_read() {
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

/// Fails if the watcher is left behind: it holds the attachment, and with it the name.
#[test]
fn a_reader_that_is_dropped_takes_its_watcher_along_and_leaves_the_descriptor_readable() {
    let name = fresh_name("notifier");
    let ring = Ring::create(&name, &Config::new(4, 8)).unwrap();
    let mut writer = Ring::open(&name).unwrap().writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    let notifier = reader.notifier().unwrap();
    assert_eq!(try_read(&mut reader), Err(TryReadError::Empty));
    writer.write_value(&1_u64).unwrap();
    wait_readable(&notifier);
    assert_eq!(try_read(&mut reader), Ok(1));
    assert_eq!(try_read(&mut reader), Err(TryReadError::Empty));
    drop((reader, ring, writer));
    wait_readable(&notifier);
    assert_eq!(segments_named(&name), Vec::<String>::new());
}
