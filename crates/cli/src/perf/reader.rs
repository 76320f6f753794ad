//! The part of a reader: it reads and checks every message until the stream ends.

use super::message::Incoming;
use super::plan::Plan;
use super::protocol::Reading;
use super::verdict::Account;
use super::worker::Meter;
use anyhow::Result;
use harness::clock::Moment;
use harness::engine::EngineReader;
use harness::latency::Latencies;
use harness::refusal::Refusal;
use harness::ring_spec::Delivery;
use harness::sink::Scratch;
use rustix::thread::set_current_timer_slack;
use std::hint::spin_loop;
use std::num::NonZeroU64;
use std::thread;
use std::time::Duration;

/// Between two polls of any of the polling readers, once the writers are to stop.
const QUIET: Duration = Duration::from_millis(1);

/// The timeout of one wait; the reader then waits again.
const TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct MessageReader<'p, R> {
    plan: &'p Plan,
    number: usize,
    reader: R,
    buffer: Scratch,
    end: Moment,
    findings: Findings,
}

#[derive(Debug)]
struct Findings {
    slots: u64,
    lost: u64,
    torn: u64,
    first_torn: Option<String>,
    accounts: Vec<Account>,
    waited: Duration,
    latencies: Latencies,
}

impl<'p, R: EngineReader> MessageReader<'p, R> {
    /// Gets ready to read as reader `number`, and touches all memory.
    pub(crate) fn new(plan: &'p Plan, number: usize, reader: R) -> Self {
        let findings = Findings {
            slots: 0,
            lost: 0,
            torn: 0,
            first_torn: None,
            accounts: vec![Account::default(); plan.writers],
            waited: Duration::ZERO,
            latencies: Latencies::new(),
        };
        MessageReader {
            plan,
            number,
            reader,
            buffer: Scratch::new(plan.slot_bytes),
            end: Moment::now(),
            findings,
        }
    }

    /// Reads until the stream ends; then leaves the ring.
    pub(crate) fn run(mut self) -> Result<Reading> {
        if self.plan.poll_interval().is_some() {
            // Sleeps are then as long as requested, and not 50 µs longer: the interval is what is
            // compared.
            set_current_timer_slack(NonZeroU64::new(1))?;
        }
        let meter = Meter::start();
        self.end = meter.begin() + self.plan.duration();
        let burn = Duration::from_millis(self.plan.reader_burn_cpu_milliseconds);
        loop {
            match self.read() {
                Ok(incoming) => {
                    self.findings.note(&incoming);
                    spin_for(burn);
                }
                Err(Refusal::Lagged { missed }) => self.findings.lost += missed,
                Err(Refusal::TimedOut { .. }) => {}
                Err(Refusal::Closed) => break,
                Err(lasting) => return Err(lasting.into()),
            }
        }
        let Findings { slots, lost, torn, first_torn, accounts, waited, latencies } = self.findings;
        let result = meter.result(self.number, slots, waited, &latencies);
        Ok(Reading { result, lost, torn, first_torn, accounts })
    }

    /// The next message. In a lossy ring a writer may overwrite it at any time: there it is copied.
    fn read(&mut self) -> Result<Incoming, Refusal> {
        if self.plan.zero_copy && self.plan.delivery != Delivery::Lossy {
            self.read_in_place()
        } else {
            self.read_copy()
        }
    }

    fn read_copy(&mut self) -> Result<Incoming, Refusal> {
        let buffer = self.buffer.all_mut();
        let bytes = match self.reader.try_read(buffer) {
            Ok(bytes) => bytes,
            // Only now: a wait with a timeout reads the clock first.
            Err(refused) => match refused.lasting() {
                None => {
                    let begin = Moment::now();
                    let read = match self.plan.poll_interval() {
                        None => self.reader.read(buffer, TIMEOUT),
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
        Ok(Incoming::check(self.plan, &buffer[..bytes]))
    }

    fn read_in_place(&mut self) -> Result<Incoming, Refusal> {
        let MessageReader { plan, reader, buffer, .. } = self;
        match reader.try_read_with(buffer, |message| Incoming::check(plan, message)) {
            Ok(incoming) => Ok(incoming),
            Err(refused) => refused.lasting().map_or_else(
                || reader.read_with(buffer, TIMEOUT, |message| Incoming::check(plan, message)),
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
            Ok(stamped) => match self.accounts.get_mut(stamped.writer as usize) {
                Some(account) => return account.enter(stamped.sequence),
                None => format!("{stamped}: there is no such writer in this run"),
            },
            Err(fault) => fault.clone(),
        };
        self.torn += 1;
        self.first_torn.get_or_insert(problem);
    }
}

/// Polls every `interval`, and after `end` every `quiet`: readers that poll without a pause keep
/// writers out of some locks for ever, and the run would not end.
fn poll(
    reader: &mut impl EngineReader,
    buffer: &mut [u8],
    (interval, end): (Duration, Moment),
    quiet: Duration,
) -> Result<usize, Refusal> {
    for polls in 1_u32.. {
        // Without a pause, a clock read for each poll would be measurable.
        let is_over = (!interval.is_zero() || polls.is_multiple_of(16)) && Moment::now() >= end;
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
    Err(Refusal::TimedOut { after: Duration::ZERO }) // 2^32 polls: the caller starts again.
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
