//! The part of a reader: it reads and checks every message until the stream ends.

use super::message::Incoming;
use super::plan::Plan;
use super::protocol::Reading;
use super::verdict::Account;
use super::worker::Meter;
use anyhow::Result;
use harness::clock::Moment;
use harness::engine::EngineReader;
use harness::refusal::Refusal;
use harness::ring_spec::Delivery;
use rustix::thread::set_current_timer_slack;
use std::fmt::Display;
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
    reader: R,
    buffer: Vec<u8>,
    end: Moment,
    meter: Meter,
    /// But for the common part.
    reading: Reading,
}

impl<'p, R: EngineReader> MessageReader<'p, R> {
    /// Gets ready to read as reader `number`, and touches all memory.
    pub(crate) fn new(plan: &'p Plan, number: usize, reader: R) -> Self {
        let accounts = vec![Account::default(); plan.writers];
        MessageReader {
            plan,
            reader,
            // Not zeros: their allocation leaves the pages of a large buffer to the first touch.
            buffer: vec![0x5a; plan.slot_bytes],
            end: Moment::now(),
            meter: Meter::new(number),
            reading: Reading { accounts, ..Reading::default() },
        }
    }

    /// Reads until the stream ends; then leaves the ring.
    pub(crate) fn run(mut self) -> Result<Reading> {
        if self.plan.poll_interval().is_some() {
            // Sleeps are then as long as requested, and not 50 µs longer: the interval is what is
            // compared.
            set_current_timer_slack(NonZeroU64::new(1))?;
        }
        self.end = self.meter.start() + self.plan.duration();
        let burn = Duration::from_millis(self.plan.reader_burn_cpu_milliseconds);
        loop {
            match self.read() {
                Ok(()) => spin_for(burn),
                Err(Refusal::Lagged { missed }) => self.reading.lost += missed,
                Err(Refusal::TimedOut { .. }) => {}
                Err(Refusal::Closed) => break,
                Err(lasting) => return Err(lasting.into()),
            }
        }
        Ok(Reading { result: self.meter.result(), ..self.reading })
    }

    #[inline(always)]
    fn read(&mut self) -> Result<(), Refusal> {
        match self.attempt(None) {
            // Only now: a wait with a timeout reads the clock first.
            Err(Refusal::Empty) => self.wait(),
            read => read,
        }
    }

    #[cold]
    fn wait(&mut self) -> Result<(), Refusal> {
        let begin = Moment::now();
        let read = match self.plan.poll_interval() {
            None => self.attempt(Some(TIMEOUT)),
            Some(interval) => self.poll(interval),
        };
        self.meter.waited += begin.elapsed();
        read
    }

    /// Reads, checks and counts the next message. In a lossy ring a writer may overwrite it at any
    /// time: there it is copied.
    #[inline(always)]
    fn attempt(&mut self, timeout: Option<Duration>) -> Result<(), Refusal> {
        let MessageReader { plan, reader, buffer, .. } = self;
        let incoming = if plan.zero_copy && plan.delivery != Delivery::Lossy {
            reader.get_with(timeout, |message| Incoming::check(plan, message))?
        } else {
            let bytes = reader.get(buffer, timeout)?;
            Incoming::check(plan, &buffer[..bytes])
        };
        self.note(&incoming);
        Ok(())
    }

    /// Polls every `interval`; and after the end less often: readers that poll without a pause keep
    /// writers out of some locks for ever, and the run would not end.
    fn poll(&mut self, interval: Duration) -> Result<(), Refusal> {
        let quiet = interval.max(QUIET * self.plan.readers as u32);
        for polls in 1_u32.. {
            // Without a pause, a clock read for each poll would be measurable.
            let is_over = (!interval.is_zero() || polls.is_multiple_of(16)) && Moment::now() >= self.end;
            match if is_over { quiet } else { interval } {
                Duration::ZERO => spin_loop(),
                pause => thread::sleep(pause),
            }
            match self.attempt(None) {
                Err(Refusal::Empty) => {}
                read => return read,
            }
        }
        Err(Refusal::TimedOut { after: Duration::ZERO }) // 2^32 polls: the caller starts again.
    }

    #[inline(always)]
    fn note(&mut self, incoming: &Incoming) {
        self.meter.messages += 1;
        if let Some(nanos) = incoming.latency {
            self.meter.latencies.record(nanos);
        }
        match &incoming.stamped {
            Ok(stamped) => match self.reading.accounts.get_mut(stamped.writer as usize) {
                Some(account) => account.enter(stamped.sequence, self.plan.delivery),
                None => self.torn(format_args!("{stamped}: there is no such writer in this run")),
            },
            Err(torn) => self.torn(torn),
        }
    }

    #[cold]
    fn torn(&mut self, problem: impl Display) {
        self.reading.torn += 1;
        self.reading.first_torn.get_or_insert_with(|| problem.to_string());
    }
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
