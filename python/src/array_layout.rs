//! Element types and shapes: Python's names, buffer formats, and the frames of a ring's header.

use crate::buffer_import::ImportedBytes;
use crate::errors;
use pyo3::buffer::ElementType;
use pyo3::exceptions::{PyImportError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyTuple};
use seqring::Frame;
use std::ffi::CStr;
use std::fmt::Display;

/// `DLDataTypeCode`s. Those of the 8-bit floating-point types are in [`ELEMENTS`].
const INT: u8 = 0;
const UINT: u8 = 1;
const FLOAT: u8 = 2;
const BFLOAT: u8 = 4;
const COMPLEX: u8 = 5;
const BOOL: u8 = 6;

/// Name, code, bits, and buffer format. Element types of `ml_dtypes` have no format.
type Element = (&'static str, u8, u16, Option<&'static CStr>);

const ELEMENTS: [Element; 23] = [
    ("uint8", UINT, 8, Some(c"B")),
    ("int8", INT, 8, Some(c"b")),
    ("uint16", UINT, 16, Some(c"H")),
    ("int16", INT, 16, Some(c"h")),
    ("uint32", UINT, 32, Some(c"I")),
    ("int32", INT, 32, Some(c"i")),
    ("uint64", UINT, 64, Some(c"Q")),
    ("int64", INT, 64, Some(c"q")),
    ("float16", FLOAT, 16, Some(c"e")),
    ("float32", FLOAT, 32, Some(c"f")),
    ("float64", FLOAT, 64, Some(c"d")),
    ("complex64", COMPLEX, 64, Some(c"Zf")),
    ("complex128", COMPLEX, 128, Some(c"Zd")),
    ("bool", BOOL, 8, Some(c"?")),
    ("bfloat16", BFLOAT, 16, None),
    ("float8_e3m4", 7, 8, None),
    ("float8_e4m3", 8, 8, None),
    ("float8_e4m3b11fnuz", 9, 8, None),
    ("float8_e4m3fn", 10, 8, None),
    ("float8_e4m3fnuz", 11, 8, None),
    ("float8_e5m2", 12, 8, None),
    ("float8_e5m2fnuz", 13, 8, None),
    ("float8_e8m0fnu", 14, 8, None),
];

fn known(name: &str) -> Option<&'static Element> {
    ELEMENTS.iter().find(|(known, ..)| *known == name)
}

/// The frame of that element type and shape.
pub(crate) fn frame_of(dtype: &Bound<'_, PyAny>, shape: &[u64]) -> PyResult<Frame> {
    let name = dtype_name(dtype)?;
    let Some(&(_, kind, bits, _)) = known(&name) else {
        let known = ELEMENTS.map(|(name, ..)| name).join(", ");
        let mut text = format!("dtype must be one of {known}, not {name:?}");
        if name.starts_with("void") {
            text += "; for structures use dtype=\"uint8\", a last extent of dtype.itemsize, and array.view(dtype)";
        }
        return Err(PyValueError::new_err(text));
    };
    if shape.len() > 8 {
        return Err(PyValueError::new_err(format!("a shape has up to 8 dimensions, not {}", shape.len())));
    }
    let mut frame = Frame { kind, bits, dimensions: shape.len() as u8, shape: [0; 8] };
    frame.shape[..shape.len()].copy_from_slice(shape);
    bytes(&frame)
        .map(|_| frame)
        .ok_or_else(|| PyValueError::new_err(format!("shape {} is too large", tuple(shape))))
}

