//! Messages as the types that rivals carry.
//!
//! | type | bytes | alignment | for |
//! |---|---|---|---|
//! | `[u64; N]` | 8 N | 8 | rings that put a stamp beside each message |
//! | [`Line`], [`Kibibyte`] | 64, 1024 | 64 | rings of bare messages, which so start on a line |

use harness::refusal::{EngineError, Refusal};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A message as a type: plain bytes.
pub(crate) trait Message:
    FromBytes + IntoBytes + Immutable + KnownLayout + Copy + Send + Sync + 'static
{
}

impl<T: FromBytes + IntoBytes + Immutable + KnownLayout + Copy + Send + Sync + 'static> Message for T {}

/// 64 bytes on a cache line of their own.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(64))]
pub(crate) struct Line([u64; 8]);

/// 1 KiB that starts on a cache line.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(64))]
pub(crate) struct Kibibyte([u64; 128]);

/// The bytes as a message.
#[inline(always)]
pub(crate) fn typed<M: Message>(bytes: &[u8]) -> Result<M, Refusal> {
    M::read_from_bytes(bytes).map_err(|_| other_length(bytes.len(), size_of::<M>()))
}

#[cold]
pub(crate) fn other_length(bytes: usize, slot_bytes: usize) -> Refusal {
    if bytes > slot_bytes {
        return Refusal::TooLarge { bytes, slot_bytes };
    }
    Refusal::Failed(Box::new(EngineError::Unsupported { what: "messages of different lengths" }))
}

/// The bytes, end to end, as messages.
#[inline(always)]
pub(crate) fn typed_slice<M: Message>(bytes: &[u8]) -> Result<&[M], Refusal> {
    <[M]>::ref_from_bytes(bytes).map_err(|_| other_length(bytes.len(), size_of::<M>()))
}

/// Room for messages, end to end; as many as there is room for.
#[inline(always)]
pub(crate) fn room_for<M: Message>(buffer: &mut [u8]) -> Result<&mut [M], Refusal> {
    let bytes = buffer.len() / size_of::<M>() * size_of::<M>();
    let refuse = Refusal::OtherLength { bytes: size_of::<M>(), expected: buffer.len() };
    <[M]>::mut_from_bytes(&mut buffer[..bytes]).map_err(|_| refuse)
}
