//! A macro for the end of an endpoint that no open view defers.

/// The methods by which a class with a `cell` and the text `ring` is closed, and its `repr`.
macro_rules! closing_methods {
    ($class:ident) => {
        #[pyo3::pymethods]
        impl $class {
            /// Whether this object is closed.
            #[getter]
            fn closed(&self) -> bool {
                self.cell.is_closed()
            }

            /// Leaves the ring. A call that waits in another thread raises `ValueError` within 0.1
            /// s.
            fn close(&self, py: pyo3::Python<'_>) -> pyo3::PyResult<()> {
                self.cell.close(py)
            }

            fn __enter__(slf: pyo3::Bound<'_, Self>) -> pyo3::Bound<'_, Self> {
                slf
            }

            #[pyo3(signature = (*_error))]
            fn __exit__(
                &self,
                py: pyo3::Python<'_>,
                _error: &pyo3::Bound<'_, pyo3::types::PyTuple>,
            ) -> pyo3::PyResult<()> {
                self.close(py)
            }

            fn _forget(&self) {
                self.cell.forget();
            }

            fn __repr__(&self) -> String {
                let state = if self.cell.is_closed() { "closed" } else { "open" };
                format!(concat!("<seqring.", stringify!($class), " of {}: {}>"), self.ring, state)
            }
        }
    };
}

pub(crate) use closing_methods;
