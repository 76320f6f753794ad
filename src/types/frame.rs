//! Frames: payloads that are arrays of one element type and shape, which the ring's header
//! describes.

use crate::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The ring-wide description of a payload as an array, in the terms of `DLPack`.
///
/// ```
/// use seqring::Frame;
/// let frame = Frame::of::<f32>(&[1080, 1920, 3])?;
/// assert_eq!(frame.extents(), [1080, 1920, 3]);
/// assert_eq!(frame.bytes(), Some(4 * 1080 * 1920 * 3));
/// # Ok::<(), seqring::ShapeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Frame {
    /// Element kind: `DLDataTypeCode` (0 int, 1 unsigned, 2 float, 4 bfloat, 5 complex, 6 bool).
    pub kind: u8,
    /// Bits of an element.
    pub bits: u16,
    /// How many of `shape`'s extents are used: 0–8.
    pub dimensions: u8,
    /// Extents, slowest-varying first.
    pub shape: [u64; 8],
}

impl Frame {
    /// An array of that shape, slowest-varying extent first, of elements `T`.
    ///
    /// # Errors
    /// [`ShapeError::Shape`] for more than eight extents, and for more bytes than the address space
    /// has.
    pub fn of<T: Element>(extents: &[usize]) -> Result<Self, ShapeError> {
        let refused = ShapeError::Shape { dimensions: extents.len() };
        let mut shape = [0; 8];
        for (extent, given) in shape.get_mut(..extents.len()).ok_or(refused)?.iter_mut().zip(extents) {
            *extent = *given as u64;
        }
        let (kind, bits, dimensions) = (T::KIND, 8 * size_of::<T>() as u16, extents.len() as u8);
        let frame = Frame { kind, bits, dimensions, shape };
        let fits = frame.bytes().is_some_and(|bytes| isize::try_from(bytes).is_ok());
        if fits { Ok(frame) } else { Err(refused) }
    }

    /// The extents that are used, slowest-varying first.
    pub fn extents(&self) -> &[u64] {
        let dimensions = usize::from(self.dimensions);
        &self.shape[..dimensions.min(self.shape.len())]
    }

    /// The bytes of the array; `None` if the number exceeds 64 bits.
    pub fn bytes(&self) -> Option<u64> {
        let bits =
            self.extents().iter().try_fold(u64::from(self.bits), |all, extent| all.checked_mul(*extent));
        bits.map(|bits| bits.div_ceil(8))
    }

    /// Whether its elements are `T`.
    pub fn is_of<T: Element>(&self) -> bool {
        self.kind == T::KIND && usize::from(self.bits) == 8 * size_of::<T>()
    }

    /// Whether `len` bytes are such an array of `T`.
    pub(crate) fn check<T: Element>(&self, len: usize) -> Result<(), ShapeError> {
        if !self.is_of::<T>() {
            return Err(ShapeError::Element {
                kind: self.kind,
                bits: self.bits,
                of: std::any::type_name::<T>(),
            });
        }
        match self.bytes() {
            Some(bytes) if bytes == len as u64 => Ok(()),
            bytes => Err(ShapeError::FrameLength { len, expected: bytes.unwrap_or(u64::MAX) }),
        }
    }
}

/// An element type of frames: a number type of `DLPack` and numpy for which all bytes are valid.
pub trait Element: FromBytes + IntoBytes + Immutable + KnownLayout + Copy {
    /// Its `DLDataTypeCode`.
    const KIND: u8;
}

macro_rules! elements {
    ($kind:literal: $($type:ty)*) => { $(impl Element for $type { const KIND: u8 = $kind; })* };
}

elements!(0: i8 i16 i32 i64);
elements!(1: u8 u16 u32 u64);
elements!(2: f32 f64);

/// Why bytes are not a value, or not a frame, of the type that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// No value of the type has so many bytes.
    #[error("{len} bytes are no {of}")]
    Length {
        /// Bytes found.
        len: usize,
        /// The type asked for.
        of: &'static str,
    },
    /// The bytes do not begin where such a value may.
    #[error("the bytes do not begin where a {of} may begin; copy them, with a typed reader")]
    Alignment {
        /// The type asked for.
        of: &'static str,
    },
    /// The ring's frames have another element type.
    #[error("the ring's frames are made of elements of kind {kind} with {bits} bits, not of {of}")]
    Element {
        /// `DLDataTypeCode` of the ring's elements.
        kind: u8,
        /// Bits of the ring's elements.
        bits: u16,
        /// The type asked for.
        of: &'static str,
    },
    /// No frame of the ring has so many bytes.
    #[error("{len} bytes are no frame of the ring, which has {expected}")]
    FrameLength {
        /// Bytes found.
        len: usize,
        /// Bytes of the ring's frames.
        expected: u64,
    },
    /// The ring does not describe its payloads.
    #[error("the ring does not describe its payloads; create it with a frame, or take them as bytes")]
    Undescribed,
    /// No array has such a shape.
    #[error(
        "no frame has these {dimensions} extents: eight at most, and no more bytes than there are addresses"
    )]
    Shape {
        /// Extents given.
        dimensions: usize,
    },
    /// The type has no bytes, so its values cannot be distinguished.
    #[error("a {of} has no bytes; publish an empty message with `write(&[])`")]
    ZeroSized {
        /// The type asked for.
        of: &'static str,
    },
    /// No slot of the ring holds a value of the type.
    #[error("a {of} has {bytes} bytes, and a slot of the ring {max}; create the ring with larger slots")]
    SlotTooSmall {
        /// The type asked for.
        of: &'static str,
        /// Bytes of the type.
        bytes: usize,
        /// Bytes of a slot.
        max: usize,
    },
}
