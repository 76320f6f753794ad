//! A message of a run: checked bytes, and behind them the moment at which it was to be written.
//!
//! | bytes          | what                                                                                  |
//! |----------------|---------------------------------------------------------------------------------------|
//! | 0..len−8       | verified: all of them in the form of [`harness::payload`]; else the first 8 only |
//! | len−8..len     | intended start of the write (`CLOCK_MONOTONIC`, ns); 0 in a message that is not timed  |

use super::plan::Plan;
use harness::clock::Moment;
use harness::payload::{self, Stamped, Torn};
use harness::restamp::Restamper;
use harness::sink::Sink;
use std::fmt;
use std::hint::black_box;

const MOMENT_BYTES: usize = 8;
const STAMP_BYTES: usize = payload::SHORTEST_BYTES;
const LINE_BYTES: usize = 64;

/// The shortest message.
pub(crate) const SHORTEST_BYTES: usize = STAMP_BYTES + MOMENT_BYTES;

/// The messages of one writer, of which there is one at a time.
#[derive(Debug)]
pub(crate) struct Outgoing {
    writer: u32,
    sequence: u64,
    image: Image,
}

/// The message in private memory.
#[derive(Debug)]
enum Image {
    /// All bytes say which message it is.
    Verified(Box<Restamper>),
    /// The first ones do.
    Stamped(Vec<u8>),
}

impl Outgoing {
    /// Message 0 of `writer`.
    pub(crate) fn new(plan: &Plan, writer: u32) -> Self {
        let checked_bytes = plan.slot_bytes - MOMENT_BYTES;
        let image = if plan.verify_writes {
            Image::Verified(Restamper::with_trailer(checked_bytes, MOMENT_BYTES, writer).into())
        } else {
            // Not zeros: their pages would be left to the first copy.
            Image::Stamped(vec![1; plan.slot_bytes])
        };
        let mut outgoing = Outgoing { writer, sequence: 0, image };
        outgoing.prepare(0);
        outgoing
    }

    /// Makes it message `sequence`, but for its moment.
    pub(crate) fn prepare(&mut self, sequence: u64) {
        self.sequence = sequence;
        match &mut self.image {
            Image::Verified(restamper) => drop(restamper.message(sequence)),
            Image::Stamped(bytes) => payload::fill(&mut bytes[..STAMP_BYTES], self.writer, sequence),
        }
    }

    /// The whole message, to be copied.
    pub(crate) fn bytes(&mut self, intended: Option<Moment>) -> &[u8] {
        let moment = encode(intended);
        match &mut self.image {
            Image::Verified(restamper) => restamper.message_with_trailer(self.sequence, &moment),
            Image::Stamped(bytes) => {
                let start = bytes.len() - MOMENT_BYTES;
                bytes[start..].copy_from_slice(&moment);
                bytes
            }
        }
    }

    /// Makes the message where it is to be read from. Where others may be looking at those bytes it is copied
    /// in.
    pub(crate) fn fill(&mut self, intended: Option<Moment>, sink: &mut dyn Sink) {
        let Some(slot) = sink.as_mut_slice() else { return sink.put(0, self.bytes(intended)) };
        let (checked, moment) = slot.split_at_mut(slot.len() - MOMENT_BYTES);
        if let Image::Stamped(_) = self.image {
            touch_lines(checked, self.sequence);
            payload::fill(&mut checked[..STAMP_BYTES], self.writer, self.sequence);
        } else {
            payload::fill(checked, self.writer, self.sequence);
        }
        moment.copy_from_slice(&encode(intended));
    }
}

/// Stores a word into each cache line: what is neither copied nor checked is at least brought here, and to
/// whoever [looks at it](look_at_lines). Otherwise a message of any size would cost the same.
fn touch_lines(bytes: &mut [u8], word: u64) {
    for line in bytes.chunks_mut(LINE_BYTES) {
        if let Some(first) = line.first_chunk_mut() {
            *first = word.to_le_bytes();
        }
    }
}

