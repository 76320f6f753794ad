//! Messages as values and slices: a typed endpoint checks once that its type fits the ring.

use crate::types::config::Config;
use crate::types::frame::{Element, ShapeError};

/// What a typed endpoint's messages are: values of any sized type, or slices of [`Element`]s.
///
/// [`Writer::typed`](crate::Writer::typed) and [`Reader::typed`](crate::Reader::typed) take it. The
/// traits of [`zerocopy`] decide which types have verbs: types without padding,
/// pointers or atomics.
pub trait MessageType {
    /// Bytes of each message; `None` if messages differ in length.
    ///
    /// # Errors
    /// [`ShapeError`] if no message of a ring of that configuration can be of this type.
    fn message_bytes(config: &Config) -> Result<Option<usize>, ShapeError>;
}

impl<T> MessageType for T {
    fn message_bytes(config: &Config) -> Result<Option<usize>, ShapeError> {
        let bytes = size_of_message::<T>(config)?;
        match config.frame.map(|frame| frame.bytes().unwrap_or(u64::MAX)) {
            Some(expected) if expected != bytes as u64 => {
                Err(ShapeError::FrameLength { len: bytes, expected })
            }
            _ => Ok(Some(bytes)),
        }
    }
}

impl<E: Element> MessageType for [E] {
    fn message_bytes(config: &Config) -> Result<Option<usize>, ShapeError> {
        size_of_message::<E>(config)?;
        let Some(frame) = config.frame else {
            return Ok(None);
        };
        // The frame fits a slot: a ring is not created otherwise.
        let bytes = frame.bytes().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(usize::MAX);
        frame.check::<E>(bytes)?;
        Ok(Some(bytes))
    }
}

pub(super) fn size_of_message<T>(config: &Config) -> Result<usize, ShapeError> {
    let (of, bytes, max) = (std::any::type_name::<T>(), size_of::<T>(), config.slot_bytes);
    match bytes {
        0 => Err(ShapeError::ZeroSized { of }),
        _ if bytes > max => Err(ShapeError::SlotTooSmall { of, bytes, max }),
        _ => Ok(bytes),
    }
}
