//! The reader's part: every message until the stream ends, each one looked at.

use super::message::Incoming;
use super::options::Delivery;
use super::plan::Plan;
use super::protocol::{Latency, Reading};
use super::tally::Tally;
use super::worker::Meter;
use anyhow::Result;
use harness::clock::Moment;
use harness::engine::EngineReader;
use harness::latency::Latencies;
use harness::refusal::{ReadError, Refusal};
use harness::sink::Scratch;
use rustix::thread::set_current_timer_slack;
use std::hint::spin_loop;
use std::num::NonZeroU64;
use std::thread;
use std::time::Duration;

/// Between two looks of any of the polling readers once the writers were to stop.
const QUIET: Duration = Duration::from_millis(1);

/// How long one wait lasts; nothing else is done after it than to wait again.
const PATIENCE: Duration = Duration::from_secs(1);

/// A reader that is ready to start.
#[derive(Debug)]
pub(crate) struct Witness<'p, R> {
    plan: &'p Plan,
    number: usize,
    reader: R,
    buffer: Scratch,
    /// When the writers are to stop.
    end: Moment,
    findings: Findings,
}

/// What it has found so far.
#[derive(Debug)]
struct Findings {
    slots: u64,
    lost: u64,
    torn: u64,
    first_torn: Option<String>,
    tally: Tally,
    waited: Duration,
    latencies: Latencies,
}

impl<'p, R: EngineReader> Witness<'p, R> {
    /// Makes ready to read as reader `number`; all memory is touched.
    pub(crate) fn new(plan: &'p Plan, number: usize, reader: R) -> Self {
        let findings = Findings {
            slots: 0,
            lost: 0,
            torn: 0,
            first_torn: None,
            tally: Tally::new(plan.writers),
            waited: Duration::ZERO,
            latencies: Latencies::new(),
        };
        Witness { plan, number, reader, buffer: Scratch::new(plan.slot_bytes), end: Moment::now(), findings }
    }

    /// Reads until the stream ends; then leaves the ring.
    pub(crate) fn run(mut self) -> Result<Reading> {
        if self.plan.poll_interval().is_some() {
            // A sleep is as long as it is asked for, and not 50 µs longer: the interval is what is compared.
            set_current_timer_slack(NonZeroU64::new(1))?;
        }
        let meter = Meter::start();
        let begin = Moment::now();
        self.end = begin + self.plan.duration();
        loop {
            match self.read() {
                Ok(incoming) => {
                    self.findings.note(&incoming);
                    spin_for(self.plan.burn());
                }
                Err(ReadError::Lagged { missed }) => self.findings.lost += missed,
                Err(ReadError::TimedOut { .. }) => {}
                Err(ReadError::Closed) => break,
                Err(lasting) => return Err(lasting.into()),
            }
        }
        let Findings { slots, lost, torn, first_torn, tally, waited, latencies } = self.findings;
        Ok(Reading {
            number: self.number,
            pid: std::process::id(),
            slots,
            seconds: begin.elapsed().as_secs_f64(),
            lost,
            torn,
            first_torn,
            accounts: tally.into_accounts(),
            waited_seconds: waited.as_secs_f64(),
            latency: Latency::of(&latencies),
            effort: meter.read(),
        })
    }

    /// The next message. In a lossy ring somebody may overwrite it at any time: there it is copied.
    fn read(&mut self) -> Result<Incoming, ReadError> {
        if self.plan.zero_copy && self.plan.delivery != Delivery::Lossy {
            self.read_in_place()
        } else {
            self.read_copy()
        }
    }

    fn read_copy(&mut self) -> Result<Incoming, ReadError> {
        let buffer = self.buffer.all_mut();
        let bytes = match self.reader.try_read(buffer) {
            Ok(bytes) => bytes,
            // Only now: a wait with a timeout reads the clock before it looks.
            Err(refused) => match refused.lasting() {
                None => {
                    let begin = Moment::now();
                    let read = match self.plan.poll_interval() {
                        None => self.reader.read(buffer, PATIENCE),
                        Some(interval) => {
                            let quiet = QUIET * self.plan.readers as u32;
                            poll(&mut self.reader, buffer, (interval, self.end), quiet)
                        }
                    };
                    self.findings.waited += begin.elapsed();
                    read?
                }
                Some(error) => return Err(error),
            },
        };
        Ok(Incoming::look(self.plan, &buffer[..bytes]))
    }

    fn read_in_place(&mut self) -> Result<Incoming, ReadError> {
        let Witness { plan, reader, buffer, .. } = self;
        match reader.try_read_with(buffer, |message| Incoming::look(plan, message)) {
            Ok(incoming) => Ok(incoming),
            Err(refused) => refused.lasting().map_or_else(
                || reader.read_with(buffer, PATIENCE, |message| Incoming::look(plan, message)),
                Err,
            ),
        }
    }
}

impl Findings {
    fn note(&mut self, incoming: &Incoming) {
        self.slots += 1;
        if let Some(nanos) = incoming.latency {
            self.latencies.record(nanos);
        }
        let problem = match &incoming.stamped {
            Ok(stamped) if self.tally.saw(stamped.writer, stamped.sequence) => return,
            Ok(stamped) => format!("{stamped}, who is not in this run"),
            Err(fault) => fault.to_string(),
        };
        self.torn += 1;
        self.first_torn.get_or_insert(problem);
    }
}

/// Looks every `interval` until there is something to report, and after `end` every `quiet`: readers that come all the
/// time keep a writer out of some locks for ever, and the run would not end.
fn poll(
    reader: &mut impl EngineReader,
    buffer: &mut [u8],
    (interval, end): (Duration, Moment),
    quiet: Duration,
) -> Result<usize, ReadError> {
    for looks in 1_u32.. {
        // A clock read for each look would be felt by who looks without a pause.
        let is_over = (!interval.is_zero() || looks.is_multiple_of(16)) && Moment::now() >= end;
        match if is_over { interval.max(quiet) } else { interval } {
            Duration::ZERO => spin_loop(),
            pause => thread::sleep(pause),
        }
        match reader.try_read(buffer).map_err(Refusal::lasting) {
            Ok(bytes) => return Ok(bytes),
            Err(Some(error)) => return Err(error),
            Err(None) => {}
        }
    }
    Err(ReadError::TimedOut { after: Duration::ZERO }) // 2^32 looks: the caller begins again.
}

/// Keeps the core busy, as work on a message would.
fn spin_for(span: Duration) {
    if span.is_zero() {
        return;
    }
    let begin = Moment::now();
    while begin.elapsed() < span {
        spin_loop();
    }
}