/// The name of an element type: a name, `torch.uint8`, or what numpy understands.
fn dtype_name(dtype: &Bound<'_, PyAny>) -> PyResult<String> {
    let text = dtype.str()?.to_string();
    let name = text.strip_prefix("torch.").unwrap_or(&text);
    if known(name).is_some() {
        return Ok(name.into()); // Needs no numpy.
    }
    let Ok(numpy) = dtype.py().import("numpy") else { return Ok(text) };
    // numpy knows the names of `ml_dtypes` only once that is imported.
    let Ok(dtype) = numpy.getattr("dtype")?.call1((dtype,)) else { return Ok(text) };
    if !dtype.getattr("isnative")?.is_truthy()? {
        let text = format!("dtype must be in this machine's byte order, not {text}");
        return Err(PyValueError::new_err(text));
    }
    dtype.getattr(intern!(dtype.py(), "name"))?.extract()
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

/// A frame in a text.
pub(crate) fn text(frame: &Frame) -> String {
    format!("{} of {}", tuple(shape(frame)), element_name(frame).unwrap_or("unknown elements"))
}

/// Extents as Python writes them.
fn tuple(extents: &[impl Display]) -> String {
    let extents = extents.iter().map(ToString::to_string).collect::<Vec<_>>();
    if let [one] = &*extents { format!("({one},)") } else { format!("({})", extents.join(", ")) }
}

/// A payload as an array: what a buffer or a `DLPack` tensor says of it.
#[derive(Debug)]
pub(crate) struct ArrayLayout {
    name: &'static str,
    pub(crate) kind: u8,
    pub(crate) bits: u16,
    pub(crate) format: Option<&'static CStr>,
    pub(crate) nbytes: isize,
    pub(crate) shape: Box<[isize]>,
    /// In bytes, C-contiguous.
    pub(crate) strides: Box<[isize]>,
}

impl ArrayLayout {
    /// A payload of `len` bytes: the ring's frame if it has that many, else plain bytes.
    pub(crate) fn of(frame: Option<&Frame>, len: usize) -> Self {
        let known = frame.filter(|frame| bytes(frame) == Some(len));
        let known = known.and_then(|frame| Some((element(frame)?, shape(frame))));
        let shape = known.map_or_else(
            || [len.cast_signed()].into(),
            |(_, shape)| shape.iter().map(|extent| extent.cast_signed() as isize).collect::<Box<[isize]>>(),
        );
        let (name, kind, bits, format) = known.map_or(ELEMENTS[0], |(element, _)| element);
        let mut strides = vec![0; shape.len()].into_boxed_slice();
        let mut stride: isize = (bits / 8).cast_signed().into();
        for (at, extent) in shape.iter().enumerate().rev() {
            strides[at] = stride;
            stride = stride.saturating_mul(*extent);
        }
        ArrayLayout { name, kind, bits, format, nbytes: len.cast_signed(), shape, strides }
    }

    pub(crate) fn item_bytes(&self) -> isize {
        (self.bits / 8).cast_signed().into()
    }

    /// numpy's function for an array over a buffer, and the element type as numpy knows it.
    pub(crate) fn numpy<'py>(&self, py: Python<'py>) -> PyResult<(&Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        static FROMBUFFER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let missing = |package| {
            let name = self.name;
            let text =
                format!("arrays of {name} need {package}: install it, or receive bytes (as_bytes=True)");
            move |_| PyImportError::new_err(text)
        };
        let dtype = match self.format {
            Some(_) => PyString::intern(py, self.name).into_any(),
            None => py.import("ml_dtypes").map_err(missing("ml_dtypes"))?.getattr(self.name)?,
        };
        Ok((FROMBUFFER.import(py, "numpy", "frombuffer").map_err(missing("numpy"))?, dtype))
    }

    /// A numpy array over `memory`, an object with a buffer.
    pub(crate) fn array<'py>(&self, memory: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = memory.py();
        let (frombuffer, dtype) = self.numpy(py)?;
        let flat = frombuffer.call1((memory, dtype))?;
        if self.is_plain() {
            return Ok(flat);
        }
        flat.call_method1(intern!(py, "reshape"), (PyTuple::new(py, self.shape.iter())?,))
    }

    /// One row of bytes.
    pub(crate) fn is_plain(&self) -> bool {
        (self.kind, self.bits, self.shape.len()) == (UINT, 8, 1)
    }

    /// The shape as Python writes it.
    pub(crate) fn shape_text(&self) -> String {
        tuple(&self.shape)
    }

    /// The name of the element type.
    pub(crate) fn name(&self) -> &'static str {
        self.name
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
pub(crate) fn check(object: &Bound<'_, PyAny>, frame: &Frame, data: &ImportedBytes<'_, '_>) -> PyResult<()> {
    let mismatch = |found: String| Err(errors::frame_mismatch(object.py(), "data", text(frame), found));
    let fits = bytes(frame) == Some(data.bytes().len());
    let Some(buffer) = data.buffer() else {
        return if fits { Ok(()) } else { mismatch(format!("{} bytes", data.bytes().len())) };
    };
    let (found, item, format) = (buffer.shape(), buffer.item_bytes(), buffer.format());
    let element = format.map(element_of_format);
    if fits && item == 1 && found.len() == 1 && matches!(element, None | Some(Some((UINT, 8)))) {
        return Ok(()); // Plain bytes, of the right number.
    }
    let is_same_element = match element {
        Some(element) => element == Some((frame.kind, frame.bits)),
        None => is_same_type(object, frame)?,
    };
    if is_same_element && item * 8 == usize::from(frame.bits) && found == shape(frame) {
        return Ok(());
    }
    let name = element
        .flatten()
        .and_then(|element| element_name(&Frame { kind: element.0, bits: element.1, ..*frame }));
    let of = match (name, format) {
        (Some(name), _) => name.into(),
        (None, Some(format)) => format!("format {format:?}, {item} bytes each"),
        (None, None) => element_of_array(object)?.map_or_else(|| "unknown elements".into(), |(_, name)| name),
    };
    mismatch(format!("{} of {of}", tuple(&found)))
}

/// Kind and name of the elements of a numpy array, a view or a claim.
fn element_of_array(object: &Bound<'_, PyAny>) -> PyResult<Option<(String, String)>> {
    let py = object.py();
    let Some(dtype) = object.getattr_opt(intern!(py, "dtype"))? else { return Ok(None) };
    if let Ok(name) = dtype.extract::<String>() {
        return Ok(Some((String::new(), name))); // A view or claim.
    }
    let kind = dtype.getattr(intern!(py, "kind"))?.extract()?;
    Ok(Some((kind, dtype.getattr(intern!(py, "name"))?.extract()?)))
}

/// Whether the elements of an array without a format are those of the frame. Dates and times are
/// integers.
fn is_same_type(object: &Bound<'_, PyAny>, frame: &Frame) -> PyResult<bool> {
    Ok(match element_of_array(object)? {
        Some((kind, _)) if kind == "M" || kind == "m" => frame.kind == INT,
        Some((_, name)) => Some(&*name) == element_name(frame),
        None => true, // Only the size of an element is known.
    })
}
