//! The messages of the link, as bytes: little-endian, with a magic word and a version.
//!
//! | message       | from   | carried by              | has                                    |
//! |---------------|--------|-------------------------|----------------------------------------|
//! | [`Hello`]     | mirror | query on `…/link`       | its name, the link, where it continues |
//! | [`Welcome`]   | server | reply                   | the ring's configuration, host, clock  |
//! | [`FrameHead`] | server | put on `…/data/LINK`    | messages, an end, or a sign of life    |
//! | [`Ack`]       | mirror | put on `…/ack/LINK`     | what is in the mirror's ring           |
//!
//! Each length is compared with the bytes that are there, and with the ring's configuration, before
//! memory is allocated for it.

mod codec;
mod config;
mod frame;

pub(crate) use frame::{Description, Format, FrameHead, longest_frame};

use codec::{Input, Output};
use seqring::Config;
use std::time::Duration;

const VERSION: u16 = 1;
const HELLO: u32 = u32::from_le_bytes(*b"SQMh");
const WELCOME: u32 = u32::from_le_bytes(*b"SQMw");
const FRAME: u32 = u32::from_le_bytes(*b"SQMf");
const ACK: u32 = u32::from_le_bytes(*b"SQMa");

/// The longest name of a host, a mirror or a ring.
pub(crate) const NAME_BYTES: usize = 128;
/// Frames of small messages are sent once they have this many bytes: they fit into one of zenoh's
/// batches.
pub(crate) const FRAME_BYTES: usize = 60_000;
/// The largest message: zenoh's own limit, less what goes with it.
pub(crate) const MESSAGE_BYTES: usize = (1 << 30) - (1 << 21);

/// Bytes that no correct peer sends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub(crate) String);

type Result<T> = std::result::Result<T, Malformed>;

fn refuse<T>(what: impl Into<String>) -> Result<T> {
    Err(Malformed(what.into()))
}

/// The front of a name, as much as a message has room for.
pub(crate) fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME_BYTES)]
}

/// A mirror asks for a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    /// The mirror's name: the server keeps its place under it while the link is down.
    pub(crate) mirror: String,
    pub(crate) link: u64,
    /// The number of the next message that the mirror lacks; `None`: the oldest there is.
    pub(crate) resume: Option<u64>,
    /// The ring that the mirror has a part of; 0: none.
    pub(crate) identity: u128,
    /// Bytes that the server may send ahead.
    pub(crate) window: u32,
    pub(crate) work: Work,
}

/// What the takers of a queue's mirror have to do; nothing if the ring is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Work {
    /// How many takers there are.
    pub(crate) takers: u32,
    /// The messages that they have not finished.
    pub(crate) unfinished: Vec<u64>,
}

impl Work {
    fn put(&self, out: &mut Output) {
        out.put(self.takers.to_le_bytes());
        out.put((self.unfinished.len() as u32).to_le_bytes());
        for number in &self.unfinished {
            out.put(number.to_le_bytes());
        }
    }

    fn read(input: &mut Input<'_>) -> Result<Self> {
        let (takers, count) = (input.u32()?, input.u32()? as usize);
        let numbers = input.bytes(count.saturating_mul(8))?.chunks_exact(8);
        let unfinished = numbers.map(|bytes| u64::from_le_bytes(bytes.try_into().expect("8 bytes")));
        Ok(Work { takers, unfinished: unfinished.collect() })
    }
}

impl Hello {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Output::start(HELLO);
        out.put(self.link.to_le_bytes());
        out.put([u8::from(self.resume.is_some())]);
        out.put(self.resume.unwrap_or_default().to_le_bytes());
        out.put(self.identity.to_le_bytes());
        out.put(self.window.to_le_bytes());
        out.name(&self.mirror);
        self.work.put(&mut out);
        out.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut input = Input(bytes);
        input.start(HELLO, "request for a link")?;
        let link = input.u64()?;
        let (resumes, resume) = (input.bool()?, input.u64()?);
        let (identity, window, mirror) = (input.u128()?, input.u32()?, input.name()?);
        let work = Work::read(&mut input)?;
        input.end("request for a link")?;
        Ok(Hello { mirror, link, resume: resumes.then_some(resume), identity, window, work })
    }
}

