//! A peer that has a ring open may store anything anywhere in it. What it can break is the stream: reads and writes
//! may then fail or deliver garbage, but nobody panics, and no call that does not wait goes on for ever.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

mod common;

use common::{CLASSES, DELIVERIES, fresh_name, path_of};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::Config as Runs;
use seqring::{Claim, Config, Delivery, Reader, Ring, Start, Taker, Writer, Writers};
use std::fs;
use std::os::unix::fs::FileExt;

/// Something done to a ring, by a peer that stores what it likes or by us.
#[derive(Clone, Debug)]
enum Step {
    Poke { place: Place, value: u64 },
    Join(Start),
    Read,
    View,
    Take,
    Write,
    Claim,
    Skip,
    NewWriter,
    NewTaker,
    Look,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    /// A line of the control block, 128 bytes each, and a word of it.
    Control(usize, usize),
    /// A word of an entry.
    Entry(usize, usize),
    /// A word from the slots on.
    Slots(usize),
}

impl Place {
    fn offset(self) -> usize {
        match self {
            Place::Control(line, word) => 4096 + 128 * line + 8 * word,
            Place::Entry(entry, word) => 8192 + 128 * entry + 8 * word,
            Place::Slots(word) => 12288 + 8 * word,
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let place = prop_oneof![
        2 => (0..6usize, 0..2usize).prop_map(|(line, word)| Place::Control(line, word)),
        2 => (0..4usize, 0..16usize).prop_map(|(entry, word)| Place::Entry(entry, word)),
        3 => (0..64usize).prop_map(Place::Slots),
    ];
    let value = prop_oneof![
        Just(u64::MAX),
        (0..64u32).prop_map(|bit| 1 << bit),
        (0..64u32).prop_map(|bit| u64::MAX << bit),
        0..300u64,
        any::<u64>(),
    ];
    let start =
        prop_oneof![Just(Start::Next), Just(Start::Oldest), Just(Start::Newest), Just(Start::Sequence(3))];
    let step = prop_oneof![
        6 => (place, value).prop_map(|(place, value)| Step::Poke { place, value }),
        1 => start.prop_map(Step::Join),
        3 => Just(Step::Read),
        2 => Just(Step::View),
        3 => Just(Step::Take),
        3 => Just(Step::Write),
        2 => Just(Step::Claim),
        1 => Just(Step::Skip),
        1 => Just(Step::NewWriter),
        1 => Just(Step::NewTaker),
        2 => Just(Step::Look),
    ];
    proptest::collection::vec(step, 1..40)
}

/// A ring, and those who use it, in so far as they could join.
struct Used {
    ring: Ring,
    writer: Option<Writer>,
    reader: Option<Reader>,
    taker: Option<Taker>,
}

impl Used {
    /// One step of ours. Whether it succeeds does not matter.
    fn take(&mut self, step: &Step) {
        match (step, &mut self.writer, &mut self.reader) {
            (Step::Join(start), ..) => {
                drop(self.reader.take());
                self.reader = self.ring.reader(*start).ok();
            }
            (Step::NewTaker, ..) => {
                drop(self.taker.take());
                self.taker = self.ring.taker().ok();
            }
            (Step::Take, ..) => {
                let taken = self.taker.as_mut().map(Taker::try_take);
                let _ = taken.and_then(Result::ok).map(|taken| (taken.to_vec(), taken.metadata().len()));
            }
            (Step::Read, _, Some(reader)) => {
                // Often enough to run over the end of the numbers from wherever a stored position put us near it.
                for _ in 0..8 {
                    let _ = reader.try_read(&mut [0; 100]);
                }
            }
            (Step::View, _, Some(reader)) => {
                let _ = reader.try_view().map(|view| (view.to_vec(), view.metadata().len()));
            }
            (Step::Write, Some(writer), _) => {
                let _ = writer.try_write(&[7; 33]);
            }
            (Step::Claim, Some(writer), _) => {
                let _ = writer.try_claim(40).map(Claim::publish);
            }
            (Step::NewWriter, ..) => {
                drop(self.writer.take());
                self.writer = self.ring.writer().ok();
            }
            (Step::Skip, ..) => self.ring.skip_readers_to_newest(),
            (Step::Look, ..) => {
                let _ = (self.ring.participants(), self.ring.next_sequence());
                let _ =
                    self.reader.as_ref().map(|reader| (reader.lag(), reader.lost(), reader.metadata().len()));
            }
            _ => {}
        }
    }
}

/// A ring of each kind.
fn configs() -> Vec<Config> {
    let one = CLASSES.into_iter().flat_map(|class| DELIVERIES.map(|delivery| (class, delivery)));
    let one = one.map(|(class, delivery)| Config::new(4, 40).slot_class(class).delivery(delivery));
    let many = DELIVERIES.map(|delivery| Config::new(4, 40).delivery(delivery).writers(Writers::Many));
    one.chain(many).chain([Config::new(4, 40).delivery(Delivery::Queue)]).collect()
}

fn survive(config: &Config, steps: &[Step]) {
    let name = fresh_name("garbage");
    let ring = Ring::create(&name, config).unwrap();
    let peer = fs::File::options().write(true).open(path_of(&name)).unwrap();
    let (writer, reader, taker) = (ring.writer().ok(), ring.reader(Start::Next).ok(), ring.taker().ok());
    let mut used = Used { ring, writer, reader, taker };
    for step in steps {
        match step {
            Step::Poke { place, value } => {
                peer.write_all_at(&value.to_ne_bytes(), place.offset() as u64).unwrap();
            }
            ours => used.take(ours),
        }
    }
}

proptest! {
    #![proptest_config(Runs { cases: 4000, failure_persistence: None, ..Runs::default() })]

    /// Fails if a count, length, index or position from shared memory is used unchecked: debug builds then panic on
    /// overflow or on an index, and a loop that believes it does not end.
    #[test]
    fn whatever_a_peer_stores_nobody_panics_or_hangs(
        config in select(configs()), steps in steps(),
    ) {
        survive(&config.meta_bytes(8).participants(4), &steps);
    }
}
