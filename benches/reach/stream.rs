//! One repetition of one writer and one reader, each on its core, as fast as they go.
//!
//! The reader takes the time and checks each message: number, length and content. What was written before the
//! clock started (two laps of the ring) is not counted.

use crate::part::{Part, against};
use crate::place::SharedRing;
use crate::wait::{self, Blocking, Polling, Wait};
use harness::content::{Content, Large, Small};
use harness::patience::Stop;
use harness::peer::Peers;
use harness::pin::CorePair;
use harness::receiver::{Next, Receiver};
use harness::table::Figures;
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
        let mut receiver = Receiver::new(content, next);
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
