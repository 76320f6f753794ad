//! What a view shows stays, whoever moves its reader and whatever becomes of the writer; and writers go on meanwhile, as
//! long as they have a buffer for it. Buffers of large messages are used again while they are hot.
#![allow(missing_docs)]

mod common;

use seqring::*;
use std::collections::BTreeSet;
use std::time::Duration;

const SLOT_BYTES: usize = 256;

fn arena(slots: usize) -> Config {
    Config::new(slots, SLOT_BYTES).slot_class(SlotClass::Arena)
}

fn message(n: u64) -> Vec<u8> {
    n.to_le_bytes().repeat(SLOT_BYTES / 8)
}

/// Fails if a view of a moved reader holds the writer back although nothing else is set aside, or if its bytes change.
#[test]
fn a_writer_goes_on_over_what_a_moved_reader_still_shows() {
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
            // The reader stands behind the first of them now, as the skip said.
            assert_eq!(writer.try_write(b"x"), Err(TryWriteError::Full), "{slots} {round}");
            ring.skip_readers_to_newest();
            for _ in 0..slots {
                write(&mut writer).unwrap();
            }
            assert_eq!(*view, *shown, "{slots} {round}");
            drop(view);
            let missed = 2 * slots as u64 - 1;
            assert_eq!(reader.try_view().unwrap_err(), TryReadError::Lagged(Lagged { missed }));
            for _ in 0..slots {
                reader.try_view().unwrap();
            }
        }
    }
}

#[test]
fn a_second_view_in_the_way_holds_the_writer_back_and_is_named() {
    let ring = Ring::heap(&arena(2)).unwrap();
    let mut writer = ring.writer().unwrap();
    let (mut one, mut two) = (ring.reader(Start::Next).unwrap(), ring.reader(Start::Next).unwrap());
    for n in 0..2 {
        writer.try_write(&message(n)).unwrap();
    }
    let first = one.try_view().unwrap();
    drop(two.try_view().unwrap());
    let second = two.try_view().unwrap();
    ring.skip_readers_to_newest();
    writer.try_write(&message(2)).unwrap();
    let late = writer.write_timeout(&message(3), Duration::from_millis(1)).unwrap_err();
    let WriteError::TimedOut { slowest: Some(holder) } = late else { panic!("{late:?}") };
    assert_eq!(holder.lag, 3 - second.received().sequence, "{holder:?}");
    assert_eq!((&*first, &*second), (&*message(0), &*message(1)));
    drop(first);
    writer.try_write(&message(3)).unwrap();
    assert_eq!(*second, *message(1));
}

/// Fails if one of many overwrites what a moved reader shows, or does not say who shows it.
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
        let late = writer.write_timeout(&message(2), Duration::from_millis(1)).unwrap_err();
        let WriteError::TimedOut { slowest: Some(holder) } = late else { panic!("{late:?}") };
        assert_eq!((holder.role, holder.lag), (Role::Reader, 2));
    }
    assert_eq!(*view, *message(0));
    drop(view);
    other.try_write(&message(2)).unwrap();
}

/// Fails if a writer's heir takes what a view shows for its own buffer.
#[test]
fn an_heir_leaves_alone_what_its_predecessor_set_aside() {
    let name = common::fresh_name("aside");
    let ring = Ring::create(name, &arena(2)).unwrap();
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

/// Fails if the coldest buffer is filled although a hotter one is free.
#[test]
fn large_messages_go_through_few_buffers_while_readers_keep_up() {
    let ring = Ring::heap(&Config::new(64, 1 << 20)).unwrap();
    let mut writer = ring.writer().unwrap();
    let mut readers = [ring.reader(Start::Next).unwrap(), ring.reader(Start::Next).unwrap()];
    let mut buffers = BTreeSet::new();
    for n in 0..500_u64 {
        let mut claim = writer.try_claim(8).unwrap();
        let bytes = claim.as_mut_slice().unwrap();
        buffers.insert(bytes.as_ptr().addr());
        bytes.copy_from_slice(&n.to_le_bytes());
        claim.publish().unwrap();
        for reader in &mut readers {
            assert_eq!(*reader.try_view().unwrap(), n.to_le_bytes());
        }
        if n % 50 == 0 {
            // Who joins at the oldest finds what is there, and nothing that was taken back.
            let mut late = ring.reader(Start::Oldest).unwrap();
            assert!(late.lag() <= 1, "{}", late.position());
            while late.try_view().is_ok() {}
        }
    }
    assert!(buffers.len() <= 6, "{} buffers", buffers.len());
    // As many unread messages as ever.
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

/// Fails if a buffer is filled whose last message still lies in the readers' own caches, where another one is as warm.
#[test]
fn in_a_short_ring_the_buffer_that_lay_longest_is_filled() {
    let ring = Ring::heap(&Config::new(8, 64 << 10)).unwrap();
    let (mut writer, mut reader) = (ring.writer().unwrap(), ring.reader(Start::Next).unwrap());
    let mut lately = Vec::new();
    for n in 0..100_u64 {
        let mut claim = writer.try_claim(8).unwrap();
        let bytes = claim.as_mut_slice().unwrap();
        let buffer = bytes.as_ptr().addr();
        assert!(!lately.iter().rev().take(8).any(|before| *before == buffer), "message {n}");
        lately.push(buffer);
        bytes.copy_from_slice(&n.to_le_bytes());
        claim.publish().unwrap();
        assert_eq!(*reader.try_view().unwrap(), n.to_le_bytes());
    }
}

/// Fails if an observer takes a message that was taken back for damage, or reads another one's bytes as its.
#[test]
#[cfg(target_os = "linux")]
fn an_observer_finds_a_message_that_was_taken_back_overtaken() {
    let name = common::fresh_name("hot");
    let ring = Ring::create(name.clone(), &Config::new(8, 1 << 20).observers(true)).unwrap();
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
                Err(TryReadError::Lagged(Lagged { missed })) => {
                    next += missed;
                    lost += missed;
                }
                Err(TryReadError::Empty) => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert!(next > 190 && lost > 0, "{next}, {lost} lost");
}
