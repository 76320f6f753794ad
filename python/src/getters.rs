//! A macro for properties of Python classes.

/// Getters of a class that has a method `with(py, |value| …)`.
macro_rules! getters {
    (
        $class:ident;
        $($(#[$doc:meta])* $name:ident: $type:ty = |$value:ident| $result:expr;)*
    ) => {
        #[pyo3::pymethods]
        impl $class {$(
            $(#[$doc])*
            #[getter]
            fn $name(&self, py: pyo3::Python<'_>) -> pyo3::PyResult<$type> {
                self.with(py, |$value| $result)
            }
        )*}
    };
}

pub(crate) use getters;
