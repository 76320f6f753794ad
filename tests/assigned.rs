//! Messages with assigned numbers: each number is delivered once, in order, even if writers repeat
//! it or write out of order.
#![allow(missing_docs)]

use seqring::{
    Config, Delivery, MessageHeader, PublishOutcome, RegisterError, Ring, TryReadError, TryWriteError,
    WriteError, Writers,
};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

const NONE: MessageHeader<'static> = MessageHeader { tag: 0, metadata: &[] };

fn queue(slots: usize, first: u64) -> Ring {
    let config = Config::slots(slots).of_bytes(64).delivery(Delivery::Queue).participants(8);
    Ring::heap(&config.first_sequence(first)).unwrap()
}

#[test]
fn numbers_are_delivered_in_order_and_each_waits_for_its_slot() {
    for (slots, first) in [(1, 0), (2, 5), (3, 1 << 40)] {
        let ring = queue(slots, first);
        let (mut writer, mut taker) = (ring.writer().unwrap(), ring.taker().unwrap());
        for n in (first..first + slots as u64).rev() {
            assert_eq!(taker.try_take().unwrap_err(), TryReadError::Empty);
            let outcome = writer.assigned().unwrap().try_write(n, &n.to_le_bytes(), &NONE);
            assert_eq!(outcome, Ok(PublishOutcome::Published));
        }
        let beyond = first + slots as u64;
        let far = [1 << 41, 1 << 57, 1 << 60, (1 << 62) - 1];
        for n in [beyond, beyond + 1, beyond + slots as u64, beyond + 100].into_iter().chain(far) {
            assert_eq!(writer.assigned().unwrap().try_write(n, b"x", &NONE), Err(TryWriteError::Full), "{n}");
        }
        for n in first..beyond {
            let taken = taker.try_take().unwrap();
            assert_eq!((taken.received().sequence, &*taken), (n, &n.to_le_bytes()[..]));
            drop(taken);
            assert_eq!(writer.assigned().unwrap().try_write(n, b"again", &NONE), Ok(PublishOutcome::Already));
            let room = writer.assigned().unwrap().try_write(n + slots as u64, b"next", &NONE);
            assert_eq!(room, Ok(PublishOutcome::Published));
        }
        assert_eq!(writer.try_write(b"unassigned"), Err(TryWriteError::Full));
        assert_eq!(taker.try_take().unwrap().received().sequence, beyond);
        assert_eq!(writer.try_write(b"unassigned"), Ok(beyond + slots as u64));
    }
}

/// Fails if two writers both publish one number, or if the buffer of the second leaks.
#[test]
fn exactly_one_of_several_writers_publishes_each_number() {
    const COUNT: u64 = 20_000;
    for slots in [1, 2, 5] {
        let ring = queue(slots, 0);
        let published = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..3 {
                let mut writer = ring.writer().unwrap();
                let published = &published;
                scope.spawn(move || {
                    for n in 0..COUNT {
                        let claim = writer.assigned().unwrap().claim(n, 8).unwrap();
                        let Some(mut claim) = claim else { continue };
                        claim[..size_of_val(&n)].copy_from_slice(&n.to_le_bytes());
                        if claim.publish(&NONE).unwrap() == PublishOutcome::Published {
                            published.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
            let mut taker = ring.taker().unwrap();
            for n in 0..COUNT {
                assert_eq!(&*taker.take().unwrap(), n.to_le_bytes());
            }
        });
        assert_eq!(published.into_inner(), COUNT);
    }
}

#[test]
fn an_abandoned_claim_leaves_its_number_to_others() {
    let ring = queue(2, 0);
    let (mut one, mut two) = (ring.writer().unwrap(), ring.writer().unwrap());
    let mut taker = ring.taker().unwrap();
    drop(one.assigned().unwrap().claim(0, 4).unwrap().unwrap());
    let timeout = Duration::from_millis(1);
    let late = two.assigned().unwrap().claim_timeout(2, 4, timeout);
    assert!(matches!(late, Err(WriteError::TimedOut { .. })), "{late:?}");
    let mut claim = two.assigned().unwrap().claim(0, 8).unwrap().unwrap();
    claim.fill(7);
    claim.truncate(3);
    assert_eq!(claim.publish(&NONE), Ok(PublishOutcome::Published));
    assert!(one.assigned().unwrap().claim(0, 4).unwrap().is_none());
    assert_eq!(&*taker.try_take().unwrap(), [7; 3]);
    let large = two.assigned().unwrap().write(1, &[0; 65], &NONE);
    assert_eq!(large, Err(WriteError::TooLarge { len: 65, max: 64 }));
}

#[test]
fn only_a_queue_has_assigned_numbers() {
    let ring = Ring::heap(&Config::slots(2).of_bytes(64).writers(Writers::Many)).unwrap();
    let refused = ring.writer().unwrap().assigned().map(drop);
    assert_eq!(refused, Err(RegisterError::Delivery { delivery: Delivery::Gated }));
}
