//! The sweeps: which parameter is varied, over which values, and which are fixed.

/// A measurement at several values of a parameter.
#[derive(Debug)]
pub(crate) struct Sweep {
    /// Its name in the record.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// The varied parameter, with its unit.
    pub(crate) axis: &'static str,
    /// The fixed parameters, in words.
    pub(crate) fixed: &'static str,
    pub(crate) work: Work,
    pub(crate) full: &'static [f64],
    pub(crate) quick: &'static [f64],
    /// Seconds of a repetition, full and quick.
    pub(crate) seconds: [f64; 2],
    /// Rounds, full and quick.
    pub(crate) rounds: [u32; 2],
}

impl Sweep {
    /// Where `x` stands among the points: the rate 0 means "as fast as possible".
    pub(crate) fn place(&self, x: f64) -> f64 {
        if self.name == "rate" && x == 0.0 { f64::INFINITY } else { x }
    }

    /// Whether its rates are those of one writer.
    pub(crate) fn has_one_writer(&self) -> bool {
        !matches!(self.name, "writers" | "stalled-writer")
    }

    /// Whether a table of that name is about this sweep: its own, or one of another figure.
    pub(crate) fn has_table(&self, name: &str) -> bool {
        name.strip_prefix(self.name).is_some_and(|figure| figure.is_empty() || figure.starts_with('-'))
    }
}

/// How a point is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    /// A run of `perf`, with the flags of a point.
    Perf(fn(f64) -> String),
    /// One thread writes a message of so many bytes and reads it.
    Alone,
}

/// With what is around it a repetition then lasts the 0.4 s in which others cannot hide behind the
/// kernel's ticks.
const FULL_SECONDS: f64 = 0.3;
const QUICK_SECONDS: f64 = 0.2;
const COMMON: Sweep = Sweep {
    name: "",
    title: "",
    axis: "",
    fixed: "",
    work: Work::Alone,
    full: &[],
    quick: &[],
    seconds: [FULL_SECONDS, QUICK_SECONDS],
    rounds: [3, 3],
};

/// Small messages as fast as they go, into a lossy ring: the writer waits for nothing but a lock.
const SMALL: &str =
    "--slot-bytes 64 --slots 1024 --delivery lossy --transport thread --no-verify-writes --readers 1";

/// As fast as gated readers let them go.
const GATED: &str = "--delivery gated --on-full wait";

fn small(flags: &str) -> String {
    format!("{SMALL} {flags}")
}

fn readers(count: f64) -> String {
    small(&format!("--readers {count} --pin=apart"))
}

