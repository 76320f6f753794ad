//! The bytes of a view do not change while it lives, even if its reader is moved on or the writer
//! is replaced. The writer continues meanwhile, as long as it has a standby buffer. Buffers of
//! large messages are reused while they are in cache.
#![allow(missing_docs)]

mod common;

use seqring::*;
use std::collections::BTreeSet;
use std::time::Duration;

const SLOT_BYTES: usize = 256;

fn arena(slots: usize) -> Config {
    Config::slots(slots).of_bytes(SLOT_BYTES).slot_class(SlotClass::Arena)
}

fn message(n: u64) -> Vec<u8> {
    n.to_le_bytes().repeat(SLOT_BYTES / 8)
}

/// The reader that a write with a timeout reports as the cause.
fn blocked_on(writer: &mut Writer, n: u64) -> Peer {
    let late = writer.write_timeout(&message(n), Duration::from_millis(1)).unwrap_err();
    let WriteError::TimedOut { slowest: Some(holder), .. } = late else { panic!("{late:?}") };
    holder
}

/// Fails if a view of a moved reader blocks the writer although its standby buffer is free, or if
/// the view's bytes change.
#[test]
fn a_writer_continues_over_the_view_of_a_moved_reader() {
    for slots in [1, 2, 3, 10] {
        let ring = Ring::heap(&arena(slots)).unwrap();
        let (mut writer, mut reader) = (ring.writer().unwrap(), ring.reader(Start::Next).unwrap());
        let mut next = 0;
        let mut write = |writer: &mut Writer| {
            next += 1;
            writer.try_write(&message(next - 1))
        };
        for round in 0..3 {
            for _ in 0..slots {
                write(&mut writer).unwrap();
            }
            assert_eq!(writer.try_write(b"x"), Err(TryWriteError::Full), "{slots} {round}");
            let view = reader.try_view().unwrap();
            let shown = view.to_vec();
            ring.skip_readers_to_newest();
            for _ in 0..slots {
                write(&mut writer).unwrap();
            }
            // The skip has moved the reader behind the first of them.
            assert_eq!(writer.try_write(b"x"), Err(TryWriteError::Full), "{slots} {round}");
            ring.skip_readers_to_newest();
            for _ in 0..slots {
                write(&mut writer).unwrap();
            }
            assert_eq!(*view, *shown, "{slots} {round}");
            drop(view);
            let lost = 2 * slots as u64 - 1;
            assert_eq!(reader.try_view().unwrap_err(), TryReadError::Lagged(Lagged { lost }));
            for _ in 0..slots {
                reader.try_view().unwrap();
            }
        }
    }
}

/// In either order of the readers' entries, and with a successor of the writer.
#[test]
fn a_second_view_blocks_the_writer_and_is_named() {
    for (second_first, succeeded) in [(false, false), (true, false), (false, true)] {
        let ring = Ring::heap(&arena(2)).unwrap();
        let mut writer = ring.writer().unwrap();
        let (mut one, mut two) = (ring.reader(Start::Next).unwrap(), ring.reader(Start::Next).unwrap());
        if second_first {
            std::mem::swap(&mut one, &mut two);
        }
        for n in 0..2 {
            writer.try_write(&message(n)).unwrap();
        }
        let first = one.try_view().unwrap();
        drop(two.try_view().unwrap());
        let second = two.try_view().unwrap();
        ring.skip_readers_to_newest();
        writer.try_write(&message(2)).unwrap();
        if succeeded {
            drop(writer);
            writer = ring.writer().unwrap();
        }
        let holder = blocked_on(&mut writer, 3);
        assert_eq!(holder.lag, 3 - second.received().sequence, "{holder:?}");
        assert_eq!((&*first, &*second), (&*message(0), &*message(1)));
        drop(first);
        writer.try_write(&message(3)).unwrap();
        assert_eq!(*second, *message(1));
    }
}

/// Fails if one of many writers overwrites the view of a moved reader, or does not name that
/// reader.
#[test]
fn many_writers_wait_for_a_view_of_a_moved_reader_and_name_it() {
    let ring = Ring::heap(&arena(2).writers(Writers::Many)).unwrap();
    let (mut one, mut other) = (ring.writer().unwrap(), ring.writer().unwrap());
    let mut reader = ring.reader(Start::Next).unwrap();
    one.try_write(&message(0)).unwrap();
    other.try_write(&message(1)).unwrap();
    let view = reader.try_view().unwrap();
    ring.skip_readers_to_newest();
    for writer in [&mut one, &mut other] {
        let holder = blocked_on(writer, 2);
        assert_eq!((holder.role, holder.lag), (Role::Reader, 2));
    }
    assert_eq!(*view, *message(0));
    drop(view);
    other.try_write(&message(2)).unwrap();
}

/// Fails if a read that fails leaves its message pinned: the writer has a standby buffer for one of
/// the two messages only.
#[test]
fn a_read_that_fails_leaves_nothing_pinned() {
    let ring = Ring::heap(&arena(2)).unwrap();
    let mut writer = ring.writer().unwrap();
    let mut readers = [(); 2].map(|()| ring.reader(Start::Next).unwrap());
    (0..2).for_each(|n| _ = writer.try_write(&message(n)).unwrap());
    readers[1].try_read(&mut [0; SLOT_BYTES]).unwrap();
    for reader in &mut readers {
        assert_eq!(reader.try_read(&mut [0]), Err(TryReadError::TooSmall { needed: SLOT_BYTES }));
    }
    ring.skip_readers_to_newest();
    (2..4).for_each(|n| assert_eq!(writer.try_write(&message(n)), Ok(n)));
}

