use crate::api::ring::Ring;
use crate::sync::Relaxed;
use crate::types::config::{Config, Delivery};
use crate::types::error::TryReadError;

/// Fails if a length from shared memory is used as it is, or if a damaged message stays.
#[test]
fn a_damaged_message_is_reported_once() {
    let ring = Ring::heap(&Config::slots(4).of_bytes(9).delivery(Delivery::Queue)).unwrap();
    let (mut writer, mut taker) = (ring.writer().unwrap(), ring.taker().unwrap());
    for n in 0..3_u8 {
        let buffer = 4; // The first one that a writer owns; then it gets those of the slots.
        let buffer = if n == 0 { buffer } else { usize::from(n) - 1 };
        writer.try_write(&[n]).unwrap();
        if n == 1 {
            ring.attachment.memory.buffer(buffer).unwrap().0.len.store(10, Relaxed);
        }
    }
    assert_eq!(*taker.try_take().unwrap(), [0]);
    assert!(matches!(taker.try_take(), Err(TryReadError::Corrupt(_))));
    assert_eq!(*taker.try_take().unwrap(), [2]);
    assert!(matches!(taker.try_take(), Err(TryReadError::Empty)));
}
