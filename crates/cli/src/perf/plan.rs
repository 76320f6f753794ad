//! What a run does: the flags of `perf`, every value filled in.

use super::BadInput;
use super::message::SHORTEST_BYTES;
use crate::units;
use clap::{ArgAction, Args, FromArgMatches, ValueEnum};
use harness::ring_spec::{Delivery, Place, RingSpec};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Measures verified messages from writers to readers.
///
/// Every message carries its writer, its number and the intended moment of its write. All its other
/// bytes follow from writer and number (unless --no-verify-writes). Readers count the messages that
/// they read, the losses that the ring reports, and the gaps in the numbers. The command fails if
/// these do not add up, or if a message is torn.
///
/// Latencies start at the intended start of a write. For writers they end with the return of the
/// write (with --zero-copy this includes filling the message), for readers with the end of the read
/// (without the check). Without a rate the ring is full or empty all the time: latencies are then
/// those of a saturated ring.
///
/// The last line of the output is the result; the table above it has at most ten rows. The best
/// worker has most messages, and of equal ones the lowest p99. A cache line's round trip is the
/// time in which a store on one core is answered by a store on another: no message between cores is
/// faster, and if it differs before and after the run, the cores moved on their host.
///
/// Sizes, counts and times take units: 64KiB, 1MB, 10k, 500ms, 2min. MB are 10^6 bytes. Results go
/// to standard output, everything else to standard error.
#[derive(Args, Clone, Debug)]
#[command(args_override_self = true)]
pub struct PerfOptions {
    #[command(flatten)]
    pub(crate) plan: Plan,

    /// Print one JSON object instead of text, with the results of every worker
    #[arg(short, long)]
    pub(crate) json: bool,

    /// Print the replies of the workers on standard error
    #[arg(long)]
    pub(crate) debug: bool,
}

/// A run. Workers receive it unchanged, and the record repeats it.
#[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "independent flags")]
pub struct Plan {
    /// One of five scenarios of the package ringbuffer. A flag beside it overrides its value:
    /// (1) 1 MB x 50 slots, 24 writes/s, 5 readers; (2) 1 MB x 10, 24/s, 100 readers;
    /// (3) 1 MB x 10, 2000/s, 1 reader; (4) 100 MB x 3, 24/s, 1 reader, not verified;
    /// (5) 1 MB x 10, 24/s, 4 readers that burn 100 ms a message, 3 s.
    #[arg(long, value_name = "1-5", value_parser = clap::value_parser!(u8).range(1..=5))]
    pub scenario: Option<u8>,

    /// What happens when a reader is slower than the writer
    #[arg(long, value_enum, default_value_t)]
    pub delivery: Delivery,

    /// Workers in processes of their own, each with its own mapping, or in threads of this one
    #[arg(long, value_enum, default_value_t)]
    pub transport: Transport,

    /// What the writer of a gated ring does when it is full
    #[arg(long, value_enum, default_value_t)]
    pub on_full: OnFull,

    /// Bytes of a message
    #[arg(short = 'b', long, value_name = "SIZE", default_value = "1MB")]
    #[arg(value_parser = units::bytes, default_value_if("scenario", "4", "100MB"))]
    pub slot_bytes: usize,

    /// Messages that the ring holds
    #[arg(short, long, value_name = "COUNT", default_value = "10")]
    #[arg(default_value_ifs([("scenario", "1", "50"), ("scenario", "4", "3")]))]
    pub slots: usize,

    /// How long to write
    #[arg(short, long = "duration", value_name = "TIME", value_parser = units::seconds, default_value = "10s")]
    #[arg(default_value_if("scenario", "5", "3s"))]
    pub duration_seconds: f64,

    /// Messages a second; 0 is as fast as it goes. Then a message is timed every 8 µs, because
    /// reading the clock takes longer than a fast message
    #[arg(long, value_name = "COUNT", default_value = "0")]
    #[arg(value_parser = units::count, default_value_ifs([("scenario", "1", "24"), ("scenario", "2", "24"), ("scenario", "3", "2000"),
        ("scenario", "4", "24"), ("scenario", "5", "24")]))]
    pub writes_per_second: u64,

    /// Writers, each at its own rate; more than one publish in the order in which their writes end
    #[arg(short, long, value_name = "COUNT", default_value = "1")]
    pub writers: usize,

    /// The last writer stays in the middle of its first write until the others are done
    #[arg(long)]
    pub stall_last_writer: bool,

    /// Readers; each gets every message. Without one (0), no message is checked
    #[arg(short, long, value_name = "COUNT", default_value = "1")]
    #[arg(default_value_ifs([("scenario", "1", "5"), ("scenario", "2", "100"), ("scenario", "5", "4")]))]
    pub readers: usize,

    /// Readers poll instead of waiting, with this pause after a poll that found nothing (10us, 0)
    #[arg(long = "reader-polls-every", value_name = "TIME", value_parser = units::microseconds)]
    pub reader_polls_every_microseconds: Option<u64>,

    /// How long each reader spins after each message, as 100ms of wall time
    #[arg(long = "reader-burn-cpu", value_name = "TIME", default_value = "0")]
    #[arg(value_parser = units::milliseconds, default_value_if("scenario", "5", "100ms"))]
    pub reader_burn_cpu_milliseconds: u64,

    /// Fill each message, and check every byte of each (the default, except in scenario 4)
    #[arg(long, overrides_with = "no_verify_writes")]
    #[arg(action = ArgAction::SetTrue, default_value = "true")]
    #[arg(default_value_ifs([("no_verify_writes", "true", "false"), ("scenario", "4", "false")]))]
    pub verify_writes: bool,

    /// Stamp and check the first 8 bytes of a message only. The rest is copied in and out
    /// unchecked; with --zero-copy one word of each cache line is stored and loaded, so that the
    /// bytes do change cores
    #[arg(long, overrides_with = "verify_writes")]
    #[serde(skip)]
    no_verify_writes: bool,

    /// Fill messages in the ring and check them there. In a gated ring of messages above 1 KiB
    /// there is no copy at all. In a lossy ring bytes may be overwritten during a read: there the
    /// writer copies in and the reader copies out all the same. Up to 1 KiB messages lie inside
    /// their slots and are copied too
    #[arg(long)]
    pub zero_copy: bool,

    /// Tie each worker to a core: all in turn, or the writers apart, on cores that no reader is on
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "turn")]
    pub pin: Option<Pinning>,

    /// Name of the ring, so that `seqring stat` can show it meanwhile. Without it the ring has no
    /// name once all workers have opened it, so that not even `kill -9` leaves anything behind
    #[arg(short, long)]
    pub name: Option<String>,
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

