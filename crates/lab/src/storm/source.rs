//! Where a worker that reads gets its messages: as a reader of the ring, or as an observer.

use super::worker::{Breach, PATIENCE, insist};
use seqring::wait::{self, WaitSet};
use seqring::{Config, Observer, ReadError, Reader, Received, Ring, Start};
use std::time::Duration;

pub(crate) enum Source {
    Reader(Box<Reader>, Idle),
    Observer(Box<Observer>),
}

/// The reader of another ring, to which no writer comes: for waits for several.
pub(crate) struct Idle(Box<Reader>);

impl Idle {
    pub(crate) fn new() -> Result<Self, Breach> {
        let ring = insist("an idle ring", || Ring::heap(&Config::slots(1).of_bytes(1)))?;
        insist("an idle reader", || ring.reader(Start::Next)).map(|reader| Idle(Box::new(reader)))
    }

    /// Waits in a set until `source` is ready, or for a while.
    pub(crate) fn wait_with(&mut self, source: &mut dyn wait::Source) {
        let mut set: WaitSet<&mut dyn wait::Source> = WaitSet::new();
        set.add(&mut *self.0);
        set.add(source);
        let _ = set.wait_timeout(PATIENCE); // The call that follows finds out.
    }
}

impl Source {
    pub(crate) fn join(ring: &Ring) -> Result<Self, Breach> {
        let reader = insist("joining as a reader", || ring.reader(Start::Next))?;
        Ok(Source::Reader(Box::new(reader), Idle::new()?))
    }

    pub(crate) fn observe(ring: &str) -> Result<Self, Breach> {
        insist("observing", || Observer::open(ring, Start::Next)).map(|one| Source::Observer(Box::new(one)))
    }

    /// The next message, to the front of `out`. Reads number 0, 1, 2 … are done in turn: viewed in
    /// place where that is possible, copied, and copied after a wait in a set.
    pub(crate) fn read(&mut self, out: &mut [u8], number: u64) -> Result<Received, ReadError> {
        match self {
            Source::Reader(reader, _) if number.is_multiple_of(3) => {
                let view = reader.view_timeout(PATIENCE)?;
                out[..view.len()].copy_from_slice(&view);
                Ok(view.received())
            }
            Source::Reader(reader, _) if number % 3 == 1 => reader.read_timeout(out, PATIENCE),
            Source::Reader(reader, idle) => {
                idle.wait_with(&mut **reader);
                reader.read_timeout(out, Duration::ZERO)
            }
            Source::Observer(observer) => observer.read_timeout(out, PATIENCE),
        }
    }

    pub(crate) fn position(&self) -> u64 {
        match self {
            Source::Reader(reader, _) => reader.position(),
            Source::Observer(observer) => observer.position(),
        }
    }

    /// Messages published and not yet read.
    pub(crate) fn lag(&self) -> u64 {
        match self {
            Source::Reader(reader, _) => reader.lag(),
            Source::Observer(observer) => observer.lag(),
        }
    }
}
