//! What a run itself costs for each message: its loops over a ring that does nothing.
//!
//! The writer's loop stamps messages, counts them and reads the clock now and then; the reader's
//! checks and counts them. Of what the ring does, nothing is left: no copy, no synchronisation. A
//! processor does some of this work while it waits for the ring, so this is the most that a run can
//! add to a message.

use super::message::Outgoing;
use super::plan::Plan;
use super::protocol::WorkerResult;
use super::reader::MessageReader;
use super::writer::MessageWriter;
use anyhow::Result;
use harness::engine::{EngineReader, EngineWriter, Sink};
use harness::payload::SHORTEST_BYTES as STAMP_BYTES;
use harness::refusal::Refusal;
use std::hint::black_box;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Messages that are read.
const MESSAGES: u64 = 1 << 16;
/// Of which so many have stamps of their own.
const STAMPS: usize = 64;
/// How long messages are written.
const DURATION: f64 = 0.001;
/// The least of so many is the cost; the others were disturbed.
const TRIES: usize = 9;

/// The cost of a write and of a read, in ns. `None` if the run has a pace, or generates and checks
/// whole messages: then it is meant to take that time.
///
/// # Errors
/// None that a ring which does nothing can have.
pub fn own_cost(plan: &Plan) -> Result<Option<[f64; 2]>> {
    if plan.target().is_some() || plan.verify_writes {
        return Ok(None);
    }
    let mut plan = plan.clone();
    (plan.duration_seconds, plan.stall_last_writer) = (DURATION, false);
    plan.reader_polls_every_microseconds = None;
    let nanos = |result: &WorkerResult| 1e9 * result.seconds / result.messages as f64;
    let mut least = [f64::INFINITY; 2];
    for _ in 0..TRIES {
        let writer = MessageWriter::new(&plan, 0, Nothing);
        let written = writer.run(&AtomicBool::new(false), || Ok(()))?;
        let read = MessageReader::new(&plan, 0, Stamps::new(&plan)).run()?;
        for (least, result) in least.iter_mut().zip([written.result, read.result]) {
            *least = least.min(nanos(&result));
        }
    }
    Ok(Some(least))
}

/// A writer to nowhere.
struct Nothing;

impl EngineWriter for Nothing {
    fn put_with(
        &mut self,
        _: usize,
        _: Option<Duration>,
        _: impl FnOnce(&mut dyn Sink),
    ) -> Result<(), Refusal> {
        Ok(())
    }

    #[inline]
    fn put(&mut self, message: &[u8], _: Option<Duration>) -> Result<(), Refusal> {
        black_box(message);
        Ok(())
    }
}

/// A reader of messages that are there: it puts their stamps into the buffer.
struct Stamps {
    stamps: Vec<[u8; STAMP_BYTES]>,
    read: u64,
}

impl Stamps {
    fn new(plan: &Plan) -> Self {
        let mut outgoing = Outgoing::new(plan, 0);
        let stamps = (0..STAMPS as u64).map(|sequence| {
            outgoing.prepare(sequence);
            *outgoing.bytes(None).first_chunk().expect("a message has a stamp")
        });
        Self { stamps: stamps.collect(), read: 0 }
    }
}

impl EngineReader for Stamps {
    fn get_with<T>(&mut self, _: Option<Duration>, _: impl FnOnce(&[u8]) -> T) -> Result<T, Refusal> {
        Err(Refusal::Closed)
    }

    #[inline]
    fn get(&mut self, buffer: &mut [u8], _: Option<Duration>) -> Result<usize, Refusal> {
        if self.read == MESSAGES {
            return Err(Refusal::Closed);
        }
        let stamp = &self.stamps[self.read as usize % STAMPS];
        *buffer.first_chunk_mut().expect("a message has a stamp") = *stamp;
        *buffer.last_chunk_mut().expect("it has a moment") = [0; STAMP_BYTES]; // It is not timed.
        self.read += 1;
        Ok(buffer.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_a_pace_has_a_cost_of_its_own() {
        let cost = |flags| own_cost(&Plan::of_flags(flags)).unwrap();
        let [write, read] = cost("--slot-bytes 64 --no-verify-writes").unwrap();
        println!("a write {write:.2} ns, a read {read:.2} ns");
        assert!(write > 0.0 && read > 0.0);
        assert_eq!(cost("--slot-bytes 64"), None, "whole messages are checked");
        assert_eq!(cost("--slot-bytes 64 --no-verify-writes --writes-per-second 10"), None);
    }
}