/// Loads a word of each cache line.
fn look_at_lines(bytes: &[u8]) {
    let words = bytes.chunks(LINE_BYTES).filter_map(|line| line.first_chunk()).copied();
    black_box(words.fold(0, |sum, word| sum ^ u64::from_le_bytes(word)));
}

/// What a reader finds in a message.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// How long after its intended start it had arrived, in ns; `None` if it is not timed.
    pub(crate) latency: Option<u64>,
    /// Which message it is, if it is whole.
    pub(crate) stamped: Result<Stamped, Fault>,
}

/// Why a message is not whole.
#[derive(Debug, PartialEq)]
pub(crate) enum Fault {
    /// It has another length than all messages of the run.
    Length { bytes: usize, expected: usize },
    /// Its bytes do not belong together.
    Torn(Torn),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Length { bytes, expected } => write!(f, "it has {bytes} bytes, not {expected}"),
            Fault::Torn(torn) => torn.fmt(f),
        }
    }
}

impl Incoming {
    /// Looks at a message that has just arrived.
    pub(crate) fn look(plan: &Plan, message: &[u8]) -> Self {
        if message.len() != plan.slot_bytes {
            let fault = Fault::Length { bytes: message.len(), expected: plan.slot_bytes };
            return Incoming { latency: None, stamped: Err(fault) };
        }
        let (checked, moment) = message.split_at(message.len() - MOMENT_BYTES);
        let intended = u64::from_le_bytes(*moment.first_chunk().expect("split off as 8 bytes"));
        // First the clock: checking is not part of the way.
        let latency = (intended > 0).then(|| Moment::now().as_nanos().saturating_sub(intended));
        let stamped = if plan.verify_writes {
            payload::check(checked)
        } else {
            if plan.zero_copy {
                look_at_lines(checked);
            }
            payload::check(&checked[..STAMP_BYTES])
        };
        Incoming { latency, stamped: stamped.map_err(Fault::Torn) }
    }
}

fn encode(intended: Option<Moment>) -> [u8; MOMENT_BYTES] {
    intended.map_or(0, Moment::as_nanos).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::options::Options;
    use super::*;

    fn plan(slot_bytes: usize, verify: bool) -> Plan {
        let options = Options {
            slot_bytes: Some(slot_bytes),
            no_verify_writes: !verify,
            zero_copy: true,
            ..Options::default()
        };
        Plan::new(&options).unwrap()
    }

    /// Message 7 of writer 0, copied and filled in place.
    fn both_ways(plan: &Plan, intended: Option<Moment>) -> [Vec<u8>; 2] {
        let mut outgoing = Outgoing::new(plan, 0);
        outgoing.prepare(7);
        let mut slot = vec![0xff; plan.slot_bytes];
        outgoing.fill(intended, &mut slot.as_mut_slice());
        [outgoing.bytes(intended).to_vec(), slot]
    }

    #[test]
    fn a_message_arrives_as_it_was_made_copied_or_in_place() {
        for slot_bytes in [16, 17, 24, 64, 72, 200, 5000] {
            for verify in [true, false] {
                let plan = plan(slot_bytes, verify);
                for message in both_ways(&plan, Some(Moment::now())) {
                    let incoming = Incoming::look(&plan, &message);
                    assert_eq!(
                        incoming.stamped,
                        Ok(Stamped { writer: 0, sequence: 7 }),
                        "{slot_bytes} {verify}"
                    );
                    assert!(incoming.latency.is_some());
                }
            }
        }
    }

    #[test]
    fn a_message_without_a_moment_is_not_timed() {
        let plan = plan(100, true);
        for message in both_ways(&plan, None) {
            assert_eq!(Incoming::look(&plan, &message).latency, None);
        }
    }

    #[test]
    fn one_wrong_byte_anywhere_before_the_moment_is_torn_and_so_is_a_cut_message() {
        let plan = plan(200, true);
        for message in both_ways(&plan, None) {
            for offset in 0..192 {
                let mut spoilt = message.clone();
                spoilt[offset] ^= 1;
                assert!(Incoming::look(&plan, &spoilt).stamped.is_err(), "{offset}");
            }
            assert!(Incoming::look(&plan, &message[..199]).stamped.is_err());
        }
    }
}
