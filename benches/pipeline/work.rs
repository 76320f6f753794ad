//! What commanders and producers do here, in threads and in processes.

use harness::clock::Moment;
use harness::drive::Peers;
use seqring::pipeline::{
    self, Commander, Filling, Items, Pipeline, PipelineError, Producer, Programs, WorkerError,
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Producers of each measurement.
pub(crate) const PRODUCERS: [usize; 3] = [1, 2, 8];

/// Bytes of a small item.
pub(crate) const SMALL: usize = 12_000;

/// Items before the clock starts.
const WARM_UP: usize = 128;

/// What producers do with a command, and until when the commander has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Fill each item with the low byte of its number.
    Fill,
    /// Copy a private source of the item's size into it, and its number to the front.
    Copy,
    /// Put the time of the command to the front of the item.
    Stamp,
    /// As `Fill`, and after a few commands the commander has no other, and no end.
    NoCommand,
    /// As `Fill`, and after a few items the producers stay away.
    Blocked,
}

/// "A few".
pub(crate) const FEW: u64 = 8;

/// Set when the commander or producer that is away in this process is to come back.
static COME_BACK: AtomicBool = AtomicBool::new(false);

impl Work {
    const ALL: [Work; 5] = [Work::Fill, Work::Copy, Work::Stamp, Work::NoCommand, Work::Blocked];

    fn name(self) -> String {
        format!("{self:?}")
    }

    /// Starts a pipeline whose workers do this.
    pub(crate) fn start(self, peers: Peers, pipeline: &Pipeline) -> Result<Items, String> {
        // Relaxed: a request, orders nothing.
        COME_BACK.store(false, Ordering::Relaxed);
        let items = match peers {
            Peers::Threads => pipeline.start(Issuing { work: self, next: 0 }, |_| Making::new(self)),
            Peers::Processes => pipeline.start_with(Programs::new(self.name())),
        };
        items.map_err(|error: PipelineError| error.to_string())
    }

    /// Stops a pipeline that was started so.
    pub(crate) fn stop(items: Items) -> Result<(), String> {
        COME_BACK.store(true, Ordering::Relaxed); // Relaxed: as above.
        items.stop().map_err(|error| error.to_string())
    }
}

/// In a worker process: is the worker, and does not return.
pub(crate) fn be_worker() {
    for work in Work::ALL {
        pipeline::worker_main(&work.name(), || Issuing { work, next: 0 }, |_| Making::new(work));
    }
}

/// Until the measurement is over: threads come back, processes are killed.
fn be_away() {
    while !COME_BACK.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(250));
    }
}

struct Issuing {
    work: Work,
    next: u64,
}

impl Commander for Issuing {
    fn next(&mut self, command: &mut Vec<u8>) -> Result<bool, WorkerError> {
        if self.work == Work::NoCommand && self.next == FEW {
            be_away();
        }
        let word = match self.work {
            Work::Stamp => Moment::now().as_nanos(),
            _ => self.next,
        };
        command.extend_from_slice(&word.to_le_bytes());
        self.next += 1;
        Ok(true)
    }
}

struct Making {
    work: Work,
    source: Vec<u8>,
}

impl Making {
    fn new(work: Work) -> Self {
        Making { work, source: Vec::new() }
    }
}

impl Producer for Making {
    fn produce(&mut self, command: &[u8], item: &mut Filling<'_>) -> Result<(), WorkerError> {
        let number = item.number();
        let bytes = item.array(0);
        match self.work {
            Work::Copy => {
                self.source.resize(bytes.len(), 0x5a);
                bytes.copy_from_slice(&self.source);
                bytes[..8].copy_from_slice(&number.to_le_bytes());
            }
            Work::Stamp => bytes[..8].copy_from_slice(command),
            Work::Blocked if number >= FEW => be_away(),
            _ => bytes.fill(number as u8),
        }
        Ok(())
    }
}

/// Items a second within `duration`, each checked by `check`.
pub(crate) fn rate(
    mut items: Items,
    duration: Duration,
    check: impl Fn(u64, &[u8]) -> bool,
) -> Result<f64, String> {
    let mut next = || -> Result<(), String> {
        let item = items.next().ok_or("the items ended")?.map_err(|error| error.to_string())?;
        let is_right = check(item.number(), item.array(0));
        if is_right { Ok(()) } else { Err(format!("item {} is not what was made", item.number())) }
    };
    for _ in 0..WARM_UP {
        next()?;
    }
    let (start, mut count) = (Instant::now(), 0_u64);
    while start.elapsed() < duration {
        next()?;
        count += 1;
    }
    let rate = count as f64 / start.elapsed().as_secs_f64();
    Work::stop(items)?;
    Ok(rate)
}
