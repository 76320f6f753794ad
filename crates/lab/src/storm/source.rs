//! Where a worker that reads gets its messages: as a reader of the ring, or as an observer.

use super::worker::{Breach, PATIENCE, insist};
use seqring::{Observer, ReadError, Reader, Received, Ring, Start};

pub(crate) enum Source {
    Reader(Box<Reader>),
    Observer(Box<Observer>),
}

impl Source {
    pub(crate) fn join(ring: &Ring) -> Result<Self, Breach> {
        insist("joining as a reader", || ring.reader(Start::Next)).map(|one| Source::Reader(Box::new(one)))
    }

    pub(crate) fn observe(ring: &str) -> Result<Self, Breach> {
        insist("observing", || Observer::open(ring, Start::Next)).map(|one| Source::Observer(Box::new(one)))
    }

    /// The next message, to the front of `out`; copied, or viewed in place where that is possible.
    pub(crate) fn read(&mut self, out: &mut [u8], in_place: bool) -> Result<Received, ReadError> {
        match self {
            Source::Reader(reader) if in_place => {
                let view = reader.view_timeout(PATIENCE)?;
                out[..view.len()].copy_from_slice(&view);
                Ok(view.received())
            }
            Source::Reader(reader) => reader.read_timeout(out, PATIENCE),
            Source::Observer(observer) => observer.read_timeout(out, PATIENCE),
        }
    }

    pub(crate) fn position(&self) -> u64 {
        match self {
            Source::Reader(reader) => reader.position(),
            Source::Observer(observer) => observer.position(),
        }
    }

    /// Messages published and not yet read.
    pub(crate) fn lag(&self) -> u64 {
        match self {
            Source::Reader(reader) => reader.lag(),
            Source::Observer(observer) => observer.lag(),
        }
    }
}
