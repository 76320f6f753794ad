//! The flags of `perf`, as typed. [`super::plan`] fills in the missing ones.

use clap::{Args, ValueEnum};
use harness::ring_spec::Delivery;
use serde::{Deserialize, Serialize};

/// Measures verified messages from writers to readers.
///
/// Every message carries its writer, its number and the intended moment of its write. All its other
/// bytes follow from writer and number (unless --no-verify-writes). Readers count the messages that
/// they read, the losses that the ring reports, and the gaps in the numbers. The command fails if
/// these do not add up, or if a message is torn.
///
/// Latencies start at the intended start of a write. For writers they end with the return of the
/// write (with --zero-copy this includes filling the message), for readers with the end of the read
/// (without the check). MB are 10^6 bytes. Results go to standard output, everything else to
/// standard error.
#[derive(Args, Clone, Debug, Default)]
#[command(args_override_self = true)]
#[expect(clippy::struct_excessive_bools, reason = "independent flags")]
pub struct PerfOptions {
    /// One of five scenarios. A flag beside it overrides its value:
    /// (1) 1 MB x 50 slots, 24 writes/s, 5 readers; (2) 1 MB x 10, 24/s, 100 readers;
    /// (3) 1 MB x 10, 2000/s, 1 reader; (4) 100 MB x 3, 24/s, 1 reader, not verified;
    /// (5) 1 MB x 10, 24/s, 4 readers that burn 100 ms a message, 3 s.
    #[arg(long, value_name = "1-5", value_parser = clap::value_parser!(u8).range(1..=5))]
    pub scenario: Option<u8>,

    /// Bytes of a message (default 1000000)
    #[arg(long, alias = "slot_bytes", value_name = "BYTES")]
    pub slot_bytes: Option<usize>,

    /// Messages that the ring holds (default 10)
    #[arg(long, value_name = "COUNT")]
    pub slots: Option<usize>,

    /// How long to write, in seconds; fractions are allowed (default 10)
    #[arg(long, alias = "duration_seconds", value_name = "SECONDS")]
    pub duration_seconds: Option<f64>,

    /// Messages a second; 0 is as fast as it goes. Then one in 64 messages below 4 KiB is timed,
    /// because reading the clock twice takes longer than the message (default 0)
    #[arg(long, alias = "writes_per_second", value_name = "COUNT")]
    pub writes_per_second: Option<u64>,

    /// Writers, each at its own rate; more than one publish in the order in which their writes end
    /// (default 1)
    #[arg(long, value_name = "COUNT")]
    pub writers: Option<usize>,

    /// The last writer stays in the middle of its first write until the others are done
    #[arg(long)]
    pub stall_last_writer: bool,

    /// Readers; each gets every message (default 1)
    #[arg(long, value_name = "COUNT")]
    pub readers: Option<usize>,

    /// Readers poll instead of waiting: microseconds between two polls that found nothing; 0 is
    /// without a pause
    #[arg(long, value_name = "MICROSECONDS")]
    pub reader_polls_every_microseconds: Option<u64>,

    /// How long each reader spins after each message, in milliseconds of wall time (default 0)
    #[arg(long, alias = "reader_burn_cpu_milliseconds", value_name = "MS")]
    pub reader_burn_cpu_milliseconds: Option<u64>,

    /// Fill each message, and check every byte of each (the default, except in scenario 4)
    #[arg(long, alias = "verify_writes", overrides_with = "no_verify_writes")]
    pub verify_writes: bool,

    /// Stamp and check the first 8 bytes of a message only. The rest is copied in and out
    /// unchecked; with --zero-copy one word of each cache line is stored and loaded, so that the
    /// bytes do change cores
    #[arg(long, aliases = ["no-verify_writes", "no_verify_writes"], overrides_with = "verify_writes")]
    pub no_verify_writes: bool,

    /// What happens when a reader is slower than the writer (default gated)
    #[arg(long, value_enum)]
    pub delivery: Option<Delivery>,

    /// Workers in processes of their own, each with its own mapping, or in threads of this one
    /// (default process)
    #[arg(long, value_enum)]
    pub transport: Option<Transport>,

    /// What the writer of a gated ring does when it is full (default skip)
    #[arg(long, alias = "on_full", value_enum)]
    pub on_full: Option<OnFull>,

    /// Fill messages in the ring and check them there. In a gated ring of messages above 1 KiB
    /// there is no copy at all. In a lossy ring bytes may be overwritten during a read: there the
    /// writer copies in and the reader copies out all the same. Up to 1 KiB messages lie inside
    /// their slots and are copied too
    #[arg(long, alias = "zero_copy")]
    pub zero_copy: bool,

    /// Tie each worker to a core: all in turn, or the writers apart, on cores that no reader is on
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "turn")]
    pub pin: Option<Pinning>,

    /// Name of the ring, so that `seqring stat` can show it meanwhile. Without it the ring has no
    /// name once all workers have opened it, so that not even `kill -9` leaves anything behind
    #[arg(long)]
    pub name: Option<String>,

    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,

    /// Print the replies of the workers on standard error
    #[arg(long)]
    pub debug: bool,
}

/// Where the workers run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// Each in a process of its own.
    #[default]
    Process,
    /// In threads of one process, over a ring on the heap unless it has a name.
    Thread,
}

/// Which worker is tied to which core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pinning {
    /// Writers to the first cores, readers to those behind them, and round again.
    Turn,
    /// Writers to the first half of the cores, readers to the others: readers take no time of the
    /// writers' cores.
    Apart,
}

/// What a writer does when the ring is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFull {
    /// Count the refusal, and go on to the next tick.
    #[default]
    Skip,
    /// Wait for the slowest reader.
    Wait,
}
