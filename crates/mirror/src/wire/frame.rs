//! Frames: messages, the end of the stream, or a sign of life.

use super::codec::Input;
use super::{FRAME, FRAME_BYTES, Result, StreamState, VERSION, refuse};
use seqring::{Config, Delivery};
use std::io::Read;

/// Bytes of the longest frame: it is sent once it has [`FRAME_BYTES`].
pub(crate) fn longest_frame(config: &Config) -> u64 {
    let message = config.slot_bytes + config.meta_bytes + Format::of(config).description_bytes();
    (FrameHead::BYTES + FRAME_BYTES + message) as u64
}

/// The head of a frame. Its messages follow: first what describes each, then their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHead {
    /// Counts the frames of the link from 0: a frame that is missing shows.
    pub(crate) number: u64,
    /// The number of the first message; in a frame without messages of the next one. Numbers
    /// between two frames were lost at the source. In a queue: how many messages this mirror
    /// was handed before.
    pub(crate) first: u64,
    pub(crate) count: u32,
    pub(crate) stream: StreamState,
}

impl FrameHead {
    pub(crate) const BYTES: usize = 36;

    pub(crate) fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let [state, pid] = self.stream.words();
        bytes[..4].copy_from_slice(&FRAME.to_le_bytes());
        bytes[4..6].copy_from_slice(&VERSION.to_le_bytes());
        bytes[6..8].copy_from_slice(&(state as u16).to_le_bytes());
        bytes[8..16].copy_from_slice(&self.number.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.count.to_le_bytes());
        bytes[28..32].copy_from_slice(&pid.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; Self::BYTES]) -> Result<Self> {
        let mut input = Input(bytes);
        input.start(FRAME, "frame")?;
        let state = input.u16()?;
        let (number, first, count, pid) = (input.u64()?, input.u64()?, input.u32()?, input.u32()?);
        if first >= 1 << 61 {
            return refuse(format!("a message with number {first}"));
        }
        Ok(FrameHead { number, first, count, stream: StreamState::of([state.into(), pid])? })
    }
}

/// What a frame has for each message of a ring, beside its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format {
    tag: bool,
    timestamp: bool,
    meta_bytes: usize,
    slot_bytes: usize,
    queue: bool,
}

/// What describes one message in a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Description {
    pub(crate) len: usize,
    pub(crate) meta_len: usize,
    pub(crate) tag: u64,
    pub(crate) timestamp_ns: Option<u64>,
    /// In a queue: a taker took it before, and did not finish it.
    pub(crate) redelivered: bool,
}

impl Format {
    pub(crate) fn of(config: &Config) -> Self {
        let Config { tag, timestamp, meta_bytes, slot_bytes, delivery, .. } = *config;
        Format { tag, timestamp, meta_bytes, slot_bytes, queue: delivery == Delivery::Queue }
    }

    /// Bytes of a description.
    pub(crate) fn description_bytes(self) -> usize {
        let words = usize::from(self.tag) + usize::from(self.timestamp);
        4 + usize::from(self.queue) + 4 * usize::from(self.meta_bytes > 0) + 8 * words
    }

    pub(crate) fn put(self, out: &mut Vec<u8>, message: Description) {
        out.extend_from_slice(&(message.len as u32).to_le_bytes());
        if self.meta_bytes > 0 {
            out.extend_from_slice(&(message.meta_len as u32).to_le_bytes());
        }
        if self.tag {
            out.extend_from_slice(&message.tag.to_le_bytes());
        }
        if self.timestamp {
            out.extend_from_slice(&message.timestamp_ns.unwrap_or_default().to_le_bytes());
        }
        if self.queue {
            out.push(message.redelivered.into());
        }
    }

    /// Reads the descriptions of `count` messages, which take all of the `total` bytes that follow
    /// the head.
    pub(crate) fn descriptions(
        self,
        from: &mut impl Read,
        count: u32,
        total: usize,
    ) -> Result<Vec<Description>> {
        let (count, each) = (count as usize, self.description_bytes());
        let Some(mut rest) = count.checked_mul(each).and_then(|described| total.checked_sub(described))
        else {
            return refuse(format!("{count} messages announced in {total} bytes"));
        };
        let mut bytes = vec![0; count * each];
        from.read_exact(&mut bytes).or_else(|_| refuse("a frame that is shorter than it says"))?;
        let mut descriptions = Vec::with_capacity(count);
        for bytes in bytes.chunks_exact(each) {
            let message = self.description(&mut Input(bytes))?;
            let taken = message.len + message.meta_len;
            let Some(left) = rest.checked_sub(taken) else {
                return refuse(format!("a message of {taken} bytes announced, and {rest} are there"));
            };
            rest = left;
            descriptions.push(message);
        }
        if rest > 0 {
            return refuse(format!("{rest} bytes too many after the messages of a frame"));
        }
        Ok(descriptions)
    }

    fn description(self, input: &mut Input<'_>) -> Result<Description> {
        let mut message = Description { len: input.u32()? as usize, ..Description::default() };
        if self.meta_bytes > 0 {
            message.meta_len = input.u32()? as usize;
        }
        if self.tag {
            message.tag = input.u64()?;
        }
        if self.timestamp {
            message.timestamp_ns = Some(input.u64()?);
        }
        if self.queue {
            message.redelivered = input.bool()?;
        }
        let Description { len, meta_len, .. } = message;
        if len > self.slot_bytes || meta_len > self.meta_bytes {
            let Format { slot_bytes, meta_bytes, .. } = self;
            return refuse(format!(
                "a message of {len} bytes and {meta_len} of metadata in a ring of {slot_bytes} and {meta_bytes}"
            ));
        }
        Ok(message)
    }
}