/// The server grants a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Welcome {
    pub(crate) config: Config,
    pub(crate) identity: u128,
    /// The number of the first message that the link carries.
    pub(crate) first: u64,
    pub(crate) lossless: bool,
    pub(crate) stream: StreamState,
    pub(crate) host: String,
    pub(crate) clock: Clock,
    /// After this time without a frame the link is down.
    pub(crate) dead_after: Duration,
    /// The server's own number: its liveliness token is `…/alive/SERVER`.
    pub(crate) server: u64,
}

/// Where the clocks of a host are: `CLOCK_MONOTONIC` of two hosts can be compared only by way of
/// their real-time clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clock {
    /// The boot that the monotonic clock counts from.
    pub(crate) boot: u128,
    /// Real time less monotonic time, in ns.
    pub(crate) offset: i64,
}

impl Clock {
    /// A time of `other`'s monotonic clock in this one.
    pub(crate) fn translate(self, ns: u64, other: Clock) -> u64 {
        if self.boot == other.boot {
            return ns;
        }
        let here = i128::from(ns) + i128::from(other.offset) - i128::from(self.offset);
        u64::try_from(here.max(0)).unwrap_or(u64::MAX)
    }
}

/// The state of the source's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamState {
    /// No writer has registered yet.
    Fresh,
    /// The last writer left.
    Ended,
    /// A writer is registered: this process, as far as it is known.
    Live { pid: u32 },
    /// The last writer died.
    Died { pid: u32 },
    /// Closed for good.
    Closed,
}

impl StreamState {
    fn words(self) -> [u32; 2] {
        match self {
            StreamState::Fresh => [0, 0],
            StreamState::Live { pid } => [1, pid],
            StreamState::Ended => [2, 0],
            StreamState::Died { pid } => [3, pid],
            StreamState::Closed => [4, 0],
        }
    }

    fn of([state, pid]: [u32; 2]) -> Result<Self> {
        Ok(match state {
            0 => StreamState::Fresh,
            1 => StreamState::Live { pid },
            2 => StreamState::Ended,
            3 => StreamState::Died { pid },
            4 => StreamState::Closed,
            other => return refuse(format!("an unknown state {other} of the stream")),
        })
    }
}

impl Welcome {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Output::start(WELCOME);
        out.put(self.identity.to_le_bytes());
        out.put(self.first.to_le_bytes());
        out.put([u8::from(self.lossless)]);
        for word in self.stream.words() {
            out.put(word.to_le_bytes());
        }
        out.put(self.clock.boot.to_le_bytes());
        out.put(self.clock.offset.to_le_bytes());
        out.put((self.dead_after.as_millis() as u64).to_le_bytes());
        out.put(self.server.to_le_bytes());
        out.name(&self.host);
        config::put(&mut out, &self.config);
        out.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut input = Input(bytes);
        input.start(WELCOME, "reply")?;
        let (identity, first, lossless) = (input.u128()?, input.u64()?, input.bool()?);
        let stream = StreamState::of([input.u32()?, input.u32()?])?;
        let clock = Clock { boot: input.u128()?, offset: input.u64()?.cast_signed() };
        let dead_after = Duration::from_millis(input.u64()?.clamp(10, 3_600_000));
        let (server, host, config) = (input.u64()?, input.name()?, config::read(&mut input)?);
        input.end("reply")?;
        if first >= 1 << 61 {
            return refuse(format!("a stream that begins at {first}"));
        }
        Ok(Welcome { config, identity, first, lossless, stream, host, clock, dead_after, server })
    }
}

/// The mirror has published everything below `next`, and used up `bytes` bytes of frames. A later
/// one has all that an earlier one has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ack {
    pub(crate) next: u64,
    pub(crate) bytes: u64,
    pub(crate) work: Work,
}

impl Ack {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Output::start(ACK);
        out.put(self.next.to_le_bytes());
        out.put(self.bytes.to_le_bytes());
        self.work.put(&mut out);
        out.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut input = Input(bytes);
        input.start(ACK, "acknowledgement")?;
        let ack = Ack { next: input.u64()?, bytes: input.u64()?, work: Work::read(&mut input)? };
        input.end("acknowledgement")?;
        Ok(ack)
    }
}

#[cfg(test)]
mod tests;
