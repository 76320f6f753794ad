//! One repetition of one writer and one reader, each on its core, as fast as they go.
//!
//! The reader takes the time and checks each message: number, length and content. What was written before the
//! clock started (two laps of the ring) is not counted.

use crate::content::{Content, Large, Small};
use crate::part::{Part, against};
use crate::place::SharedRing;
use crate::session::Figures;
use crate::wait::{self, Blocking, Got, Next, Polling, Stop, Wait};
use bench_support::peer::Peers;
use bench_support::pin::CorePair;
use seqring::{Config, Reader, Ring, Start};
use std::time::{Duration, Instant};

const WARM_UP_LAPS: u64 = 2;

/// The clock is read once for so many bytes, but no more rarely than for so many messages.
const BYTES_BETWEEN_CLOCKS: usize = 1 << 20;
const MESSAGES_BETWEEN_CLOCKS: usize = 4096;

/// What is measured, and where.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) config: Config,
    pub(crate) peers: Peers,
    pub(crate) cores: CorePair,
    pub(crate) duration: Duration,
}

impl Stream {
    /// Messages a second, in millions; published ones beside it, and what lagging cost.
    pub(crate) fn repetition(&self, wait: Wait) -> Result<Figures, String> {
        let shared = SharedRing::create(self.peers, &self.config)?;
        // Registered before there is a writer, so it sees the first message.
        let mut reader = shared.ring.reader(Start::Next).map_err(|error| error.to_string())?;
        wait::set_reader(&mut reader, wait);
        let rings = [shared];
        against(self.peers, self.cores, Part::Write(wait), &rings, || {
            let ring = &rings[0].ring;
            match self.config.slot_bytes() {
                8 => self.receive(ring, reader, wait, Small::<1>::new()),
                64 => self.receive(ring, reader, wait, Small::<8>::new()),
                bytes => self.receive(ring, reader, wait, Large::new(bytes)),
            }
        })
    }

    fn receive(
        &self,
        ring: &Ring,
        reader: Reader,
        wait: Wait,
        content: impl Content,
    ) -> Result<Figures, String> {
        let received = match wait {
            Wait::Pauses(pauses) => self.timed(ring, content, Polling(reader, pauses)),
            Wait::Spinning => self.timed(ring, content, Blocking(reader)),
        };
        received.map_err(Stop::unexpected)
    }

    fn timed(&self, ring: &Ring, content: impl Content, next: impl Next) -> Result<Figures, Stop> {
        let mut receiver = Receiver { content, next, expected: 0, received: 0, lags: 0, missed: 0 };
        let warm_up = WARM_UP_LAPS * self.config.slots() as u64;
        receiver.receive(warm_up)?;
        let batch =
            (BYTES_BETWEEN_CLOCKS / self.config.slot_bytes()).clamp(1, MESSAGES_BETWEEN_CLOCKS) as u64;
        let (before, published) = (receiver.tally(), ring.next_sequence());
        let begin = Instant::now();
        let mut elapsed = Duration::ZERO;
        while elapsed < self.duration {
            receiver.receive(batch)?;
            elapsed = begin.elapsed();
        }
        let (after, published) = (receiver.tally(), ring.next_sequence() - published);
        let received = after.received - before.received;
        let millions = |count: u64| count as f64 / elapsed.as_secs_f64() / 1e6;
        Ok(Figures {
            main: millions(received),
            also: vec![
                ("published", millions(published)),
                ("share", received as f64 / published as f64),
                ("lags", (after.lags - before.lags) as f64),
                ("missed", (after.missed - before.missed) as f64),
                ("seconds", elapsed.as_secs_f64()),
            ],
        })
    }
}

/// A reading end that checks what it gets.
struct Receiver<C, N> {
    content: C,
    next: N,
    expected: u64,
    received: u64,
    lags: u64,
    missed: u64,
}

/// What a receiver has counted.
struct Tally {
    received: u64,
    lags: u64,
    missed: u64,
}

impl<C: Content, N: Next> Receiver<C, N> {
    /// Reads so many times; each gives a message or says how many are missed.
    #[inline(always)]
    fn receive(&mut self, reads: u64) -> Result<(), Stop> {
        for _ in 0..reads {
            match self.next.next(self.content.out())? {
                Got::Message(received)
                    if received.sequence == self.expected && self.content.is_whole(received) =>
                {
                    self.expected += 1;
                    self.received += 1;
                }
                Got::Message(received) => {
                    let expected = self.expected;
                    let what = format!("message {expected} is missing or torn; there came {received:?}");
                    return Err(Stop::Failed(what));
                }
                Got::Missed(missed) => {
                    self.expected += missed;
                    self.missed += missed;
                    self.lags += 1;
                }
            }
        }
        Ok(())
    }

    fn tally(&self) -> Tally {
        Tally { received: self.received, lags: self.lags, missed: self.missed }
    }
}
