//! A message of a run: checked bytes, and behind them the intended moment of its write.
//!
//! | bytes | content |
//! |---|---|
//! | 0..len−8 | verified: all in the form of [`harness::payload`]; else the first 8 only |
//! | len−8..len | intended start of the write (`CLOCK_MONOTONIC`, ns); 0 if it is not timed |

use super::plan::Plan;
use harness::clock::Moment;
use harness::engine::Sink;
use harness::payload::{self, SHORTEST_BYTES as STAMP_BYTES, Stamped, Torn};
use std::hint::black_box;

const MOMENT_BYTES: usize = 8;
const LINE_BYTES: usize = 64;

pub(crate) const SHORTEST_BYTES: usize = STAMP_BYTES + MOMENT_BYTES;

/// The messages of one writer, one at a time.
#[derive(Debug)]
pub(crate) struct Outgoing {
    writer: u32,
    sequence: u64,
    image: Vec<u8>,
    /// So many bytes at the front identify the message.
    checked_bytes: usize,
}

impl Outgoing {
    /// Message 0 of `writer`.
    pub(crate) fn new(plan: &Plan, writer: u32) -> Self {
        let checked_bytes = if plan.verify_writes { plan.slot_bytes - MOMENT_BYTES } else { STAMP_BYTES };
        // Not zeros: the first copy would take the page faults.
        let mut image = vec![1; plan.slot_bytes];
        payload::fill(&mut image[..checked_bytes], writer, 0);
        Outgoing { writer, sequence: 0, image, checked_bytes }
    }

    /// Makes it message `sequence`, except for its moment.
    #[inline]
    pub(crate) fn prepare(&mut self, sequence: u64) {
        self.sequence = sequence;
        payload::restamp(&mut self.image[..self.checked_bytes], self.writer, sequence);
    }

    /// The whole message, to be copied.
    #[inline]
    pub(crate) fn bytes(&mut self, intended: Option<Moment>) -> &[u8] {
        let start = self.image.len() - MOMENT_BYTES;
        self.image[start..].copy_from_slice(&encode(intended));
        &self.image
    }

    /// Makes the message in its slot. Where a reader may be reading those bytes, the message is
    /// copied in.
    pub(crate) fn fill(&mut self, intended: Option<Moment>, sink: &mut dyn Sink) {
        let Some(slot) = sink.as_mut_slice() else { return sink.put(0, self.bytes(intended)) };
        let (body, moment) = slot.split_at_mut(slot.len() - MOMENT_BYTES);
        if self.checked_bytes < body.len() {
            touch_lines(body, self.sequence);
        }
        payload::fill(&mut body[..self.checked_bytes], self.writer, self.sequence);
        moment.copy_from_slice(&encode(intended));
    }
}

/// Stores a word into each cache line, so that bytes which are neither copied nor checked still
/// change cores. Otherwise a message of any size would cost the same.
fn touch_lines(bytes: &mut [u8], word: u64) {
    for line in bytes.chunks_mut(LINE_BYTES) {
        if let Some(first) = line.first_chunk_mut() {
            *first = word.to_le_bytes();
        }
    }
}

fn load_lines(bytes: &[u8]) {
    let words = bytes.chunks(LINE_BYTES).filter_map(|line| line.first_chunk()).copied();
    black_box(words.fold(0, |sum, word| sum ^ u64::from_le_bytes(word)));
}

/// What a reader finds in a message.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// Its arrival, in ns after its intended start; `None` if it is not timed.
    pub(crate) latency: Option<u64>,
    /// Which message it is; or why it is not whole.
    pub(crate) stamped: Result<Stamped, Torn>,
}

impl Incoming {
    /// Checks a message that has just arrived.
    #[inline(always)]
    pub(crate) fn check(plan: &Plan, message: &[u8]) -> Self {
        if message.len() != plan.slot_bytes {
            let torn = Torn::OtherLength { bytes: message.len(), expected: plan.slot_bytes };
            return Incoming { latency: None, stamped: Err(torn) };
        }
        let (checked, moment) = message.split_at(message.len() - MOMENT_BYTES);
        let intended = u64::from_le_bytes(*moment.first_chunk().expect("split off as 8 bytes"));
        // The clock first: the check is not part of the latency.
        let latency = (intended > 0).then(|| Moment::now().as_nanos().saturating_sub(intended));
        let stamped = if plan.verify_writes {
            payload::check(checked)
        } else {
            if plan.zero_copy {
                load_lines(checked);
            }
            payload::check(&checked[..STAMP_BYTES])
        };
        Incoming { latency, stamped }
    }
}

fn encode(intended: Option<Moment>) -> [u8; MOMENT_BYTES] {
    intended.map_or(0, Moment::as_nanos).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(slot_bytes: usize, verify: bool) -> Plan {
        let verify = if verify { "" } else { "--no-verify-writes" };
        Plan::of_flags(&format!("--zero-copy --slot-bytes {slot_bytes} {verify}"))
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
    fn a_message_arrives_as_it_was_made_copied_or_in_place_and_is_timed_if_it_has_a_moment() {
        for slot_bytes in [16, 17, 24, 64, 72, 200, 5000] {
            for (verify, moment) in [(true, Some(Moment::now())), (false, Some(Moment::now())), (true, None)]
            {
                let plan = plan(slot_bytes, verify);
                for message in both_ways(&plan, moment) {
                    let Incoming { latency, stamped } = Incoming::check(&plan, &message);
                    assert_eq!(stamped, Ok(Stamped { writer: 0, sequence: 7 }), "{slot_bytes} {verify}");
                    assert_eq!(latency.is_some(), moment.is_some());
                }
            }
        }
    }

    #[test]
    fn one_wrong_byte_anywhere_before_the_moment_is_torn_and_so_is_a_cut_message() {
        let plan = plan(200, true);
        for message in both_ways(&plan, None) {
            for offset in 0..192 {
                let mut spoilt = message.clone();
                spoilt[offset] ^= 1;
                assert!(Incoming::check(&plan, &spoilt).stamped.is_err(), "{offset}");
            }
            assert!(Incoming::check(&plan, &message[..199]).stamped.is_err());
        }
    }
}