/// All of them, in the order in which they are measured.
pub(crate) static SWEEPS: &[Sweep] = &[
    Sweep {
        name: "readers-polling",
        title: "More readers that poll without a pause",
        axis: "readers",
        fixed: "64-byte messages, 1024 slots, lossy, threads; the writer alone on its core, all readers on the other",
        work: Work::Perf(|x| readers(x) + " --reader-polls-every 0"),
        full: &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 100.0],
        quick: &[1.0, 8.0, 32.0],
        rounds: [5, 3],
        ..COMMON
    },
    Sweep {
        name: "readers-blocking",
        title: "More readers that wait for messages",
        axis: "readers",
        fixed: "64-byte messages, 1024 slots, lossy, threads; the writer alone on its core, all readers on the other",
        work: Work::Perf(readers),
        full: &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 100.0],
        quick: &[1.0, 8.0, 32.0],
        rounds: [5, 3],
        ..COMMON
    },
    Sweep {
        name: "readers-processes",
        title: "More reader processes that poll every 10 µs",
        axis: "readers",
        fixed: "64-byte messages, 1024 slots, lossy, processes; the writer alone on its core",
        work: Work::Perf(|x| readers(x) + " --transport process --reader-polls-every 10"),
        full: &[1.0, 8.0, 32.0, 100.0],
        quick: &[1.0, 8.0],
        ..COMMON
    },
    Sweep {
        name: "poll-interval",
        title: "Eight readers that poll less and less often",
        axis: "µs between two polls",
        fixed: "64-byte messages, 1024 slots, lossy, threads; the writer alone on its core",
        work: Work::Perf(|x| format!("{} --reader-polls-every {x}", readers(8.0))),
        full: &[10.0, 100.0, 1000.0, 10_000.0],
        quick: &[],
        ..COMMON
    },
    Sweep {
        name: "oversubscribed",
        title: "More readers than cores, not pinned",
        axis: "readers",
        fixed: "64-byte messages, 1024 slots, lossy, threads that wait for messages",
        work: Work::Perf(|x| small(&format!("--readers {x}"))),
        full: &[4.0, 16.0],
        quick: &[],
        ..COMMON
    },
    Sweep {
        name: "writers",
        title: "More writers",
        axis: "writers",
        fixed: "64-byte messages, 1024 slots, gated, 2 readers, threads, not pinned",
        work: Work::Perf(|x| small(&format!("{GATED} --writers {x} --readers 2"))),
        full: &[1.0, 2.0, 4.0, 8.0, 16.0],
        quick: &[1.0, 4.0],
        ..COMMON
    },
    Sweep {
        name: "stalled-writer",
        title: "One writer stays in the middle of a write",
        axis: "stalled writers",
        fixed: "2 other writers, 2 readers, 64-byte messages, 64 slots, lossy, threads; the rate is that of the others",
        work: Work::Perf(|x| {
            let stalled = if x > 0.0 { "--writers 3 --stall-last-writer" } else { "--writers 2" };
            small(&format!("{stalled} --readers 2 --slots 64"))
        }),
        full: &[0.0, 1.0],
        quick: &[0.0, 1.0],
        ..COMMON
    },
    Sweep {
        name: "rate",
        title: "Paced messages: how late they are",
        axis: "writes a second",
        fixed: "64-byte messages, 1024 slots, gated, 2 readers that wait, processes",
        work: Work::Perf(|x| {
            small(&format!("{GATED} --transport process --readers 2 --writes-per-second {x}"))
        }),
        full: &[24.0, 1000.0, 100_000.0, 0.0],
        quick: &[1000.0],
        seconds: [0.8, QUICK_SECONDS],
        ..COMMON
    },
    Sweep {
        name: "bytes",
        title: "Larger messages: where copying hides the lock",
        axis: "bytes a message",
        fixed: "4 slots, gated, 1 reader, processes, copied in and out, each pinned to a core",
        work: Work::Perf(|x| {
            small(&format!("{GATED} --transport process --pin=apart --slots 4 --slot-bytes {x}"))
        }),
        full: &[16.0, 64.0, 1024.0, 4096.0, 16_384.0, 65_536.0, 1e6, 1e7, 1e8],
        quick: &[64.0, 4096.0, 1e6],
        rounds: [5, 3],
        ..COMMON
    },
    Sweep {
        name: "slots",
        title: "More slots",
        axis: "slots",
        fixed: "64-byte messages, gated, 1 reader, processes, each pinned to a core",
        work: Work::Perf(|x| small(&format!("{GATED} --transport process --pin=apart --slots {x}"))),
        full: &[1.0, 2.0, 10.0, 1024.0],
        quick: &[],
        ..COMMON
    },
    Sweep {
        name: "slow-readers",
        title: "Readers that are busy after each message",
        axis: "ms of work a message",
        fixed: "2 readers, 64-KiB messages, 10 slots, lossy, 2000 writes/s, processes",
        work: Work::Perf(|x| {
            let shape = "--slot-bytes 65536 --slots 10 --readers 2 --writes-per-second 2000";
            small(&format!("{shape} --transport process --reader-burn-cpu {x}"))
        }),
        full: &[0.0, 1.0, 10.0],
        quick: &[],
        ..COMMON
    },
    Sweep {
        name: "scenario",
        title: "The five scenarios",
        axis: "scenario",
        fixed: "processes, all bytes verified except in 4; scenario 5 lossy, the others gated",
        work: Work::Perf(|x| {
            format!("--scenario {x} --delivery {}", if x < 5.0 { "gated" } else { "lossy" })
        }),
        full: &[1.0, 2.0, 3.0, 4.0, 5.0],
        quick: &[1.0, 2.0, 3.0, 4.0, 5.0],
        // A whole number of messages at 24 a second.
        seconds: [1.25, 0.75],
        rounds: [3, 1],
    },
    Sweep {
        name: "alone",
        title: "Without contention: one thread writes a message and reads it",
        axis: "bytes a message",
        fixed: "one thread, 64 slots, gated, heap",
        work: Work::Alone,
        full: &[16.0, 64.0, 1024.0, 16_384.0],
        quick: &[64.0],
        seconds: [0.2, 0.1],
        ..COMMON
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use seqring_cli::perf::Plan;

    #[test]
    fn every_point_is_a_run() {
        for sweep in SWEEPS {
            if let Work::Perf(flags) = sweep.work {
                sweep.full.iter().for_each(|&x| Plan::of_flags(&flags(x)).check().unwrap());
            }
        }
    }
}
