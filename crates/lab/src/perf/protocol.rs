//! What coordinator and workers say to each other: JSON, one value a line, over each worker's standard input
//! and output (a pipe, where the worker is a thread).
//!
//! ```text
//! coordinator                          worker
//! Take(assignment)       ───▶          opens the ring, joins it, touches its memory
//!                        ◀───          Ready
//! Go                     ───▶          writes, or reads until the stream ends
//! Stop (to writers)      ───▶          leaves early
//!                        ◀───          Wrote / Read
//! ```
//!
//! The end of a stream is a message too: a worker whose input ends has lost its coordinator and leaves, and a
//! worker whose output ends before its report has failed.

use super::plan::Plan;
use anyhow::{Context, Result};
use harness::latency::{Latencies, Quantiles};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, Write};

/// From the coordinator.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Get ready for this.
    Take(Assignment),
    /// The clock starts.
    Go,
    /// Leave early.
    Stop,
}

/// What one worker is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Assignment {
    pub(crate) plan: Plan,
    pub(crate) role: Role,
    /// The ring to open; empty for threads, which share the coordinator's.
    pub(crate) ring: String,
}

/// A worker's part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Role {
    /// Writer of that number.
    Writer(usize),
    /// Reader of that number.
    Reader(usize),
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Role::Writer(index) => write!(f, "writer {index}"),
            Role::Reader(index) => write!(f, "reader {index}"),
        }
    }
}

/// From a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// Registered, memory touched.
    Ready,
    /// A writer stands in the middle of its write, and stays there.
    Inside,
    /// A writer's results.
    Wrote(Writing),
    /// A reader's results.
    Read(Reading),
}

/// What a writer did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Writing {
    pub(crate) number: usize,
    pub(crate) pid: u32,
    pub(crate) slots: u64,
    pub(crate) seconds: f64,
    /// Writes that a full ring refused, or that had to wait for it.
    pub(crate) refused: u64,
    /// Time spent waiting for room.
    pub(crate) waited_seconds: f64,
    pub(crate) latency: Option<Latency>,
    pub(crate) effort: Effort,
}

/// What a reader saw.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Reading {
    pub(crate) number: usize,
    pub(crate) pid: u32,
    pub(crate) slots: u64,
    pub(crate) seconds: f64,
    /// The sum of what the ring reported as lost.
    pub(crate) lost: u64,
    /// Messages whose bytes do not belong together.
    pub(crate) torn: u64,
    /// What was wrong with the first of them.
    pub(crate) first_torn: Option<String>,
    /// What the numbers in the payloads say, writer by writer.
    pub(crate) accounts: Vec<Account>,
    /// Time spent waiting for messages.
    pub(crate) waited_seconds: f64,
    pub(crate) latency: Option<Latency>,
    pub(crate) effort: Effort,
}

/// What a reader knows of one writer's messages, from the numbers inside them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Account {
    /// The number that comes next.
    pub(crate) expects: u64,
    /// Numbers that were left out before it.
    pub(crate) missing: u64,
    /// Numbers that came late or twice.
    pub(crate) disordered: u64,
    /// The [`digest`]s of all numbers that came, summed.
    pub(crate) digest: u64,
}

/// A number's part in a sum that tells which numbers are in it, each once: no other set of them has it by chance.
pub(crate) fn digest(number: u64) -> u64 {
    // The finalizer of MurmurHash3: every bit of the number reaches every bit of the digest.
    let mixed = number.wrapping_add(1).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ mixed >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ mixed >> 33
}

/// Latencies in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Latency {
    pub(crate) samples: u64,
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
    pub(crate) max: u64,
}

impl Latency {
    /// What there is to say of these; `None` of none.
    pub(crate) fn of(latencies: &Latencies) -> Option<Self> {
        let Quantiles { count, p50, p99, p999, max } = latencies.quantiles()?;
        Some(Latency { samples: count, p50, p99, p999, max })
    }
}

/// What a worker's thread cost between start and end.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Effort {
    pub(crate) cpu_seconds: f64,
    pub(crate) voluntary_switches: u64,
    pub(crate) involuntary_switches: u64,
}

/// Sends one value.
pub(crate) fn send(stream: &mut impl Write, message: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    Ok(stream.flush()?)
}

/// Receives one value; `None` at the end of the stream.
pub(crate) fn receive<T: DeserializeOwned>(stream: &mut impl BufRead) -> Result<Option<T>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let message = serde_json::from_str(&line);
    message.map(Some).with_context(|| format!("not a message of this protocol: {}", line.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_crosses_a_stream_and_the_end_is_told() {
        let mut bytes = Vec::new();
        send(&mut bytes, &Order::Go).unwrap();
        let mut stream = bytes.as_slice();
        assert!(matches!(receive(&mut stream).unwrap(), Some(Order::Go)));
        assert!(receive::<Order>(&mut stream).unwrap().is_none());
    }

    #[test]
    fn a_strange_line_is_shown() {
        let error = receive::<Order>(&mut b"hello\n".as_slice()).unwrap_err();
        assert!(error.to_string().contains("hello"));
    }
}
