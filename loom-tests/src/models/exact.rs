//! `Empty` and `Full` are exact: a participant that passes messages of others sees what those saw.

use super::messages::{take, try_write_all};
use super::queue::ring;
use loom::thread;
use seqring::model::loads_may_be_old;

/// A queue that is never empty is not found empty.
pub(super) fn empty() {
    let ring = ring(4, 5);
    let (mut writer, mut other_writer) = (ring.writer().unwrap(), ring.writer().unwrap());
    let (mut late, mut taker) = (ring.taker().unwrap(), ring.taker().unwrap());
    try_write_all(&mut writer, 0..2);
    take(&mut taker, 1);
    let mut other = ring.taker().unwrap();
    loads_may_be_old(true);
    let others = thread::spawn(move || {
        try_write_all(&mut other_writer, 2..3);
        assert_eq!(take(&mut other, 1).len(), 1);
        (other_writer, other)
    });
    assert_eq!(take(&mut late, 1).len(), 1, "there was always a message");
    let others = others.join().unwrap();
    loads_may_be_old(false);
    drop((others, writer, taker, late));
}

/// A queue that is never full is not found full.
pub(super) fn full() {
    let ring = ring(2, 5);
    let (mut late, mut writer) = (ring.writer().unwrap(), ring.writer().unwrap());
    let mut taker = ring.taker().unwrap();
    try_write_all(&mut writer, 0..2);
    take(&mut taker, 2);
    try_write_all(&mut writer, 2..3);
    let mut other_writer = ring.writer().unwrap();
    loads_may_be_old(true);
    let others = thread::spawn(move || {
        assert_eq!(take(&mut taker, 1).len(), 1);
        assert_eq!(try_write_all(&mut other_writer, 3..4), 1);
        (other_writer, taker)
    });
    assert_eq!(try_write_all(&mut late, 4..5), 1, "there was always room");
    let others = others.join().unwrap();
    loads_may_be_old(false);
    drop((others, writer, late));
}
