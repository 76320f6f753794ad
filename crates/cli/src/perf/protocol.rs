//! The messages between coordinator and workers: JSON, one value a line, over the standard input
//! and output of each worker (a pipe, if the worker is a thread).
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
//! The end of a stream is a message too: a worker whose input ends has lost its coordinator and
//! leaves, and a worker whose output ends before its report has failed.

use super::plan::Plan;
use anyhow::{Context, Result};
use harness::latency::Quantiles;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, Write};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    Take(Assignment),
    Go,
    Stop,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Assignment {
    pub(crate) plan: Plan,
    pub(crate) role: Role,
    /// The ring to open; empty for threads, which share the coordinator's.
    pub(crate) ring: String,
}

/// The part of a worker, and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Role {
    Writer(usize),
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

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// Registered, memory touched.
    Ready,
    /// A stalled writer is in the middle of its write, and stays there.
    Inside,
    /// The results of a writer.
    Wrote(Writing),
    /// The results of a reader.
    Read(Reading),
}

/// The results that writers and readers have in common.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct WorkerResult {
    /// The number of the worker among those of its role.
    pub number: usize,
    /// Its process.
    pub pid: u32,
    /// Messages written, or read.
    pub messages: u64,
    /// From its start to its end.
    pub seconds: f64,
    /// Time spent waiting for room, or for messages.
    pub waited_seconds: f64,
    /// Latencies in ns; `None` if no message was timed.
    pub latency_ns: Option<Quantiles>,
    /// CPU time of its thread.
    pub cpu_seconds: f64,
    /// Times its thread slept.
    pub voluntary_switches: u64,
    /// Times its thread was preempted.
    pub involuntary_switches: u64,
}

/// The results of a writer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Writing {
    /// The common part.
    #[serde(flatten)]
    pub result: WorkerResult,
    /// Writes that a full ring refused or delayed; without a rate, attempts that it refused.
    pub waited_for_readers: u64,
}

/// The results of a reader.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Reading {
    /// The common part.
    #[serde(flatten)]
    pub result: WorkerResult,
    /// The sum of the losses that the ring reported.
    pub lost: u64,
    /// Messages whose bytes do not belong together.
    pub torn: u64,
    /// A description of the first of them.
    pub first_torn: Option<String>,
    /// The numbers in the payloads, writer by writer.
    pub(crate) accounts: Vec<super::verdict::Account>,
}

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
