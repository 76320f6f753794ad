//! A view as a `DLPack` tensor: <https://dmlc.github.io/dlpack/latest/>.
#![allow(unsafe_code, reason = "a C structure that another library deletes")]

use crate::view::View;
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyByteArray;
use std::ffi::{CStr, c_void};

/// `(kDLCPU, 0)`.
pub(crate) const CPU: (i32, i32) = (1, 0);
const NAME: &CStr = c"dltensor_versioned";
const READ_ONLY: u64 = 1;
const IS_COPIED: u64 = 2;

#[repr(C)]
struct Tensor {
    data: *mut c_void,
    device: (i32, i32),
    dimensions: i32,
    kind: u8,
    bits: u8,
    lanes: u16,
    shape: *mut i64,
    strides: *mut i64,
    byte_offset: u64,
}

#[repr(C)]
struct Managed {
    version: (u32, u32),
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Managed)>,
    flags: u64,
    tensor: Tensor,
}

/// The referents of a tensor's pointers; dropped by its deleter.
struct Context {
    memory: Memory,
    shape: Vec<i64>,
    strides: Vec<i64>,
}

enum Memory {
    OfView(Py<View>),
    Copied { _bytes: Py<PyByteArray> },
}

/// A capsule with a tensor. Its consumer keeps the view, or the copy, until it deletes the tensor.
pub(crate) fn capsule(
    view: Bound<'_, View>,
    max_version: Option<(u32, u32)>,
    copy: bool,
) -> PyResult<Bound<'_, PyAny>> {
    if max_version.is_none_or(|(major, _)| major < 1) {
        return Err(PyBufferError::new_err(
            "a view is read-only, which DLPack expresses from version 1.0 on; use the buffer protocol, or copy",
        ));
    }
    let py = view.py();
    let layout = &view.get().layout;
    let (start, memory) = if copy {
        let bytes = PyByteArray::from(view.as_any().call_method0(intern!(py, "tobytes"))?.as_any())?;
        (bytes.data(), Memory::Copied { _bytes: bytes.unbind() })
    } else {
        (view.get().export(py)?, Memory::OfView(view.clone().unbind()))
    };
    let item = layout.item_bytes();
    let context = Box::new(Context {
        shape: layout.shape.iter().map(|extent| *extent as i64).collect(),
        strides: layout.strides.iter().map(|stride| (*stride / item) as i64).collect(),
        memory,
    });
    let managed = Box::new(Managed {
        version: (1, 0),
        deleter: Some(delete),
        flags: if copy { IS_COPIED } else { READ_ONLY },
        tensor: Tensor {
            data: start.cast(),
            device: CPU,
            dimensions: context.shape.len().cast_signed() as i32,
            kind: layout.kind,
            bits: layout.bits as u8,
            lanes: 1,
            shape: context.shape.as_ptr().cast_mut(),
            strides: context.strides.as_ptr().cast_mut(),
            byte_offset: 0,
        },
        context: Box::into_raw(context).cast(),
    });
    let managed = Box::into_raw(managed);
    // SAFETY: the capsule owns `managed`, under the standard name, until a consumer renames it.
    unsafe {
        let capsule = ffi::PyCapsule_New(managed.cast(), NAME.as_ptr(), Some(delete_unused));
        Bound::from_owned_ptr_or_err(py, capsule).inspect_err(|_| delete(managed))
    }
}

/// # Safety
/// `managed` comes from [`capsule`], and is deleted once.
unsafe extern "C" fn delete(managed: *mut Managed) {
    // SAFETY: both were made by `Box::into_raw`, and the consumer has returned them.
    let context = unsafe {
        let managed = Box::from_raw(managed);
        Box::from_raw(managed.context.cast::<Context>())
    };
    // A consumer may delete from any thread, also after the interpreter has ended.
    Python::try_attach(|py| {
        if let Memory::OfView(view) = &context.memory {
            view.bind(py).get().unexport();
        }
    });
}

/// The destructor of a capsule: deletes the tensor, unless a consumer has renamed the capsule.
///
/// # Safety
/// Called by the interpreter.
unsafe extern "C" fn delete_unused(capsule: *mut ffi::PyObject) {
    // SAFETY: it is a capsule; under that name it holds a `Managed` from `capsule`.
    unsafe {
        if ffi::PyCapsule_IsValid(capsule, NAME.as_ptr()) == 1 {
            delete(ffi::PyCapsule_GetPointer(capsule, NAME.as_ptr()).cast());
        }
    }
}

const _: () = assert!(size_of::<Tensor>() == 48 && size_of::<Managed>() == 80);
