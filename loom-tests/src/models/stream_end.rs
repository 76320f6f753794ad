//! A reader gets the end of the stream after the last message.

use super::messages::{gated, message};
use super::queue::ring;
use seqring::{Ring, SlotClass, Start, TryReadError};

/// The writer leaves.
pub(super) fn last_message_before_the_end() {
    last_message_before(|_| ());
}

/// The ring is closed.
pub(super) fn last_message_before_closing() {
    last_message_before(Ring::close);
}

/// The writer of a queue leaves.
pub(super) fn last_message_of_a_queue() {
    let ring = ring(1, 2);
    let (mut writer, mut taker) = (ring.writer().unwrap(), ring.taker().unwrap());
    let writing = loom::thread::spawn(move || _ = writer.try_write(&message(0)).unwrap());
    let mut received = 0;
    for _ in 0..2 {
        match taker.try_take() {
            Ok(_) => received += 1,
            Err(TryReadError::Empty) => {}
            Err(TryReadError::Closed) => assert_eq!(received, 1, "the end came before the last message"),
            Err(error) => panic!("{error}"),
        }
    }
    writing.join().unwrap();
}

fn last_message_before(end: fn(&Ring)) {
    let ring = gated(1, 2, SlotClass::Packed);
    let mut writer = ring.writer().unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    let writing = loom::thread::spawn(move || {
        writer.try_write(&message(0)).unwrap();
        end(&ring);
    });
    let mut received = 0;
    for _ in 0..2 {
        match reader.try_read(&mut [0; 16]) {
            Ok(_) => received += 1,
            Err(TryReadError::Empty) => {}
            Err(TryReadError::Closed) => assert_eq!(received, 1, "the end came before the last message"),
            Err(error) => panic!("{error}"),
        }
    }
    writing.join().unwrap();
}
