//! Element types and shapes: Python's names, buffer formats, and the frames of a ring's header.

use crate::buffer_import::ImportedBytes;
use crate::errors;
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

/// Name, code, bits, and buffer format.
type Element = (&'static str, u8, u16, &'static CStr);

/// A bfloat16 has no format: its buffers show 16-bit words. The last entry is an alias.
const ELEMENTS: [Element; 16] = [
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
pub(crate) fn frame_of(dtype: &Bound<'_, PyAny>, shape: &[u64]) -> PyResult<Frame> {
    let name = dtype_name(dtype)?;
    let Some(&(_, kind, bits, _)) = ELEMENTS.iter().find(|(known, ..)| *known == name) else {
        let known = ELEMENTS[..15].iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ");
        return Err(PyValueError::new_err(format!("dtype must be one of {known}, not {name:?}")));
    };
    if shape.len() > 8 {
        return Err(PyValueError::new_err(format!("a shape has up to 8 dimensions, not {}", shape.len())));
    }
    let mut frame = Frame { kind, bits, dimensions: shape.len() as u8, shape: [0; 8] };
    frame.shape[..shape.len()].copy_from_slice(shape);
    bytes(&frame).map(|_| frame).ok_or_else(|| PyValueError::new_err(format!("shape {shape:?} is too large")))
}

/// `"uint8"`, `numpy.uint8` and `numpy.dtype("uint8")` all name `uint8`.
fn dtype_name(dtype: &Bound<'_, PyAny>) -> PyResult<String> {
    let py = dtype.py();
    if let Ok(name) = dtype.extract::<String>() {
        return Ok(name);
    }
    if let Some(native) = dtype.getattr_opt(intern!(py, "isnative"))?
        && !native.is_truthy()?
    {
        let text = format!("dtype must be in this machine's byte order, not {dtype}");
        return Err(PyValueError::new_err(text));
    }
    dtype.getattr(intern!(py, "name")).or_else(|_| dtype.getattr(intern!(py, "__name__")))?.extract()
}

/// The name of the element type, if Python has one.
pub(crate) fn element_name(frame: &Frame) -> Option<&'static str> {
    element(frame).map(|(name, ..)| name)
}

fn element(frame: &Frame) -> Option<Element> {
    ELEMENTS.into_iter().find(|(_, kind, bits, _)| (*kind, *bits) == (frame.kind, frame.bits))
}

/// The frame's extents.
pub(crate) fn shape(frame: &Frame) -> &[u64] {
    &frame.shape[..usize::from(frame.dimensions).min(frame.shape.len())]
}

/// Size of a frame, if it can be represented.
pub(crate) fn bytes(frame: &Frame) -> Option<usize> {
    let item = u64::from(frame.bits / 8);
    let total = shape(frame).iter().try_fold(item, |bytes, extent| bytes.checked_mul(*extent))?;
    isize::try_from(total).ok().map(isize::cast_unsigned)
}

/// A frame in an error text.
pub(crate) fn text(frame: &Frame) -> String {
    format!("{:?} of {}", shape(frame), element_name(frame).unwrap_or("unknown elements"))
}

/// A payload as an array: what a buffer or a `DLPack` tensor says of it.
#[derive(Debug)]
pub(crate) struct ArrayLayout {
    pub(crate) kind: u8,
    pub(crate) bits: u16,
    pub(crate) format: &'static CStr,
    pub(crate) nbytes: isize,
    pub(crate) shape: Box<[isize]>,
    /// In bytes, C-contiguous.
    pub(crate) strides: Box<[isize]>,
}

impl ArrayLayout {
    /// A payload of `len` bytes: the ring's frame if it has that many, else plain bytes.
    pub(crate) fn of(frame: Option<&Frame>, len: usize) -> Self {
        let known = frame.filter(|frame| bytes(frame) == Some(len));
        let (kind, bits, format, shape): (_, _, _, Box<[isize]>) =
            match known.and_then(|frame| Some((element(frame)?, shape(frame)))) {
                Some(((_, kind, bits, format), shape)) => {
                    (kind, bits, format, shape.iter().map(|extent| extent.cast_signed() as isize).collect())
                }
                None => (UINT, 8, c"B", [len.cast_signed()].into()),
            };
        let mut strides = vec![0; shape.len()].into_boxed_slice();
        let mut stride: isize = (bits / 8).cast_signed().into();
        for (at, extent) in shape.iter().enumerate().rev() {
            strides[at] = stride;
            stride = stride.saturating_mul(*extent);
        }
        ArrayLayout { kind, bits, format, nbytes: len.cast_signed(), shape, strides }
    }

    pub(crate) fn item_bytes(&self) -> isize {
        (self.bits / 8).cast_signed().into()
    }
}

/// Kind and bits of the elements, if a buffer's format is one number in this machine's byte order.
fn element_of_format(format: &CStr) -> Option<(u8, u16)> {
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
        ElementType::Unknown if letters == b"Zf" => (COMPLEX, 8),
        ElementType::Unknown if letters == b"Zd" => (COMPLEX, 16),
        ElementType::Unknown => return None,
    };
    Some((kind, bytes as u16 * 8))
}

/// Refuses data of another size than the ring's frame, and arrays of another shape or element type.
pub(crate) fn check(py: Python<'_>, frame: &Frame, data: &ImportedBytes<'_, '_>) -> PyResult<()> {
    let mismatch = |found: String| Err(errors::frame_mismatch(py, text(frame), found));
    if bytes(frame) != Some(data.bytes().len()) {
        return mismatch(format!("{} bytes", data.bytes().len()));
    }
    let Some(buffer) = data.buffer() else { return Ok(()) };
    let (found, item, format) = (buffer.shape(), buffer.item_bytes(), buffer.format());
    let element = format.map(element_of_format);
    if item == 1 && found.len() == 1 && matches!(element, None | Some(Some((UINT, 8)))) {
        return Ok(()); // Plain bytes, of the right number.
    }
    // Without a format, as for numpy's dates, only the size of an element can be compared.
    let kind = if frame.kind == BFLOAT { UINT } else { frame.kind };
    let is_same_element = element.is_none_or(|element| element == Some((kind, frame.bits)));
    if is_same_element && item * 8 == usize::from(frame.bits) && found == shape(frame) {
        return Ok(());
    }
    let of = format.map_or_else(|| "unknown elements".into(), |format| format!("format {format:?}"));
    mismatch(format!("{found:?} of {of}, {item} bytes each"))
}