/// A year: the clock arithmetic is not checked beyond it.
const LONGEST_SECONDS: f64 = 365.0 * 24.0 * 3600.0;

/// A stamp holds the number of a writer in 16 bits.
const MOST_WRITERS: usize = (1 << 16) - 1;

impl Plan {
    /// Checks what no single flag shows.
    ///
    /// # Errors
    /// [`BadInput`], naming the flag. The ring itself refuses bad names and sizes when it is
    /// created.
    pub fn check(&self) -> Result<(), BadInput> {
        let (bytes, seconds, writers) = (self.slot_bytes, self.duration_seconds, self.writers);
        let faults = [
            (self.slots == 0, "--slots must be at least 1".into()),
            (
                bytes < SHORTEST_BYTES,
                format!(
                    "--slot-bytes must be at least {SHORTEST_BYTES}, not {bytes}: every message carries its \
                     writer, number and moment"
                ),
            ),
            (
                !(seconds > 0.0 && seconds <= LONGEST_SECONDS),
                format!("--duration must be more than 0 s and at most {LONGEST_SECONDS} s, not {seconds} s"),
            ),
            (
                !(1..=MOST_WRITERS).contains(&writers),
                format!("--writers must be 1 to {MOST_WRITERS}, not {writers}"),
            ),
            (
                self.stall_last_writer && writers < 2,
                "--stall-last-writer needs --writers 2 or more: the others are measured".into(),
            ),
        ];
        faults.into_iter().find(|(is_fault, _)| *is_fault).map_or(Ok(()), |(_, fault)| Err(BadInput(fault)))
    }

    /// The run of `flags`, separated by blanks.
    ///
    /// # Panics
    /// If they are not understood.
    pub fn of_flags(flags: &str) -> Self {
        let command =
            Self::augment_args(clap::Command::new("perf").no_binary_name(true).args_override_self(true));
        let matches = command.try_get_matches_from(flags.split_ascii_whitespace());
        matches.and_then(|matches| Self::from_arg_matches(&matches)).expect("flags of this command")
    }

    pub(crate) fn ring(&self) -> RingSpec {
        RingSpec {
            slots: self.slots,
            slot_bytes: self.slot_bytes,
            delivery: self.delivery,
            writers: self.writers,
            readers: self.readers,
        }
    }

    /// The place of the ring. `made_up` is its name if it needs one and the user gave none.
    pub(crate) fn place(&self, made_up: impl FnOnce() -> String) -> Place {
        match (&self.name, self.transport) {
            (Some(name), _) => Place::Named(name.clone()),
            (None, Transport::Process) => Place::Named(made_up()),
            (None, Transport::Thread) => Place::Heap,
        }
    }

    /// Whether the writer of that number stays in the middle of a write all the time.
    pub fn is_stalled(&self, writer: usize) -> bool {
        self.stall_last_writer && writer + 1 == self.writers
    }

    /// How long the writers write.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.duration_seconds)
    }

    /// How long a polling reader pauses after a poll that found nothing.
    pub(crate) fn poll_interval(&self) -> Option<Duration> {
        self.reader_polls_every_microseconds.map(Duration::from_micros)
    }

    /// The rate to reach, if there is one.
    pub fn target(&self) -> Option<f64> {
        (self.writes_per_second > 0).then_some(self.writes_per_second as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_overrides_the_value_of_its_scenario_and_nothing_else() {
        let plan = Plan::of_flags("--scenario 4 -s 7 --verify-writes");
        assert_eq!((plan.slots, plan.slot_bytes, plan.writes_per_second), (7, 100_000_000, 24));
        assert!(plan.verify_writes && !Plan::of_flags("--scenario 4").verify_writes);
    }
}
