//! What a ring's payloads are: element type and shape, between Python's names, buffer formats and the ring's header.

use crate::errors;
use crate::source::Source;
use pyo3::buffer::ElementType;
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use seqring::Frame;
use std::ffi::CStr;

/// `DLDataTypeCode`s.
const INT: u8 = 0;
const UINT: u8 = 1;
const FLOAT: u8 = 2;
const BFLOAT: u8 = 4;
const COMPLEX: u8 = 5;
const BOOL: u8 = 6;

/// Name, code, bits, and format of a buffer. A bfloat16 has no format: its buffers show 16-bit words.
const ELEMENTS: [(&str, u8, u16, &CStr); 16] = [
    ("uint8", UINT, 8, c"B"),
    ("int8", INT, 8, c"b"),
    ("uint16", UINT, 16, c"H"),
    ("int16", INT, 16, c"h"),
    ("uint32", UINT, 32, c"I"),
    ("int32", INT, 32, c"i"),
    ("uint64", UINT, 64, c"Q"),
    ("int64", INT, 64, c"q"),
    ("float16", FLOAT, 16, c"e"),
    ("float32", FLOAT, 32, c"f"),
    ("float64", FLOAT, 64, c"d"),
    ("complex64", COMPLEX, 64, c"Zf"),
    ("complex128", COMPLEX, 128, c"Zd"),
    ("bool", BOOL, 8, c"?"),
    ("bfloat16", BFLOAT, 16, c"H"),
    ("float", FLOAT, 64, c"d"),
];

/// The frame of that element type and shape.
pub(crate) fn describe(dtype: &Bound<'_, PyAny>, shape: &[u64]) -> PyResult<Frame> {
    let name = name_of(dtype)?;
    let found = ELEMENTS.iter().find(|(known, ..)| *known == name);
    let Some(&(_, kind, bits, _)) = found else {
        let known: Vec<_> = ELEMENTS[..15].iter().map(|(name, ..)| *name).collect();
        return Err(PyValueError::new_err(format!(
            "dtype must be one of {}, not {name:?}",
            known.join(", ")
        )));
    };
    if shape.len() > 8 {
        return Err(PyValueError::new_err(format!("a shape has up to 8 dimensions, not {}", shape.len())));
    }
    let mut frame = Frame { kind, bits, dimensions: shape.len() as u8, shape: [0; 8] };
    frame.shape[..shape.len()].copy_from_slice(shape);
    bytes(&frame).map(|_| frame).ok_or_else(|| PyValueError::new_err(format!("shape {shape:?} is too large")))
}

/// `"uint8"`, `numpy.uint8` and `numpy.dtype("uint8")` all name `uint8`.
fn name_of(dtype: &Bound<'_, PyAny>) -> PyResult<String> {
    let py = dtype.py();
    if let Ok(name) = dtype.extract::<String>() {
        return Ok(name);
    }
    if let Some(native) = dtype.getattr_opt(intern!(py, "isnative"))?
        && !native.is_truthy()?
    {
        return Err(PyValueError::new_err(format!(
            "dtype must be in this machine's byte order, not {dtype}"
        )));
    }
    let name = dtype.getattr(intern!(py, "name")).or_else(|_| dtype.getattr(intern!(py, "__name__")))?;
    name.extract()
}

/// The name of the element type, if it has one here.
pub(crate) fn name(frame: &Frame) -> Option<&'static str> {
    element(frame).map(|(name, ..)| name)
}

fn element(frame: &Frame) -> Option<(&'static str, u8, u16, &'static CStr)> {
    ELEMENTS.into_iter().find(|(_, kind, bits, _)| (*kind, *bits) == (frame.kind, frame.bits))
}

/// Its extents.
pub(crate) fn shape(frame: &Frame) -> &[u64] {
    &frame.shape[..usize::from(frame.dimensions).min(frame.shape.len())]
}

/// Bytes of a frame, if that is a number.
pub(crate) fn bytes(frame: &Frame) -> Option<usize> {
    let item = u64::from(frame.bits / 8);
    let total = shape(frame).iter().try_fold(item, |bytes, extent| bytes.checked_mul(*extent))?;
    isize::try_from(total).ok().map(isize::cast_unsigned)
}