/// Fails if a writer's successor takes the buffer of a view for its own.
#[test]
fn a_successor_does_not_touch_the_standby_buffer_of_its_predecessor() {
    let (_, ring) = common::create("standby", &arena(2));
    let (mut writer, mut reader) = (ring.writer().unwrap(), ring.reader(Start::Next).unwrap());
    for n in 0..2 {
        writer.try_write(&message(n)).unwrap();
    }
    let view = reader.try_view().unwrap();
    for n in 2..100 {
        ring.skip_readers_to_newest();
        writer.try_write(&message(n)).unwrap();
        if n % 7 == 0 {
            drop(writer);
            writer = ring.writer().unwrap();
        }
        assert_eq!(*view, *message(0), "{n}");
    }
}

/// Fails if the coldest buffer is filled although a hotter one is free, or one whose lines are in
/// the readers' private caches.
#[test]
fn large_messages_go_through_few_buffers_while_readers_keep_up() {
    let ring = Ring::heap(&Config::slots(64).of_bytes(1 << 20)).unwrap();
    let mut writer = ring.writer().unwrap();
    let mut readers = [ring.reader(Start::Next).unwrap(), ring.reader(Start::Next).unwrap()];
    let (mut buffers, mut last) = (BTreeSet::new(), [0; 2]);
    for n in 0..500_u64 {
        let mut claim = writer.try_claim(8).unwrap();
        let bytes = &mut claim[..];
        let buffer = bytes.as_ptr().addr();
        assert!(!last.contains(&buffer), "message {n}");
        last = [buffer, last[0]];
        buffers.insert(buffer);
        bytes.copy_from_slice(&n.to_le_bytes());
        claim.publish().unwrap();
        assert_eq!(ring.next_sequence(), n + 1);
        for reader in &mut readers {
            assert_eq!(*reader.try_view().unwrap(), n.to_le_bytes());
        }
        if n % 50 == 0 {
            // A reader at the oldest message finds the messages that are left, and none that was
            // withdrawn.
            let mut late = ring.reader(Start::Oldest).unwrap();
            assert!(late.lag() <= 1, "{}", late.position());
            while late.try_view().is_ok() {}
        }
    }
    assert!(buffers.len() <= 6, "{} buffers", buffers.len());
    // The capacity is unchanged.
    for n in 0..64_u64 {
        writer.try_write(&n.to_le_bytes()).unwrap();
    }
    assert_eq!(writer.try_write(b"x"), Err(TryWriteError::Full));
    for n in 0..64_u64 {
        for reader in &mut readers {
            assert_eq!(*reader.try_view().unwrap(), n.to_le_bytes());
        }
    }
}

/// Fails if the writer fills a buffer whose last message is still in the readers' private caches,
/// although another buffer is as warm in the shared cache.
#[test]
fn a_short_ring_fills_the_least_recently_used_buffer() {
    let ring = Ring::heap(&Config::slots(8).of_bytes(64 << 10)).unwrap();
    let (mut writer, mut reader) = (ring.writer().unwrap(), ring.reader(Start::Next).unwrap());
    let mut recent = Vec::new();
    for n in 0..100_u64 {
        let mut claim = writer.try_claim(8).unwrap();
        let bytes = &mut claim[..];
        let buffer = bytes.as_ptr().addr();
        assert!(!recent.iter().rev().take(8).any(|before| *before == buffer), "message {n}");
        recent.push(buffer);
        bytes.copy_from_slice(&n.to_le_bytes());
        claim.publish().unwrap();
        assert_eq!(*reader.try_view().unwrap(), n.to_le_bytes());
    }
}

/// Fails if an observer reports a withdrawn message as corrupt, or accepts the bytes of another
/// message as its.
#[test]
#[cfg(target_os = "linux")]
fn an_observer_counts_a_withdrawn_message_as_missed() {
    let (name, ring) = common::create("withdrawn", &Config::slots(8).of_bytes(1 << 20).observers(true));
    let (mut writer, mut reader) = (ring.writer().unwrap(), ring.reader(Start::Next).unwrap());
    let mut observer = Observer::open(name, Start::Oldest).unwrap();
    let (mut out, mut next, mut lost) = (vec![0; 1 << 20], 0, 0);
    for n in 0..200_u64 {
        writer.try_write(&n.to_le_bytes().repeat(5000)).unwrap();
        reader.try_read(&mut out).unwrap();
        if n % 5 != 0 {
            continue;
        }
        loop {
            match observer.try_read(&mut out) {
                Ok(received) => {
                    assert_eq!(received.sequence, next);
                    assert_eq!(out[..received.len], next.to_le_bytes().repeat(5000));
                    next += 1;
                }
                Err(TryReadError::Lagged(lagged)) => {
                    next += lagged.lost;
                    lost += lagged.lost;
                }
                Err(TryReadError::Empty) => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert!(next > 190 && lost > 0, "{next}, {lost} lost");
}
