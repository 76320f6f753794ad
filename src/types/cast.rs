//! Bytes as values of a type.

use crate::types::frame::ShapeError;
use crate::zerocopy::{CastError, FromBytes, Immutable, IntoBytes, KnownLayout};

/// `bytes` as a `T`, which may be a slice.
pub(crate) fn value<T: FromBytes + KnownLayout + Immutable + ?Sized>(bytes: &[u8]) -> Result<&T, ShapeError> {
    T::ref_from_bytes(bytes).map_err(|error| shape_error(&error, bytes.len()))
}

/// As [`value`], mutable.
pub(crate) fn value_mut<T: FromBytes + IntoBytes + KnownLayout + ?Sized>(
    bytes: &mut [u8],
) -> Result<&mut T, ShapeError> {
    let len = bytes.len();
    T::mut_from_bytes(bytes).map_err(|error| shape_error(&error, len))
}

fn shape_error<S, T: ?Sized>(error: &CastError<S, T>, len: usize) -> ShapeError {
    let of = std::any::type_name::<T>();
    match error {
        CastError::Alignment(_) => ShapeError::Alignment { of },
        _ => ShapeError::Length { len, of },
    }
}
