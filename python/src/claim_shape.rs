//! What a claim asks for: an array, or a number of bytes.

use crate::array_layout::{self, ArrayLayout};
use crate::errors;
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use seqring::Frame;

/// The requested array, or number of bytes.
pub(crate) struct ClaimShape {
    pub(crate) layout: ArrayLayout,
    /// A number of bytes was requested, not an array.
    pub(crate) plain: bool,
}

impl ClaimShape {
    /// An array of that shape, of the ring's frame if there is no `dtype`; a number alone is so
    /// many bytes.
    pub(crate) fn of(
        py: Python<'_>,
        shape: Option<&Bound<'_, PyAny>>,
        dtype: Option<Bound<'_, PyAny>>,
        of_ring: Option<&Frame>,
    ) -> PyResult<Self> {
        let (is_number, extents) = match (shape, of_ring) {
            (Some(shape), _) => extents(shape)?,
            (None, Some(frame)) => (false, array_layout::shape(frame).to_vec()),
            (None, None) => {
                let text = "shape: this ring has no frames; pass a number of bytes, or a shape and a dtype";
                return Err(PyTypeError::new_err(text));
            }
        };
        let plain = dtype.is_none() && is_number;
        let dtype = match (dtype, of_ring.and_then(array_layout::element_name)) {
            (Some(dtype), _) => dtype,
            (None, Some(name)) if !plain => name.into_pyobject(py)?.into_any(),
            (None, _) => "uint8".into_pyobject(py)?.into_any(),
        };
        let frame = array_layout::frame_of(&dtype, &extents)?;
        let len = array_layout::bytes(&frame).expect("`frame_of` checked the size");
        if let Some(wanted) = of_ring
            && (array_layout::bytes(wanted) != Some(len) || !(plain || *wanted == frame))
        {
            return Err(errors::frame_mismatch(
                py,
                "shape and dtype",
                array_layout::text(wanted),
                array_layout::text(&frame),
            ));
        }
        Ok(ClaimShape { layout: ArrayLayout::of(Some(&frame), len), plain })
    }

    pub(crate) fn nbytes(&self) -> usize {
        self.layout.nbytes.cast_unsigned()
    }
}

/// The extents of a shape or the number of elements, and whether `shape` is a number.
pub(crate) fn extents(shape: &Bound<'_, PyAny>) -> PyResult<(bool, Vec<u64>)> {
    let refusal =
        || PyValueError::new_err(format!("shape must have extents from 0 on that fit, not {shape}"));
    let is_overflow = |error: &PyErr| error.is_instance_of::<PyOverflowError>(shape.py());
    let number = shape.extract::<i64>();
    let is_number = number.is_ok();
    let extents = match number {
        Ok(number) => Ok(vec![number]),
        Err(error) if is_overflow(&error) => Err(error),
        Err(_) => shape.extract::<Vec<i64>>(),
    };
    let not_a_shape = || PyTypeError::new_err(format!("shape must be a number or several, not {shape}"));
    let extents = extents.map_err(|error| if is_overflow(&error) { refusal() } else { not_a_shape() })?;
    let extents = extents.into_iter().map(u64::try_from).collect::<Result<_, _>>();
    extents.map(|extents| (is_number, extents)).map_err(|_| refusal())
}