/// A payload as an array: what a buffer or a `DLPack` tensor says of it.
#[derive(Debug)]
pub(crate) struct Form {
    pub(crate) kind: u8,
    pub(crate) bits: u16,
    pub(crate) format: &'static CStr,
    pub(crate) shape: Box<[isize]>,
    /// In bytes, C-contiguous.
    pub(crate) strides: Box<[isize]>,
}

impl Form {
    /// A payload of `len` bytes: the ring's frame if it has that many, else plain bytes.
    pub(crate) fn of(frame: Option<&Frame>, len: usize) -> Self {
        if let Some(frame) = frame
            && let Some((_, kind, bits, format)) = element(frame)
            && bytes(frame) == Some(len)
        {
            let shape: Box<[isize]> =
                shape(frame).iter().map(|extent| extent.cast_signed() as isize).collect();
            return Form { kind, bits, format, strides: contiguous(&shape, bits), shape };
        }
        let shape: Box<[isize]> = [len.cast_signed()].into();
        Form { kind: UINT, bits: 8, format: c"B", strides: contiguous(&shape, 8), shape }
    }

    pub(crate) fn item_bytes(&self) -> isize {
        (self.bits / 8).cast_signed().into()
    }
}

fn contiguous(shape: &[isize], bits: u16) -> Box<[isize]> {
    let mut strides = vec![0; shape.len()].into_boxed_slice();
    let mut stride: isize = (bits / 8).cast_signed().into();
    for (at, extent) in shape.iter().enumerate().rev() {
        strides[at] = stride;
        stride = stride.saturating_mul(*extent);
    }
    strides
}

/// Kind and bits of the elements, if a buffer's format says one number in this machine's byte order.
fn of_format(format: &CStr) -> Option<(u8, u16)> {
    let foreign: &[u8] = if cfg!(target_endian = "little") { b">!" } else { b"<" };
    let (order, letters) = match format.to_bytes() {
        [order @ (b'@' | b'=' | b'<' | b'>' | b'!'), letters @ ..] => (Some(order), letters),
        letters => (None, letters),
    };
    if order.is_some_and(|order| foreign.contains(order)) {
        return None;
    }
    let (kind, bytes) = match ElementType::from_format(format) {
        ElementType::SignedInteger { bytes } => (INT, bytes),
        ElementType::UnsignedInteger { bytes } => (UINT, bytes),
        ElementType::Float { bytes } => (FLOAT, bytes),
        ElementType::Bool => (BOOL, 1),
        ElementType::Unknown => match letters {
            b"Zf" => (COMPLEX, 8),
            b"Zd" => (COMPLEX, 16),
            _ => return None,
        },
    };
    Some((kind, bytes as u16 * 8))
}

/// Refuses what is no frame of the ring: of another size; or an array of another shape or element type.
pub(crate) fn check(py: Python<'_>, frame: &Frame, source: &Source<'_, '_>) -> PyResult<()> {
    let wanted = || format!("{:?} of {}", shape(frame), name(frame).unwrap_or("unknown elements"));
    if bytes(frame) != Some(source.bytes().len()) {
        return Err(errors::frame_mismatch(py, wanted(), format!("{} bytes", source.bytes().len())));
    }
    let Some(buffer) = source.buffer() else { return Ok(()) };
    let (found, item) = (buffer.shape(), buffer.item_bytes());
    let format = buffer.format();
    let element = format.map(of_format);
    if item == 1 && found.len() == 1 && matches!(element, None | Some(Some((UINT, 8)))) {
        return Ok(()); // Plain bytes, of the right number.
    }
    let fits = match element {
        Some(element) => {
            let kind = if frame.kind == BFLOAT { UINT } else { frame.kind };
            element == Some((kind, frame.bits))
        }
        None => true, // What numpy has no format for, such as dates: of the right size.
    };
    if fits && item * 8 == usize::from(frame.bits) && found == shape(frame) {
        return Ok(());
    }
    let of = format.map_or_else(|| "unknown elements".into(), |format| format!("format {format:?}"));
    let found = format!("{found:?} of {of}, {item} bytes each");
    Err(errors::frame_mismatch(py, wanted(), found))
}
