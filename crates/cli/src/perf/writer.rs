//! The part of a writer: it writes messages at their intended moments, or as fast as possible.

use super::message::Outgoing;
use super::plan::{OnFull, Plan};
use super::protocol::Writing;
use super::worker::Meter;
use anyhow::Result;
use harness::clock::Moment;
use harness::engine::EngineWriter;
use harness::latency::Stretch;
use harness::pace::{intended_start, wait_until};
use harness::refusal::Refusal;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// A stalled writer stays for longer than the others write, because they start a little later.
const STALLED_LONGER: Duration = Duration::from_millis(300);

/// The timeout of one wait for room; the writer then checks whether to continue.
const TIMEOUT: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(crate) struct MessageWriter<'p, W> {
    plan: &'p Plan,
    number: usize,
    writer: W,
    outgoing: Outgoing,
    refused: u64,
    meter: Meter,
}

/// The end of writing, and a flag that ends it earlier.
#[derive(Clone, Copy)]
struct Until<'s> {
    end: Moment,
    stop: &'s AtomicBool,
}

impl Until<'_> {
    fn is_over(self) -> bool {
        // Relaxed: a request, orders nothing.
        self.stop.load(Relaxed) || Moment::now() >= self.end
    }
}

impl<'p, W: EngineWriter> MessageWriter<'p, W> {
    /// Gets ready to write as writer `number`, and touches all memory.
    pub(crate) fn new(plan: &'p Plan, number: usize, writer: W) -> Self {
        MessageWriter {
            plan,
            number,
            writer,
            outgoing: Outgoing::new(plan, number as u32),
            refused: 0,
            meter: Meter::new(number),
        }
    }

    /// Writes for the duration of the plan, or until `stop`; then leaves the ring.
    /// A stalled writer calls `inside` in the middle of its one write.
    pub(crate) fn run(mut self, stop: &AtomicBool, inside: impl FnOnce() -> Result<()>) -> Result<Writing> {
        let begin = self.meter.start();
        let until = Until { end: begin + self.plan.duration(), stop };
        if self.plan.is_stalled(self.number) {
            self.write_one(until, inside)?;
        } else if self.plan.target().is_some() {
            self.write_paced(begin, until)?;
        } else {
            self.write_unpaced(until)?;
        }
        Ok(Writing { result: self.meter.result(), waited_for_readers: self.refused })
    }

    /// Writes one message, and stays in the middle of it until the others are done.
    fn write_one(&mut self, until: Until<'_>, inside: impl FnOnce() -> Result<()>) -> Result<()> {
        let MessageWriter { plan, writer, outgoing, .. } = self;
        let mut stayed = Ok(());
        writer.put_with(plan.slot_bytes, None, |sink| {
            let leave = until.end + STALLED_LONGER;
            stayed = inside().and_then(|()| Ok(wait_until(leave, until.stop).map(drop)?));
            sink.put(0, outgoing.bytes(None));
        })?;
        self.meter.messages += 1;
        stayed
    }

    fn write_paced(&mut self, begin: Moment, until: Until<'_>) -> Result<()> {
        let rate = self.plan.writes_per_second;
        let starts = (0..).map(|k| intended_start(begin, rate, k));
        for intended in starts.take_while(|intended| *intended < until.end) {
            if !wait_until(intended, until.stop)? {
                return Ok(());
            }
            if self.write(Some(intended), until)? {
                self.meter.latencies.record_since(intended, Moment::now());
            }
        }
        // The last tick is as long as the others: without it 3 s at 24/s would be 72 messages in
        // 2.96 s.
        wait_until(until.end, until.stop)?;
        Ok(())
    }

    fn write_unpaced(&mut self, until: Until<'_>) -> Result<()> {
        let mut stretch = Stretch::default();
        while !until.is_over() {
            let begin = Moment::now();
            let is_written = self.write(Some(begin), until)?;
            let end = Moment::now();
            for _ in 0..stretch.others() {
                self.write(None, until)?;
            }
            let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
            if is_written {
                let others = if stretch.others() > 0 { end.elapsed() } else { Duration::ZERO };
                stretch.record(&mut self.meter.latencies, nanos(end.since(begin)), nanos(others));
            }
        }
        Ok(())
    }

    /// Writes one message. Returns whether the ring accepted it.
    #[inline(always)]
    fn write(&mut self, intended: Option<Moment>, until: Until<'_>) -> Result<bool> {
        match self.attempt(intended, None) {
            Ok(()) => {}
            Err(Refusal::Full) => {
                if !self.refused(intended, until)? {
                    return Ok(false);
                }
            }
            Err(lasting) => return Err(lasting.into()),
        }
        self.meter.messages += 1;
        self.outgoing.prepare(self.meter.messages); // Between two ticks there is time for it.
        Ok(true)
    }

    #[inline(always)]
    fn attempt(&mut self, intended: Option<Moment>, timeout: Option<Duration>) -> Result<(), Refusal> {
        let MessageWriter { plan, writer, outgoing, .. } = self;
        if plan.zero_copy {
            writer.put_with(plan.slot_bytes, timeout, |sink| outgoing.fill(intended, sink))
        } else {
            writer.put(outgoing.bytes(intended), timeout)
        }
    }

    /// The ring is full. Returns whether the message was written after all.
    #[cold]
    fn refused(&mut self, intended: Option<Moment>, until: Until<'_>) -> Result<bool> {
        self.refused += 1;
        let begin = Moment::now();
        let is_written = self.write_later(intended, until);
        self.meter.waited += begin.elapsed();
        is_written
    }

    fn write_later(&mut self, intended: Option<Moment>, until: Until<'_>) -> Result<bool> {
        if self.plan.on_full == OnFull::Skip {
            if self.plan.target().is_none() {
                thread::yield_now(); // There is no next tick to wait for.
            }
            return Ok(false);
        }
        while !until.is_over() {
            match self.attempt(intended, Some(TIMEOUT)) {
                Ok(()) => return Ok(true),
                Err(Refusal::TimedOut { .. }) => {}
                Err(lasting) => return Err(lasting.into()),
            }
        }
        Ok(false)
    }
}
