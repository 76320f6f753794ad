//! A peer with write access may store any value anywhere in a ring. It can break the stream: reads
//! and writes may then fail or deliver garbage. It cannot cause a panic, and each non-blocking call
//! of other participants returns.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

mod common;

use common::{DELIVERIES, fresh_name, kinds, path_of};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::Config as Runs;
use seqring::{Caller, Claim, Config, Delivery, Reader, Ring, Server, Start, Taker, Writer, Writers};
use std::fs;
use std::os::unix::fs::FileExt;

/// An operation on a ring: a store by the hostile peer, or a call of the user under test.
#[derive(Clone, Debug)]
enum Step {
    Poke { word: Word, value: u64 },
    Join(Start),
    Read,
    View,
    Take,
    Write,
    Claim,
    Skip,
    NewWriter,
    NewTaker,
    Ask,
    Serve,
    NewServer,
    NewCaller,
    Inspect,
}

#[derive(Clone, Copy, Debug)]
enum Word {
    /// A line of the control block, 128 bytes each, and a word of it.
    Control(usize, usize),
    /// A word of an entry.
    Entry(usize, usize),
    /// A word from the slots on.
    Slots(usize),
}

impl Word {
    fn offset(self) -> usize {
        match self {
            Word::Control(line, word) => 4096 + 128 * line + 8 * word,
            Word::Entry(entry, word) => 8192 + 128 * entry + 8 * word,
            Word::Slots(word) => 12288 + 8 * word,
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let word = prop_oneof![
        2 => (0..6usize, 0..2usize).prop_map(|(line, word)| Word::Control(line, word)),
        2 => (0..4usize, 0..16usize).prop_map(|(entry, word)| Word::Entry(entry, word)),
        3 => (0..64usize).prop_map(Word::Slots),
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
        6 => (word, value).prop_map(|(word, value)| Step::Poke { word, value }),
        1 => start.prop_map(Step::Join),
        3 => Just(Step::Read),
        2 => Just(Step::View),
        3 => Just(Step::Take),
        3 => Just(Step::Write),
        2 => Just(Step::Claim),
        1 => Just(Step::Skip),
        1 => Just(Step::NewWriter),
        1 => Just(Step::NewTaker),
        2 => Just(Step::Ask),
        2 => Just(Step::Serve),
        1 => Just(Step::NewServer),
        1 => Just(Step::NewCaller),
        2 => Just(Step::Inspect),
    ];
    proptest::collection::vec(step, 1..40)
}

/// A ring and its participants, those that could register.
struct Used {
    ring: Ring,
    writer: Option<Writer>,
    reader: Option<Reader>,
    taker: Option<Taker>,
    server: Option<Server>,
    caller: Option<Caller>,
}

impl Used {
    /// One call of the user. It may fail.
    fn call(&mut self, step: &Step) {
        match (step, &mut self.writer, &mut self.reader) {
            (Step::Join(start), ..) => {
                drop(self.reader.take());
                self.reader = self.ring.reader(*start).ok();
            }
            (Step::NewTaker, ..) => {
                drop(self.taker.take());
                self.taker = self.ring.taker().ok();
            }
            (Step::NewServer, ..) => {
                drop(self.server.take());
                self.server = self.ring.server().ok();
            }
            (Step::NewCaller, ..) => {
                drop(self.caller.take());
                self.caller = self.ring.caller().ok();
            }
            (Step::Ask, ..) => {
                let Some(caller) = &mut self.caller else { return };
                let _ = caller.ask(&[7; 33]);
                let _ = caller.try_answer(&mut [0; 100]);
            }
            (Step::Serve, ..) => {
                if let Some(Ok(question)) = self.server.as_mut().map(Server::try_take) {
                    let (_, _) = (question.caller(), question.is_awaited());
                    let _ = question.answer(&[8; 20]);
                }
                let _ = self.caller.as_mut().map(|caller| caller.try_answer(&mut [0; 100]));
            }
            (Step::Take, ..) => {
                let taken = self.taker.as_mut().map(Taker::try_take);
                let _ = taken.and_then(Result::ok).map(|taken| (taken.to_vec(), taken.metadata().len()));
            }
            (Step::Read, _, Some(reader)) => {
                // Enough reads to overflow the sequence numbers from a stored cursor close to the
                // maximum.
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
            (Step::Inspect, ..) => {
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
    let one =
        kinds().map(|(class, delivery)| Config::slots(4).of_bytes(40).slot_class(class).delivery(delivery));
    let many =
        DELIVERIES.map(|delivery| Config::slots(4).of_bytes(40).delivery(delivery).writers(Writers::Many));
    let streams = one.chain(many).chain([Config::slots(4).of_bytes(40).delivery(Delivery::Queue)]);
    let calls = [24, 40].map(|bytes| Config::calls(3).of_bytes(bytes));
    streams.map(|config| config.meta_bytes(8).participants(4)).chain(calls).collect()
}

fn survive(config: &Config, steps: &[Step]) {
    let name = fresh_name("garbage");
    let ring = Ring::create(&name, config).unwrap();
    let peer = fs::File::options().write(true).open(path_of(&name)).unwrap();
    let (writer, reader, taker) = (ring.writer().ok(), ring.reader(Start::Next).ok(), ring.taker().ok());
    let (server, caller) = (ring.server().ok(), ring.caller().ok());
    let mut used = Used { ring, writer, reader, taker, server, caller };
    for step in steps {
        match step {
            Step::Poke { word, value } => {
                peer.write_all_at(&value.to_ne_bytes(), word.offset() as u64).unwrap();
            }
            call => used.call(call),
        }
    }
}

proptest! {
    #![proptest_config(Runs { cases: 4000, failure_persistence: None, ..Runs::default() })]

    /// Fails if a count, length, index or cursor from shared memory is used unchecked: debug builds
    /// then panic on an overflow or an index, and a loop that trusts the value does not end.
    #[test]
    fn no_store_of_a_peer_makes_a_user_panic_or_hang(
        config in select(configs()), steps in steps(),
    ) {
        survive(&config, &steps);
    }
}
